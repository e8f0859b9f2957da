"""The log file: private, complete when the context ends, and one sentence when it cannot be had."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tickertui.logging_setup import LogUnavailable, logging_to


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
