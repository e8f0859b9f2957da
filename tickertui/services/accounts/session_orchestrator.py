"""`SessionOrchestrator`: the accounts, their tokens and their REST clients.

The ticker loop asks it which accounts can be used, the streams ask it for the token before each connection, the
bootstrapper and the snapshot filler call the broker through it. A call needs no ownership of an account: each
client paces itself by its API key. A dead token is a state (AUTH_EXPIRED) that asks the user; the new token reaches
everybody who asks for it, without a restart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from tickertui.frozen import frozen
from tickertui.kite.errors import (
    AuthExpired,
    BrokerTimeout,
    BrokerUnavailable,
    KiteError,
    PermissionDenied,
    RateLimited,
)
from tickertui.kite.login import LoginError
from tickertui.kite.secrets import Secret
from tickertui.market.clock import IST, Clock
from tickertui.services.accounts.broker import BrokerClient
from tickertui.services.accounts.status import AccountState
from tickertui.services.accounts.token_store import KeptToken, SecretSource, TokenStore, no_secret
from tickertui.services.supervision.events import EventLog, Severity

T = TypeVar("T")

TOKEN_FLUSH_HOUR: Final = 6
"""The broker flushes the day's tokens at about 06:00 IST (Kite Connect v3, user/#authentication)."""


_LOGIN_NEEDED: Final = "login needed: "


class NoAccounts(Exception):  # noqa: N818 - the name that the project's documents use
    """There is no account that a call could use; the text says what to do about it."""


class MissingApiSecret(Exception):  # noqa: N818 - says what is missing
    """A login cannot be finished; the text says where the secret belongs."""


@frozen
class AccountConfig:
    """One account of the configuration.

    Attributes:
        account_id: Short name ("Z1").
        api_key: The Kite Connect app's key.
        api_secret: For the daily login, where it is at hand; else it is asked for when a login needs it.
        access_token: A token from the environment; the stored one is used where it is None.
        sockets: Stream connections this program may open with the key, 1 to 3.
    """

    account_id: str
    api_key: str = field(repr=False)
    api_secret: Secret | None = None
    access_token: Secret | None = None
    sockets: int = 3


ClientFactory = Callable[[AccountConfig, Secret | None], BrokerClient]
"""Makes the REST client of an account with the token it starts with."""

Listener = Callable[[str], None]
"""Called with the id of an account whose token or state has changed."""


@dataclass(slots=True)
class _Session:
    """What is known of one account."""

    config: AccountConfig
    index: int
    token: Secret | None = None
    saved_at: datetime | None = None
    """When it was obtained, or was seen to have outlived the broker's flush."""
    obtained_at: datetime | None = None
    kept_problem: str = ""
    """What is wrong with the kept token, as it was said last; empty while nothing is."""
    state: AccountState = AccountState.AUTH_EXPIRED
    detail: str = ""
    user_id: str = ""
    client: BrokerClient | None = None


class SessionOrchestrator:
    """Accounts, tokens and clients.

    Args:
        accounts: In the order of the configuration.
        client_factory: Makes the REST client of an account when it is first needed.
        token_store: Keeps the day's tokens; other processes may change what is kept.
        clock: Tells when a token is of yesterday.
        secret_source: Gives API secrets when a login needs them.
        events: Logins, refusals and recoveries are recorded here.
    """

    def __init__(
        self,
        accounts: Sequence[AccountConfig],
        *,
        client_factory: ClientFactory,
        token_store: TokenStore,
        clock: Clock,
        events: EventLog,
        secret_source: SecretSource = no_secret,
    ) -> None:
        self._client_factory = client_factory
        self._secret_source = secret_source
        self.token_store = token_store
        self._clock = clock
        self._events = events
        self._sessions = {config.account_id: _Session(config, index) for index, config in enumerate(accounts)}
        self._turn = 0
        self._listeners: list[Listener] = []

    # ------------------------------------------------------------------ accounts

    def list_accounts(self) -> tuple[str, ...]:
        """Return the ids of all accounts in the order of the configuration."""
        return tuple(self._sessions)

    def config(self, account: str) -> AccountConfig:
        """Return the configuration of an account.

        Raises:
            NoAccounts: When there is no account of that name.
        """
        return self._session(account).config

    def index(self, account: str) -> int:
        """Return the number of an account; its sockets are numbered from three times that."""
        return self._session(account).index

    def state(self, account: str) -> AccountState:
        """Return READY, STARTING (token not tried yet), AUTH_EXPIRED or FAILED (no market-data plan)."""
        return self._session(account).state

    def detail(self, account: str) -> str:
        """Return one sentence about what is wrong with an account, empty when nothing is."""
        return self._session(account).detail

    def user_id(self, account: str) -> str:
        """Return the broker's user of an account, empty before it is known."""
        return self._session(account).user_id

    def token(self, account: str) -> Secret | None:
        """Return the token to connect with, None where a login is needed."""
        session = self._sessions.get(account)
        if session is None or session.state is AccountState.AUTH_EXPIRED:
            return None
        return session.token

    def token_expires(self, account: str) -> datetime | None:
        """Return when the broker is expected to flush the account's token, None without one."""
        session = self._session(account)
        return None if session.token is None or session.saved_at is None else _next_flush(session.saved_at)

    def usable_accounts(self) -> tuple[str, ...]:
        """Return the accounts that REST calls and streams can use now."""
        return tuple(
            account
            for account, session in self._sessions.items()
            if session.token is not None and session.state in (AccountState.READY, AccountState.STARTING)
        )

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each account whose token or state changes, until the returned function is called."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # ------------------------------------------------------------------ life

    async def open(self) -> None:
        """Take the tokens of the configuration and of the token store; nothing is sent to the broker."""
        for session in self._sessions.values():
            await self._load_token(session)

    async def aclose(self) -> None:
        """Close the clients of all accounts."""
        for session in self._sessions.values():
            await _close_client(session)

    async def _load_token(self, session: _Session) -> None:
        config = session.config
        if config.access_token is not None:
            session.token, session.saved_at = config.access_token, self._clock.now()
            session.obtained_at = session.saved_at
        else:
            reason = "no token of today"
            try:
                stored = await anyio.to_thread.run_sync(self.token_store.load, config.account_id)
            except LoginError as error:
                stored, reason = None, str(error)
                session.kept_problem = reason
            if stored is None:
                self._expire(session, reason)
                self._ask_for_login(session)
                return
            session.token, session.user_id = stored.token, stored.user_id
            session.saved_at = session.obtained_at = stored.saved_at
        session.state, session.detail = AccountState.STARTING, ""

    # ------------------------------------------------------------------ tokens

    async def login(self, account: str, request_token: Secret) -> None:
        """Exchange the daily login's request token, keep the access token and hand it to everybody.

        Raises:
            KiteError: When the broker refuses it.
            MissingApiSecret: When the account's API secret is not known, or cannot be had now.
            NoAccounts: When there is no such account.
        """
        session = self._session(account)
        secret = session.config.api_secret or await self._secret_source(account)
        if secret is None:
            raise MissingApiSecret(
                f"the API secret of {account} is not known: put it into secrets.toml or set secret_command"
            )
        answer = await self.client(account).exchange_request_token(request_token, secret)
        session.user_id = answer.user_id
        self.set_token(account, answer.access_token)
        self._events.add("account", f"{account} is logged in as {answer.user_id}", account=account)
        await self._keep(account, answer.access_token, answer.user_id)

    async def _keep(self, account: str, token: Secret, user_id: str) -> None:
        """Keep the day's token; where that fails it serves this process, for a request token works only once."""
        try:
            await anyio.to_thread.run_sync(self.token_store.save, account, token, user_id, self._clock.now())
        except LoginError as error:
            text = f"{account} must log in again after a restart: {error}"
            self._events.add("account", text, severity=Severity.WARNING, account=account)

    def set_token(self, account: str, token: Secret, obtained_at: datetime | None = None) -> None:
        """Put a new token in force; running streams take it without a restart.

        Args:
            account: Whose it is.
            token: The access token.
            obtained_at: Aware datetime of its login, None for now.
        """
        session = self._session(account)
        session.token = token
        session.saved_at = session.obtained_at = obtained_at or self._clock.now()
        session.state, session.detail = AccountState.READY, ""
        if session.client is not None:
            session.client.set_access_token(token)
        self._tell(account)

    def take_kept_token(self, account: str, kept: KeptToken) -> bool:
        """Put a token that another process has kept in force.

        The one in force, the one that the broker refused and any older one are passed over: none of them is tried
        again.

        Returns:
            Whether it was taken.
        """
        session = self._session(account)
        session.kept_problem = ""
        if session.token is not None and (kept.token == session.token or not self._is_newer(kept, session)):
            return False
        session.user_id = kept.user_id
        self.set_token(account, kept.token, kept.saved_at)
        text = f"{account} is logged in as {kept.user_id}: the login was made outside this program"
        self._events.add("account", text, account=account)
        return True

    def _is_newer(self, kept: KeptToken, session: _Session) -> bool:
        before = session.obtained_at
        # A login in the future was made before the clock was set back: it does not tell which one is newer.
        return before is None or before > self._clock.now() or kept.saved_at > before

    def note_kept_problem(self, account: str, problem: str) -> None:
        """Note that what is kept for an account is of no use; each problem is said once, the token in force stays."""
        session = self._session(account)
        if problem == session.kept_problem:
            return
        session.kept_problem = problem
        if session.state is AccountState.AUTH_EXPIRED:
            self._expire(session, problem)
            self._ask_for_login(session)
            self._tell(account)
        else:
            text = f"{account} must log in again after a restart: {problem}"
            self._events.add("account", text, severity=Severity.WARNING, account=account)

    def on_auth_expired(self, account: str, reason: str) -> None:
        """Note that the broker refused the token of an account; it is not used until there is another."""
        session = self._sessions.get(account)
        if session is None or session.state is AccountState.AUTH_EXPIRED:
            return
        self._expire(session, reason)
        self._ask_for_login(session)
        self._tell(account)

    def history_refusals(self) -> int:
        """Return how many requests for candles the broker has refused for too many, over all accounts."""
        clients = (session.client for session in self._sessions.values())
        return sum(client.history_refusals for client in clients if client is not None)

    def report_auth_expired(self, account: str) -> None:
        """Note that a history call was refused (the bootstrapper's name for `on_auth_expired`)."""
        self.on_auth_expired(account, "the broker refused the token")

    async def validate(self, account: str) -> AccountState:
        """Ask for the profile, the cheapest call that needs a session, and return the account's state after it.

        A broker that cannot be reached says nothing about the token: the state stays as it is.
        """
        session = self._session(account)
        token = session.token
        if token is None or session.state is AccountState.AUTH_EXPIRED:
            return session.state
        try:
            profile = await self.client(account).profile()
        except AuthExpired as error:
            if session.token is token:  # a login in the meantime makes the answer one about the old token
                self.on_auth_expired(account, str(error))
        except KiteError:
            pass
        else:
            session.user_id = profile.user_id
            if session.state is AccountState.STARTING:
                session.state = AccountState.READY
        return session.state

    async def investigate_refusal(self, account: str) -> AccountState:
        """Find out why a stream was refused with 403: the session is dead, or the app has no market-data plan.

        Kite answers both alike on the stream; the profile call tells them apart (Kite forum 52828).

        Returns:
            AUTH_EXPIRED, FAILED (no data plan), or the state as it was when the broker could not be asked.
        """
        session = self._session(account)
        token = session.token
        if token is None:
            self.on_auth_expired(account, "there is no token")
            return session.state
        try:
            await self.client(account).profile()
        except AuthExpired as error:
            if session.token is token:
                self.on_auth_expired(account, str(error))
        except KiteError as error:
            session.detail = f"the stream was refused and the broker cannot be asked why: {error}"
        else:
            if session.token is token:
                self._deny(session)
        return session.state

    def _deny(self, session: _Session) -> None:
        account = session.config.account_id
        if session.state is AccountState.FAILED:
            return
        session.state = AccountState.FAILED
        session.detail = "the login works, but the app has no market-data plan (or the key is another app's)"
        self._events.add("account", f"{account}: {session.detail}", severity=Severity.ERROR, account=account)
        self._tell(account)

    def check_flush(self) -> tuple[str, ...]:
        """Return the accounts whose token has passed the broker's daily flush, and count them as not tried.

        A hint only: the caller validates them, and the broker's answer decides.
        """
        now = self._clock.now()
        due = []
        for account, session in self._sessions.items():
            saved = session.saved_at
            if session.state is AccountState.READY and saved is not None and now >= _next_flush(saved):
                session.state = AccountState.STARTING
                session.saved_at = now
                due.append(account)
        return tuple(due)

    def on_connected(self, account: str) -> None:
        """Note that a stream of the account was accepted: whatever was held against its token or plan is over."""
        session = self._sessions.get(account)
        if session is None or session.state is not AccountState.FAILED:
            return
        session.state, session.detail = AccountState.READY, ""
        self._tell(account)

    def _ask_for_login(self, session: _Session) -> None:
        account = session.config.account_id
        text = f"{account} needs a login: {session.detail.removeprefix(_LOGIN_NEEDED)}"
        self._events.add("account", text, severity=Severity.ERROR, account=account)

    def _expire(self, session: _Session, reason: str) -> None:
        session.state = AccountState.AUTH_EXPIRED
        named = f"{session.config.account_id}: "
        session.detail = f"{_LOGIN_NEEDED}{reason.removeprefix(named)}"

    # ------------------------------------------------------------------ calls

    def client(self, account: str) -> BrokerClient:
        """Return the REST client of an account; it is made at the first use and shared by all callers.

        Raises:
            NoAccounts: When there is no account of that name.
        """
        session = self._session(account)
        if session.client is None:
            session.client = self._client_factory(session.config, session.token)
        return session.client

    def get_client_for_api_call(self, preferred: str | None = None) -> BrokerClient:
        """Return the client of the preferred account, or of the next one in turn that can be used.

        Raises:
            NoAccounts: When none can be used.
        """
        return self.client(self._in_turn(preferred)[0])

    async def call(
        self,
        fn: Callable[[BrokerClient], Awaitable[T]],
        *,
        idempotent: bool = True,
        preferred: str | None = None,
    ) -> T:
        """Call the broker through one account after the other until one answers.

        Args:
            fn: The call.
            idempotent: Whether it may be sent again through another account when its outcome is not known.
            preferred: The account to try first.

        Raises:
            NoAccounts: When no account can be used.
            KiteError: The last answer, when all accounts were tried or another account cannot help.
        """
        last: KiteError | None = None
        for account in self._in_turn(preferred):
            token = self.token(account)
            try:
                return await fn(self.client(account))
            except AuthExpired as error:
                if self.token(account) is token:
                    self.on_auth_expired(account, str(error))
                last = error
            except (PermissionDenied, RateLimited) as error:  # refused, so certainly not carried out
                last = error
            except (BrokerUnavailable, BrokerTimeout) as error:
                if not idempotent:
                    raise
                last = error
        assert last is not None  # _in_turn is never empty
        raise last

    def _in_turn(self, preferred: str | None) -> list[str]:
        """Usable accounts, the preferred one first, else the one whose turn it is."""
        usable = list(self.usable_accounts())
        if not usable:
            raise NoAccounts(self._why_none())
        if preferred in usable:
            starting_place = usable.index(preferred)
        else:
            starting_place = self._turn % len(usable)
            self._turn += 1
        return usable[starting_place:] + usable[:starting_place]

    def _why_none(self) -> str:
        if not self._sessions:
            return "no account is configured; `tickertui config init` shows how"
        details = ", ".join(
            f"{account} ({session.detail or session.state})" for account, session in self._sessions.items()
        )
        return f"no account can be used now: {details}; `tickertui login` or the login key gets a token"

    def _session(self, account: str) -> _Session:
        session = self._sessions.get(account)
        if session is None:
            configured = ", ".join(self._sessions) or "none"
            raise NoAccounts(f"there is no account {account!r}; configured: {configured}")
        return session

    def _tell(self, account: str) -> None:
        for listener in tuple(self._listeners):
            listener(account)


def _next_flush(saved_at: datetime) -> datetime:
    flush = saved_at.astimezone(IST).replace(hour=TOKEN_FLUSH_HOUR, minute=0, second=0, microsecond=0)
    return flush if saved_at < flush else flush + timedelta(days=1)


async def _close_client(session: _Session) -> None:
    client, session.client = session.client, None
    if client is not None:
        await client.aclose()
