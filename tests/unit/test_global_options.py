"""Options of every command: before, between and after its words they mean the same, or are refused; never dropped.

The commands come from the parser: a new one is in here by itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from tickertui import __version__
from tickertui.cli import build_parser, parse, parsers, run
from tickertui.process.exit_codes import ExitCode

Words = tuple[str, ...]

BROKEN = "[screen]\nunits = 'kilograms'\n"

OPTIONS = ("--config", "--demo")
REFUSED: dict[str, set[Words]] = {
    "--config": {("simulate",)},
    "--demo": {words for words, parser in parsers(build_parser()) if words not in ((), ("headless",))},
}


def commands() -> Iterator[tuple[Words, list[str]]]:
    """Every command that does something, and what it cannot do without."""
    for words, parser in parsers(build_parser()):
        if not parser.commands or not words:
            # argparse has no public way to ask for the arguments.
            needed = [action for action in parser._actions if not action.option_strings and action.nargs != "?"]
            yield words, ["X" for action in needed if not isinstance(action, argparse._SubParsersAction)]


COMMANDS = list(commands())
IDS = [" ".join(words) or "the screen" for words, _ in COMMANDS]
PLACES = [(words, needed, place) for words, needed in COMMANDS for place in range(len(words) + 1)]
PLACE_IDS = [" ".join((*words[:place], "HERE", *words[place:], *needed)) for words, needed, place in PLACES]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TICKERTUI_HOME", str(tmp_path / "home"))
    return tmp_path


def line(words: Words, needed: list[str], *options: tuple[int, list[str]]) -> list[str]:
    """The command line with options put in before the word of that number."""
    put = [[text for at, texts in options if at == place for text in texts] for place in range(len(words) + 1)]
    return [*(text for before, word in zip(put, words, strict=False) for text in (*before, word)), *put[-1], *needed]


def given(option: str, value: str = "FILE") -> list[str]:
    return [option] if option == "--demo" else [option, value]


def test_there_are_commands_with_and_without_actions() -> None:
    assert ((), []) in COMMANDS
    assert (("login",), ["X"]) in COMMANDS
    assert (("subs", "list"), []) in COMMANDS
    assert len(PLACES) > 30


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("words, needed, place", PLACES, ids=PLACE_IDS)
def test_an_option_is_taken_or_refused_wherever_it_stands(
    words: Words, needed: list[str], place: int, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = line(words, needed, (place, given(option)))
    if words in REFUSED[option]:
        assert run(arguments) == ExitCode.USAGE
        complaint = capsys.readouterr().err
        assert complaint.startswith(f"{' '.join(('tickertui', *words))}: {option} makes no sense here: ")
        assert complaint.count("\n") == 1
    else:
        parsed = parse(arguments)
        assert parsed.config == ("FILE" if option == "--config" else None)
        assert parsed.demo is (option == "--demo")


@pytest.mark.parametrize("words, needed", COMMANDS, ids=IDS)
def test_without_options_the_defaults_are_there(words: Words, needed: list[str]) -> None:
    parsed = parse([*words, *needed])
    assert parsed.config is None
    assert parsed.demo is False


@pytest.mark.parametrize("words, needed, place", PLACES, ids=PLACE_IDS)
def test_the_file_that_is_named_is_the_one_that_is_used(
    words: Words, needed: list[str], place: int, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "mine.toml"
    path.write_text(BROKEN)
    code = run(line(words, needed, (place, ["--config", str(path)])))
    printed = capsys.readouterr()
    if words == ("config", "path"):
        assert code == ExitCode.OK
        assert str(path) in printed.out
        return
    assert code == ExitCode.USAGE
    assert printed.out == ""
    assert (str(path) in printed.err) is (words not in REFUSED["--config"])
    assert not (home / "home").exists(), "the user's own files were touched"


@pytest.mark.parametrize("words, needed", COMMANDS, ids=IDS)
def test_two_values_are_an_error_that_names_both(
    words: Words, needed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    if words in REFUSED["--config"]:
        return
    places = range(len(words) + 1)
    for first, second in [*combinations(places, 2), *((place, place) for place in places)]:
        options = (first, ["--config", "a.toml"]), (second, ["--config=b.toml"])
        assert run(line(words, needed, *options)) == ExitCode.USAGE
        complaint = capsys.readouterr().err
        assert "--config is given twice, as a.toml and as b.toml; leave one out" in complaint
        assert complaint.count("\n") == 1
        assert parse(line(words, needed, (first, ["--config", "a"]), (second, ["--config", "a"]))).config == "a"


@pytest.mark.parametrize("words", [words for words, _ in parsers(build_parser())], ids=lambda words: " ".join(words))
def test_version_and_help_work_everywhere(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    for place in range(len(words) + 1):
        assert run([*words[:place], "--version", *words[place:]]) == ExitCode.OK
        assert capsys.readouterr().out == f"tickertui {__version__}\n"
    assert run([*words, "--help"]) == ExitCode.OK
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {' '.join(('tickertui', *words))}")
    leaves = [leaf for leaf, _ in COMMANDS if leaf[: len(words)] == words]
    for option in OPTIONS:
        assert (option in text) is any(leaf not in REFUSED[option] for leaf in leaves)


def test_an_option_of_a_command_that_is_given_twice_is_an_error_too(capsys: pytest.CaptureFixture[str]) -> None:
    # The first is the default: given all the same.
    assert run(["subs", "add", "NIFTY", "--strikes", "40", "--strikes", "5"]) == ExitCode.USAGE
    assert "--strikes is given twice, as 40 and as 5" in capsys.readouterr().err
    assert parse(["subs", "add", "NIFTY", "--strikes", "5", "--strikes", "5"]).strikes == "5"
    assert parse(["subs", "add", "--symbol", "NSE:A", "--symbol", "NSE:B"]).symbol == ["NSE:A", "NSE:B"]


@pytest.mark.parametrize("option", [["--strikes", "40"], ["--expiries", "2"], ["--no-future"]])
def test_an_option_of_chains_is_not_dropped_for_a_single_instrument(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["subs", "add", "--symbol", "NSE:NIFTY 50", *option]) == ExitCode.USAGE
    assert capsys.readouterr().err == f"{option[0]} makes no sense with --symbol: it is about chains\n"


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_status_seconds_that_cannot_be(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["headless", "--status-seconds", seconds]) == ExitCode.USAGE
    complaint = capsys.readouterr().err
    assert "--status-seconds" in complaint
    assert complaint.count("\n") == 1
