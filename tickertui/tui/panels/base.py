"""Modal screens that others are made of: a question, a list to read, a list to choose from by typing.

They are panels below the first row, so that the MOCK or REPLAY banner stays in sight; ``Esc`` closes each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static

from tickertui.frozen import frozen
from tickertui.tui.keys.actions import NO_KEYS, Context, bindings_of, panel_hint
from tickertui.tui.look.glyphs import glyphs_of
from tickertui.tui.panels.closes_once import ClosesOnce
from tickertui.tui.terminal.failures import Failure
from tickertui.tui.terminal.responsive_screen import ResponsiveScreen
from tickertui.tui.view.options import ScreenOptions
from tickertui.tui.widgets.banner import Banner, BannerView
from tickertui.tui.widgets.row_list import Row, RowList, Span, row

T = TypeVar("T")

Hint = Sequence[tuple[str, str]]
"""What keys do, for the border below: (action id, or two with a blank between; what it is good for here)."""


@runtime_checkable
class ShowsBanner(Protocol):
    """A screen over the main one that has a first row of its own for the banner."""

    def show_banner(self, view: BannerView | None) -> None:
        """Show what the main screen's first row says."""
        ...


class PanelScreen(ClosesOnce, ResponsiveScreen, ModalScreen[T | None], Generic[T]):
    """A bordered panel with a title over the main screen.

    What stands behind it goes on ticking and stays as readable as before: prices that were dimmed would be mistaken for
    stale ones, and would fall below the contrast that everything else keeps. The first row belongs to the banner of the
    main screen, which is shown here too.

    A panel takes some tens of milliseconds until it is composed and has the keys, and a fast typist is quicker: keys
    that come before are held and handed over in their order. ``Esc`` is not: it closes at once.

    Args:
        title: In the border above.
        hint: What keys do, in the border below, with the trader's own keys.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.PANEL, "redraw")]
    is_place = True
    has_line = False
    """Whether keys go into a line, which has to have the focus first."""
    DEFAULT_CSS = """
    PanelScreen {
        align: center middle;
        background: transparent;
        & > #first-row { dock: top; height: 1; display: none; }
        & > #panel {
            width: 98%;
            max-width: 110;
            height: auto;
            max-height: 100%;
            margin-top: 1;
            background: $ground;
            border: round $quiet;
            border-title-color: $text-cell;
            border-title-style: bold;
            border-subtitle-color: $quiet;
            padding: 0;
        }
        & .panel-text { height: auto; color: $text-cell; padding: 0 1; }
        & .panel-error { height: auto; color: $error; display: none; padding: 0 1; }
        & .panel-error.-shown { display: block; }
        & Input { height: 1; border: none; padding: 0 1; background: $header; color: $header-text; }
        & RowList { height: 1fr; min-height: 1; }
    }
    """

    def __init__(self, title: str, hint: Hint) -> None:
        super().__init__()
        self._title = title
        self._hint = hint
        self._list_rows = 0
        self._other_rows = 0
        self._early: list[events.Key] | None = []

    def compose(self) -> ComposeResult:
        """Banner, title, the content of the subclass, a hint about keys."""
        glyphs = glyphs_of(self)
        with Container(id="first-row"):
            yield Banner(glyphs=glyphs)
        with Vertical(id="panel") as panel:
            panel.border_title = Content(glyphs.text(self._title))
            panel.border_subtitle = Content(glyphs.text(panel_hint(keys_of(self), self._hint)))
            yield from self.content()
            yield Static("", classes="panel-error", markup=False)

    def content(self) -> ComposeResult:
        """What stands between title and hint."""
        yield from ()

    def on_mount(self) -> None:
        """Show the main screen's banner."""
        banners = self.app.screen_stack[0].query(Banner)
        if banners:
            self._show_banner(banners.first(Banner).shown)
        if not self.has_line:
            self.call_after_refresh(self.let_keys_in)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is done to a panel that opens or closes, but that it can be closed: its lines are not there."""
        return action == "close" or self.is_ready

    def hold(self, key: events.Key) -> bool:
        """Keep a key until the panel is ready; False when it takes its keys by itself.

        The application asks before it does anything with a key.
        """
        if self._early is None or key.key == "escape":
            return False
        self._early.append(key)
        return True

    async def let_keys_in(self) -> None:
        """Hand over what was typed before the panel was ready."""
        early, self._early = self._early, None
        for key in early or ():
            if self.is_ready:
                await self.app.on_event(key)

    def fail(self, failure: Failure) -> None:
        """Show an error inside; close, and say it, where even that is not possible or it fails again and again."""
        self.call_later(self._show_failure, failure)

    def _show_failure(self, failure: Failure) -> None:
        if self.is_ready and not failure.is_plain and self.query(".panel-error"):
            self.show_error(failure.sentence)
            return
        self.app.notify(failure.sentence, severity="error", timeout=10, markup=False)
        self.dismiss(None)

    def show_banner(self, view: BannerView | None) -> None:
        """Show what the main screen's first row says; before the panel is ready, `on_mount` looks itself."""
        if self.is_ready:
            self._show_banner(view)

    def _show_banner(self, view: BannerView | None) -> None:
        self.query_one(Banner).show(view)
        # Without a banner the main screen's first row shines through, and the panel still leaves it alone.
        self.query_one("#first-row").display = view is not None
        self.query_one("#panel").styles.margin = (0 if view is not None else 1, 0, 0, 0)

    def retitle(self, title: str) -> None:
        """Say something else in the border above."""
        self.query_one("#panel", Vertical).border_title = Content(glyphs_of(self).text(title))

    def rehint(self, hint: Hint) -> None:
        """Say something else in the border below."""
        text = glyphs_of(self).text(panel_hint(keys_of(self), hint))
        self.query_one("#panel", Vertical).border_subtitle = Content(text)

    def fit_list(self, rows: int, *, others: int = 0) -> None:
        """Make the panel as high as its list needs, at most as the screen allows; the list scrolls beyond.

        Args:
            rows: Lines of the list.
            others: Lines beside the list.
        """
        self._list_rows, self._other_rows = rows, others
        self._fit()

    def _fit(self) -> None:
        if self._list_rows and self.query("#panel"):  # a resize may come before the panel is composed
            wanted = self._list_rows + self._other_rows + 2
            self.query_one("#panel", Vertical).styles.height = max(4, min(wanted, self.app.size.height - 1))

    def on_resize(self) -> None:
        """Keep the panel below the first row."""
        self._fit()

    def show_error(self, sentence: str) -> None:
        """Show why it did not work; an empty sentence takes it away."""
        error = self.query_one(".panel-error", Static)
        error.update(sentence)
        error.set_class(bool(sentence), "-shown")

    def action_close(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


def entry(*, value: str = "", placeholder: str = "", password: bool = False, id: str | None = None) -> Input:
    """Return a line to type in; its cursor stands still, blinking would repaint twice a second for nothing."""
    line = Input(value, placeholder=placeholder, password=password, id=id, compact=True)
    line.cursor_blink = False
    return line


def keys_of(widget: Widget) -> Mapping[str, str]:
    """Return the trader's own keys, by action id, of the application a widget is in."""
    options = getattr(widget.app, "options", None)
    return options.keymap if isinstance(options, ScreenOptions) else NO_KEYS


class TypedScreen(PanelScreen[T], Generic[T]):
    """A panel with one line to type in; it is ready for keys when the line has the focus.

    The keys of the panel itself (take, complete, up and down) are looked at before the line gets what is typed. In a
    burst (a fast hand, a paste, a slow line) they would overtake the letters before them, and take what was on the list
    before those were typed: they wait until the letters are in the line and the list has followed.
    """

    has_line = True

    def __init__(self, title: str, hint: Hint) -> None:
        super().__init__(title, hint)
        self._behind: list[events.Key] = []
        self._due: events.Key | None = None
        self._own_keys: frozenset[str] | None = None

    def hold(self, key: events.Key) -> bool:
        """Keep a key until the panel is ready; one of the panel's own until the letters before it have arrived."""
        if super().hold(key):
            return True
        line = self.focused
        if not isinstance(line, Input) or not self.is_ready:
            return False
        if self._own_keys is None:
            active = self.active_bindings.items()
            self._own_keys = frozenset(name for name, found in active if found.binding.priority)
        if self._behind:
            self._behind.append(key)
            return True
        if key is self._due or key.key not in self._own_keys:
            return False
        self._behind.append(key)
        # The way of a letter: the line, then the line's own message of it, which rises from queue to queue to this one.
        arrived: Callable[[], object] = self._letters_have_arrived
        for node in reversed(line.ancestors[: line.ancestors.index(self) + 1]):
            arrived = partial(node.call_later, arrived)
        line.call_later(line.call_later, arrived)
        return True

    async def _letters_have_arrived(self) -> None:
        behind, self._behind = self._behind, []
        self._due = behind[0]
        for key in behind:
            await self.app.on_event(key)

    async def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Give the line what was typed before it was ready."""
        if isinstance(event.widget, Input):
            await self.let_keys_in()


class LineScreen(TypedScreen[T], Generic[T]):
    """A panel with a line to type in; taking it submits the line (``on_input_submitted`` of the subclass)."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.TAKE)]

    async def action_take(self) -> None:
        """Submit what was typed."""
        await self.query_one(Input).action_submit()


class ConfirmScreen(PanelScreen[bool]):
    """A question about something that acts at once: what will happen, in numbers."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.QUESTION)]

    def __init__(self, title: str, text: str, yes: str) -> None:
        super().__init__(title, (("answer-yes", yes), ("close-panel", "leave it")))
        self._text = text

    def content(self) -> ComposeResult:
        """The question."""
        yield Static(glyphs_of(self).text(self._text), classes="panel-text", markup=False)

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)


class TextScreen(PanelScreen[T], Generic[T]):
    """Rows to read, to scroll and to copy: what lists, plans and the views of a leg are made of.

    Args:
        title: Of the panel.
        rows: What it shows.
        hint: What keys do.
        source: Where newer rows come from, for a list that stays current while it is open; None for one that stands.
        slowly: Whether a long list is renewed with what changes slowly instead of with every frame.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.TEXT, Context.LIST)]

    def __init__(
        self,
        title: str,
        rows: Sequence[Row],
        hint: Hint = (("copy-text", "copy"), ("close-panel", "back")),
        *,
        source: Callable[[], Sequence[Row]] | None = None,
        slowly: bool = False,
    ) -> None:
        super().__init__(title, hint)
        self.slowly = slowly
        self._rows = rows
        self._source = source

    def content(self) -> ComposeResult:
        """The rows."""
        yield RowList()

    def on_mount(self) -> None:
        """Fill the list and take the keys."""
        self.set_rows(self._rows)
        self.query_one(RowList).focus()

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show other rows."""
        self._rows = rows
        self.query_one(RowList).set_rows(rows)
        self.fit_list(max(1, len(rows)))

    def renew(self) -> None:
        """Take newer rows from the source; the main screen calls it with every frame, also while the panel opens."""
        if self._source is not None and self.is_ready:
            self.set_rows(self._source())

    def action_list_cursor(self, lines: int) -> None:
        """Move the cursor, or scroll where no row can hold it."""
        rows = self.query_one(RowList)
        if rows.cursor_key:
            rows.move(lines)
        else:
            rows.scroll_relative(y=lines, animate=False)

    def action_list_page(self, pages: int) -> None:
        """Move by one page."""
        self.action_list_cursor(pages * max(1, self.query_one(RowList).size.height - 1))

    def action_list_edge(self, direction: int) -> None:
        """Go to one end."""
        self.action_list_cursor(direction * len(self._rows))

    def action_copy_text(self) -> None:
        """Copy all of it."""
        self.app.copy_to_clipboard("\n".join(item.text.rstrip() for item in self._rows))
        self.notify("Copied.", timeout=2)


class ListScreen(TextScreen[str]):
    """Rows to read; taking closes with the key of the row under the cursor where a row has one."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.TAKE)]

    def action_take(self) -> None:
        """Close with the row under the cursor."""
        self.dismiss(self.query_one(RowList).cursor_key or None)

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """A click on the cursor chooses."""
        self.dismiss(message.key)


@frozen
class Choice:
    """One thing to choose.

    Attributes:
        key: What the picker returns.
        text: What is shown and searched.
        note: Shown behind it, not searched.
        role: Style of the text.
    """

    key: str
    text: str
    note: str = ""
    role: str = "text"


class PickerScreen(TypedScreen[str]):
    """Choose by typing part of a name; the list narrows with each letter.

    Args:
        title: Of the panel.
        choices: All of them, in the order to show.
        current: Key to start on.
        search: Where choices come from as one types, instead of narrowing ``choices``.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Context.TAKE, Context.PICKER)]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        current: str = "",
        search: Callable[[str], Sequence[Choice]] | None = None,
        placeholder: str = "type to narrow",
    ) -> None:
        super().__init__(title, (("choice-up choice-down", "choose"), ("take", "take"), ("close-panel", "back")))
        self._choices = choices
        self._current = current
        self._search = search
        self._placeholder = placeholder
        self._none = " nothing matches" if search is None else " type a strike, a symbol or an expiry"

    def content(self) -> ComposeResult:
        """What was typed, above what matches."""
        yield entry(placeholder=self._placeholder)
        yield RowList()

    def on_mount(self) -> None:
        """Show everything."""
        rows = self.query_one(RowList)
        rows.follow_only()
        # A search fills the list later: room for what it may find.
        self.fit_list(max(3, len(self._choices)) if self._search is None else 15, others=1)
        self._show(self._choices)
        if self._current:
            keys = [choice.key for choice in self._choices]
            if self._current in keys:
                rows.move(keys.index(self._current))
        self.query_one(Input).focus()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Narrow while typing; of a burst only by the last of it, each search looks through the whole list."""
        if message.value != message.input.value:
            return
        if self._search is not None:
            self._none = " nothing matches" if message.value.strip() else " type a strike, a symbol or an expiry"
        if self._search is not None and message.value.strip():
            self._show(self._search(message.value))
        else:
            self._show(narrowed(self._choices, message.value))
        self.query_one(RowList).edge(-1)

    def _show(self, choices: Iterable[Choice]) -> None:
        choices = tuple(choices)
        width = max((len(choice.text) for choice in choices), default=0)
        rows = [row(c.key, Span(f" {c.text:<{width}}  ", c.role), Span(c.note, "quiet")) for c in choices]
        self.query_one(RowList).set_rows(rows or [row("", Span(self._none, "quiet"))])

    def action_move(self, lines: int) -> None:
        """Move the cursor while the input keeps the keys."""
        self.query_one(RowList).move(lines)

    def action_take(self) -> None:
        """Close with what is under the cursor."""
        self.dismiss(self.query_one(RowList).cursor_key or None)

    def on_row_list_highlighted(self, message: RowList.Highlighted) -> None:
        """Subclasses that preview listen to the list themselves."""
        message.stop()

    def on_row_list_chosen(self, message: RowList.Chosen) -> None:
        """A click on the cursor chooses."""
        self.dismiss(message.key)


def narrowed(choices: Sequence[Choice], typed: str) -> list[Choice]:
    """Return the choices that match: what was typed as it stands first, then a beginning, a word, letters in order.

    The order within each group is the given one, so that equal matches do not jump.
    """
    words = typed.lower().split()
    if not words:
        return list(choices)
    phrase = " ".join(words)
    ranked = [
        (-1 if len(words) > 1 and phrase in text else max(_rank(text, word) for word in words), choice)
        for choice in choices
        for text in (choice.text.lower(),)
    ]
    return [choice for rank, choice in sorted(ranked, key=lambda item: item[0]) if rank < _NO_MATCH]


_NO_MATCH = 4


def _rank(text: str, word: str) -> int:
    if text.startswith(word):
        return 0
    if f" {word}" in text:
        return 1
    if word in text:
        return 2
    letters = iter(text)
    return 3 if all(letter in letters for letter in word) else _NO_MATCH
