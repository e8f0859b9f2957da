"""`Requests`: everything that asks first, shows a plan or a form, and then lets the backend do it.

Each request runs in a worker, so that keys work while the broker or the database takes its time; a refusal becomes
one notice. The screens are imported when they are opened: 4 ms of the start.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tickertui.services.legs import Legs
from tickertui.services.state import AccountState, FeedMode, LoopState
from tickertui.tui.actions import key_name
from tickertui.tui.backend import Backend, BackendRefused
from tickertui.tui.screens.bootstrap import coverage_spans
from tickertui.tui.screens.modals import Choice, ConfirmScreen, ListScreen, PickerScreen
from tickertui.tui.widgets.row_list import Row, Span, row

if TYPE_CHECKING:
    from tickertui.tui.screens.command_line import Command
    from tickertui.tui.screens.main import MainScreen
    from tickertui.tui.screens.standing import Standing

T = TypeVar("T")


class Requests:
    """What the main screen asks of trader and backend.

    Args:
        screen: The main screen.
        backend: The program behind it.
    """

    def __init__(self, screen: MainScreen, backend: Backend) -> None:
        self._screen = screen
        self._backend = backend

    @property
    def _standing(self) -> Standing:
        """How everything stands, as of the main screen's last look."""
        return self._screen.standing

    def start(self, request: Coroutine[None, None, None], name: str) -> None:
        """Run a request; one of a name at a time."""
        self._screen.run_worker(self._guarded(request), group=f"request-{name}", exclusive=True)

    async def _guarded(self, request: Coroutine[None, None, None]) -> None:
        try:
            await request
        except BackendRefused as refused:
            self._screen.notify(str(refused), severity="error", timeout=10, markup=False)

    def _tell(self, text: str) -> None:
        self._screen.notify(text, timeout=5, markup=False)

    # ------------------------------------------------------------------ reload

    def reload_plan(self) -> None:
        """Show what a reload would do, then do it."""
        self.start(self._reload_plan(), "reload")

    async def _reload_plan(self) -> None:
        from tickertui.tui.screens.reload_plan import ReloadPlanScreen

        plan = await self._backend.plan_reload()
        if not await self._screen.app.push_screen_wait(ReloadPlanScreen(plan)):
            return
        result = await self._backend.apply_reload()
        if result.error:
            raise BackendRefused(f"the reload failed, what ran before runs on: {result.error}")
        changed = result.mode_changed + result.moved
        self._tell(f"reload +{result.added} -{result.removed} ~{changed} in {result.seconds:.1f}s")

    def refresh_contracts(self) -> None:
        """Fetch the day's contracts."""
        self.start(self._refresh_contracts(), "contracts")

    async def _refresh_contracts(self) -> None:
        self._tell("fetching the day's contracts ...")
        self._tell(await self._backend.refresh_contracts())

    # ------------------------------------------------------------------ accounts and rules

    def about_subscription(self, what: str, key: str) -> None:
        """Do what the subscriptions pane asks about the row of a key."""
        kind, _, name = key.partition(":")
        if kind == "socket":
            name = self._account_of_socket(int(name))
            kind = "account"
        requests: dict[str, Callable[[], Coroutine[None, None, None]]] = {
            "new": self._new_rule,
            "drop": lambda: self._drop_rule(kind, name),
            "rebuild": lambda: self._rebuild(kind, name),
            "move": lambda: self._move(kind, name),
            "pin": lambda: self._pin(kind, name),
            "legs": lambda: self._legs(kind, name),
            "never": self._never,
        }
        self.start(requests[what](), "subscription")

    def _account_of_socket(self, connection: int) -> str:
        for account in self._standing.runtime.accounts:
            if any(status.connection == connection for status in account.connections):
                return account.account_id
        return ""

    async def _new_rule(self) -> None:
        backend = self._backend
        shown = self._screen.chain.underlying
        from tickertui.tui.screens.new_rule import NewRuleScreen

        form = NewRuleScreen(backend.underlyings(), f"{shown} 2 40 full" if shown else "", backend.what_if)
        rule = await self._screen.app.push_screen_wait(form)
        if rule is not None:
            await backend.add_rule(rule)
            self._tell(f"{rule.describe()}: added, a reload follows")

    async def _drop_rule(self, kind: str, name: str) -> None:
        status = next((s for s in self._backend.rules() if kind == "rule" and str(s.rule.rule_id) == name), None)
        if status is None:
            raise BackendRefused("put the cursor on a rule to drop it")
        question = f"{status.rule.describe()}\n{status.legs:,} legs that no other rule asks for are unsubscribed."
        if await self._screen.app.push_screen_wait(ConfirmScreen("Drop this rule?", question, "drop it")):
            await self._backend.remove_rule(status.rule.rule_id)
            self._tell("dropped, a reload follows")

    async def _rebuild(self, kind: str, name: str) -> None:
        account = self._require_account(kind, name, "rebuild")
        status = next(a for a in self._standing.runtime.accounts if a.account_id == account)
        question = (
            f"Its sockets are closed and opened again: {status.subscribed:,} instruments pause for about a second."
        )
        if await self._screen.app.push_screen_wait(
            ConfirmScreen(f"Rebuild the feed of {account}?", question, "rebuild")
        ):
            await self._backend.reconnect(account)
            self._tell(f"{account}: reconnecting")

    async def _move(self, kind: str, name: str) -> None:
        account = self._require_account(kind, name, "move")
        status = next(a for a in self._standing.runtime.accounts if a.account_id == account)
        room = sum(other.room for other in self._standing.runtime.accounts if other.account_id != account)
        question = f"{status.desired:,} legs go to the other accounts, which have room for {room:,}. Pinned legs stay."
        if await self._screen.app.push_screen_wait(ConfirmScreen(f"Move the legs of {account}?", question, "move")):
            await self._backend.move_account(account)
            self._tell(f"{account}: its legs are moving")

    def _require_account(self, kind: str, name: str, verb: str) -> str:
        if kind != "account" or not name:
            raise BackendRefused(f"put the cursor on an account or one of its sockets to {verb} it")
        return name

    async def _pin(self, kind: str, name: str) -> None:
        status = next((s for s in self._backend.rules() if kind == "rule" and str(s.rule.rule_id) == name), None)
        if status is None:
            raise BackendRefused("put the cursor on a rule to pin it to an account")
        accounts = [Choice("", "any account", "where there is room")]
        accounts += [Choice(a.account_id, a.account_id, f"room {a.room:,}") for a in self._standing.runtime.accounts]
        picker = PickerScreen("Pin to", [Choice(c.key or "*", c.text, c.note) for c in accounts],
                              current=status.rule.preferred_account or "*")  # fmt: skip
        chosen = await self._screen.app.push_screen_wait(picker)
        if chosen is not None:
            await self._backend.pin_rule(status.rule.rule_id, None if chosen == "*" else chosen)
            self._tell("pinned, a reload follows" if chosen != "*" else "unpinned, a reload follows")

    async def _legs(self, kind: str, name: str) -> None:
        legs = self._backend.legs()
        if kind == "account":
            legs = legs.select(legs.accounts.where(lambda account: account == name))
        elif kind == "rule":
            legs = legs.select(legs.asked_for_by(int(name)))
        await self._show_legs(f"{len(legs):,} legs", legs)

    async def _never(self) -> None:
        watched, around = self._standing.watched, self._standing.around
        legs = watched.never_legs(around)
        if not legs:
            raise BackendRefused("everything that is subscribed has sent something, or was subscribed within a minute")
        await self._show_legs(f"Never ticked {watched.never(around).describe()}", legs)

    async def _show_legs(self, title: str, legs: Legs) -> None:
        """A list that stays current while it is open."""
        standing = self._standing

        def rows() -> Sequence[Row]:
            return standing.watched.rows(legs, standing.around)

        await self._screen.app.push_screen_wait(ListScreen(title, rows(), source=rows, slowly=True))

    # ------------------------------------------------------------------ login

    def login(self) -> None:
        """Log in the account that needs it, or choose one."""
        self.start(self._login(), "login")

    async def _login(self) -> None:
        accounts = self._standing.runtime.accounts
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
        from tickertui.tui.screens.login import LoginScreen

        done = await self._screen.app.push_screen_wait(
            LoginScreen(page, lambda pasted: self._backend.login(chosen, pasted))
        )
        if done:
            self._tell(f"{chosen} is logged in")

    # ------------------------------------------------------------------ feed

    def toggle_mock(self) -> None:
        """Ask, then switch the synthetic market on or off."""
        self.start(self._toggle_mock(), "feed")

    async def _toggle_mock(self) -> None:
        leaving = self._standing.runtime.feed is FeedMode.MOCK
        if leaving and not self._standing.runtime.accounts:
            raise BackendRefused("without an account there is nothing but the mock; `tickertui config init` adds one")
        if leaving:
            title, text = "Leave the mock?", "The chain shows what the accounts send, or the last session's values."
        else:
            title, text = "Switch to the mock?", "Every price becomes synthetic and is marked so. Sockets stay open."
        if await self._screen.app.push_screen_wait(ConfirmScreen(title, text, "switch")):
            await self._backend.set_feed(FeedMode.LIVE if leaving else FeedMode.MOCK)

    def leave_replay(self) -> None:
        """Ask, then go back to what the accounts and the calendar say."""
        self.start(self._leave_replay(), "feed")

    async def _leave_replay(self) -> None:
        text = "The chain shows what the accounts send, or the last session's values."
        if await self._screen.app.push_screen_wait(ConfirmScreen("Leave the replay?", text, "leave")):
            await self._backend.set_feed(FeedMode.LIVE)

    # ------------------------------------------------------------------ backfill

    def toggle_bootstrap(self) -> None:
        """Start or pause the backfill."""
        self.start(self._backend.toggle_bootstrap(), "bootstrap")

    def about_bootstrap(self, what: str, key: str) -> None:
        """Do what the bootstrap pane asks."""
        self.start(self._retry() if what == "retry" else self._gaps(key), "bootstrap")

    async def _retry(self) -> None:
        await self._backend.retry_failed()
        self._tell("asking again for what failed")

    async def _gaps(self, key: str) -> None:
        progress = self._backend.bootstrap()
        wanted = key.partition(":")[2]
        rows: list[Row] = []
        for label, days in progress.coverage.items():
            if wanted and label != wanted and key.startswith(("group:", "coverage:")):
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

    def choose_theme(self) -> None:
        """Choose a theme."""
        self.start(self._choose_theme(), "theme")

    async def _choose_theme(self) -> None:
        app = self._screen.app
        names = getattr(app, "theme_names", ()) or tuple(app.available_themes)
        picked = await app.push_screen_wait(PickerScreen("Theme", [Choice(n, n) for n in names], current=app.theme))
        if picked:
            app.theme = picked

    def save_picture(self) -> None:
        """Save the screen as SVG where the trader can find it."""
        directory = self._screen.options.pictures_dir or Path.cwd()
        name = f"tickertui-{self._backend.clock.now():%Y%m%d-%H%M%S}.svg"
        try:
            path = self._screen.app.save_screenshot(name, str(directory))
        except OSError as error:
            self._screen.notify(f"{directory}: cannot write a picture there: {error.strerror}", severity="error")
            return
        self._tell(f"saved {path}")

    def command_line(self) -> None:
        """Type a command."""
        self.start(self._command_line(), "command")

    async def _command_line(self) -> None:
        from tickertui.tui.screens.command_line import CommandLineScreen

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
            if not chain.show_preset(argument):
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
        from tickertui.tui.screens.command_line import Command, action_commands

        chain = self._screen.chain
        app = self._screen.app
        with_words = (
            Command("goto", "Go to a strike, for instance goto 24500."),
            Command("underlying", "Show another underlying.", self._backend.underlyings),
            Command("expiry", "Show another expiry.", lambda: [f"{m.expiry:%d%b%y}" for m in chain.expiries]),
            Command("columns", "Show a column preset.", lambda: chain.presets.names(marked=chain.has_mark)),
            Command("theme", "Switch the theme.", lambda: sorted(getattr(app, "theme_names", app.available_themes))),
        )
        return {command.name: command for command in with_words} | {
            name: command for name, command in action_commands(self._screen.runnable()).items() if name != "theme"
        }

    def jump(self) -> None:
        """Show a letter on everything that can be jumped to."""
        from tickertui.tui.screens.jump import JumpScreen

        targets = self._screen.jump_targets()
        if targets:
            self._screen.app.push_screen(JumpScreen(targets))

    def quit(self) -> None:
        """Quit, asking while a live feed runs."""
        self.start(self._quit(), "quit")

    async def _quit(self) -> None:
        runtime = self._standing.runtime
        live = runtime.feed is FeedMode.LIVE and runtime.state in (LoopState.RUNNING, LoopState.RELOADING)
        if live and runtime.instruments:
            question = f"{runtime.instruments:,} instruments stream. Subscriptions and progress are kept."
            if not await self._screen.app.push_screen_wait(ConfirmScreen("Quit?", question, "quit")):
                return
        self._screen.app.exit(0)
