"""Log an account in: the broker's address, and a field for the address one is sent back to. Nothing is echoed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Paste
from textual.widgets import Input, Static

from tickertui.tui.keys.actions import Context, bindings_of
from tickertui.tui.panels.base import LineScreen
from tickertui.tui.view.backend import BackendRefused, LoginPage, PasteIncomplete


class _PastedLines(Input):
    """A hidden line that takes every line of a paste; the usual one takes the first."""

    def __init__(self) -> None:
        super().__init__(password=True, compact=True)
        self.cursor_blink = False

    def on_paste(self, event: Paste) -> None:
        """Insert the lines, divided by blanks."""
        event.prevent_default()
        event.stop()
        self.replace(" ".join(event.text.split()), *self.selection)


class LoginScreen(LineScreen[bool]):
    """Closes with True when the day's token is there.

    Args:
        page: Account and address.
        login: Exchanges what was pasted; raises `BackendRefused`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.LOGIN)]

    def __init__(self, page: LoginPage, login: Callable[[str], Awaitable[None]]) -> None:
        hint = (("take", "log in"), ("copy-address", "copy the address"), ("close-panel", "back"))
        super().__init__(f"Log in {page.account_id}", hint)
        self._page = page
        self._login = login
        self._busy = False
        self._lines: list[str] = []
        """What was taken and is not known to be wrong: a terminal that does not mark a paste sends it line by line."""

    def content(self) -> ComposeResult:
        """The two steps."""
        yield Static("1  Open this address in a browser and log in there:", classes="panel-text", markup=False)
        yield Static(f"   {self._page.url}", classes="panel-text", markup=False, id="login-address")
        yield Static(
            "2  Paste the address that you are sent to, or only its request_token:",
            classes="panel-text",
            markup=False,
        )
        yield _PastedLines()

    def on_mount(self) -> None:
        """Take the keys."""
        self.query_one(Input).focus()

    async def action_take(self) -> None:
        """Exchange what was pasted; the field is emptied at once, whatever comes of it: the next line may follow."""
        line = self.query_one(Input)
        pasted, line.value = line.value.strip(), ""
        if not pasted:
            return
        self._lines.append(pasted)
        if not self._busy:
            self._busy = True
            self.show_error("")
            # In a worker, so that Esc works while the broker takes its time.
            self.run_worker(self._exchange, exclusive=True)

    async def _exchange(self) -> None:
        try:
            while True:
                tried = len(self._lines)
                try:
                    await self._login("\n".join(self._lines))
                except PasteIncomplete as refused:
                    if len(self._lines) == tried:
                        self.show_error(str(refused))
                        return
                except BackendRefused as refused:
                    del self._lines[:tried]
                    self.show_error(str(refused))
                    if not self._lines:
                        return
                else:
                    self.dismiss(True)
                    return
        finally:
            self._busy = False

    def action_copy_address(self) -> None:
        """Copy the address."""
        self.app.copy_to_clipboard(self._page.url)
        self.notify("Copied.", timeout=2)
