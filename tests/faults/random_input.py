"""What a hand that knows nothing types: seeded steps of keys, texts, pastes, mouse, sizes and terminal reports.

`tests.faults.key_monkey` performs them. The keys are those of the registry (`tickertui.tui.keys.actions`), so that a
new action is pressed from its first day on; the steps depend on the seed and the registry only, never on the screen.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.keys import Keys, key_to_character

from tests.support.paths import REPOSITORY
from tickertui.tui.keys.actions import ACTIONS, key_display

Size = tuple[int, int]
"""Columns and rows."""

START_SIZES: Final[Sequence[Size]] = ((80, 24), (100, 30), (120, 40), (160, 45), (200, 50), (110, 34), (60, 20))
SIZES: Final[Sequence[Size]] = (
    *START_SIZES, (1, 1), (2, 1), (1, 24), (250, 70), (250, 5), (20, 70), (45, 12), (79, 24), (80, 23), (81, 25),
    (132, 43),
)  # fmt: skip

_ENDS: Final = ("quit",)
"""Actions that are not pressed: a session that ends because it was told to shows nothing."""
_CTRL_C: Final = b"\x03"


@dataclass(frozen=True)
class Step:
    """One thing that is done at the terminal.

    Attributes:
        kind: Of it, for the report.
        data: What is typed.
        size: What the window is made, or None.
        mouse: Button of the protocol, and where, as shares of the window (above 1: outside of it), or None.
        pause: Seconds before the next step.
    """

    kind: str
    pause: float
    data: bytes = b""
    size: Size | None = None
    mouse: tuple[Sequence[int], float, float] | None = None

    def __str__(self) -> str:
        if self.size is not None:
            return f"<{self.size[0]}x{self.size[1]}>"
        if self.mouse is not None:
            buttons, x, y = self.mouse
            return f"<mouse {','.join(map(str, buttons))} at {x:.2f},{y:.2f}>"
        shown = repr(self.data)[2:-1]
        return shown if len(shown) < 60 else f"{shown[:50]}…({len(self.data)} bytes)"


def sent_for(key: str) -> bytes:
    """Return what a terminal sends for a key of the registry.

    Raises:
        KeyError: When nothing is known to send it.
    """
    sign = key_display(key)
    if len(sign) == 1 and sign.isascii():
        return sign.encode()
    sequences = _sequences()
    if key in sequences:
        return sequences[key].encode()
    letter = key_to_character(key)
    if letter is None:
        raise KeyError(key)
    return letter.encode()


@cache
def _sequences() -> dict[str, str]:
    """The plainest sequence by the name of its only key."""
    found: dict[str, str] = {}
    for sequence, keys in ANSI_SEQUENCES_KEYS.items():
        if isinstance(keys, tuple) and len(keys) == 1 and isinstance(keys[0], Keys):
            name = keys[0].value
            if name not in found or _plainness(sequence) < _plainness(found[name]):
                found[name] = sequence
    return found


def _plainness(sequence: str) -> tuple[bool, int]:
    """Short and without Alt: ``Esc [ Z`` before ``Esc Tab``."""
    return sequence.startswith("\x1b") and not sequence.startswith("\x1b["), len(sequence)


@cache
def registry_keys() -> tuple[bytes, ...]:
    """Return what is sent for each key of each action, actions of panels included."""
    names = dict.fromkeys(
        key.strip() for action in ACTIONS if action.id not in _ENDS for key in action.keys.split(",")
    )  # fmt: skip
    return tuple(map(sent_for, names))


@cache
def _openers() -> tuple[bytes, ...]:
    """Keys of actions behind which one types, or that ask."""
    ids = ("pick-underlying", "pick-expiry", "filter", "find", "command", "theme", "login", "new-rule", "jump", "leg",
           "edit-columns", "reload-plan", "toggle-mock", "why", "depth", "help")  # fmt: skip
    known = {action.id: action for action in ACTIONS}
    return tuple(sent_for(known[id_].keys.split(",")[0]) for id_ in ids if id_ in known)


_THEMES: Final = tuple(sorted(path.stem for path in (REPOSITORY / "themes").glob("*.toml")))
_TEXTS: Final = (
    "SENSEX", "BANKNIFTY", "NIFTY", "FINNIFTY", "MIDCPNIFTY", "RELIANCE", "zzz", "24500", "24000 pe dec", "ltp>100",
    "iv<12", "oi>1L", "delta>.3 oi>2L", "52", "-1", "9" * 40, "goto 24000", "goto 1", "underlying BANKNIFTY", "expiry",
    "columns greeks", "columns nothing", "pause", "help", "maximise", "mark", "next-view", "https://127.0.0.1/?x=1",
    "héllo wörld", "日本語", "🙂🙂", "e\u0301", "‮abc", "a\tb",
)  # fmt: skip
_REPORTS: Final = (
    "\x1b[I", "\x1b[O", "\x1b[?1;2c", "\x1b[?62;22c", "\x1b[>41;390;0c", "\x1b[24;80R",
    "\x1b]11;rgb:0000/0000/0000\x1b\\", "\x1b]10;rgb:ffff/ffff/ffff\x07", "\x1bP>|xterm(390)\x1b\\", "\x1b[?2048;0$y",
    "\x1b[?2026;2$y", "\x1b[1;5A", "\x1b[1;3C", "\x1bOP", "\x1b[15~", "\x1b[24;5~", "\x1b[3~", "\x1b[2~",
    "\x1b[97;5u", "\x1b[57441u", "\x1b[?0u", "\x1b[6n", "\x1b[200~\x1b[201~", "\x1ba", "\x1b\x1b", "\x1b[",
    "\x1b[<0;1M", "\x1b[<;;M", "\x1b[M #!", "\x1b[999;999H", "\x00", "\x7f",
)  # fmt: skip
_BYTES: Final = ("café".encode("latin-1"), b"\xff\xfe", b"\xc3", b"\x80", b"\xed\xa0\x80")
_PASTES: Final = (
    "24500\n", "NIFTY\n" * 30, "x" * 3000, "\t\t\n\n", "ltp>100", "https://127.0.0.1/cb?request_token=abc&status=success\n",
    "line one\r\nline two\r\n", "\x1b[A\x1b[B", "日本語" * 100,
)  # fmt: skip
_PAUSES: Final = (0.0, 0.01, 0.02, 0.05, 0.05, 0.1, 0.25)


def steps(seed: int, count: int) -> Iterator[Step]:
    """Return the steps of one session."""
    rng = random.Random(seed)
    makers = [maker for maker, weight in _MAKERS for _ in range(weight)]
    for _ in range(count):
        yield rng.choice(makers)(rng)


def start_size(seed: int) -> Size:
    """Return the size in which a session starts."""
    return random.Random(f"size {seed}").choice(START_SIZES)


def _key(rng: random.Random) -> Step:
    data = _CTRL_C if rng.random() < 0.01 else rng.choice(registry_keys())
    # A bare Escape needs a moment, otherwise it begins a sequence with what follows; sometimes it does.
    pause = rng.choice(_PAUSES)
    return Step("key", max(pause, 0.12) if data == b"\x1b" and rng.random() < 0.7 else pause, data)


def _text(rng: random.Random) -> Step:
    return Step("text", rng.choice(_PAUSES), _typed(rng))


def _typed(rng: random.Random) -> bytes:
    return rng.choice(_TEXTS).encode() + rng.choice((b"\r", b"\r", b"", b"\t\r", b"\x15"))


def _panel(rng: random.Random) -> Step:
    return Step("panel", rng.choice(_PAUSES), rng.choice(_openers()) + _typed(rng))


def _burst(rng: random.Random) -> Step:
    return Step("burst", rng.choice(_PAUSES), b"".join(rng.choices(registry_keys(), k=rng.randint(5, 40))))


def _repeat(rng: random.Random) -> Step:
    """A key that is held down."""
    return Step("repeat", rng.choice(_PAUSES), rng.choice(registry_keys()) * rng.randint(3, 30))


def _paste(rng: random.Random) -> Step:
    data = rng.choice(_PASTES).encode()
    return Step("paste", rng.choice(_PAUSES), b"\x1b[200~" + data + b"\x1b[201~" if rng.random() < 0.6 else data)


def _mouse(rng: random.Random) -> Step:
    x, y = rng.random(), rng.random()
    roll = rng.random()
    if roll < 0.1:
        x, y = rng.choice(((1.5, 0.5), (0.5, 1.5), (9.0, 9.0)))
    buttons = rng.choice(
        ((0,), (0,), (0, 32, 32), (2,), (1,), (64,), (64, 64, 64), (65,), (65, 65), (35,), (4,), (16,))
    )
    return Step("mouse", rng.choice(_PAUSES), mouse=(buttons, x, y))


def _size(rng: random.Random) -> Step:
    size = rng.choice(SIZES) if rng.random() < 0.7 else (rng.randint(1, 250), rng.randint(1, 70))
    return Step("size", rng.choice((0.0, 0.02, 0.1, 0.4)), size=size)


def _theme(rng: random.Random) -> Step:
    return Step("theme", rng.choice(_PAUSES), f":theme {rng.choice(_THEMES)}\r".encode())


def _report(rng: random.Random) -> Step:
    return Step("report", rng.choice(_PAUSES), rng.choice(_REPORTS).encode())


def _bytes(rng: random.Random) -> Step:
    return Step("bytes", rng.choice(_PAUSES), rng.choice(_BYTES))


_MAKERS: Final[Sequence[tuple[Callable[[random.Random], Step], int]]] = (
    (_key, 54), (_panel, 10), (_text, 5), (_size, 7), (_mouse, 7), (_burst, 4), (_repeat, 4), (_paste, 3), (_theme, 2),
    (_report, 3), (_bytes, 1),
)  # fmt: skip
