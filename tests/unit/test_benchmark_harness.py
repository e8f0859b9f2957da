"""The benchmark harness: figures, absent peers, the table and the JSON file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks.harness import MissingPeer, Result, best_of, compare, import_peer


def test_best_of_calls_every_round_and_one_to_warm_up() -> None:
    calls: list[int] = []
    assert best_of(lambda: calls.append(1), rounds=3, inner=4) >= 0.0
    assert len(calls) == 16
    with pytest.raises(ValueError, match="at least 1"):
        best_of(lambda: None, rounds=0)


def test_an_absent_peer_is_a_row_with_its_reason() -> None:
    peer = import_peer("no_such_library_at_all")
    assert isinstance(peer, MissingPeer)
    row = compare("speed", 2.0, "ms", peer, None, "> 5x")
    assert (row.peer_value, row.ratio) == (None, None)
    assert "no_such_library_at_all: skipped" in command.table([row])
    assert import_peer("json") is json


def test_a_ratio_says_how_many_times_less_we_need() -> None:
    row = compare("speed", 2.0, "ms", "other", 30.0)
    assert row.ratio == 15.0
    lines = command.table([row, Result("memory", 12_345.6, "kB")]).splitlines()
    assert len(lines) == 3
    assert "15.0x" in lines[1]
    assert "12,346" in lines[2]


def test_the_command_runs_named_modules_and_writes_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(name: str) -> list[Result]:
        return [Result(name, 1.5, "ms", target="< 2 ms")]

    monkeypatch.setattr(command, "run", run)
    file = tmp_path / "figures.json"
    assert command.main(["greeks", "--json", str(file)]) == 0
    assert "< 2 ms" in capsys.readouterr().out
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written["benchmarks"]["greeks"][0]["value"] == 1.5
    with pytest.raises(SystemExit):
        command.main(["nothing"])
    assert "no benchmark named nothing" in capsys.readouterr().err
