"""A process that hangs ends all the same, with its code; one that does not is not held by the deadline."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WITHIN_A_DAY = "from tickertui.process.deadline import end_process_within; end_process_within(86_400, 3)\n"
AT_ONCE = "from tickertui.process.deadline import end_process_within; end_process_within(0.05, 143)\n"
HANGING = {
    "its main thread": "import threading; threading.Event().wait()",
    "a thread that is joined at the exit": "import threading; threading.Thread(target=threading.Event().wait).start()",
    "a worker thread of anyio": (
        "import anyio, threading\n"
        "async def main():\n"
        "    with anyio.move_on_after(0.01):\n"
        "        await anyio.to_thread.run_sync(threading.Event().wait, abandon_on_cancel=True)\n"
        "anyio.run(main)"
    ),
    "a write into a pipe that nobody reads": "import os; os.write(os.pipe()[1], bytes(1 << 20))",
}


@pytest.mark.parametrize("program", HANGING.values(), ids=HANGING)
def test_whatever_hangs_the_process_ends_with_its_code(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", AT_ONCE + program], capture_output=True, timeout=60)
    assert done.returncode == 143
    assert done.stderr == b""


def test_a_process_that_ends_by_itself_does_not_wait_for_it() -> None:
    assert subprocess.run([sys.executable, "-c", WITHIN_A_DAY], timeout=60).returncode == 0


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_that_was_ignored_at_the_start_stays_ignored(ignored: signal.Signals) -> None:
    program = (
        f"import signal; signal.signal({int(ignored)}, signal.SIG_IGN)\n"
        "from tickertui.process.deadline import stop_signals; print(*map(int, stop_signals()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert {int(number) for number in done.stdout.split()} == {1, 2, 15} - {int(ignored)}
