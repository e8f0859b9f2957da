"""Log an account in: the broker's address, and a field for the address one is sent back to. Nothing is echoed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input, Static

from tickertui.tui.keys.actions import Context, bindings_of
from tickertui.tui.panels.base import LineScreen, entry
from tickertui.tui.view.backend import BackendRefused, LoginPage


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

    def content(self) -> ComposeResult:
        """The two steps."""
        yield Static("1  Open this address in a browser and log in there:", classes="panel-text", markup=False)
        yield Static(f"   {self._page.url}", classes="panel-text", markup=False, id="login-address")
        yield Static(
            "2  Paste the address that you are sent to, or only its request_token:",
            classes="panel-text",
            markup=False,
        )
        yield entry(password=True)

    def on_mount(self) -> None:
        """Take the keys."""
        self.query_one(Input).focus()

    async def on_input_submitted(self, message: Input.Submitted) -> None:
        """Exchange what was pasted; the field is emptied whatever comes of it."""
        message.stop()
        pasted = message.value.strip()
        message.input.value = ""
        if pasted and not self._busy:
            self._busy = True
            self.show_error("")
            # In a worker, so that Esc works while the broker takes its time.
            self.run_worker(partial(self._exchange, pasted), exclusive=True)

    async def _exchange(self, pasted: str) -> None:
        try:
            await self._login(pasted)
        except BackendRefused as refused:
            self.show_error(str(refused))
        else:
            self.dismiss(True)
        finally:
            self._busy = False

    def action_copy_address(self) -> None:
        """Copy the address."""
        self.app.copy_to_clipboard(self._page.url)
        self.notify("Copied.", timeout=2)
