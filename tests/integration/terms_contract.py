"""What every store must do when contracts become others overnight; the stores' test classes inherit it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from tests.integration.store_contract import EXPIRY, MINUTE, START, Opener, minute, minutes, span
from tickertui.market.contract_terms import Renaming, Terms, TermsChange
from tickertui.market.instruments import InstrumentKind
from tickertui.market.subscriptions import ChainRule
from tickertui.store.protocol import ContractNews, Followed, HistoryFailure, OpenInterestFact, Store, VolatilityFact

DAY = START.date()
NEXT_DAY = DAY + timedelta(days=1)
MINUTES_A_DAY = 24 * 60
BEFORE = Terms("XYZCEM26DEC1600CE", "XYZCEM", InstrumentKind.CALL, "NFO", EXPIRY, 1_600.0, 350)
SPLIT = TermsChange(1, NEXT_DAY, BEFORE, is_another=False)


class TermsContract:
    """Tests of changed terms and of new names."""

    async def test_nothing_from_before_a_change_of_terms_is_given_out(self, store: Store, opener: Opener) -> None:
        for token in (1, 2):
            whole = (minute(0), minute(MINUTES_A_DAY + 5))
            await store.add_candles(token, EXPIRY, MINUTE, minutes(0, 10), whole)
            await store.add_candles(token, EXPIRY, MINUTE, minutes(MINUTES_A_DAY, 5, price=5_000), None)
            await store.add_session_candles(MINUTE, [(token, EXPIRY)], minutes(20, 1))
            await store.record_failure(HistoryFailure(token, EXPIRY, MINUTE, "refused", 3, START))
        facts = [OpenInterestFact(token, EXPIRY, 700) for token in (1, 2)]
        for day in (DAY, NEXT_DAY):
            await store.save_daily_facts(day, facts)
        await store.save_instruments(NEXT_DAY, b"csv", ContractNews(terms=(SPLIT,)))
        other = await opener()
        assert await other.terms_changes() == {1: SPLIT}
        end = minute(2 * MINUTES_A_DAY)
        found = await other.candles(1, EXPIRY, MINUTE, minute(0), end)
        assert found.start.tolist() == minutes(MINUTES_A_DAY, 5).start.tolist()
        midnight = span(0, 0)[0] - (9 * 60 + 15) * 60 + 86_400
        assert (await other.coverage(MINUTE))[1, EXPIRY] == [(midnight, span(0, MINUTES_A_DAY + 5)[1])]
        assert (await other.candle_days(MINUTE, DAY, NEXT_DAY))[1, EXPIRY] == {NEXT_DAY: 5}
        assert await other.open_interest_on(DAY) == {(2, EXPIRY): 700}
        assert await other.open_interest_on(NEXT_DAY) == {(1, EXPIRY): 700, (2, EXPIRY): 700}
        assert [failure.token for failure in await other.failures(MINUTE)] == [2]
        assert len(await other.candles(2, EXPIRY, MINUTE, minute(0), end)) == 16, "the other contract is what it was"
        assert (await other.candle_days(MINUTE, DAY, NEXT_DAY))[2, EXPIRY] == {DAY: 10, NEXT_DAY: 5}

    async def test_what_was_covered_before_a_change_alone_is_not_covered_any_more(self, store: Store) -> None:
        await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 10), (minute(0), minute(10)))
        await store.save_instruments(NEXT_DAY, b"csv", ContractNews(terms=(SPLIT,)))
        assert await store.coverage(MINUTE) == {}
        await store.add_candles(1, EXPIRY, MINUTE, minutes(5, 10), (minute(5), minute(15)))
        assert await store.coverage(MINUTE) == {}, "an answer that was under way is about the old contract too"
        assert await store.last_interest(1, EXPIRY, MINUTE, minute(2 * MINUTES_A_DAY)) is None, "nor its open interest"

    async def test_of_two_changes_the_later_counts_and_the_same_twice_changes_nothing(self, store: Store) -> None:
        again = TermsChange(1, NEXT_DAY, replace(BEFORE, strike=None, expiry=None, lot_size=9), is_another=True)
        later = replace(again, since=NEXT_DAY + timedelta(days=3))
        for change, kept in ((SPLIT, SPLIT), (again, SPLIT), (later, later), (SPLIT, later)):
            await store.save_instruments(change.since, b"csv", ContractNews(terms=(change,)))
            assert await store.terms_changes() == {1: kept}

    async def test_rules_and_volatilities_follow_a_new_name(self, store: Store, opener: Opener) -> None:
        old = await store.add_rule(ChainRule(0, "OLDCO", 2, strikes=7, preferred_account="Z1"))
        split = await store.add_rule(ChainRule(0, "SPLITCO"))
        nifty = await store.add_rule(ChainRule(0, "NIFTY"))
        abroad = await store.add_rule(ChainRule(0, "BCD:OLDCO"))
        for day, volatility in ((DAY, 0.2), (NEXT_DAY, 0.3)):
            await store.save_daily_facts(day, volatility=[VolatilityFact("OLDCO", volatility)])
        await store.save_daily_facts(NEXT_DAY, volatility=[VolatilityFact("NEWCO", 0.25)])
        revision = await store.revision()
        news = ContractNews(
            renamed=(
                Renaming("OLDCO", ("NEWCO",), 6, is_clear=True),
                Renaming("SPLITCO", ("ONECO", "TWOCO"), 6, is_clear=False),
            )
        )
        assert await store.save_instruments(NEXT_DAY, b"csv", news) == Followed(
            rules=((old.rule_id, "OLDCO", "NEWCO"), (abroad.rule_id, "BCD:OLDCO", "BCD:NEWCO"))
        )
        assert await store.revision() == revision + 1, "other terminals must plan anew"
        other = await opener()
        followed = replace(old, underlying="NEWCO")
        assert await other.list_rules() == [followed, split, nifty, replace(abroad, underlying="BCD:NEWCO")]
        assert (await other.list_rules())[0].rule_id == old.rule_id
        assert await other.atm_iv_history("NEWCO", 9) == [(DAY, 0.2), (NEXT_DAY, 0.25)]
        assert await other.atm_iv_history("OLDCO", 9) == []
        assert not await other.save_instruments(NEXT_DAY, b"csv", news)
        assert await other.revision() == revision + 1

    async def test_a_configured_rule_that_followed_a_name_is_not_brought_back(self, store: Store) -> None:
        entries = [ChainRule(0, "OLDCO")]
        await store.sync_configured_rules("here", entries)
        news = ContractNews(renamed=(Renaming("OLDCO", ("NEWCO",), 6, is_clear=True),))
        await store.save_instruments(NEXT_DAY, b"csv", news)
        await store.sync_configured_rules("here", entries)
        assert [rule.underlying for rule in await store.list_rules()] == ["NEWCO"]

    async def test_single_legs_go_by_their_symbol_of_now_and_are_told_as_they_were(self, store: Store) -> None:
        for token in (1, 2, 3, 4):
            await store.upsert(token=token, tradingsymbol=f"OLD{token}", segment="NFO-OPT", expiry=EXPIRY)
        await store.deactivate(4, "not wanted")
        reused = TermsChange(2, NEXT_DAY, BEFORE, is_another=True)
        news = ContractNews(terms=(SPLIT, reused), symbols={1: "NEW1", 3: "NEW3", 4: "NEW4", 99: "NEW99"})
        followed = await store.save_instruments(NEXT_DAY, b"csv", news)
        assert [leg.tradingsymbol for leg in followed.legs] == ["OLD1", "OLD2", "OLD3"]
        assert {record.token: record.tradingsymbol for record in await store.list_all()} == {
            1: "NEW1", 2: "OLD2", 3: "NEW3", 4: "OLD4"
        }  # fmt: skip

    async def test_a_day_without_news_leaves_everything(self, store: Store) -> None:
        await store.add_rule(ChainRule(0, "NIFTY"))
        await store.add_candles(1, EXPIRY, MINUTE, minutes(0, 3), (minute(0), minute(3)))
        revision = await store.revision()
        assert not await store.save_instruments(date(2026, 11, 26), b"csv")
        assert await store.revision() == revision
        assert await store.terms_changes() == {}
        assert await store.coverage(MINUTE) == {(1, EXPIRY): [span(0, 3)]}
