"""The samples of tests/data are what their script writes from the published values: no file is edited or copied."""

from __future__ import annotations

from tests.data.write_samples import FOLDER, files


def test_the_samples_are_what_the_script_writes() -> None:
    kept = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.suffix not in (".py", "")}
    assert kept == files()
