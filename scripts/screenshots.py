"""Take the pictures of the README from the application itself, over the frozen desk of the tests.

    python scripts/screenshots.py [--directory docs] [NAME ...]

The numbers are synthetic and follow from a seed; the state tags are those that the desk stands for.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from tests.support.prepared_backend import Situation, prepared_backend  # noqa: E402
from tickertui.tui.app import TickerApp  # noqa: E402
from tickertui.tui.main.screen import MainScreen  # noqa: E402
from tickertui.tui.view.options import ScreenOptions  # noqa: E402


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        situation: Of the desk.
        size: Columns and rows.
        keys: Pressed before it is taken.
        theme: Name.
    """

    situation: Situation
    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    theme: str = "cvd-dark"


SHOTS = {
    "chain": Shot(Situation.LIVE, (120, 40)),
    "chain-large": Shot(Situation.LIVE, (200, 50)),
    "mock": Shot(Situation.MOCK_HOLIDAY, (80, 24)),
    "stale": Shot(Situation.STALE, (80, 24)),
    "subscriptions": Shot(Situation.LIVE, (80, 24), ("2",)),
    "reload-plan": Shot(Situation.LIVE, (80, 24), ("r",)),
    "why": Shot(Situation.LIVE, (80, 24), ("i",)),
    "analytics": Shot(Situation.LIVE, (120, 40), ("5",)),
    "light": Shot(Situation.LIVE, (80, 24), theme="cvd-light"),
}


async def take(shot: Shot) -> str:
    """Return the SVG of a picture."""
    app = TickerApp(prepared_backend(shot.situation), ScreenOptions(theme=shot.theme, live_frames=False))
    async with app.run_test(size=shot.size) as pilot:
        main = app.screen_stack[0]
        assert isinstance(main, MainScreen)
        await pilot.pause()
        main.frame()
        for key in shot.keys:
            await pilot.press(key)
            await pilot.pause()
        for _ in range(2):
            # Everything is drawn, what changes slowly too; once more for what a worker has fetched meanwhile.
            await pilot.pause()
            main._frames = 0
            main.frame()
        await pilot.pause()
        return app.export_screenshot(title=app.title, simplify=True)


def main(arguments: list[str]) -> int:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--directory", type=Path, default=REPOSITORY / "docs")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(SHOTS)}")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(SHOTS)
    if unknown:
        parser.error(f"no picture {', '.join(sorted(unknown))}; there are {', '.join(SHOTS)}")
    options.directory.mkdir(parents=True, exist_ok=True)
    for name in options.names or SHOTS:
        path = options.directory / f"{name}.svg"
        path.write_text(asyncio.run(take(SHOTS[name])), encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
