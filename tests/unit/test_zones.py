"""Indian time on any host: another zone, no zone data. Each case is a process, as zones are read once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

_CODE = """
import sys, time
sys.modules["tzdata"] = None  # the package that stands in where the system has no zone data
time.tzset()
from datetime import UTC, date, datetime
from pathlib import Path
from tickertui.clock import SystemClock
from tickertui.kite.login import TokenFile
from tickertui.kite.secrets import Secret
from tickertui.market.clock import IST, ManualClock, from_epoch
from tickertui.market.hours import load_calendar

now = SystemClock().now()
assert abs((now - datetime.now(UTC)).total_seconds()) < 5
print(now.utcoffset(), now.date() == datetime.fromtimestamp(time.time() + 19_800, UTC).date())

at = from_epoch(1_796_063_400)  # midnight in India, still 30 November in California
print(at.isoformat(), (date(2026, 12, 1) - at.date()).days)
print(load_calendar().next_open("NFO", at).isoformat())

clock = ManualClock(datetime(2026, 12, 1, 5, 59, tzinfo=IST))
tokens = TokenFile(Path(sys.argv[1]), clock)
tokens.save("Z1", Secret("abcdefgh12345678"), "AB1234", clock.now())
kept = tokens.load("Z1") is not None
clock.advance(60)
print(kept, tokens.load("Z1") is None)
"""


_PROGRAM = """
import sys, time
sys.modules["tzdata"] = None
time.tzset()
from tickertui.cli import run
sys.exit(run(["headless", "--demo", "--status-seconds", "0.2"]))
"""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="a process cannot be put into another zone there")
def test_the_program_runs_without_zone_data_and_tells_indian_time(tmp_path: Path) -> None:
    environ = {**os.environ, "TZ": "America/Los_Angeles", "PYTHONTZPATH": "", "TICKERTUI_HOME": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    told = datetime.fromisoformat(first["at"])
    assert told.utcoffset() == timedelta(hours=5, minutes=30)
    assert abs((told - datetime.now(UTC)).total_seconds()) < 600
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="a process cannot be put into another zone there")
@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Kiritimati", "Asia/Kolkata", "UTC", ""])
def test_days_and_the_token_flush_go_by_indian_time(zone: str, tmp_path: Path) -> None:
    environ = {**os.environ, "TZ": zone, "PYTHONTZPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", _CODE, str(tmp_path / "tokens")],
        capture_output=True, text=True, env=environ, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "5:30:00 True",
        "2026-12-01T00:00:00+05:30 0",
        "2026-12-01T09:15:00+05:30",
        "True True",
    ]
