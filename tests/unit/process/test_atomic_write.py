"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from tests.support.full_disk import full_disk
from tickertui.process.atomic_write import replacing, write_atomically, write_where_it_leads


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_new_file_has_the_asked_for_or_the_old_permissions(tmp_path: Path) -> None:
    secret, plain = tmp_path / "secret", tmp_path / "plain"
    write_atomically(secret, "a", mode=0o600)
    plain.write_text("old", encoding="utf-8")
    plain.chmod(0o640)
    write_atomically(plain, "new \u20b9")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(plain.stat().st_mode) == 0o640
    assert plain.read_text("utf-8") == "new \u20b9"
    assert names(tmp_path) == ["plain", "secret"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")
    with full_disk(), pytest.raises(OSError, match="too large"):
        write_atomically(path, "x" * 100_000)
    assert path.read_text("utf-8") == "old"
    assert names(tmp_path) == ["file"]


def test_an_error_of_the_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")

    def fail_half_way() -> None:
        with replacing(path) as file:
            file.write(b"half of it")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert path.read_text("utf-8") == "old"
    assert names(tmp_path) == ["file"]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, "a")
    assert path.read_text("utf-8") == "a"


def test_what_a_trader_names_may_be_a_link_or_a_pipe(tmp_path: Path) -> None:
    target, link, new, pipe = (tmp_path / name for name in ("target", "link", "new", "pipe"))
    target.write_text("old", encoding="utf-8")
    link.symlink_to(target)
    write_where_it_leads(link, "by a link")
    assert link.is_symlink()
    assert target.read_text("utf-8") == "by a link"
    link.unlink()
    link.symlink_to(new)
    write_where_it_leads(link, "by a link to nothing")
    assert new.read_text("utf-8") == "by a link to nothing"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text("utf-8")), daemon=True)
    reader.start()
    write_where_it_leads(pipe, "by a pipe")
    reader.join(10)
    assert read == ["by a pipe"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
