"""`AskingScreen`: the registry's actions that ask, plan or open a form: keys, palette and panes lead to `Requests`.

The main screen is built on it.
"""

from __future__ import annotations

from textual.screen import Screen

from tickertui.tui.paced import Paced
from tickertui.tui.screens.bootstrap import BootstrapPane
from tickertui.tui.screens.requests import Requests
from tickertui.tui.screens.subscriptions import SubscriptionsPane


class AskingScreen(Paced, Screen[None]):
    """A screen whose `Requests` do what its keys ask for.

    Attributes:
        requests: Set by the subclass.
    """

    requests: Requests

    def action_reload_plan(self) -> None:
        """Plan a reload and ask."""
        self.requests.reload_plan()

    def action_login(self) -> None:
        """Log an account in."""
        self.requests.login()

    def action_refresh_contracts(self) -> None:
        """Fetch the day's contracts."""
        self.requests.refresh_contracts()

    def action_toggle_mock(self) -> None:
        """Switch the mock."""
        self.requests.toggle_mock()

    def action_choose_theme(self) -> None:
        """Choose a theme."""
        self.requests.choose_theme()

    def action_command_line(self) -> None:
        """Type a command."""
        self.requests.command_line()

    def action_jump(self) -> None:
        """Jump by letter."""
        self.requests.jump()

    def action_toggle_bootstrap(self) -> None:
        """Start or pause the backfill."""
        self.requests.toggle_bootstrap()

    def action_save_picture(self) -> None:
        """Save the screen."""
        self.requests.save_picture()

    def action_leave_replay(self) -> None:
        """Go back to what the accounts and the calendar say."""
        self.requests.leave_replay()

    def action_ask_quit(self) -> None:
        """Quit, asking while a live feed runs."""
        self.requests.quit()

    def on_subscriptions_pane_asked(self, message: SubscriptionsPane.Asked) -> None:
        """Do what the subscriptions pane asks for."""
        self.requests.about_subscription(message.what, message.key)

    def on_bootstrap_pane_asked(self, message: BootstrapPane.Asked) -> None:
        """Do what the bootstrap pane asks for."""
        self.requests.about_bootstrap(message.what, message.key)
