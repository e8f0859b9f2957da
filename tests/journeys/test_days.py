"""What happens to a trader in a day: each with a program and a simulated broker of its own, at three sizes.

Login in the morning, the flush of the tokens at six, an expiry that passes, leaving with a question and coming back.
"""

from __future__ import annotations

from pathlib import Path

from tests.journeys.trader import DAY, ENTER, ESC, NO_HISTORY, Size, Trader, at_work
from tests.support.emulated import in_emulated_terminal
from tests.support.stages import Scenario


def log_in(trader: Trader, account: int) -> None:
    """Paste what the login page sends the browser to, in the panel that is open."""
    trader.sees("Open this address in a browser", "Paste the address")
    address = f"https://127.0.0.1/?action=login&status=success&request_token={trader.broker.request_token(account)}"
    trader.press(address.strip(), "•••")
    trader.press(ENTER, gone=("Open this address in a browser",))


def test_the_login_in_the_morning_here_and_in_another_shell(size: Size, tmp_path: Path) -> None:
    morning = Scenario("the morning", "2026-11-26 09:20", rules=NO_HISTORY, logged_in=False)
    with at_work(morning, size, tmp_path) as trader:
        trader.sees("Z1 Z2 NEEDS A LOGIN", "L logs in", timeout=40.0)
        trader.press("L", "─ Log in ─", "Z1  auth expired", "Z2  auth expired")
        trader.press(ENTER)
        log_in(trader, 1)
        trader.sees("Z2 NEEDS A LOGIN", gone=("Z1 Z2 NEEDS",), timeout=40.0)
        trader.chain("NIFTY", "01Dec")
        trader.commands("login", "Z2", typed=trader.broker.request_token(2))
        trader.sees("SIMULATED BROKER", gone=("NEEDS A LOGIN",), timeout=40.0)
        trader.press("u", "─ Underlying ─")
        trader.press("BANKN", "│BANKN", gone=("NIFTYNXT50",))
        trader.press(ENTER, gone=("─ Underlying ─",))
        trader.chain("BANKNIFTY", "29Dec")


def test_the_tokens_are_flushed_at_six(size: Size, tmp_path: Path) -> None:
    before_six = Scenario("before six", "2026-11-26 05:59:50", rules=NO_HISTORY)
    with at_work(before_six, size, tmp_path) as trader:
        trader.sees("STRIKE", "CLOSED Wed 25 Nov", timeout=40.0)
        trader.press("2", "desired 172 = subscribed 172", "→06:00")
        trader.sees("dead?", "OVERDUE", timeout=30.0)
        # The flush ends no socket, only the next start of one; the trader does not wait for that.
        trader.press("R", "Rebuild the feed of Z1?")
        trader.press("y", "Z1 NEEDS A LOGIN", "the broker refused the token", "!login")
        trader.press("L")
        log_in(trader, 1)
        trader.sees("Z1 is logged in", "→06:00", gone=("NEEDS A LOGIN", "!login"), timeout=40.0)
        trader.press("6", "Z1 is logged in as SIM001", "is back after")


def test_an_expiry_passes_and_the_next_one_follows(size: Size, tmp_path: Path) -> None:
    afternoon = Scenario("an expiry's afternoon", "2026-12-01 15:39:30", rules=NO_HISTORY, speed=4.0)
    with at_work(afternoon, size, tmp_path) as trader:
        trader.sees("STRIKE", "0d!", timeout=40.0)
        trader.reads(r"\[\w 01 ?Dec 0d!\]")
        trader.sees("NIFTY 01 Dec has expired: 08 Dec follows in", "Esc stays", timeout=40.0)
        trader.reads(r"\[\w 08 ?Dec 7d\]", timeout=40.0)
        trader.sees("STRIKE", "CLOSED Tue 01 Dec", gone=("0d!]", "follows in"))


def test_leaving_asks_and_the_next_start_goes_on(size: Size, tmp_path: Path) -> None:
    with at_work(Scenario("a day", DAY, rules=NO_HISTORY), size, tmp_path) as trader:
        trader.at_home()
        trader.press("q", "Quit?", "172 instruments stream")
        trader.press("n", gone=("Quit?",))
        trader.press("q", "Quit?")
        trader.press(ESC, gone=("Quit?",))
        trader.moves()
        trader.press("q", "Quit?")
        trader.terminal.type("y")
        assert trader.terminal.wait() == 0
        assert trader.terminal.left_processes() == []
        stage = trader.stage
        with in_emulated_terminal(
            stage.arguments, stage.environ, columns=size[0], lines=size[1], folder=stage.folder
        ) as terminal:
            again = Trader(terminal, stage)
            again.at_home()
            again.press("2", "desired 172 = subscribed 172", "NIFTY next 2 ATM±15 full")
