"""Subscriptions as CSV and TOML: the same comes back, and every mistake names its place."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.support.full_disk import full_disk
from tickertui.commands.subscription_files import (
    SubscriptionFileError,
    SubscriptionSet,
    WantedInstrument,
    read_subscriptions,
    write_subscriptions,
)
from tickertui.market.subscriptions import ChainRule
from tickertui.market.ticks import Mode

EVERYTHING = SubscriptionSet(
    (
        ChainRule(0, "NIFTY", 2, (), 40),
        ChainRule(
            0, "SENSEX", 1, (date(2026, 12, 3), date(2026, 12, 10)), None, Mode.QUOTE, "Z2", include_future=False
        ),
    ),
    (WantedInstrument("NFO:NIFTY26DECFUT"), WantedInstrument("NSE:INFY", Mode.LTP, "Z1")),
)


@pytest.mark.parametrize("name", ["all.csv", "all.toml"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_subscriptions(path, EVERYTHING)
    assert read_subscriptions(path) == EVERYTHING


def test_a_full_disk_leaves_the_export_before(tmp_path: Path) -> None:
    path = tmp_path / "subs.toml"
    path.write_text("that of yesterday", encoding="utf-8")
    with full_disk(), pytest.raises(SubscriptionFileError, match=r"subs\.toml: cannot be written: File too large"):
        write_subscriptions(path, EVERYTHING)
    assert path.read_text("utf-8") == "that of yesterday"
    assert [file.name for file in tmp_path.iterdir()] == ["subs.toml"]


@pytest.mark.parametrize("name", ["none.csv", "none.toml"])
def test_nothing_is_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_subscriptions(path, SubscriptionSet())
    assert read_subscriptions(path) == SubscriptionSet()


def test_a_short_csv_takes_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("kind,name\nrule,nifty\n")
    assert read_subscriptions(path).rules == (ChainRule(0, "NIFTY", 1, (), 40),)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.csv", "what,name\n", "a.csv:1: the first line must be kind,name,expiries"),
        ("a.csv", "", "a.csv:1: the first line must be kind,name,expiries,strikes,mode,account,future, not nothing"),
        ("a.csv", "kind,name\nruel,NIFTY\n", "a.csv:2: kind must be rule or instrument, not 'ruel'"),
        ("a.csv", "kind,name,expiries\nrule,NIFTY,soon\n", "a.csv:2: expiries must be a number or dates"),
        (
            "a.csv",
            "kind,name,strikes\nrule,A,40\nrule,B,0\n",
            'a.csv:3: strikes must be a number from 1 to 500 or "all"',
        ),
        ("a.csv", "kind,name,mode\ninstrument,NSE:INFY,fast\n", "a.csv:2: mode must be ltp, quote or full, not 'fast'"),
        ("a.csv", "kind,name\ninstrument,INFY\n", "a.csv:2: an instrument is named EXCHANGE:TRADINGSYMBOL, not 'INFY'"),
        ("a.toml", "x = [", "a.toml: is not valid TOML"),
        ("a.toml", "rule = 1\n", "a.toml: rule: is not known here; there are rules and instruments"),
        ("a.toml", "rules = 1\n", "a.toml: rules: must be tables, each under [[rules]]"),
        ("a.toml", "[[rules]]\nstrikes = 3\n", "a.toml: rules.1: underlying is missing"),
        ("a.toml", '[[rules]]\nunderlying = "A"\nstrike = 3\n', "a.toml: rules.1.strike: is not known here"),
        ("a.txt", "", "a.txt: must end in .csv or .toml"),
    ],
)
def test_every_mistake_names_its_place(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(SubscriptionFileError) as caught:
        read_subscriptions(path)
    assert sentence in str(caught.value)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SubscriptionFileError, match="cannot be read: No such file"):
        read_subscriptions(tmp_path / "none.csv")
