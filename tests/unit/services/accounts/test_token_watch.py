"""A login outside the program is taken up: real token files, two programs' views of one directory, virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import anyio
import anyio.to_thread
import pytest

from tests.support.fake_broker import FakeClient
from tests.support.virtual_time import LoopClock, in_place_of_a_thread, virtual_trio
from tests.support.waiting import wait_until
from tickertui.kite.login import StoredToken, TokenFile
from tickertui.kite.secrets import Secret
from tickertui.market.clock import IST
from tickertui.services.accounts.session_orchestrator import AccountConfig, SessionOrchestrator
from tickertui.services.accounts.status import AccountState
from tickertui.services.accounts.token_watch import TokenWatch
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.services.supervision.task_monitor import TaskMonitor

START = datetime(2026, 11, 25, 10, 0, tzinfo=IST)
MORNING = START - timedelta(hours=2)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_trio()


@pytest.fixture(autouse=True)
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anyio.to_thread, "run_sync", in_place_of_a_thread)


class CountedFile(TokenFile):
    """A token file that counts how often it is read."""

    reads = 0

    def load(self, account: str) -> StoredToken | None:
        self.reads += 1
        return super().load(account)


class Desk:
    """A program with its orchestrator and its watch; `shell` is what another process does to the same files."""

    def __init__(self, directory: Path, *accounts: AccountConfig) -> None:
        self.clock = LoopClock(START)
        self.events = EventLog(self.clock)
        self.files = CountedFile(directory / "tokens", self.clock)
        self.shell = TokenFile(directory / "tokens", self.clock)
        self.orchestrator = SessionOrchestrator(
            accounts or [AccountConfig("Z1", "key1", Secret("secret"))],
            client_factory=lambda config, token: FakeClient(config.account_id, token),
            token_store=self.files,
            clock=self.clock,
            events=self.events,
        )
        self.changed: list[str] = []
        self.orchestrator.listen(self.changed.append)
        self.watch = TokenWatch(self.orchestrator)

    def log_in(self, token: str, at: datetime | None = None, account: str = "Z1") -> None:
        self.shell.save(account, Secret(token), f"USER-{token}", at or self.clock.now())

    def token(self, account: str = "Z1") -> str:
        token = self.orchestrator.token(account)
        return "" if token is None else token.reveal()

    def texts(self) -> list[str]:
        return [event.text for event in self.events.since()]

    async def looks(self, count: int = 5) -> None:
        for _ in range(count):
            await self.watch.look()


@asynccontextmanager
async def watching(desk: Desk) -> AsyncIterator[TaskMonitor]:
    monitor = TaskMonitor(clock=desk.clock, events=desk.events, random=Random(7))
    await desk.orchestrator.open()
    async with anyio.create_task_group() as group:
        monitor.start(group, "token files", desk.watch.run)
        yield monitor
        group.cancel_scope.cancel()


async def test_a_login_in_another_shell_is_in_force_within_a_second(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with watching(desk) as monitor:
        await anyio.sleep(60)
        assert desk.orchestrator.state("Z1") is AccountState.AUTH_EXPIRED
        desk.log_in("evening")
        began = anyio.current_time()
        await wait_until(lambda: desk.token() == "evening", "the token is taken", timeout=1.0)
        assert anyio.current_time() - began <= 1.0
        assert desk.orchestrator.state("Z1") is AccountState.READY
        assert desk.orchestrator.user_id("Z1") == "USER-evening"
        assert desk.orchestrator.token_expires("Z1") == datetime(2026, 11, 26, 6, 0, tzinfo=IST)
        assert desk.changed == ["Z1"], "the streams are told, once"
        assert desk.texts()[-1] == "Z1 is logged in as USER-evening: the login was made outside this program"
        assert "evening" not in " ".join(desk.texts()).replace("USER-evening", "")
        await anyio.sleep(600)
        assert desk.changed == ["Z1"]
        assert [task.restarts for task in monitor.tasks()] == [0]
        assert desk.files.reads == 2, "at the start, and once for the change"


async def test_a_login_between_the_start_and_the_first_look_is_not_missed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.orchestrator.open()
    desk.log_in("early")
    await desk.watch.look()
    assert desk.token() == "early"


async def test_a_token_that_another_login_has_replaced_is_exchanged_while_it_still_works(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.log_in("morning", MORNING)
    await desk.orchestrator.open()
    client = desk.orchestrator.client("Z1")
    await desk.looks()
    assert desk.changed == []
    assert desk.texts() == []
    desk.log_in("noon")
    await desk.looks()
    assert desk.token() == "noon"
    assert isinstance(client, FakeClient)
    assert client.token == Secret("noon"), "calls use it too"
    assert desk.changed == ["Z1"]


async def test_a_refused_token_is_not_tried_again_whatever_happens_to_its_file(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.log_in("morning", MORNING)
    await desk.orchestrator.open()
    desk.orchestrator.on_auth_expired("Z1", "the broker refused the token")
    await desk.looks()
    desk.log_in("morning", desk.clock.now())
    await desk.looks()
    desk.log_in("night before", MORNING - timedelta(hours=1))
    await desk.looks()
    assert desk.orchestrator.state("Z1") is AccountState.AUTH_EXPIRED
    assert desk.texts() == ["Z1 needs a login: the broker refused the token"]
    assert desk.changed == ["Z1"]
    desk.log_in("new")
    await desk.looks()
    assert desk.token() == "new"


async def test_a_login_on_the_screen_is_not_undone_by_the_file_of_before(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.log_in("morning", MORNING)
    await desk.orchestrator.open()
    desk.orchestrator.set_token("Z1", Secret("screen"))
    desk.log_in("morning", MORNING)
    await desk.looks()
    assert desk.token() == "screen"
    await desk.orchestrator.login("Z1", Secret("request"))
    events = desk.texts()
    await desk.looks()
    assert desk.token() == "token-of-request"
    assert desk.texts() == events, "its own file is no news"


async def test_after_the_flush_a_login_of_before_the_program_noticed_it_counts(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.log_in("yesterday", MORNING)
    await desk.orchestrator.open()
    await desk.orchestrator.validate("Z1")
    await desk.looks()
    desk.clock.jump(20 * 3600 + 5)  # 06:00:05 of the next day
    desk.log_in("today")
    desk.clock.jump(25)
    assert desk.orchestrator.check_flush() == ("Z1",)
    await desk.looks()
    assert desk.token() == "today"


async def test_a_clock_that_was_set_back_does_not_make_a_new_login_old(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.log_in("ahead", START + timedelta(hours=1))
    await desk.orchestrator.open()
    desk.log_in("right")
    await desk.looks()
    assert desk.token() == "right"


async def test_a_token_of_the_environment_gives_way_to_a_later_login_only(tmp_path: Path) -> None:
    desk = Desk(tmp_path, AccountConfig("Z1", "key1", None, Secret("environment")))
    desk.log_in("morning", MORNING)
    await desk.orchestrator.open()
    await desk.looks()
    assert desk.token() == "environment"
    desk.orchestrator.on_auth_expired("Z1", "the broker refused the token")
    await anyio.sleep(1)
    desk.log_in("shell")
    await desk.looks()
    assert desk.token() == "shell"


@pytest.mark.parametrize("logged_in", [True, False], ids=["while it streams", "while a login is needed"])
async def test_a_file_that_is_of_no_use_is_said_once_and_works_when_it_is_mended(
    tmp_path: Path, logged_in: bool
) -> None:
    desk = Desk(tmp_path)
    if logged_in:
        desk.log_in("morning", MORNING)
    await desk.orchestrator.open()
    known = desk.texts()
    path = desk.shell.path("Z1")
    desk.log_in("new")
    path.chmod(0o644)
    await desk.looks()
    texts = desk.texts()[len(known) :]
    assert len(texts) == 1
    assert f"{path} can be read by others (mode 0644)" in texts[0]
    assert texts[0].startswith("Z1 must log in again after a restart" if logged_in else "Z1 needs a login")
    assert desk.token() == ("morning" if logged_in else ""), "what is in force stays"
    assert ("mode 0644" in desk.orchestrator.detail("Z1")) is not logged_in, "the banner says what is wrong now"
    path.touch()
    await desk.looks()
    assert desk.texts()[len(known) :] == texts, "the same again is not said again"
    path.chmod(0o600)
    await desk.looks()
    assert desk.token() == "new"
    assert desk.orchestrator.detail("Z1") == ""
    path.chmod(0o640)
    await desk.looks()
    assert "mode 0640" in desk.texts()[-1]


async def test_a_damaged_file_that_was_there_at_the_start_is_not_said_twice(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.log_in("morning", MORNING)
    desk.shell.path("Z1").write_text("{")
    await desk.orchestrator.open()
    await desk.looks()
    assert len(desk.texts()) == 1
    assert "is damaged" in desk.texts()[0]


async def test_a_removed_token_streams_on_and_the_next_start_is_warned_of(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.log_in("morning", MORNING)
    await desk.orchestrator.open()
    await desk.looks()
    desk.shell.delete("Z1")
    await desk.looks()
    assert desk.token() == "morning"
    assert [(event.text, event.severity) for event in desk.events.since()] == [
        ("Z1 must log in again after a restart: its kept token was removed", Severity.WARNING)
    ]
    desk.log_in("again")
    await desk.looks()
    assert desk.token() == "again"


async def test_a_removed_token_of_an_account_that_needs_a_login_is_no_news(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.log_in("morning", MORNING)
    await desk.orchestrator.open()
    await desk.looks()
    desk.orchestrator.on_auth_expired("Z1", "the broker refused the token")
    desk.shell.delete("Z1")
    await desk.looks()
    assert desk.texts() == ["Z1 needs a login: the broker refused the token"]


async def test_each_account_has_its_own_file(tmp_path: Path) -> None:
    first, second = AccountConfig("Z1", "key1"), AccountConfig("Z2", "key2")
    desk = Desk(tmp_path, first, second)
    await desk.orchestrator.open()
    await desk.looks()
    desk.log_in("two", account="Z2")
    await desk.looks()
    assert desk.token("Z1") == ""
    assert desk.token("Z2") == "two"
    desk.log_in("one")
    await desk.looks()
    assert desk.token("Z1") == "one"


async def test_a_directory_that_cannot_be_asked_is_one_sentence(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.orchestrator.open()
    (tmp_path / "tokens").write_text("in the way")
    await desk.looks()
    assert len(desk.texts()) == 2
    assert "cannot be read: Not a directory" in desk.texts()[1]
    (tmp_path / "tokens").unlink()
    desk.log_in("new")
    await desk.looks()
    assert desk.token() == "new"
