"""Walks that a trader makes many times a day, each back to where it began: live, at three sizes of the terminal.

The program and the simulated broker are processes of their own and are shared by the walks of a size.
"""

from __future__ import annotations

import signal

from tests.journeys.trader import DOWN, ENTER, ESC, JUMP, TAB, Trader
from tests.support.emulator import EmulatedScreen


def test_another_underlying_and_back(trader: Trader) -> None:
    trader.press("u", "─ Underlying ─", "type to narrow", "NIFTYNXT50")
    trader.press("BANKN", "│BANKN", "BANKNIFTY  6 expiries", gone=("NIFTYNXT50",))
    trader.press(ENTER, gone=("─ Underlying ─",))
    trader.chain("BANKNIFTY", "29Dec")
    trader.moves()
    trader.press("U")
    trader.chain("NIFTY", "01Dec")


def test_an_underlying_that_nothing_subscribes_says_what_it_would_cost(trader: Trader) -> None:
    trader.press("u", "─ Underlying ─")
    trader.press("SENSEX", "│SENSEX", gone=("NIFTYNXT50",))
    trader.press(ENTER, "Nothing in your subscriptions asks for SENSEX", "subscribe it", gone=("─ Underlying ─",))
    trader.press("U", gone=("Nothing in your subscriptions",))
    trader.chain("NIFTY", "01Dec")


def test_an_expiry_from_the_list_and_back(trader: Trader) -> None:
    trader.press("e", "Expiry of NIFTY", "08 Dec 2026   13d", "104 strikes")
    trader.press(DOWN)
    trader.press(ENTER, gone=("Expiry of NIFTY",))
    trader.chain("NIFTY", "08Dec")
    trader.press("[")
    trader.chain("NIFTY", "01Dec")


def test_expiry_by_expiry_past_what_is_subscribed_and_back(trader: Trader) -> None:
    trader.press("]")
    trader.chain("NIFTY", "08Dec")
    trader.press("]", "[W 15Dec", "Nothing in your subscriptions asks for NIFTY 15 Dec yet")
    trader.press("[", gone=("Nothing in your subscriptions",))
    trader.chain("NIFTY", "08Dec")
    trader.press("[")
    trader.chain("NIFTY", "01Dec")


def test_the_leg_its_depth_and_where_its_number_comes_from(trader: Trader) -> None:
    trader.press("a", "▶ 24,350 ◀")
    trader.press(ENTER, "NIFTY 01 Dec 24,350 CE · token", "previous close")
    trader.press("d", "Depth · NIFTY 01 Dec 24,350 CE", "orders", "offered")
    trader.press("i", "the account's socket", "Black-76", "owner    NIFTY next 2")
    trader.press(ESC, gone=("the account's socket", "Esc back"))


def test_the_presets_of_columns(trader: Trader) -> None:
    trader.press("c", "columns: price", " Bid ", " Sprd ")
    trader.press("c", "columns: greeks", " vega ", " theta ")
    trader.press("c", "columns: full", " IV ", " dlt ")
    trader.press("c", "columns: oi", " bar ")


def test_the_views_of_the_chain(trader: Trader) -> None:
    trader.press("v", "view: one side")
    trader.press("v", "view: straddle", "Straddle", "net dl")
    trader.press("v", "view: by expiry")
    trader.press("v", "view: chain", "STRIKE")


def test_find_a_strike_and_go_back_to_the_money(trader: Trader) -> None:
    trader.press("/", "─ Find ─", "type a strike")
    trader.press("nifty 25800", "NIFTY 01 Dec 25,800 CE", gone=("type a strike",))
    trader.press(ENTER, " 25,800 ", gone=("─ Find ─",))
    trader.press(ENTER, "NIFTY 01 Dec 25,800 CE · token")
    trader.press(ESC, gone=("25,800 CE · token",))
    trader.press("a", "▶ 24,350 ◀", gone=(" 25,800 ",))


def test_show_only_strikes_with_a_price(trader: Trader) -> None:
    trader.press("G", gone=("▶ 24,350 ◀",))
    trader.press("f", "─ Show ─", "strikes with a price")
    trader.press("pri", "│pri", gone=("every strike",))
    # The last strike of the list is not subscribed; the last with a price is fifteen from the money.
    trader.press(ENTER, gone=("─ Show ─",))
    trader.press("G", "25,100")
    trader.press("f", "─ Show ─", "every strike")
    trader.press("all", "│all")
    trader.press(ENTER, gone=("─ Show ─",))
    trader.press("G", gone=("25,100",))
    trader.press("a", "▶ 24,350 ◀")


def test_sort_by_a_column_and_back(trader: Trader) -> None:
    trader.press("s", "sorted by ltp of the CE, largest first")
    trader.press("s", "sorted by ltp of the CE, smallest first")
    trader.press("s", gone=("sorted by",))
    trader.press("a", "▶ 24,350 ◀")


def test_a_strike_that_stays_in_sight(trader: Trader) -> None:
    trader.press("a", "▶")
    trader.press(DOWN + " ", "• 24,400")
    trader.press("G", "• 24,400", gone=("24,450",))
    trader.press("a", "24,450")
    trader.press(DOWN + " ", gone=("•",))


def test_bars_and_units(trader: Trader) -> None:
    trader.press("o", "bars: dOI")
    trader.press("o", "bars: Vol")
    trader.press("o", "bars: OI")
    trader.press("z", "units: lots")
    trader.press("z", "units: contracts")
    trader.press("z", "units: lakh")


def test_pause_and_on(trader: Trader) -> None:
    trader.press("p", "PAUSED", "p resumes")
    trader.press("p", gone=("PAUSED",))
    trader.moves()


def test_another_theme_and_back(trader: Trader) -> None:
    trader.press("t", "─ Theme ─", "high-contrast")
    trader.press("mono", "│mono", gone=("high-contrast",))
    trader.press(ENTER, gone=("─ Theme ─",))
    screen = trader.terminal.emulator.screen
    trader.terminal.until(lambda: not hues(screen), "greys only", 20.0)
    trader.press(":", "─ Command ─")
    trader.press("theme cvd-dark", "│theme cvd-dark")
    trader.press(ENTER, gone=("─ Command ─",))
    trader.terminal.until(lambda: hues(screen), "hues again", 20.0)


def hues(screen: EmulatedScreen) -> set[str]:
    """Colours on the screen that are no grey."""
    cells = (cell for row in screen.buffer.values() for cell in row.values())
    colours = {colour for cell in cells for colour in (cell.fg, cell.bg) if len(colour) == 6}
    return {colour for colour in colours if len({colour[:2], colour[2:4], colour[4:]}) > 1}


def test_the_window_is_made_smaller_and_larger(trader: Trader) -> None:
    columns, lines = trader.size
    for size in ((100, 30), (30, 8), (132, 43), (90, 24)):
        trader.terminal.resize(*size)
        if size[0] < 80:
            trader.sees("80x24 needed, this is 30x8")
        else:
            trader.sees("STRIKE", "NIFTY 24,3", "▶ 24,350 ◀", gone=("needed, this is",))
        trader.terminal.until(lambda: not trader.terminal.emulator.screen.row_faults(), "rows as wide as the terminal")
    trader.terminal.resize(columns, lines)
    trader.sees("STRIKE", "▶ 24,350 ◀")
    trader.terminal.until(lambda: not trader.terminal.emulator.screen.row_faults(), "rows as wide as the terminal")


def test_the_mock_and_back_to_the_market(trader: Trader) -> None:
    trader.press("M", "Switch to the mock?", "Every price becomes synthetic")
    trader.press("y", "▓▒░ MOCK DATA", "[MOCK] NIFTY ~", "~CALL")
    trader.press("M", "Leave the mock?")
    trader.press("y", "SIMULATED BROKER", gone=("MOCK DATA", "~CALL", "[MOCK]"))
    trader.chain("NIFTY", "01Dec")


def test_a_mock_that_is_held_goes_when_the_market_comes_back(trader: Trader) -> None:
    trader.press("M", "Switch to the mock?")
    trader.press("y", "▓▒░ MOCK DATA", "~CALL")
    trader.press("p", "PAUSED")
    trader.press("M", "Leave the mock?")
    trader.press("y", "SIMULATED BROKER", gone=("MOCK DATA", "~CALL", "[MOCK]", "PAUSED"))
    trader.chain("NIFTY", "01Dec")


def test_every_pane_by_tab_and_by_its_digit(trader: Trader) -> None:
    seen = ("desired 172", "Bootstrap ·", "Health:", "open interest", "Events ·", "STRIKE")
    for words in seen:
        trader.press(TAB, words)
    trader.press("4", "Health:", "ticker loop", "running")
    trader.press("5", "NIFTY 01 Dec", "implied volatility")
    trader.press("1", "STRIKE")


def test_events_that_match(trader: Trader) -> None:
    trader.press("6", "Events ·", "is connected")
    trader.press("f", "words that must appear")
    trader.press("172 added", "only those with: 172 added", gone=("is connected",))
    trader.press(ENTER, "172 added", gone=("is connected",))
    trader.press(ESC, "is connected", gone=("only those with",))
    trader.press(ESC, "STRIKE", gone=("Events ·",))


def test_jump_to_a_pane_and_back(trader: Trader) -> None:
    trader.press(JUMP, " a hain")
    trader.press("s", "Subscriptions · revision", gone=(" a hain",))
    trader.press(JUMP, " a hain")
    trader.press("a", "STRIKE", gone=("Subscriptions · revision",))


def test_a_command_line_with_completion(trader: Trader) -> None:
    trader.press(":", "─ Command ─", "goto 24500, underlying SENSEX")
    trader.press("underly", "│underly")
    trader.press(TAB, "│underlying ")
    trader.press("BANKN", "│underlying BANKN ", "underlying BANKNIFTY")
    trader.press(TAB, "│underlying BANKNIFTY")
    trader.press(ENTER, gone=("─ Command ─",))
    trader.chain("BANKNIFTY", "29Dec")
    trader.press("U")
    trader.chain("NIFTY", "01Dec")


def test_a_new_rule_is_reloaded_and_dropped_again(trader: Trader) -> None:
    trader.press("2", "Rules", "desired 172")
    trader.press("n", "Subscribe a chain", "legs")
    trader.press("\x15", "an underlying first")
    trader.press("SENSEX 1 5 full", "SENSEX next 1 ATM±5 full", "new: fits")
    trader.press(ENTER, "SENSEX next 1 ATM±5 full: added", "desired 195", gone=("Subscribe a chain",))
    trader.on_row("SENSEX next 1 ATM±5 full", lambda row: "legs" in row, "its legs")
    trader.sees("its own 23 legs", "what-if")
    trader.click("SENSEX next 1 ATM±5 full ")
    trader.press("D", "Drop this rule?", "23 legs that no other rule asks for")
    trader.press("y", "desired 172", gone=("Drop this rule?", "SENSEX next 1 ATM±5 full "))
    trader.press("1", "STRIKE")


def test_a_rule_from_another_shell_joins_and_the_plan_says_nothing_is_left_to_send(trader: Trader) -> None:
    trader.commands("subs", "add", "FINNIFTY", "--strikes", "5", "--account", "Z2")
    trader.press("2", "FINNIFTY next 1 ATM±5 full @Z2", "desired 196")
    trader.press("r", "Reload plan", "Nothing changes", "196 unchanged")
    trader.press(ESC, gone=("Reload plan",))
    number = next(line.split()[1] for line in trader.commands("subs", "list").splitlines() if "FINNIFTY" in line)
    trader.commands("subs", "remove", number)
    trader.sees("desired 172", gone=("FINNIFTY",))
    trader.press("1", "STRIKE")


def test_a_rule_is_pinned_to_an_account_and_let_go(trader: Trader) -> None:
    trader.press("2", "NIFTY next 2 ATM±15 full ", "its own 126 legs", "what-if")
    trader.click("NIFTY next 2 ATM±15 full ")
    trader.press(" ", "─ Pin to ─", "any account", "Z1           room", "Z2           room")
    trader.press(ESC, gone=("Esc back",))
    trader.press("1", "STRIKE")


def test_a_silent_socket_is_told_and_comes_back(trader: Trader) -> None:
    trader.broker.control("faults", {"fault": "silent", "api_key": "simulated1", "seconds": 5})
    trader.reads(r"Z1/s1 (SILENT|RECOVERING|DOWN)|STALE \d+/", timeout=30.0)
    trader.sees("SIMULATED BROKER", gone=("STALE", "RECOVERING"), timeout=45.0)
    trader.chain("NIFTY", "01Dec")
    trader.moves()


def test_the_laptop_was_closed_for_a_while(trader: Trader) -> None:
    trader.terminal.signal(signal.SIGSTOP)
    trader.terminal.watch(10.5)  # more than ten seconds are a sleep, fewer a pause
    trader.terminal.signal(signal.SIGCONT)
    trader.chain("NIFTY", "01Dec")
    trader.moves()
    trader.press("6", "asleep", "of ticks are missing")
    trader.press(ESC, "STRIKE")
