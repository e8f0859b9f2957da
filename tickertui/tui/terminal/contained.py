"""`Contained`: what a widget or screen inherits so that an error in it stays in it.

Textual ends the application at the first exception of any handler, timer, worker or paint. A monitor may show an error;
it may not die of one. Here an exception is told to the application (`Contains.contain`), which looks for the pane or
panel that it happened in; that place shows an error box, everything else and every service go on. Without such an
application (a widget alone in a test) exceptions go the way they always do.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, runtime_checkable

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from tickertui.tui.terminal.failures import RETRY_S, Failure
from tickertui.tui.terminal.timers import never_left_out

if TYPE_CHECKING:
    from textual.worker import Worker

    _Base = Widget
else:
    _Base = object

T = TypeVar("T")


@runtime_checkable
class Contains(Protocol):
    """An application that looks after errors of its widgets."""

    def contain(self, node: Widget, error: Exception, doing: str) -> None:
        """Show an error where it happened.

        Args:
            node: The widget or screen.
            error: What was raised.
            doing: ``painting``, ``Click``, ``the key e``.
        """
        ...


class PlaceFailed(Message):
    """An error happened in a pane or panel (its sender); the screen decides what stands in its place."""

    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure


class Contained(_Base):
    """See the module; inherit it first: ``class ChainPane(Contained, Vertical)``.

    Attributes:
        failure: What stands in the place of the widget's own lines, None while it works.
    """

    failure: Failure | None = None
    is_place = False
    """Whether errors of the widgets inside are this one's: a pane or a panel."""
    stands_alone = False
    """Whether its own errors are not its pane's: a small panel beside the rows."""

    @property
    def place_name(self) -> str:
        """What a failure calls it."""
        return self.id or type(self).__name__

    def fail(self, failure: Failure) -> None:
        """Stand as an error box for a moment; a place asks its screen for more (`PlaceFailed`)."""
        if self.is_place:
            self.post_message(PlaceFailed(failure))
            return
        if self.failure is not None:
            return
        self.failure = failure
        self.refresh()
        if self.is_running:
            self.set_timer(RETRY_S, self.try_again, name="try again")

    def try_again(self) -> None:
        """Show the widget itself again."""
        if self.failure is not None:
            self.failure = None
            self.refresh()

    async def _dispatch_message(self, message: Message) -> None:
        """Handle a message; Textual's own loop would end with the first exception, and the application with it."""
        try:
            await super()._dispatch_message(message)
        except Exception as error:  # noqa: BLE001 - whatever a handler does wrong stays in its pane
            contain(self, error, type(message).__name__)

    def run_worker(  # type: ignore[override]
        self, work: Callable[[], Awaitable[Any]], *arguments: Any, **options: Any
    ) -> Worker[Any]:
        """Start a worker whose exceptions stay in this widget's place.

        It takes what makes the coroutine, not the coroutine: of a burst of requests all but the last are cancelled
        before they start, and a coroutine that is never awaited is a warning on the terminal.
        """
        return super().run_worker(_contained_work(self, work), *arguments, **options)

    def set_timer(
        self, delay: float, callback: Callable[[], Any] | None = None, *, name: str | None = None, pause: bool = False
    ) -> Timer:
        """Call something later; its exceptions stay in this widget's place."""
        return never_left_out(super().set_timer(delay, self._contained_call(callback), name=name, pause=pause))

    def set_interval(
        self,
        interval: float,
        callback: Callable[[], Any] | None = None,
        *,
        name: str | None = None,
        repeat: int = 0,
        pause: bool = False,
    ) -> Timer:
        """Call something again and again; its exceptions stay in this widget's place."""
        return super().set_interval(interval, self._contained_call(callback), name=name, repeat=repeat, pause=pause)

    def _contained_call(self, callback: Callable[[], Any] | None) -> Callable[[], Any] | None:
        if callback is None:
            return None

        async def call() -> None:
            try:
                result = callback()
                if inspect.isawaitable(result):
                    await result
            except Exception as error:  # noqa: BLE001 - see `_dispatch_message`
                contain(self, error, "a timer")

        return call

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines of a region; those of an error box where they cannot be drawn."""
        return self.guarded(super().render_lines, crop)

    def guarded(self, draw: Callable[[Region], list[T]], crop: Region) -> list[T] | list[Strip]:
        """Return the lines that ``draw`` makes of a region, those of an error box where it raises."""
        if self.failure is None:
            try:
                return draw(crop)
            except Exception as error:  # noqa: BLE001 - see `_dispatch_message`
                contain(self, error, "painting")
        return failure_lines(self, crop)


def contain(node: Widget, error: Exception, doing: str) -> None:
    """Tell the application of an error in a widget; raise it again where no application looks after that."""
    app = node.app
    if not isinstance(app, Contains):
        raise error
    app.contain(node, error, doing)


def failing_place(node: Widget) -> Contained | None:
    """Return the pane or panel around a widget, else the widget itself, None for one that cannot show anything."""
    around = [found for found in node.ancestors_with_self if isinstance(found, Contained)]
    return next((found for found in around if found.is_place or found.stands_alone), around[0] if around else None)


async def _run(work: Callable[[], Any]) -> Any:
    result = work()
    return await result if inspect.isawaitable(result) else result


def _contained_work(node: Widget, work: Callable[[], Awaitable[Any]]) -> Callable[[], Coroutine[Any, Any, Any]]:
    async def run() -> Any:
        try:
            return await _run(work)
        except Exception as error:  # noqa: BLE001 - see `Contained._dispatch_message`
            contain(node, error, "a request")

    return run


_NO_WORDS: Final = "an error; it is among the events"


def failure_lines(widget: Contained, crop: Region) -> list[Strip]:
    """Return a region of the error box that stands in a widget's place; it uses nothing of the widget itself."""
    width, height = crop.right, crop.bottom
    text = widget.failure.sentence if widget.failure is not None else _NO_WORDS
    words = textwrap.wrap(text, max(width - 2, 1))[: max(height, 1)]
    style = Style(color=_colour(widget, "error", "#ff6b6b"), bgcolor=_colour(widget, "ground", "#000000"))
    top = max((height - len(words)) // 2, 0)
    lines = []
    for y in range(crop.y, crop.bottom):
        line = words[y - top] if 0 <= y - top < len(words) else ""
        lines.append(Strip([Segment(f" {line}"[:width].ljust(width), style)], width).crop(crop.x, crop.right))
    return lines


def _colour(widget: Widget, meaning: str, otherwise: str) -> RichColor:
    return Color.parse(widget.app.theme_variables.get(meaning, otherwise)).rich_color
