"""`Dialogs`: everything that asks first, shows a plan or a form, and then lets the backend do it.

The main screen runs them by the id of their action in the registry (`Dialogs.run`), whether a key, the palette, the
command line or a pane asked for it. Each request runs in a worker, so that keys work while the broker or the database
takes its time; a refusal becomes one notice. The screens are imported when they are opened: 4 ms of the start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from textual.app import App
from textual.notifications import SeverityLevel
from textual.worker import Worker

from tickertui.frozen import frozen
from tickertui.services.accounts.status import AccountState
from tickertui.services.loop.status import FeedMode, LoopState
from tickertui.services.plan.legs import Legs
from tickertui.services.plan.status import RuleStatus
from tickertui.tui.keys.actions import Action, key_name
from tickertui.tui.main.program_status import ProgramStatus
from tickertui.tui.panels.base import Choice, ConfirmScreen, ListScreen, PickerScreen
from tickertui.tui.panels.jump import JumpTarget
from tickertui.tui.panes.bootstrap import coverage_spans
from tickertui.tui.panes.chain.pane import ChainPane
from tickertui.tui.view.backend import Backend, BackendRefused
from tickertui.tui.view.options import ScreenOptions
from tickertui.tui.view.rule_costs import shares
from tickertui.tui.widgets.row_list import Row, Span, row

if TYPE_CHECKING:
    from tickertui.tui.panels.command_line import Command

_Work = Callable[[], Awaitable[None]]
"""Makes the coroutine: of a burst of requests all but the last are cancelled before they start, and a coroutine that is
never awaited is a warning on the terminal."""


class DialogHost(Protocol):
    """What dialogs need of the screen that they are held on.

    Attributes:
        program_status: How everything stands, as of the screen's last look.
        options: How the trader wants it.
    """

    program_status: ProgramStatus
    options: ScreenOptions

    @property
    def app(self) -> App[object]:
        """Where panels are shown."""
        ...

    @property
    def chain(self) -> ChainPane:
        """The chain pane, also when another one is shown."""
        ...

    @property
    def keymap(self) -> Mapping[str, str]:
        """The user's own keys by action id."""
        ...

    def notify(
        self, message: str, *, severity: SeverityLevel = ..., timeout: float | None = ..., markup: bool = ...
    ) -> None:
        """Show a notice."""
        ...

    def run_worker(self, work: Any, *, group: str, exclusive: bool) -> Worker[Any]:
        """Run something beside the keys; an exclusive one takes the place of another of its group."""
        ...

    def runnable(self) -> list[Action]:
        """Return the actions that do something now."""
        ...

    def run_action_id(self, action_id: str) -> None:
        """Run any action of the registry."""
        ...

    def jump_targets(self) -> list[JumpTarget]:
        """Return everything that jump mode puts a letter on."""
        ...


@frozen
class _Dialog:
    """How an action is done.

    Attributes:
        group: One dialog of a group runs at a time.
        begin: Given the key of the row under the cursor; returns what is awaited.
    """

    group: str
    begin: Callable[[str], Awaitable[None]]


class Dialogs:
    """What the main screen asks of trader and backend.

    Args:
        screen: The main screen.
        backend: The program behind it.
    """

    def __init__(self, screen: DialogHost, backend: Backend) -> None:
        self._screen = screen
        self._backend = backend
        self._dialogs: Mapping[str, _Dialog] = {
            "reload-plan": _Dialog("reload", lambda _: self._reload_plan()),
            "refresh-contracts": _Dialog("contracts", lambda _: self._refresh_contracts()),
            "new-rule": _Dialog("subscription", lambda _: self._new_rule()),
            "drop-rule": _Dialog("subscription", self._drop_rule),
            "rebuild-feed": _Dialog("subscription", self._rebuild),
            "move-shard": _Dialog("subscription", self._move),
            "pin-account": _Dialog("subscription", self._pin),
            "open-legs": _Dialog("subscription", self._legs),
            "list-never": _Dialog("subscription", lambda _: self._never()),
            "login": _Dialog("login", lambda _: self._login()),
            "toggle-mock": _Dialog("feed", lambda _: self._toggle_mock()),
            "leave-replay": _Dialog("feed", lambda _: self._leave_replay()),
            "toggle-bootstrap": _Dialog("bootstrap", lambda _: self._backend.toggle_bootstrap()),
            "retry-failed": _Dialog("bootstrap", lambda _: self._retry()),
            "gap-map": _Dialog("bootstrap", self._gaps),
            "theme": _Dialog("theme", lambda _: self._choose_theme()),
            "command": _Dialog("command", lambda _: self._command_line()),
            "quit": _Dialog("quit", lambda _: self._quit()),
        }
        self._at_once: Mapping[str, Callable[[], None]] = {"screenshot": self._save_picture, "jump": self._jump}

    @property
    def _program_status(self) -> ProgramStatus:
        """How everything stands, as of the main screen's last look."""
        return self._screen.program_status

    @property
    def action_ids(self) -> Collection[str]:
        """Actions that are done here."""
        return self._dialogs.keys() | self._at_once.keys()

    def run(self, action_id: str, row_key: str = "") -> None:
        """Do what an action of the registry asks for.

        Args:
            action_id: Of an action whose method is `REQUEST`.
            row_key: Of the row under the cursor, where the action is about one: ``account:Z1``, ``socket:3``,
                ``rule:1``, ``unassigned:...``, ``group:...``.
        """
        if action_id in self._at_once:
            self._at_once[action_id]()
            return
        dialog = self._dialogs[action_id]
        self.start(partial(dialog.begin, row_key), dialog.group)

    def start(self, request: _Work, name: str) -> None:
        """Run a request; one of a name at a time."""
        self._screen.run_worker(partial(self._guarded, request), group=f"request-{name}", exclusive=True)

    async def _guarded(self, request: _Work) -> None:
        try:
            await request()
        except BackendRefused as refused:
            self._screen.notify(str(refused), severity="error", timeout=10, markup=False)

    def _tell(self, text: str) -> None:
        self._screen.notify(text, timeout=5, markup=False)

    # ------------------------------------------------------------------ reload

    async def _reload_plan(self) -> None:
        from tickertui.tui.panels.reload_plan import ReloadPlanScreen

        plan = await self._backend.plan_reload()
        if not await self._screen.app.push_screen_wait(ReloadPlanScreen(plan)):
            return
        result = await self._backend.apply_reload()
        if result.error:
            raise BackendRefused(f"the reload failed, what ran before runs on: {result.error}")
        changed = result.mode_changed + result.moved
        self._tell(f"reload +{result.added} -{result.removed} ~{changed} in {result.seconds:.1f}s")

    async def _refresh_contracts(self) -> None:
        self._tell("fetching the day's contracts ...")
        self._tell(await self._backend.refresh_contracts())

    # ------------------------------------------------------------------ accounts and rules

    def _about(self, row_key: str) -> tuple[str, str]:
        """Return kind and name of a row: ``account``, ``rule`` ...; a socket's row is about its account."""
        kind, _, name = row_key.partition(":")
        return ("account", self._account_of_socket(int(name))) if kind == "socket" else (kind, name)

    def _account_of_socket(self, connection: int) -> str:
        for account in self._program_status.runtime.accounts:
            if any(status.connection == connection for status in account.connections):
                return account.account_id
        return ""

    async def _new_rule(self) -> None:
        backend = self._backend
        shown = self._screen.chain.underlying
        from tickertui.tui.panels.new_rule import NewRuleScreen

        form = NewRuleScreen(
            backend.underlyings(),
            f"{shown} 2 40 full" if shown else "",
            backend.what_if,
            named=backend.underlying_named,
            explain=backend.explain_name,
        )
        rule = await self._screen.app.push_screen_wait(form)
        if rule is not None:
            await backend.add_rule(rule)
            self._tell(f"{rule.describe()}: added, a reload follows")

    async def _drop_rule(self, row_key: str) -> None:
        status = self._rule(row_key)
        if status is None:
            raise BackendRefused("put the cursor on a rule to drop it")
        own = status.legs - shares([status], self._backend.legs())[status.rule.rule_id].shared
        question = f"{status.rule.describe()}\n{own:,} legs that no other rule asks for are unsubscribed."
        if await self._screen.app.push_screen_wait(ConfirmScreen("Drop this rule?", question, "drop it")):
            await self._backend.remove_rule(status.rule.rule_id)
            self._tell("dropped, a reload follows")

    def _rule(self, row_key: str) -> RuleStatus | None:
        kind, name = self._about(row_key)
        return next((s for s in self._backend.rules() if kind == "rule" and str(s.rule.rule_id) == name), None)

    async def _rebuild(self, row_key: str) -> None:
        account = self._require_account(row_key, "rebuild")
        status = next(a for a in self._program_status.runtime.accounts if a.account_id == account)
        question = (
            f"Its sockets are closed and opened again: {status.subscribed:,} instruments pause for about a second."
        )
        if await self._screen.app.push_screen_wait(
            ConfirmScreen(f"Rebuild the feed of {account}?", question, "rebuild")
        ):
            await self._backend.reconnect(account)
            self._tell(f"{account}: reconnecting")

    async def _move(self, row_key: str) -> None:
        account = self._require_account(row_key, "move")
        status = next(a for a in self._program_status.runtime.accounts if a.account_id == account)
        room = sum(other.room for other in self._program_status.runtime.accounts if other.account_id != account)
        question = f"{status.desired:,} legs go to the other accounts, which have room for {room:,}. Pinned legs stay."
        if await self._screen.app.push_screen_wait(ConfirmScreen(f"Move the legs of {account}?", question, "move")):
            await self._backend.move_account(account)
            self._tell(f"{account}: its legs are moving")

    def _require_account(self, row_key: str, verb: str) -> str:
        kind, name = self._about(row_key)
        if kind != "account" or not name:
            raise BackendRefused(f"put the cursor on an account or one of its sockets to {verb} it")
        return name

    async def _pin(self, row_key: str) -> None:
        status = self._rule(row_key)
        if status is None:
            raise BackendRefused("put the cursor on a rule to pin it to an account")
        accounts = [Choice("", "any account", "where there is room")]
        accounts += [
            Choice(a.account_id, a.account_id, f"room {a.room:,}") for a in self._program_status.runtime.accounts
        ]
        picker = PickerScreen("Pin to", [Choice(c.key or "*", c.text, c.note) for c in accounts],
                              current=status.rule.preferred_account or "*")  # fmt: skip
        chosen = await self._screen.app.push_screen_wait(picker)
        if chosen is not None:
            await self._backend.pin_rule(status.rule.rule_id, None if chosen == "*" else chosen)
            self._tell("pinned, a reload follows" if chosen != "*" else "unpinned, a reload follows")

    async def _legs(self, row_key: str) -> None:
        kind, name = self._about(row_key)
        legs = self._backend.legs()
        if kind == "account":
            legs = legs.select(legs.accounts.where(lambda account: account == name))
        elif kind == "rule":
            legs = legs.select(legs.asked_for_by(int(name)))
        await self._show_legs(f"{len(legs):,} legs", legs)

    async def _never(self) -> None:
        watched, context = self._program_status.watched, self._program_status.context
        legs = watched.never_legs(context)
        if not legs:
            raise BackendRefused("everything that is subscribed has sent something, or was subscribed within a minute")
        await self._show_legs(f"Never ticked {watched.never(context).describe()}", legs)

    async def _show_legs(self, title: str, legs: Legs) -> None:
        """A list that stays current while it is open."""
        program_status = self._program_status

        def rows() -> Sequence[Row]:
            return program_status.watched.rows(legs, program_status.context)

        await self._screen.app.push_screen_wait(ListScreen(title, rows(), source=rows, slowly=True))

    # ------------------------------------------------------------------ login

    async def _login(self) -> None:
        accounts = self._program_status.runtime.accounts
        if not accounts:
            raise BackendRefused("no account is configured: `tickertui config init` writes a file to put one in")
        expired = [a.account_id for a in accounts if a.state is AccountState.AUTH_EXPIRED]
        account: str | None = expired[0] if len(expired) == 1 else None
        if account is None:
            choices = [Choice(a.account_id, a.account_id, str(a.state)) for a in accounts]
            account = await self._screen.app.push_screen_wait(PickerScreen("Log in", choices))
        if account is None:
            return
        chosen = account
        page = self._backend.login_page(chosen)
        from tickertui.tui.panels.login import LoginScreen

        done = await self._screen.app.push_screen_wait(
            LoginScreen(page, lambda pasted: self._backend.login(chosen, pasted))
        )
        if done:
            self._tell(f"{chosen} is logged in")

    # ------------------------------------------------------------------ feed

    async def _toggle_mock(self) -> None:
        leaving = self._program_status.runtime.feed is FeedMode.MOCK
        if leaving and not self._program_status.runtime.accounts:
            raise BackendRefused("without an account there is nothing but the mock; `tickertui config init` adds one")
        if leaving:
            title, text = "Leave the mock?", "The chain shows what the accounts send, or the last session's values."
        else:
            title, text = "Switch to the mock?", "Every price becomes synthetic and is marked so. Sockets stay open."
        if await self._screen.app.push_screen_wait(ConfirmScreen(title, text, "switch")):
            await self._backend.set_feed(FeedMode.LIVE if leaving else FeedMode.MOCK)

    async def _leave_replay(self) -> None:
        text = "The chain shows what the accounts send, or the last session's values."
        if await self._screen.app.push_screen_wait(ConfirmScreen("Leave the replay?", text, "leave")):
            await self._backend.set_feed(FeedMode.LIVE)

    # ------------------------------------------------------------------ backfill

    async def _retry(self) -> None:
        await self._backend.retry_failed()
        self._tell("asking again for what failed")

    async def _gaps(self, row_key: str) -> None:
        progress = self._backend.bootstrap()
        wanted = row_key.partition(":")[2]
        rows: list[Row] = []
        for label, days in progress.coverage.items():
            if wanted and label != wanted and row_key.startswith(("group:", "coverage:")):
                continue
            rows.append(row("", Span(f" {label}", "title")))
            for day in days:
                share = f"{day.stored:,}/{day.expected:,} candles"
                asked = "" if day.requested else "   not asked yet"
                rows.append(
                    row("", f"   {day.day:%a %d %b}  ", *coverage_spans(day), f"  {share}", Span(asked, "quiet"))
                )
        if not rows:
            rows = [row("", Span(" Nothing is known yet: the backfill has not looked.", "quiet"))]
        await self._screen.app.push_screen_wait(ListScreen("Gap map", rows))

    # ------------------------------------------------------------------ look and words

    async def _choose_theme(self) -> None:
        app = self._screen.app
        names = getattr(app, "theme_names", ()) or tuple(app.available_themes)
        picked = await app.push_screen_wait(PickerScreen("Theme", [Choice(n, n) for n in names], current=app.theme))
        if picked:
            app.theme = picked

    def _save_picture(self) -> None:
        """Save the screen as SVG where the trader can find it."""
        directory = self._screen.options.pictures_dir or Path.cwd()
        name = f"tickertui-{self._backend.clock.now():%Y%m%d-%H%M%S}.svg"
        try:
            path = self._screen.app.save_screenshot(name, str(directory))
        except OSError as error:
            self._screen.notify(f"{directory}: cannot write a picture there: {error.strerror}", severity="error")
            return
        self._tell(f"saved {path}")

    async def _command_line(self) -> None:
        from tickertui.tui.panels.command_line import CommandLineScreen

        commands = self._commands()
        typed = await self._screen.app.push_screen_wait(CommandLineScreen(commands))
        if typed is not None:
            await self._run_command(*typed)

    async def _run_command(self, name: str, argument: str) -> None:
        chain = self._screen.chain
        if name == "goto":
            chain.find(argument)
        elif name == "underlying":
            chain.select(argument.upper())
        elif name == "expiry":
            chain.find(argument)
        elif name == "columns":
            if not chain.appearance.show_preset(argument):
                names = ", ".join(chain.presets.names(marked=True))
                raise BackendRefused(f"there is no column preset {argument!r}; there are {names}")
        elif name == "theme":
            if argument not in self._screen.app.available_themes:
                raise BackendRefused(
                    f"there is no theme {argument!r}; {key_name('theme', self._screen.keymap)} lists them"
                )
            self._screen.app.theme = argument
        else:
            self._screen.run_action_id(name)

    def _commands(self) -> dict[str, Command]:
        from tickertui.tui.panels.command_line import Command, action_commands

        chain = self._screen.chain
        app = self._screen.app
        with_words = (
            Command("goto", "Go to a strike, for instance goto 24500."),
            Command("underlying", "Show another underlying.", self._backend.underlyings),
            Command("expiry", "Show another expiry.", lambda: [f"{m.expiry:%d%b%y}" for m in chain.selection.expiries]),
            Command("columns", "Show a column preset.", lambda: chain.presets.names(marked=chain.selection.has_mark)),
            Command("theme", "Switch the theme.", lambda: sorted(getattr(app, "theme_names", app.available_themes))),
        )
        return {command.name: command for command in with_words} | {
            name: command for name, command in action_commands(self._screen.runnable()).items() if name != "theme"
        }

    def _jump(self) -> None:
        """Show a letter on everything that can be jumped to."""
        from tickertui.tui.panels.jump import JumpScreen

        targets = self._screen.jump_targets()
        if targets:
            self._screen.app.push_screen(JumpScreen(targets))

    async def _quit(self) -> None:
        # As it is now: half a second ago, at the last look, nothing may have streamed yet.
        runtime = self._backend.runtime()
        live = runtime.feed is FeedMode.LIVE and runtime.state in (LoopState.RUNNING, LoopState.RELOADING)
        if live and runtime.instruments:
            question = f"{runtime.instruments:,} instruments stream. Subscriptions and progress are kept."
            if not await self._screen.app.push_screen_wait(ConfirmScreen("Quit?", question, "quit")):
                return
        self._screen.app.exit(0)
