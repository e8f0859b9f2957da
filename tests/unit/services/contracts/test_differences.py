"""What changed overnight: strikes and lots under the same tokens, names, tokens used again, exchanges that are gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from tests.support.fakes import chain_of, future_of, index_of, table_of
from tests.support.planning import M29, W08, nifty_chain
from tickertui.market.contract_terms import Terms
from tickertui.market.instruments import Instrument, InstrumentKind
from tickertui.services.contracts.differences import Differences, differences

DAY = date(2026, 12, 1)
STRIKES = (1_560.0, 1_580.0, 1_600.0)
SHARE = Instrument(46_900 << 8 | 1, "XYZCEM", "XYZ CEMENT", InstrumentKind.EQUITY, "NSE", "NSE")
OPTIONS = chain_of("XYZCEM", M29, STRIKES, first=46_500, lot_size=350)
FUTURE = replace(future_of("XYZCEM", M29, number=46_600), lot_size=350)
QUIET = [index_of("NIFTY 50", 256265), *nifty_chain(M29)]


def split(option: Instrument, ratio: int = 2) -> Instrument:
    """An option or future after a split: the same token, strike and lot of the new share."""
    strike = None if option.strike is None else option.strike / ratio
    symbol = option.tradingsymbol if strike is None else f"XYZCEM261229{strike:g}{option.kind.label}"
    return replace(option, strike=strike, lot_size=option.lot_size * ratio, tradingsymbol=symbol)


def renamed(instrument: Instrument, name: str) -> Instrument:
    return replace(instrument, name=name, tradingsymbol=instrument.tradingsymbol.replace(instrument.name, name))


def compare(before: Sequence[Instrument], after: Sequence[Instrument]) -> Differences:
    return differences(table_of(QUIET, list(before)), table_of(QUIET, list(after)), DAY)


def changed(found: Differences) -> set[int]:
    return {change.token for change in found.terms}


def test_the_same_twice_is_no_difference() -> None:
    found = compare([SHARE, *OPTIONS, FUTURE], [SHARE, *OPTIONS, FUTURE])
    assert found.is_empty
    assert "no change" in found.describe()


def test_a_split_changes_strikes_and_lots_and_restates_the_share() -> None:
    found = compare([SHARE, *OPTIONS, FUTURE], [SHARE, *(split(leg) for leg in (*OPTIONS, FUTURE))])
    assert changed(found) == {leg.token for leg in (SHARE, *OPTIONS, FUTURE)}
    assert not found.reused
    assert len(found.new) == len(found.gone) == 0
    text = found.describe()
    assert "strikes: XYZCEM 1,560 → 780 and so on (6 contracts)" in text
    assert "lots: XYZCEM 350 → 700 (7 contracts)" in text
    assert found.alarming
    first = next(change for change in found.terms if change.token == OPTIONS[0].token)
    assert (first.since, first.before, first.is_another) == (DAY, Terms.of(OPTIONS[0]), False)
    assert first.describe() == "until 01 Dec 2026 XYZCEM2612291560CE (strike 1,560, lot 350)"


def test_a_lot_alone_is_another_contract_too_and_leaves_the_share() -> None:
    found = compare([SHARE, *OPTIONS], [SHARE, *(replace(leg, lot_size=400) for leg in OPTIONS)])
    assert changed(found) == {leg.token for leg in OPTIONS}
    assert not found.strikes


def test_a_strike_under_the_same_lot_and_symbol_is_another_contract() -> None:
    found = compare([SHARE, *OPTIONS], [SHARE, replace(OPTIONS[0], strike=1_565.5), *OPTIONS[1:]])
    assert changed(found) == {OPTIONS[0].token}, "one of many: the share is what it was"
    assert str(found.strikes[0]) == "XYZCEM 1,560 → 1,565.5"


def test_what_a_trader_need_not_fear_is_no_change_of_terms() -> None:
    moved = [replace(leg, expiry=date(2026, 12, 28)) for leg in OPTIONS]
    found = compare(OPTIONS, moved)
    assert [str(shift) for shift in found.shifted] == ["XYZCEM 29 Dec → 28 Dec"]
    assert not found.terms, "an expiry that the exchange moves is the same contract"
    found = compare(OPTIONS, [replace(leg, tick_size=0.1) for leg in OPTIONS])
    assert not found.terms
    assert found.ticks
    dearer = replace(SHARE, lot_size=10)
    assert not compare([SHARE], [dearer]).terms, "a share has no terms"


def test_a_token_that_names_something_else_is_another_contract() -> None:
    call, put = OPTIONS[:2]
    for other in (
        replace(call, kind=InstrumentKind.PUT),
        replace(call, exchange="BFO"),
        replace(call, tradingsymbol="XYZCEM26DEC08", expiry=W08),
        replace(call, name="NIFTY", tradingsymbol="NIFTY26DEC1560CE"),
    ):
        found = compare([call, put], [other, put])
        assert changed(found) == {call.token}
        assert found.terms[0].is_another
        assert [reused.token for reused in found.reused] == [call.token]
        assert not found.renamed


def test_a_new_name_is_told_and_is_no_change_of_terms() -> None:
    before = [SHARE, *OPTIONS, FUTURE]
    found = compare(before, [renamed(leg, "NEWCEM") if leg is not SHARE else replace(SHARE, tradingsymbol="NEWCEM")
                             for leg in before])  # fmt: skip
    (renaming,) = found.renamed
    assert (renaming.before, renaming.after, renaming.contracts, renaming.is_clear) == ("XYZCEM", ("NEWCEM",), 7, True)
    assert "names: XYZCEM is now NEWCEM (7 contracts)" in found.describe()
    assert not found.terms
    assert not found.reused
    assert found.alarming


def test_a_new_name_and_a_split_in_one_night() -> None:
    found = compare(OPTIONS, [renamed(split(leg), "NEWCEM") for leg in OPTIONS])
    assert [str(renaming) for renaming in found.renamed] == ["XYZCEM is now NEWCEM (6 contracts)"]
    assert changed(found) == {leg.token for leg in OPTIONS}
    assert not any(change.is_another for change in found.terms)


def test_a_name_that_became_two_or_joined_another_is_not_clear() -> None:
    two = [renamed(leg, "NEWCEM" if number < 3 else "NEWPOWER") for number, leg in enumerate(OPTIONS)]
    found = compare(OPTIONS, two)
    assert [(str(one), one.is_clear) for one in found.renamed] == [
        ("XYZCEM is now NEWCEM and NEWPOWER (6 contracts)", False)
    ]
    assert not found.terms
    old = chain_of("NEWCEM", M29, [100.0], first=47_000)
    assert not compare([*OPTIONS, *old], [*(renamed(leg, "NEWCEM") for leg in OPTIONS), *old]).renamed[0].is_clear
    other = chain_of("OTHER", M29, [100.0], first=47_000)
    both = [renamed(leg, "NEWCEM") for leg in (*OPTIONS, *other)]
    assert not any(one.is_clear for one in compare([*OPTIONS, *other], both).renamed)


def test_a_share_whose_contracts_have_all_expired_since_is_renamed_and_its_series_is_no_name() -> None:
    past = chain_of("XYZCEM", date(2026, 11, 24), STRIKES, first=45_000)
    renaming = compare([SHARE, *past], [replace(SHARE, tradingsymbol="XYZ")]).renamed[0]
    assert (str(renaming), renaming.follow("XYZCEM")) == ("XYZCEM is now XYZ", "XYZ"), "after a month away"
    assert not compare([SHARE], [replace(SHARE, tradingsymbol="XYZ")]).renamed, "one without contracts is nobody's news"
    assert not compare([SHARE, *past], [replace(SHARE, name="XYZ CEMENT INDIA")]).alarming
    assert not compare([SHARE, *past], [replace(SHARE, tradingsymbol="XYZCEM-BE")]).renamed
    with_hyphen = [replace(SHARE, tradingsymbol="XYZ-CEMENT"), *(renamed(leg, "XYZ-CEMENT") for leg in past)]
    assert [str(one) for one in compare(with_hyphen, [SHARE]).renamed] == ["XYZ-CEMENT is now XYZCEM"]


def test_a_share_that_is_renamed_before_its_contracts_leaves_the_rules_on_them() -> None:
    found = compare([SHARE, *OPTIONS], [replace(SHARE, tradingsymbol="NEWCEM"), *OPTIONS])
    assert [(str(one), one.is_clear) for one in found.renamed] == [("XYZCEM is now NEWCEM", False)]
    assert found.renamed[0].follow("XYZCEM") is None


def test_an_exchange_that_has_nothing_any_more_is_named() -> None:
    hang_seng = index_of("HANGSENG", 45_900 << 8 | 9, "GLOBAL")
    found = compare([hang_seng], [])
    assert found.lost_exchanges == ("GLOBAL",)
    assert "no contract any more of: GLOBAL" in found.describe()
