"""The key monkey: random keys in the real program in a real terminal, until it does something wrong.

    python -m tests.faults.key_monkey --seed 1 --sessions 20 --keys 200 --scenario all --jobs 2

A session starts the program in a scenario (`tests.support.stages`), performs seeded steps
(`tests.faults.random_input`) and looks at the emulated screen meanwhile. Right is: it lives; every row is exactly as
wide as the terminal; MOCK stands in the first row wherever a mock price stands; at the end it closes its panels, shows
its keys, streams on, quits with code 0, leaves nothing behind it and has not grown. A session that goes wrong prints
the command that does it again: session N of seed S is session 1 of seed S + N. Pauses are real, so a fault of timing
may need several runs. `tests/faults/test_key_monkey.py` runs some sessions in the suite.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.faults.random_input import Step, start_size, steps
from tests.support.emulated import EmulatedTerminal, NotTaken, in_emulated_terminal
from tests.support.stages import BY_NAME, SCENARIOS, Scenario, Stage, staged

_LOOK_EVERY: Final = 15
_COMMAND_STEPS: Final = 30
"""Within so many steps before a quit the command line must have been opened; a defect ends with another code than 0."""
_PATIENCE_S: Final = 15.0
"""How long a wrong screen may stay wrong: frames are under way after a resize, and the machine may be busy."""
_MEMORY_BOUND: Final = 150 << 20
"""Bytes that a session may add: modules of panels, chains that were not looked at before, their history."""
_MOCK: Final = re.compile(r"\[MOCK|~CALL|~PUT|~Straddle|\(synthetic\)")
"""What the chain says of a mock: its tag, and the headings of its prices."""
_TOO_SMALL: Final = re.compile(r"needed, this is|make the window larger")
_CONTAINED: Final = re.compile(r".* failed: \w*(?:Error|Exception|NoMatches|Group)\b.*")
"""An event about an error that the interface has kept in its place."""
_ERROR_LINE: Final = re.compile(
    r"^\W*([A-Za-z_.]*(?:Error|Exception|Group|Failed|Interrupt|NoMatches|Refused)\b.*)", re.M
)
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")


def has_streamed(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a socket of the broker has sent packets since; one that has taken another's place counts anew."""
    sent = {socket["number"]: socket["packets"] for socket in before}
    return any(socket["packets"] > sent.get(socket["number"], 0) for socket in after)


class Fault(AssertionError):  # noqa: N818 - the word for it
    """What a session did wrong; the text is one sentence."""


@dataclass(frozen=True)
class Session:
    """What to do.

    Attributes:
        scenario: Name of it.
        seed: Of the steps.
        keys: How many steps.
    """

    scenario: str
    seed: int
    keys: int

    @property
    def command(self) -> str:
        """The command that does it again."""
        monkey = "uv run python -m tests.faults.key_monkey"
        return f"{monkey} --seed {self.seed} --sessions 1 --keys {self.keys} --scenario {self.scenario}"


@dataclass
class Verdict:
    """How a session went.

    Attributes:
        session: Which.
        fault: What went wrong, empty for nothing.
        sent: What was done until then.
        screen: As it stood at the fault.
        after: What was written after the screen was left, to standard error and into crash files and log.
        grown: Bytes of memory that it has added.
        seconds: That it took.
        quit_itself: Whether it came upon the way out (the command line has one) and took it.
    """

    session: Session
    fault: str = ""
    sent: list[str] = field(default_factory=list)
    screen: str = ""
    after: str = ""
    grown: int = 0
    seconds: float = 0.0
    quit_itself: bool = False

    @property
    def cause(self) -> str:
        """One line that is the same for the same kind of fault."""
        errors = _ERROR_LINE.findall(self.after)
        return (errors[-1] if errors else self.fault.partition("\n")[0]).strip(" │")[:200]

    def report(self) -> str:
        """Everything that helps to find it."""
        head = f"FAULT {self.session.scenario} seed {self.session.seed}: {self.fault}\n  again: {self.session.command}"
        sent = f"  done ({len(self.sent)} steps): {' '.join(self.sent)}"
        return "\n".join((head, sent, "  the screen:", self.screen, "  written after it:", self.after[-6000:]))


def play(session: Session) -> Verdict:
    """Run one session."""
    verdict = Verdict(session)
    scenario = BY_NAME[session.scenario]
    started = time.monotonic()
    columns, lines = start_size(session.seed)
    verdict.sent.append(f"<{columns}x{lines}>")
    with (
        tempfile.TemporaryDirectory(prefix="key-monkey-") as folder,
        staged(scenario, Path(folder)) as stage,
        in_emulated_terminal(
            stage.arguments, stage.environ, columns=columns, lines=lines, folder=stage.folder, errors=_errors(stage)
        ) as terminal,
    ):
        try:
            _Player(terminal, stage, scenario, verdict).play()
            if said := _said(terminal, stage):
                raise Fault(f"an error was told: {said[:200]!r}")
        except (Fault, NotTaken) as fault:
            terminal.watch(1.0)
            verdict.fault = str(fault)
        verdict.screen = "\n".join(terminal.emulator.last) or terminal.screen_text
        verdict.after = _said(terminal, stage)
    verdict.seconds = time.monotonic() - started
    return verdict


def _errors(stage: Stage) -> Path:
    return stage.folder / "standard-error.txt"


def _said(terminal: EmulatedTerminal, stage: Stage) -> str:
    """What the program has said of errors: on the shell's screen, to standard error, in crash files and in the log."""
    after = _CONTROL.sub("", terminal.emulator.after).replace("\r\n", "\n")
    logs = [path.read_text(errors="replace") for path in stage.folder.rglob("*.log")]
    logged = [text for text in logs if "Traceback (most recent call last)" in text]
    crashes = [path.read_text(errors="replace") for path in stage.folder.rglob("crash-*.txt")]
    return "\n".join((after, *logged, *crashes, _errors(stage).read_text(errors="replace"))).strip()


class _Player:
    """Performs the steps of a session and judges what is seen."""

    def __init__(self, terminal: EmulatedTerminal, stage: Stage, scenario: Scenario, verdict: Verdict) -> None:
        self._terminal = terminal
        self._stage = stage
        self._scenario = scenario
        self._verdict = verdict

    def play(self) -> None:
        """Run the session.

        Raises:
            Fault: When something is wrong.
        """
        session, terminal = self._verdict.session, self._terminal
        self._wait(lambda: not terminal.emulator.screen.row_faults(), "the first screen is not whole", 30.0)
        before = terminal.resident_bytes()
        for number, step in enumerate(steps(session.seed, session.keys), 1):
            self._verdict.sent.append(str(step))
            self._perform(step)
            terminal.watch(step.pause)
            if terminal.has_ended:
                if self._has_quit():
                    return
                raise Fault(f"it ended by itself with code {terminal.process.returncode}")
            if number % _LOOK_EVERY == 0:
                self._look()
        self._end(before)

    # ------------------------------------------------------------------ doing

    def _perform(self, step: Step) -> None:
        terminal = self._terminal
        if step.size is not None:
            terminal.resize(*step.size)
        elif step.mouse is not None:
            self._move_mouse(*step.mouse)
        else:
            terminal.write(step.data)

    def _move_mouse(self, buttons: Sequence[int], x: float, y: float) -> None:
        columns, lines = self._terminal.size
        column, line = int(x * columns) + 1, int(y * lines) + 1
        if line <= lines and "quit" in self._terminal.row(line - 1):
            return  # a click on the way out is no way to see whether it stays
        events = [f"\x1b[<{button};{column + moved};{line}M" for moved, button in enumerate(buttons)]
        if not buttons[0] & 64:
            events.append(f"\x1b[<{buttons[0] & 3};{column + len(buttons) - 1};{line}m")
        self._terminal.write("".join(events).encode())

    # ------------------------------------------------------------------ judging

    def _wait(self, predicate: Callable[[], object], what: str, seconds: float = _PATIENCE_S) -> None:
        terminal = self._terminal
        deadline = time.monotonic() + seconds
        while not predicate():
            if terminal.has_ended:
                terminal.read()
                raise Fault(f"it ended by itself with code {terminal.process.returncode} ({what})")
            if time.monotonic() > deadline:
                raise Fault(f"{what}, for {seconds:.0f} s")
            terminal.read()

    def _look(self) -> None:
        """Wait until nothing about the screen is wrong.

        Raises:
            Fault: When something stays wrong.
        """
        self._terminal.watch(0.15)
        try:
            self._wait(lambda: not self._complaints(), "the screen is wrong")
        except Fault as fault:
            raise Fault(f"{fault}: {'; '.join(self._complaints()[:4])}") from None

    def _complaints(self) -> list[str]:
        terminal = self._terminal
        found = terminal.emulator.screen.row_faults()
        text = terminal.screen_text
        if _TOO_SMALL.search(text) or min(terminal.size) < 10:
            return found
        mock = self._scenario.is_mock or _MOCK.search(text) or "MOCK" in terminal.emulator.title
        if mock and "MOCK" not in terminal.row(0):
            found.append("mock prices without MOCK in the first row")
        return found

    def _has_quit(self) -> bool:
        """Whether somebody chose quit in the command line: it was opened, and the end was that of a quit."""
        terminal = self._terminal
        terminal.watch(0.5)
        terminal.read()
        was_open = any(":" in step for step in self._verdict.sent[-_COMMAND_STEPS:])
        is_clean = terminal.process.returncode == 0 and not terminal.left_processes()
        self._verdict.quit_itself = was_open and is_clean
        return self._verdict.quit_itself

    # ------------------------------------------------------------------ the end

    def _end(self, before: int | None) -> None:
        terminal = self._terminal
        self._verdict.sent.append("<end>")
        columns, lines = terminal.size
        if columns < 80 or lines < 24:
            terminal.resize(max(columns, 80), max(lines, 24))
        self._show_chain()
        self._look()
        self._nothing_was_contained()
        self._feed_goes_on()
        now = terminal.resident_bytes()
        if before is not None and now is not None:
            self._verdict.grown = now - before
            if now - before > _MEMORY_BOUND:
                raise Fault(f"it has grown from {before >> 20} to {now >> 20} MB")
        self._quit()

    def _show_chain(self) -> None:
        """Close what is open and show the chain: its keys are told by the help."""
        terminal = self._terminal
        deadline = time.monotonic() + 2 * _PATIENCE_S
        while not terminal.sees("Go to the strike at the money."):
            if time.monotonic() > deadline:
                raise Fault(f"it does not answer keys for {2 * _PATIENCE_S:.0f} s")
            for key in (b"\x1b",) * 6 + (b"1", b"?"):
                terminal.write(key)
                terminal.watch(0.12)
            terminal.watch(0.4)
            if terminal.has_ended:
                raise Fault(f"it ended by itself with code {terminal.process.returncode} while panels were closed")
        while terminal.sees("Go to the strike at the money."):
            if time.monotonic() > deadline:
                raise Fault(f"the help does not close for {2 * _PATIENCE_S:.0f} s")
            # A program that is behind reads several escapes as one sequence: it is pressed again.
            terminal.write(b"\x1b")
            terminal.watch(1.0)

    def _nothing_was_contained(self) -> None:
        """An error that stayed in its pane is a defect all the same: an event, and in the log except in the demo."""
        terminal = self._terminal
        terminal.write(b"6")
        self._wait(lambda: terminal.sees("Events ·"), "the events are not shown")
        if found := _CONTAINED.search(terminal.screen_text):
            raise Fault(f"an error was contained: {found[0].strip()}")
        terminal.write(b"1")

    def _feed_goes_on(self) -> None:
        """What is subscribed at the broker is still sent, and to us."""
        broker = self._stage.broker
        if broker is None or not self._scenario.streams:
            return

        deadline = time.monotonic() + _PATIENCE_S
        first = broker.state()["sockets"]
        subscribed = sum(sum(socket["instruments"].values()) for socket in first)
        while subscribed and not has_streamed(first, broker.state()["sockets"]):
            self._terminal.watch(0.2)
            if time.monotonic() > deadline:
                raise Fault(f"{subscribed} instruments are subscribed and nothing streams")

    def _quit(self) -> None:
        terminal = self._terminal
        terminal.write(b"q")
        deadline = time.monotonic() + _PATIENCE_S
        asked = False
        while not terminal.has_ended:
            if not asked and terminal.sees("Quit?"):
                asked = True
                terminal.write(b"y")
            if time.monotonic() > deadline:
                raise Fault(f"it does not quit within {_PATIENCE_S:.0f} s")
            terminal.read()
        for _ in range(3):
            terminal.read()
        code = terminal.process.returncode
        if code != 0:
            raise Fault(f"quit ended with code {code}")
        if left := terminal.left_processes():
            raise Fault(f"processes are left: {left}")


def sessions_of(seed: int, count: int, keys: int, scenario: str) -> list[Session]:
    """Return the sessions of a command line; `all` goes round the scenarios."""
    names = [one.name for one in SCENARIOS] if scenario == "all" else [scenario]
    return [Session(names[number % len(names)], seed + number, keys) for number in range(count)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run sessions and return 1 when one went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--sessions", type=int, default=12)
    parser.add_argument("--keys", type=int, default=120)
    parser.add_argument("--scenario", choices=[*BY_NAME, "all"], default="all")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--brief", action="store_true", help="one line for a fault")
    asked = parser.parse_args(arguments)
    todo = sessions_of(asked.seed, asked.sessions, asked.keys, asked.scenario)
    causes: Counter[str] = Counter()
    grown = [0]
    with ProcessPoolExecutor(asked.jobs) as pool:
        for verdict in pool.map(play, todo):
            grown.append(verdict.grown)
            session = verdict.session
            if verdict.fault:
                causes[verdict.cause] += 1
                text = f"FAULT {session.command}\n   {verdict.cause}" if asked.brief else verdict.report()
                print(text, flush=True)
            else:
                how = " (quit through its command line)" if verdict.quit_itself else ""
                print(f"right {session.scenario} seed {session.seed}, {verdict.seconds:.0f} s{how}", flush=True)
    print(f"{len(todo)} sessions of {asked.keys} keys from seed {asked.seed}: {sum(causes.values())} went wrong; "
          f"memory grew by at most {max(grown) >> 20} MB")  # fmt: skip
    for cause, times in causes.most_common():
        print(f"  {times} x {cause}")
    return bool(causes)


if __name__ == "__main__":
    sys.exit(main())
