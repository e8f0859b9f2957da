"""Bytes from the keyboard that mean nothing: they are passed over, and the keys around them count."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.support.terminals import in_shell, in_terminal

UNREADABLE = {
    "no UTF-8": b"\xff",
    "half a character": b"\xe2\x82",
    "half a character, then a key": b"\xe2\x82h\x1b",
    "UTF-16": "नमस्ते".encode("utf-16"),
    "Latin-1": "été".encode("latin-1"),
    "a surrogate": b"\xed\xa0\x80",
    "an old mouse dialect": b"\x1b[M\xa0\xff\xfe",
    "a key beyond Unicode": b"\x1b[1114112u",
    "a key of twenty digits": b"\x1b[99999999999999999999u",
    "a surrogate as a key": b"\x1b[55296;1;55296u",
    "text beyond Unicode": b"\x1b[97;1;9999999u",
    "a window of a million columns": b"\x1b[48;999999;999999;1;1t",
    "a window of nothing": b"\x1b[48;0;0;0;0t",
    "pixels of nothing, then the mouse": b"\x1b[48;40;120;0;0t\x1b[48;0;0;9;9t\x1b[<0;5;5M\x1b[<0;5;5m",
    "the mouse far outside": b"\x1b[<0;99999;99999M\x1b[<0;99999;99999m",
    "a paste in another encoding": b"\x1b[200~24\xff\xfe350\x1b[201~",
    "zeros": bytes(64),
}  # fmt: skip


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_passed_over(environ: dict[str, str], tmp_path: Path, sent: bytes) -> None:
    with in_shell([sys.executable, "-m", "tickertui", "--demo"], environ, tmp_path / "note") as terminal:
        terminal.until(lambda: "▶" in terminal.text, "the row at the money")
        os.write(terminal.master, sent)
        terminal.type_until_painted("?", "Go to the strike at the money.")
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.code() == 128 + signal.SIGTERM


def test_pasted_text_keeps_what_can_be_read(environ: dict[str, str]) -> None:
    with in_terminal(["--demo"], environ) as terminal:
        terminal.until(lambda: "▶" in terminal.text, "the row at the money")
        terminal.type_until_painted(":", "goto")
        terminal.output = ""
        os.write(terminal.master, b"\x1b[200~zq\xff\xfexw\x1b[201~")
        terminal.until_painted("zqxw")
        assert "\ufffd" not in terminal.text


@pytest.mark.parametrize("seed", range(3))
def test_any_bytes_at_all_end_nothing(environ: dict[str, str], tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with in_shell([sys.executable, "-m", "tickertui", "--demo"], environ, tmp_path / "note") as terminal:
        terminal.until(lambda: "▶" in terminal.text, "the row at the money")
        for _ in range(40):
            # No letters: those are keys, which other tests press.
            noise = bytes(chance.choice(b"0123456789;:<>\x80\xc3\xff\xf0") for _ in range(12))
            os.write(terminal.master, b"\x1b[" + noise)
            terminal.read()
        terminal.output = ""
        terminal.resize(100, 30)
        # Digits go to panes, all of which have the bar of keys below.
        terminal.until(lambda: "1Chain" in terminal.text, "painted anew, at the new size")
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.code() == 128 + signal.SIGTERM
