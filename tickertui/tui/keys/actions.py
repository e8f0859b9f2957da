"""The one registry of actions: bindings, footer, help, palette, keymap and the documentation's key tables come from it.

An action is reachable by its keys, by the palette and by ``:id``. Lower-case keys only look; the few that change
something at once are upper case and ask first. Actions of panels (pickers, questions, plans ...) have keys only:
outside their panel they would do nothing, so palette and command line leave them out (`outside_panels`).

Every pane and panel takes its bindings from here; `tickertui.tui.keys.keymap` checks the keys of the configuration.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Final

from textual.binding import Binding

from tickertui.frozen import frozen


class Context(StrEnum):
    """Where an action works; the order is that of help and README."""

    APP = "Everywhere"
    CHAIN = "Chain"
    SUBSCRIPTIONS = "Subscriptions"
    BOOTSTRAP = "Bootstrap"
    EVENTS = "Events"
    LIST = "Lists"
    REPLAY = "Replay"
    PANEL = "Panels"
    TAKE = "Panels that take something"
    TEXT = "Panels to read"
    QUESTION = "Questions"
    PICKER = "Pickers"
    COMPLETION = "Lines to type in"
    COLUMNS = "Column editor"
    LOGIN = "Login"


PANEL_CONTEXTS: Final = (
    Context.PANEL, Context.TAKE, Context.TEXT, Context.QUESTION, Context.PICKER, Context.COMPLETION, Context.COLUMNS,
    Context.LOGIN,
)  # fmt: skip
"""Contexts that exist only while a panel is open."""

_TYPED_IN: Final = frozenset((Context.TAKE, Context.PICKER, Context.COMPLETION, Context.LOGIN))
"""Contexts with a line that has the keys: theirs are looked at before it gets them."""


REQUEST: Final = "request"
"""Method of actions that ask first, plan or open a form: the main screen's `Dialogs` have them in their table."""
LOOK: Final = "look"
"""Method of actions that change how the chain looks: its `ChainAppearance` has them in its table."""
_BY_ID: Final = (REQUEST, LOOK)


@frozen
class Action:
    """One thing the trader can do.

    Attributes:
        id: Stable kebab-case name: the key of the keymap, the palette's and the command line's word.
        method: ``action_<method>`` of the widget or screen of its context, with arguments if any; `REQUEST` or `LOOK`
            where a table has it by its id.
        keys: Default keys, comma separated, in Textual's names.
        label: One or two words for the footer.
        tooltip: One sentence for help and palette.
        context: Where it works.
        footer: Place in the footer, lower first; 0 keeps it out. What does not fit is left out from the right.
        asks: Whether it changes something and asks first.
        short: The label where the footer is narrow; empty for the same.
        partner: Id of the action whose key stands beside this one's in the footer (``[ ] expiry``).
        group: The footer's label of such a pair.
    """

    id: str
    method: str
    keys: str
    label: str
    tooltip: str
    context: Context = Context.APP
    footer: int = 0
    asks: bool = False
    short: str = ""
    partner: str = ""
    group: str = ""

    @property
    def call(self) -> str:
        """What Textual is to run: the method, with the id of its action where a table has that."""
        return f"{self.method}('{self.id}')" if self.method in _BY_ID else self.method

    @property
    def display(self) -> str:
        """The keys as they are printed on a keyboard."""
        return " ".join(key_display(key) for key in self.keys.split(","))

    def binding(self) -> Binding:
        """Return the Textual binding with this id, so that a keymap can move it."""
        return Binding(
            self.keys,
            self.call,
            self.label,
            show=bool(self.footer),
            key_display=key_display(self.keys.split(",")[0]),
            tooltip=self.tooltip,
            id=self.id,
            priority=self.is_before_typing,
        )

    @property
    def is_before_typing(self) -> bool:
        """Whether its keys are looked at before a line gets what is typed, and so must not be letters."""
        return self.context in _TYPED_IN


_DISPLAY: Final = {
    "question_mark": "?",
    "exclamation_mark": "!",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "slash": "/",
    "colon": ":",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "tab": "Tab",
    "shift+tab": "Shift+Tab",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "comma": ",",
    "full_stop": ".",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "ctrl+l": "Ctrl+L",
    "ctrl+o": "Ctrl+O",
    "ctrl+y": "Ctrl+Y",
}


def key_display(key: str) -> str:
    """Return how a Textual key name is printed on a keyboard."""
    return _DISPLAY.get(key, key)


def _app(
    id: str,
    method: str,
    keys: str,
    label: str,
    tooltip: str,
    footer: int = 0,
    *,
    asks: bool = False,
    short: str = "",
) -> Action:
    return Action(id, method, keys, label, tooltip, Context.APP, footer, asks, short)


def _chain(
    id: str,
    method: str,
    keys: str,
    label: str,
    tooltip: str,
    footer: int = 0,
    *,
    short: str = "",
    partner: str = "",
    group: str = "",
) -> Action:
    return Action(id, method, keys, label, tooltip, Context.CHAIN, footer, False, short, partner, group)


def _in(
    context: Context, id: str, method: str, keys: str, label: str, tooltip: str, footer: int = 0, *, asks: bool = False
) -> Action:
    return Action(id, method, keys, label, tooltip, context, footer, asks)


_SUBS, _BOOT, _EVENTS, _LIST = Context.SUBSCRIPTIONS, Context.BOOTSTRAP, Context.EVENTS, Context.LIST
_PICK, _COLS = Context.PICKER, Context.COLUMNS

ACTIONS: Final[tuple[Action, ...]] = (
    _app("show-chain", "show_pane('chain')", "1", "Chain", "Show the option chain.", 1),
    _app("show-subscriptions", "show_pane('subscriptions')", "2", "Subs", "Show accounts, sockets and rules.", 2),
    _app("show-bootstrap", "show_pane('bootstrap')", "3", "Boot", "Show the backfill of history.", 3),
    _app("show-health", "show_pane('health')", "4", "Health", "Show background tasks and the program's health.", 4),
    _app(
        "show-analytics", "show_pane('analytics')", "5", "Analytics", "Show smile and open interest profile.", 5,
        short="Anly",
    ),
    _app("show-events", "show_pane('events')", "6", "Events", "Show everything that happened.", 6, short="Log"),
    _app("next-pane", "next_pane(1)", "tab", "Next", "Go to the next pane."),
    _app("previous-pane", "next_pane(-1)", "shift+tab", "Previous", "Go to the previous pane."),
    _app("jump", REQUEST, "ctrl+o", "Jump", "Jump to anything on screen by its letter."),
    _app(
        "reload-plan", REQUEST, "r", "reload", "Plan a reload: show what would change, then apply it.", 15,
        short="load",
    ),
    _app("login", REQUEST, "L", "login", "Log an account in: fetch the day's token.", asks=True),
    _app("refresh-contracts", REQUEST, "I", "contracts", "Fetch the broker's contracts of the day again."),
    _app("toggle-mock", REQUEST, "M", "mock", "Switch the synthetic market on or off.", asks=True),
    _app("theme", REQUEST, "t", "theme", "Choose a theme."),
    _app("pause", "pause", "p", "pause", "Pause the display, never the feed.", 50),
    _app("command", REQUEST, "colon", "cmd", "Type a command, with completion.", 42),
    _app("screenshot", REQUEST, "S", "picture", "Save the screen as an SVG picture."),
    _app("redraw", "redraw", "ctrl+l", "redraw", "Paint the screen anew, and try again what has failed."),
    _app("help", "show_help", "question_mark", "help", "List the keys of this pane.", 90, short=" "),
    _app("back", "back", "escape", "back", "Go back; never quits."),
    _app("quit", REQUEST, "q", "quit", "Quit; asks while a live feed runs.", 95, short=" "),
    _chain("strike-up", "cursor(-1, 0)", "up,k", "up", "Go one strike up."),
    _chain("strike-down", "cursor(1, 0)", "down,j", "down", "Go one strike down."),
    _chain("column-left", "cursor(0, -1)", "left,h", "left", "Go one column or side left."),
    _chain("column-right", "cursor(0, 1)", "right,l", "right", "Go one column or side right."),
    _chain("page-up", "page(-1)", "pageup", "page up", "Go one page up."),
    _chain("page-down", "page(1)", "pagedown", "page down", "Go one page down."),
    _chain("first-strike", "edge(-1)", "g,home", "first", "Go to the first strike."),
    _chain("last-strike", "edge(1)", "G,end", "last", "Go to the last strike."),
    _chain("chain-to-atm", LOOK, "a", "ATM", "Go to the strike at the money.", 10),
    _chain("auto-centre", LOOK, "A", "auto", "Keep the money in the middle, with hysteresis.", 52),
    _chain(
        "previous-expiry", "expiry(-1)", "left_square_bracket", "previous expiry", "Show the expiry before.", 44,
        partner="next-expiry", group="expiry",
    ),
    _chain("next-expiry", "expiry(1)", "right_square_bracket", "next expiry", "Show the expiry after."),
    _chain("pick-expiry", "pick_expiry", "e", "expiry", "Choose an expiry from the list.", 11, short="exp"),
    _chain("pick-underlying", "pick_underlying", "u", "undl", "Choose an underlying, by typing part of it.", 12),
    _chain("last-underlying", "last_underlying", "U", "last underlying", "Go back to the underlying before."),
    _chain(
        "wider", LOOK, "plus,equals_sign", "wider", "Show more strikes.", 45, partner="narrower",
        group="range",
    ),
    _chain("narrower", LOOK, "minus", "narrower", "Show fewer strikes."),
    _chain("next-columns", LOOK, "c", "cols", "Switch the column preset: OI, price, Greeks, full.", 13),
    _chain("edit-columns", LOOK, "C", "edit columns", "Choose and order columns; keep them under a name."),
    _chain("next-view", "next_view", "v", "view", "Switch the view: chain, one side, straddle, by expiry.", 46),
    _chain("next-bar", LOOK, "o", "bars", "Switch what the bars mean: OI, change in OI, volume.", 47),
    _chain("next-units", LOOK, "z", "units", "Switch units: lakh, lots, contracts.", 48),
    _chain("maximise", "screen.maximise", "Z", "maximise", "Give the pane the whole screen, or give it back."),
    _chain("sort", LOOK, "s", "sort", "Sort by the column under the cursor: largest, smallest, by strike.", 53),
    _chain("filter", LOOK, "f", "filter", "Show only rows that match.", 54),
    _chain("find", "find", "slash", "find", "Find a strike, symbol or expiry.", 49),
    _chain("why", "why", "i", "why", "Tell where this number comes from.", 41),
    _chain("depth", "depth", "d", "depth", "Show the market depth of the leg.", 43),
    _chain("leg", "leg", "enter", "leg", "Open the leg: candles and open interest.", 55),
    _chain("pin", LOOK, "space", "pin", "Keep this strike in sight."),
    _chain("mark", "mark", "m", "mark", "Mark now: show changes since this moment.", 51),
    _chain("copy", "copy_cell", "y", "copy", "Copy the cell to the clipboard."),
    _chain("copy-row", "copy_row", "Y", "copy row", "Copy the row to the clipboard."),
    _in(_SUBS, "new-rule", REQUEST, "n", "new", "Subscribe a chain: see its cost first.", 20),
    _in(_SUBS, "drop-rule", REQUEST, "D", "drop", "Drop the rule under the cursor.", 21, asks=True),
    _in(_SUBS, "rebuild-feed", REQUEST, "R", "rebuild", "Reconnect this account's sockets.", 22, asks=True),
    _in(_SUBS, "move-shard", REQUEST, "X", "move", "Move this account's legs to others.", 23, asks=True),
    _in(_SUBS, "pin-account", REQUEST, "space", "pin", "Pin the rule to an account, or unpin it.", 25),
    _in(_SUBS, "open-legs", REQUEST, "enter", "legs", "List the legs behind this line, with reasons.", 24),
    _app("toggle-bootstrap", REQUEST, "b", "backfill", "Start or pause the backfill.", 56, short="boot"),
    _in(_SUBS, "list-never", REQUEST, "i", "never", "List what has never ticked, and why.", 26),
    _in(_BOOT, "retry-failed", REQUEST, "f", "retry", "Ask again for what failed.", 25),
    _in(_BOOT, "gap-map", REQUEST, "enter", "gap map", "Show covered and missing days.", 26),
    _in(_EVENTS, "filter-events", "filter_events", "f", "filter", "Show only events that match.", 27),
    _in(_EVENTS, "copy-event", "copy_event", "y", "copy", "Copy the event to the clipboard.", 28),
    _in(_LIST, "list-up", "list_cursor(-1)", "up,k", "up", "Go one line up."),
    _in(_LIST, "list-down", "list_cursor(1)", "down,j", "down", "Go one line down."),
    _in(_LIST, "list-page-up", "list_page(-1)", "pageup", "page up", "Go one page up."),
    _in(_LIST, "list-page-down", "list_page(1)", "pagedown", "page down", "Go one page down."),
    _in(_LIST, "list-first", "list_edge(-1)", "g,home", "first", "Go to the first line."),
    _in(_LIST, "list-last", "list_edge(1)", "G,end", "last", "Go to the last line."),
    _in(Context.REPLAY, "leave-replay", REQUEST, "Q", "leave replay", "Leave the replay.", 9, asks=True),
    _in(Context.PANEL, "close-panel", "close", "escape", "close", "Close the panel; nothing changes."),
    _in(Context.TAKE, "take", "take", "enter", "take", "Take what was chosen or typed, or close what is only read."),
    _in(Context.TEXT, "copy-text", "copy_text", "y", "copy", "Copy the text of the panel to the clipboard."),
    _in(Context.QUESTION, "answer-yes", "answer(True)", "enter,y", "yes", "Do what the question asks."),
    _in(Context.QUESTION, "answer-no", "answer(False)", "n", "no", "Leave it as it is."),
    _in(_PICK, "choice-up", "move(-1)", "up", "up", "Go one choice up, while the line has the letters."),
    _in(_PICK, "choice-down", "move(1)", "down", "down", "Go one choice down."),
    _in(_PICK, "choice-page-up", "move(-10)", "pageup", "page up", "Go ten choices up."),
    _in(_PICK, "choice-page-down", "move(10)", "pagedown", "page down", "Go ten choices down."),
    _in(Context.COMPLETION, "complete", "complete", "tab", "complete", "Complete what is typed."),
    _in(_COLS, "column-toggle", "toggle_column", "space", "on/off", "Show this column, or not."),
    _in(_COLS, "column-outward", "shift(-1)", "left,h,minus", "outward", "Move the column outward."),
    _in(_COLS, "column-inward", "shift(1)", "right,l,plus,equals_sign", "inward", "Move the column inward."),
    _in(_COLS, "preset-next", "next_preset", "c", "preset", "Start from the columns of the next preset."),
    _in(_COLS, "preset-save", "name", "s", "save", "Keep the choice of columns under a name."),
    _in(_COLS, "preset-delete", "ask_delete", "D", "delete", "Forget the saved preset.", asks=True),
    _in(Context.LOGIN, "copy-address", "copy_address", "ctrl+y", "copy address", "Copy the login address."),
)  # fmt: skip

_AT_HOME: Final[Mapping[str, tuple[Context, int]]] = {"toggle-bootstrap": (Context.BOOTSTRAP, 16)}
"""Actions that work everywhere and are wanted first in one pane: which, and their place in its footer."""


def footer_place(action: Action, contexts: Collection[Context]) -> int:
    """Return the place of an action in the footer of a pane with these contexts; 0 keeps it out."""
    home, place = _AT_HOME.get(action.id, (None, 0))
    return place if home in contexts else action.footer


NO_KEYS: Final[Mapping[str, str]] = {}
"""A keymap that moves nothing."""

BY_ID: Final[Mapping[str, Action]] = {action.id: action for action in ACTIONS}


def key_name(action_id: str, keys: Mapping[str, str]) -> str:
    """Return the first key of an action as it is printed on a keyboard, the user's own before the default."""
    return key_display(keys.get(action_id, BY_ID[action_id].keys).split(",")[0].strip())


def hint(keys: Mapping[str, str], *parts: tuple[str, str]) -> str:
    """Return ``n  subscribe it    u  other underlying`` with the trader's own keys.

    Args:
        keys: The user's own keys by action id.
        parts: (action id, what it is good for here).
    """
    return "    ".join(f"{key_name(action_id, keys)}  {text}" for action_id, text in parts)


def panel_hint(keys: Mapping[str, str], parts: Iterable[tuple[str, str]]) -> str:
    """Return ``↑↓ choose  Enter take  Esc back`` with the trader's own keys, for the border below a panel.

    Args:
        keys: The user's own keys by action id.
        parts: (action id, or several with a blank between, what it is good for here).
    """
    return "  ".join(f"{_key_names(ids.split(), keys)} {text}" for ids, text in parts)


def _key_names(ids: Iterable[str], keys: Mapping[str, str]) -> str:
    names = [key_name(action_id, keys) for action_id in ids]
    return ("" if all(len(name) == 1 for name in names) else "/").join(names)


def bindings_of(*places: Context | str) -> list[Binding]:
    """Return bindings in the registry's order.

    Args:
        places: Contexts, or ids of single actions that a panel has of another context.
    """
    return [action.binding() for action in ACTIONS if action.context in places or action.id in places]


def outside_panels() -> list[Action]:
    """Return what can be asked for from anywhere: everything but the actions of panels."""
    return [action for action in ACTIONS if action.context not in PANEL_CONTEXTS]


def actions_of(contexts: Iterable[Context]) -> list[Action]:
    """Return the actions of contexts in the registry's order."""
    wanted = set(contexts)
    return [action for action in ACTIONS if action.context in wanted]


def key_table(actions: Iterable[Action] = ACTIONS) -> str:
    """Return the table of keys of the documentation, in Markdown: of every action, or of those given."""
    lines = ["| Key | Where | What it does | Id |", "| --- | --- | --- | --- |"]
    for action in actions:
        keys = " ".join(f"`{key_display(key)}`" for key in action.keys.split(","))
        asks = " Asks first." if action.asks else ""
        lines.append(f"| {keys} | {action.context} | {action.tooltip}{asks} | `{action.id}` |")
    return "\n".join(lines)
