"""The log file: private, complete when the context ends, and one sentence when it cannot be had."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from pathlib import Path

import pytest

from tickertui.market.clock import IST, ManualClock
from tickertui.process.logging_setup import LogUnavailable, logging_nowhere, logging_to
from tickertui.services.supervision.event_logging import log_event
from tickertui.services.supervision.events import EventLog, Severity

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=IST)


def test_records_are_in_a_private_file_when_the_context_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "state" / "tickertui.log"
    with logging_to(path, "info"):
        logging.getLogger("tickertui.test").info("one line")
        logging.getLogger("tickertui.test").debug("not this one")
    text = path.read_text()
    assert "INFO    tickertui.test: one line" in text
    assert "not this one" not in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_libraries_keep_addresses_to_themselves(tmp_path: Path) -> None:
    path = tmp_path / "tickertui.log"
    with logging_to(path, "debug"):
        logging.getLogger("websockets.client").info("GET /?api_key=k&access_token=hush")
    assert "hush" not in path.read_text()


def test_an_unwritable_log_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(LogUnavailable, match="cannot write the log"), logging_to(blocked / "x.log", "info"):
        pass


def logged(path: Path, level: str) -> list[str]:
    """What of everything that happens is in the log, the last word of each line."""
    clock = ManualClock(NOON)
    with logging_to(path, level, clock):
        events = EventLog(clock)
        forget = events.listen(log_event)
        for severity in Severity:
            events.add("feed", f"event-{severity.value}", severity=severity, account="Z1")
        logging.getLogger("tickertui.kite.client").debug("answer")
        logging.getLogger("tickertui.kite.client").warning("retry")
        forget()
        events.add("feed", "after")
    return [line.split()[-1] for line in path.read_text().splitlines()]


def test_each_level_shows_more_than_the_one_above(tmp_path: Path) -> None:
    seen = [logged(tmp_path / level, level) for level in ("error", "warning", "info", "debug")]
    assert seen == [
        ["event-error"],
        ["event-warning", "event-error", "retry"],
        ["event-info", "event-warning", "event-error", "retry"],
        ["event-info", "event-warning", "event-error", "answer", "retry"],
    ]


def test_lines_have_the_markets_time_and_its_zone(tmp_path: Path) -> None:
    path = tmp_path / "tickertui.log"
    logged(path, "debug")
    first, *rest = path.read_text().splitlines()
    assert first == "2026-11-25 12:00:00.000 IST INFO    events.feed: Z1: event-info"
    assert all(line.startswith("2026-11-25 12:00:00.000 IST ") for line in rest)


def test_without_a_clock_it_is_the_machines_time_in_the_markets_zone(tmp_path: Path) -> None:
    path, before = tmp_path / "tickertui.log", datetime.now(IST).replace(microsecond=0)
    with logging_to(path, "info"):
        logging.getLogger("tickertui.test").info("one line")
    found = re.match(r"(\S+ \S+) IST INFO", path.read_text())
    assert found is not None
    assert before <= datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=IST) <= datetime.now(IST)


def test_an_exception_is_whole_with_every_member_and_without_secrets_or_locals(tmp_path: Path) -> None:
    path, secret = tmp_path / "tickertui.log", "q7Zk2mVx9Lr4Tn8Bw1Yd6Hs3Pf5Gc0Ja"

    def fail(number: int) -> None:
        held = f"{secret}{number}"
        raise ValueError(f"member {number} of https://api.example/?access_token={held}&x=1")

    errors: list[Exception] = []
    for number in range(20):
        try:
            fail(number)
        except ValueError as error:
            errors.append(error)
    with logging_to(path, "error"):
        logging.getLogger("tickertui.test").error("they failed", exc_info=ExceptionGroup("many", errors))
        logging.getLogger("tickertui.test").error("postgresql://me:hush@host/db does not answer")
        logging.getLogger("tickertui.test").error("the answer was %r", secret)
    text = path.read_text()
    assert all(f"member {number} of https" in text for number in range(20))
    assert text.count("in fail") == 20
    assert secret not in text
    assert "hush" not in text


class Sentence(Exception):  # noqa: N818 - what a command ends with
    """An error for the user."""


@pytest.mark.parametrize(("error", "traceback"), [(Sentence("too far away"), False), (KeyError("a defect"), True)])
def test_what_leaves_the_context_is_in_the_log(tmp_path: Path, error: Exception, traceback: bool) -> None:
    path = tmp_path / "tickertui.log"
    with pytest.raises(type(error)), logging_to(path, "error", told=(Sentence,)):
        raise error
    text = path.read_text()
    assert str(error) in text
    assert ("Traceback" in text) is traceback


def test_a_demo_logs_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    others = root.handlers[:]
    for handler in others:
        root.removeHandler(handler)
    try:
        with logging_nowhere():
            logging.getLogger("tickertui.demo").error("a defect")
        assert "".join(capsys.readouterr()) == ""
        assert root.handlers == []
    finally:
        for handler in others:
            root.addHandler(handler)
