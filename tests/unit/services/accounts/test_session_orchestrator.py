"""Accounts and tokens: validation, login, failover of idempotent calls, the typed absence of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import anyio
import pytest

from tests.support.fake_broker import FakeClient, FakeStoredToken, FakeTokens
from tickertui.kite.errors import (
    AuthExpired,
    BrokerTimeout,
    BrokerUnavailable,
    InvalidRequest,
    KiteError,
    PermissionDenied,
    RateLimited,
)
from tickertui.kite.secrets import Secret
from tickertui.market.clock import IST, ManualClock
from tickertui.services.accounts.broker import BrokerClient
from tickertui.services.accounts.session_orchestrator import (
    AccountConfig,
    MissingApiSecret,
    NoAccounts,
    SessionOrchestrator,
)
from tickertui.services.accounts.status import AccountState
from tickertui.services.supervision.events import EventLog, Severity

START = datetime(2026, 11, 23, 10, 0, tzinfo=IST)


class Desk:
    """An orchestrator over fake clients, with a token of this morning for the accounts named."""

    def __init__(
        self, *accounts: str, logged_in: tuple[str, ...] | None = None, configs: Sequence[AccountConfig] = ()
    ) -> None:
        self.clock = ManualClock(START)
        self.events = EventLog(self.clock)
        self.tokens = FakeTokens()
        for account in accounts if logged_in is None else logged_in:
            self.tokens.save(account, Secret(f"morning-{account}"), f"USER-{account}", START - timedelta(hours=2))
        self.clients: dict[str, FakeClient] = {}
        self.changed: list[str] = []
        self.orchestrator = SessionOrchestrator(
            [AccountConfig(account, f"key{account}", Secret(f"secret-{account}")) for account in accounts] + [*configs],
            client_factory=self.make_client,
            token_store=self.tokens,
            clock=self.clock,
            events=self.events,
        )
        self.orchestrator.listen(self.changed.append)

    def make_client(self, config: AccountConfig, token: Secret | None) -> FakeClient:
        return self.clients.setdefault(config.account_id, FakeClient(config.account_id, token))

    def client(self, account: str) -> FakeClient:
        self.orchestrator.client(account)
        return self.clients[account]


async def opened(*accounts: str, logged_in: tuple[str, ...] | None = None) -> Desk:
    desk = Desk(*accounts, logged_in=logged_in)
    await desk.orchestrator.open()
    return desk


async def who(client: BrokerClient) -> str:
    return (await client.profile()).user_id


async def test_tokens_of_the_day_are_taken_and_their_flush_is_known() -> None:
    desk = await opened("Z1", "Z2", logged_in=("Z1",))
    orchestrator = desk.orchestrator
    assert orchestrator.list_accounts() == ("Z1", "Z2")
    assert orchestrator.usable_accounts() == ("Z1",)
    assert orchestrator.state("Z1") is AccountState.STARTING
    assert orchestrator.state("Z2") is AccountState.AUTH_EXPIRED
    assert "login needed" in orchestrator.detail("Z2")
    assert orchestrator.token_expires("Z1") == datetime(2026, 11, 24, 6, 0, tzinfo=IST)
    assert orchestrator.token_expires("Z2") is None
    token = orchestrator.token("Z1")
    assert token is not None
    assert token.reveal() == "morning-Z1"
    assert orchestrator.token("Z2") is None
    assert orchestrator.token("nobody") is None
    assert not desk.clients, "nothing was asked of the broker"
    assert [event.text for event in desk.events.since()] == ["Z2 needs a login: no token of today"]


async def test_a_kept_token_that_cannot_be_read_asks_for_a_login_and_says_why() -> None:
    desk = Desk("Z1", "Z2", logged_in=("Z2",))
    desk.tokens.unreadable["Z1"] = "tokens/Z1.json is damaged"
    await desk.orchestrator.open()
    assert desk.orchestrator.usable_accounts() == ("Z2",)
    assert desk.orchestrator.state("Z1") is AccountState.AUTH_EXPIRED
    assert [event.text for event in desk.events.since()] == ["Z1 needs a login: tokens/Z1.json is damaged"]


async def test_a_token_that_cannot_be_kept_still_serves_this_run() -> None:
    desk = await opened("Z1", logged_in=())
    desk.tokens.full = "the disk is full"
    await desk.orchestrator.login("Z1", Secret("once-only"))
    assert desk.orchestrator.state("Z1") is AccountState.READY
    assert desk.orchestrator.token("Z1") is not None
    assert desk.events.since()[-1].text == "Z1 must log in again after a restart: the disk is full"


async def test_a_token_got_before_six_dies_the_same_morning() -> None:
    desk = Desk("Z1", logged_in=())
    desk.tokens.tokens["Z1"] = FakeStoredToken(Secret("night"), "U", datetime(2026, 11, 23, 1, 0, tzinfo=IST))
    await desk.orchestrator.open()
    assert desk.orchestrator.token_expires("Z1") == datetime(2026, 11, 23, 6, 0, tzinfo=IST)


async def test_a_token_of_the_configuration_goes_before_the_stored_one() -> None:
    config = AccountConfig("Z1", "key", None, Secret("from-environment"))
    desk = Desk(configs=[config])
    desk.tokens.save("Z1", Secret("morning-Z1"), "USER-Z1", START - timedelta(hours=2))
    await desk.orchestrator.open()
    token = desk.orchestrator.token("Z1")
    assert token is not None
    assert token.reveal() == "from-environment"
    assert "from-environment" not in repr(config)
    assert "key" not in repr(config).replace("api_key", "")


async def test_validation_asks_for_the_profile_and_believes_only_the_broker() -> None:
    desk = await opened("Z1")
    assert await desk.orchestrator.validate("Z1") is AccountState.READY
    assert desk.client("Z1").calls == ["profile"]
    assert desk.orchestrator.user_id("Z1") == "USER-Z1"
    desk.client("Z1").failure = BrokerUnavailable("down", account="Z1")
    assert await desk.orchestrator.validate("Z1") is AccountState.READY
    desk.client("Z1").failure = AuthExpired("Token is invalid", account="Z1")
    assert await desk.orchestrator.validate("Z1") is AccountState.AUTH_EXPIRED
    assert desk.orchestrator.token("Z1") is None
    assert desk.changed == ["Z1"]
    assert await desk.orchestrator.validate("Z1") is AccountState.AUTH_EXPIRED
    assert desk.client("Z1").calls == ["profile"] * 3, "a dead token is not tried again"


@pytest.mark.parametrize(
    "answer, state",
    [
        (None, AccountState.FAILED),
        (AuthExpired("dead"), AccountState.AUTH_EXPIRED),
        (BrokerTimeout("slow"), AccountState.STARTING),
    ],
)
async def test_a_refused_stream_is_a_dead_session_or_a_missing_plan(
    answer: KiteError | None, state: AccountState
) -> None:
    desk = await opened("Z1")
    desk.client("Z1").failure = answer
    assert await desk.orchestrator.investigate_refusal("Z1") is state
    assert desk.orchestrator.detail("Z1")
    if state is AccountState.FAILED:
        assert "market-data plan" in desk.orchestrator.detail("Z1")
        assert desk.orchestrator.usable_accounts() == ()
    if state is not AccountState.STARTING:
        assert desk.events.since()[-1].severity is Severity.ERROR
        assert desk.events.since()[-1].account == "Z1"


async def test_a_refusal_without_a_token_needs_a_login() -> None:
    desk = await opened("Z1", logged_in=())
    assert await desk.orchestrator.investigate_refusal("Z1") is AccountState.AUTH_EXPIRED
    assert "Z1" not in desk.clients


async def test_an_answer_about_the_old_token_does_not_condemn_the_new_one() -> None:
    desk = await opened("Z1")

    class SlowlyRefused(FakeClient):
        async def profile(self) -> None:  # type: ignore[override]
            desk.orchestrator.set_token("Z1", Secret("new"))
            raise AuthExpired("dead")

    desk.clients["Z1"] = SlowlyRefused("Z1")
    assert await desk.orchestrator.investigate_refusal("Z1") is AccountState.READY
    assert await desk.orchestrator.validate("Z1") is AccountState.READY
    with pytest.raises(AuthExpired):
        await desk.orchestrator.call(who)
    assert desk.orchestrator.state("Z1") is AccountState.READY


async def test_a_login_is_kept_and_reaches_the_client_and_the_listeners() -> None:
    desk = await opened("Z1", logged_in=())
    client = desk.client("Z1")
    await desk.orchestrator.login("Z1", Secret("request"))
    assert desk.orchestrator.state("Z1") is AccountState.READY
    assert desk.tokens.tokens["Z1"].token.reveal() == "token-of-request"
    assert client.token is not None
    assert client.token.reveal() == "token-of-request"
    assert desk.changed == ["Z1"]
    texts = " ".join(event.text for event in desk.events.since())
    assert "USER-Z1" in texts
    assert "token-of-request" not in texts


async def test_a_login_needs_the_api_secret() -> None:
    desk = Desk(configs=[AccountConfig("Z1", "key")])
    await desk.orchestrator.open()
    with pytest.raises(MissingApiSecret, match=r"secrets\.toml"):
        await desk.orchestrator.login("Z1", Secret("request"))


async def test_a_refused_login_changes_nothing() -> None:
    desk = await opened("Z1", logged_in=())
    desk.client("Z1").failure = InvalidRequest("checksum")
    with pytest.raises(InvalidRequest):
        await desk.orchestrator.login("Z1", Secret("request"))
    assert desk.orchestrator.state("Z1") is AccountState.AUTH_EXPIRED
    assert not desk.tokens.tokens


async def test_calls_go_round_the_accounts_and_the_preferred_one_comes_first() -> None:
    desk = await opened("Z1", "Z2", "Z3")
    assert [await desk.orchestrator.call(who) for _ in range(4)] == ["USER-Z1", "USER-Z2", "USER-Z3", "USER-Z1"]
    assert await desk.orchestrator.call(who, preferred="Z3") == "USER-Z3"
    assert desk.orchestrator.get_client_for_api_call("Z2") is desk.clients["Z2"]


@pytest.mark.parametrize("failure", [RateLimited("429"), BrokerUnavailable("503"), BrokerTimeout("slow")])
async def test_an_idempotent_call_fails_over_to_the_next_account(failure: KiteError) -> None:
    desk = await opened("Z1", "Z2")
    desk.client("Z1").failure = failure
    assert await desk.orchestrator.call(who, preferred="Z1") == "USER-Z2"
    assert desk.orchestrator.usable_accounts() == ("Z1", "Z2")


async def test_a_call_that_may_have_been_carried_out_is_not_sent_twice() -> None:
    desk = await opened("Z1", "Z2")
    desk.client("Z1").failure = BrokerTimeout("slow")
    with pytest.raises(BrokerTimeout):
        await desk.orchestrator.call(who, idempotent=False, preferred="Z1")
    desk.client("Z2")
    assert desk.clients["Z2"].calls == []
    desk.client("Z1").failure = RateLimited("429")
    assert await desk.orchestrator.call(who, idempotent=False, preferred="Z1") == "USER-Z2"


async def test_a_dead_token_found_by_a_call_is_a_state_and_the_next_account_answers() -> None:
    desk = await opened("Z1", "Z2")
    desk.client("Z1").failure = AuthExpired("dead")
    assert await desk.orchestrator.call(who, preferred="Z1") == "USER-Z2"
    assert desk.orchestrator.state("Z1") is AccountState.AUTH_EXPIRED
    assert desk.orchestrator.usable_accounts() == ("Z2",)
    assert desk.changed == ["Z1"]


async def test_the_last_answer_is_raised_when_all_accounts_failed() -> None:
    desk = await opened("Z1", "Z2")
    desk.client("Z1").failure = BrokerUnavailable("one")
    desk.client("Z2").failure = PermissionDenied("two")
    with pytest.raises(PermissionDenied):
        await desk.orchestrator.call(who, preferred="Z1")


async def test_a_wrong_request_is_not_tried_elsewhere() -> None:
    desk = await opened("Z1", "Z2")
    desk.client("Z1").failure = InvalidRequest("token")
    with pytest.raises(InvalidRequest):
        await desk.orchestrator.call(who, preferred="Z1")
    assert "Z2" not in desk.clients


async def test_no_accounts_is_a_typed_answer_that_says_what_to_do() -> None:
    empty = await opened()
    assert empty.orchestrator.list_accounts() == ()
    with pytest.raises(NoAccounts, match="config init"):
        await empty.orchestrator.call(who)
    with pytest.raises(NoAccounts, match="config init"):
        empty.orchestrator.get_client_for_api_call()
    expired = await opened("Z1", logged_in=())
    with pytest.raises(NoAccounts, match=r"Z1 \(login needed: no token of today\).*tickertui login"):
        await expired.orchestrator.call(who)
    with pytest.raises(NoAccounts, match="there is no account 'Z9'; configured: Z1"):
        expired.orchestrator.client("Z9")


async def test_the_flush_goes_by_indian_time_wherever_the_login_was_made() -> None:
    desk = await opened("Z1", logged_in=("Z1",))
    evening = datetime(2026, 11, 22, 18, 0, tzinfo=timezone(timedelta(hours=-8)))
    desk.orchestrator.set_token("Z1", Secret("evening"), evening)
    assert desk.orchestrator.token_expires("Z1") == datetime(2026, 11, 24, 6, 0, tzinfo=IST)


async def test_the_daily_flush_is_a_hint_that_makes_the_token_untried_once() -> None:
    desk = await opened("Z1")
    await desk.orchestrator.validate("Z1")
    assert desk.orchestrator.check_flush() == ()
    desk.clock.set(datetime(2026, 11, 24, 6, 0, tzinfo=IST))
    assert desk.orchestrator.check_flush() == ("Z1",)
    assert desk.orchestrator.state("Z1") is AccountState.STARTING
    assert await desk.orchestrator.validate("Z1") is AccountState.READY
    assert desk.orchestrator.check_flush() == ()


async def test_closing_closes_every_client_and_a_listener_can_leave() -> None:
    desk = await opened("Z1", "Z2")
    seen: list[str] = []
    leave = desk.orchestrator.listen(seen.append)
    leave()
    desk.orchestrator.set_token("Z1", Secret("new"))
    assert seen == []
    client = desk.client("Z1")
    await desk.orchestrator.aclose()
    assert client.closed
    with anyio.fail_after(1):
        await desk.orchestrator.aclose()


async def test_an_accepted_stream_ends_what_was_held_against_the_plan() -> None:
    desk = await opened("Z1")
    desk.orchestrator.on_connected("nobody")
    desk.orchestrator.on_connected("Z1")
    assert desk.changed == []
    await desk.orchestrator.investigate_refusal("Z1")
    await desk.orchestrator.investigate_refusal("Z1")
    assert len(desk.events.since()) == 1, "said once"
    desk.orchestrator.on_connected("Z1")
    assert desk.orchestrator.usable_accounts() == ("Z1",)
    assert desk.orchestrator.detail("Z1") == ""
    assert desk.changed == ["Z1", "Z1"]
