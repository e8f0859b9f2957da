"""Chain rules as values: what may be said, in which words, and which two are the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_backend import some_rules
from tickertui.cli import run
from tickertui.commands.subscription_files import (
    SubscriptionFileError,
    SubscriptionSet,
    read_subscriptions,
    write_subscriptions,
)
from tickertui.market.subscriptions import ChainRule, RuleError
from tickertui.market.ticks import Mode
from tickertui.process.exit_codes import ExitCode
from tickertui.services.plan.desired_plan import INDICES, SINGLES
from tickertui.settings.load import ConfigError, load_settings
from tickertui.tui.panels.new_rule import parse_rule
from tickertui.tui.view.owner_words import owner_words

DAYS = st.dates(date(2026, 1, 1), date(2029, 12, 31))
RULES = st.builds(
    ChainRule,
    st.integers(0, 99),
    st.sampled_from(["NIFTY", "BANKNIFTY", "M&M"]),
    st.integers(1, 3),
    st.lists(DAYS, max_size=3).map(tuple),
    st.sampled_from([None, 1, 40]),
    st.sampled_from([Mode.LTP, Mode.QUOTE, Mode.FULL]),
    st.sampled_from([None, "Z1", "Z2"]),
    st.booleans(),
)


@given(RULES, RULES)
def test_the_words_of_rules_that_differ_differ(one: ChainRule, other: ChainRule) -> None:
    assert (one == other) is (one.describe() == other.describe())
    assert one != other or hash(one) == hash(other)


@given(st.lists(DAYS, min_size=1, max_size=4), st.integers(1, 20), st.integers(0, 9))
def test_the_same_written_differently_is_the_same(days: list[date], count: int, rule_id: int) -> None:
    rule = ChainRule(0, "NIFTY", expiries=tuple(days))
    assert rule == ChainRule(rule_id, " nifty ", count, (*reversed(days), days[0]), preferred_account=" ")
    assert rule != replace(rule, enabled=False), "one that asks for nothing is not the same"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (ChainRule(0, "NIFTY", 2, (), 40), "NIFTY next 2 ATM±40 full"),
        (ChainRule(0, "NIFTY", 2, (), None, Mode.LTP, "Z1"), "NIFTY next 2 all strikes ltp @Z1"),
        (ChainRule(0, "NIFTY", include_future=False), "NIFTY next 1 ATM±40 full without future"),
        (ChainRule(0, "NIFTY", expiries=(date(2027, 12, 7),)), "NIFTY 07 Dec 2027 ATM±40 full"),
        (
            ChainRule(0, "NIFTY", expiries=(date(2027, 1, 5), date(2026, 12, 8), date(2026, 12, 1))),
            "NIFTY 01 Dec, 08 Dec 2026, 05 Jan 2027 ATM±40 full",
        ),
    ],
)
def test_year_and_future_are_told(rule: ChainRule, words: str) -> None:
    assert rule.describe() == words


@given(st.lists(RULES, max_size=4), st.sampled_from(["rules.csv", "rules.toml"]))
def test_a_file_gives_back_the_rules_it_was_written_with(
    tmp_path_factory: pytest.TempPathFactory, rules: list[ChainRule], name: str
) -> None:
    path = tmp_path_factory.mktemp("rules") / name
    write_subscriptions(path, SubscriptionSet(tuple(rules), ()))
    assert read_subscriptions(path).rules == tuple(rules)


def test_owners_are_named_in_words() -> None:
    first, second = some_rules()
    owners = (SINGLES, second.rule.rule_id, 77, INDICES)
    words = f"single subscription, {second.rule.describe()}, rule 77, shown beside every chain"
    assert owner_words(owners, (first, second)) == words


# ---------------------------------------------------------------------- one place for bounds and words

EXPIRIES = "expiries must be a number from 1 to 20 or dates like 2026-12-01, not {}"
STRIKES = 'strikes must be a number from 1 to 500 or "all", not {}'
MODE = "mode must be ltp, quote or full, not 'fast'"
BAD = [
    ({"expiries": "0"}, EXPIRIES.format("0")),
    ({"expiries": "21"}, EXPIRIES.format("21")),
    ({"strikes": "0"}, STRIKES.format("0")),
    ({"strikes": "501"}, STRIKES.format("501")),
    ({"mode": "fast"}, MODE),
    ({"underlying": " "}, "a rule needs the name of an underlying, for instance NIFTY"),
]


@pytest.mark.parametrize(("words", "sentence"), BAD)
def test_every_way_in_refuses_with_the_same_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: dict[str, str],
    sentence: str,
) -> None:  # fmt: skip
    said = {"underlying": "NIFTY", "expiries": "1", "strikes": "40", "mode": "full"} | words
    with pytest.raises(RuleError) as caught:
        ChainRule.of_words(**said)
    assert str(caught.value) == sentence

    csv = tmp_path / "rules.csv"
    csv.write_text(f"kind,name,expiries,strikes,mode\nrule,{','.join(said.values())}\n")
    with pytest.raises(SubscriptionFileError) as in_file:
        read_subscriptions(csv)
    assert str(in_file.value) == f"{csv}:2: {sentence}"

    toml = tmp_path / "rules.toml"
    numbers = "".join(f"{key} = {said[key]}\n" for key in ("expiries", "strikes"))
    toml.write_text(f'[[rules]]\nunderlying = "{said["underlying"]}"\nmode = "{said["mode"]}"\n{numbers}')
    with pytest.raises(SubscriptionFileError) as in_table:
        read_subscriptions(toml)
    assert str(in_table.value) == f"{toml}: rules.1: {sentence}"
    with pytest.raises(ConfigError) as configured:
        load_settings(toml, {})
    (problem,) = configured.value.problems
    assert problem.key == f"rules.1.{next(iter(words))}"
    assert sentence in problem.text

    monkeypatch.setenv("TICKERTUI_HOME", str(tmp_path))
    options = [f"--{key}={said[key]}" for key in ("expiries", "strikes", "mode")]
    assert run(["subs", "add", said["underlying"], *options]) == ExitCode.USAGE
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("NIFTY 0", EXPIRIES.format(0)), ("NIFTY 21", EXPIRIES.format(21)), ("NIFTY 1 0", STRIKES.format(0)),
     ("NIFTY 1 501", STRIKES.format(501))],
)  # fmt: skip
def test_the_form_refuses_with_the_same_sentence(typed: str, sentence: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rule(typed, ("NIFTY",))
    assert str(caught.value) == sentence


def test_a_value_is_checked_however_it_is_made() -> None:
    rule = ChainRule(3, "NIFTY")
    for wrong in ({"strikes": -1}, {"expiry_count": 0}, {"mode": Mode.NONE}, {"underlying": ""}):
        with pytest.raises(RuleError):
            replace(rule, **wrong)
