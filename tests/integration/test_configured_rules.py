"""The `[[rules]]` of a configuration over several starts of the engine: edited, dropped, taken out, put back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.support.postgres import postgres_cluster, postgres_location
from tickertui.engine import Engine, EngineOptions
from tickertui.kite.secrets import Secret
from tickertui.market.subscriptions import ChainRule
from tickertui.services.bundle import Services
from tickertui.services.plan.configured_rules import DEMO_RULES
from tickertui.settings.model import AccountSettings, RuleSettings, Settings, StoreSettings
from tickertui.settings.paths import Paths, user_paths
from tickertui.tui.services_backend import ServicesBackend
from tickertui.tui.view.backend import BackendRefused

__all__ = ["postgres_cluster", "postgres_location"]

ACCOUNT = AccountSettings("Z1", Secret("k1"))
NIFTY, SENSEX = RuleSettings("NIFTY", 2), RuleSettings("SENSEX", (date(2026, 12, 3),), "all")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return user_paths({"TICKERTUI_HOME": str(tmp_path)})


class Start:
    """One start of the engine: what is stored afterwards, and what the events say about rules."""

    def __init__(self, services: Services, rules: list[ChainRule]) -> None:
        self.rules = rules
        self.texts = [event.text for event in services.events.since() if event.topic == "rule"]


async def start(
    paths: Paths,
    *entries: RuleSettings,
    url: str = "",
    file: Path | None = None,
    accounts: tuple[AccountSettings, ...] = (ACCOUNT,),
    then: Callable[[ChainRule], bool] = lambda rule: False,
) -> Start:
    """Start with a configuration; ``then`` says which rules the trader drops."""
    settings = Settings(accounts=accounts, rules=entries, store=StoreSettings(url))
    options = EngineOptions(settings, paths, environ={}, config_file=file, seed=1)
    async with Engine(options).services() as services:
        rules = await services.store.list_rules()
        for rule in filter(then, rules):
            await services.store.remove_rule(rule.rule_id)
        return Start(services, rules)


async def test_an_edited_entry_replaces_its_earlier_self_and_says_so(paths: Paths) -> None:
    first = await start(paths, NIFTY, SENSEX)
    assert first.rules == [NIFTY.as_rule(), SENSEX.as_rule()]
    assert first.texts == []
    second = await start(paths, replace(NIFTY, strikes=60), SENSEX)
    assert second.rules == [replace(NIFTY, strikes=60).as_rule(), SENSEX.as_rule()]
    assert [rule.rule_id for rule in second.rules] == [rule.rule_id for rule in first.rules]
    assert second.texts == ["[[rules]] was edited: NIFTY next 2 ATM±40 full is now NIFTY next 2 ATM±60 full"]
    third = await start(paths, replace(NIFTY, strikes=60), SENSEX)
    assert (third.rules, third.texts) == (second.rules, [])


async def test_next_years_expiry_takes_the_place_of_this_years(paths: Paths) -> None:
    await start(paths, SENSEX)
    again = await start(paths, replace(SENSEX, expiries=(date(2027, 12, 3),)))
    assert [rule.expiries for rule in again.rules] == [(date(2027, 12, 3),)]
    assert again.texts == [
        "[[rules]] was edited: SENSEX 03 Dec 2026 all strikes full is now SENSEX 03 Dec 2027 all strikes full"
    ]


async def test_what_is_dropped_stays_dropped_wherever_its_entry_stands(paths: Paths) -> None:
    await start(paths, NIFTY, SENSEX, then=lambda rule: rule.underlying == "NIFTY")
    again = await start(paths, SENSEX, NIFTY)
    assert again.rules == [SENSEX.as_rule()]
    assert again.texts == []


async def test_an_entry_that_is_taken_out_leaves_its_rule_and_says_so_once(paths: Paths) -> None:
    await start(paths, NIFTY, SENSEX)
    without = await start(paths, SENSEX)
    assert without.rules == [NIFTY.as_rule(), SENSEX.as_rule()]
    assert without.texts == [
        "[[rules]]: NIFTY next 2 ATM±40 full is not in the configuration any more; "
        "its rule stays until it is dropped here"
    ]
    assert (await start(paths, SENSEX)).texts == []
    assert (await start(paths, SENSEX, NIFTY)).rules == without.rules, "put back, it is the rule that is there"


async def test_all_entries_are_taken_out(paths: Paths) -> None:
    await start(paths, NIFTY, accounts=())
    without = await start(paths, accounts=())
    assert without.rules == [NIFTY.as_rule()], "and not the demo's beside it"
    assert len(without.texts) == 1
    dropped = await start(paths, NIFTY, then=lambda rule: True)
    assert dropped.rules == [NIFTY.as_rule()]
    assert (await start(paths, NIFTY)).rules == []


async def test_two_configurations_with_one_store_do_not_undo_each_other(paths: Paths, tmp_path: Path) -> None:
    wide, narrow = replace(NIFTY, strikes=60), NIFTY
    for _ in range(2):
        await start(paths, narrow, file=tmp_path / "narrow.toml")
        last = await start(paths, wide, file=tmp_path / "wide.toml")
        assert last.rules == [narrow.as_rule(), wide.as_rule()]
        assert last.texts == []


async def test_machines_that_share_a_server_have_configurations_of_their_own(
    paths: Paths, postgres_location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = replace(NIFTY, strikes=60)
    for _ in range(2):
        for machine, entry in (("desk-1", NIFTY), ("desk-2", wide)):
            monkeypatch.setattr("socket.gethostname", lambda machine=machine: machine)
            last = await start(paths, entry, url=postgres_location)
    assert last.rules == [NIFTY.as_rule(), wide.as_rule()]


async def test_the_demo_is_watched_where_nothing_is_configured(paths: Paths) -> None:
    assert (await start(paths, accounts=())).rules == list(DEMO_RULES)
    assert (await start(paths, accounts=())).rules == list(DEMO_RULES), "once"


# ---------------------------------------------------------------------- what earlier versions remembered in a file


def remember(paths: Paths, *texts: str) -> Path:
    file = paths.state_dir / "config-rules.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(texts), encoding="utf-8")
    return file


async def stored(paths: Paths, *rules: ChainRule) -> None:
    options = EngineOptions(Settings(accounts=(ACCOUNT,)), paths, environ={}, seed=1)
    async with Engine(options).services(first_rules=False) as services:
        for rule in rules:
            await services.store.add_rule(rule)


async def test_what_was_dropped_under_an_earlier_version_stays_dropped(paths: Paths) -> None:
    await stored(paths, NIFTY.as_rule())
    file = remember(paths, "NIFTY next 2 ATM±40 full", "SENSEX 03 Dec all strikes full")
    for _ in range(2):
        found = await start(paths, NIFTY, SENSEX)
        assert found.rules == [NIFTY.as_rule()]
        assert found.texts == []
        assert not file.exists()


async def test_next_years_rule_is_taken_though_an_earlier_version_refused_it(paths: Paths) -> None:
    await stored(paths, SENSEX.as_rule())
    remember(paths, "SENSEX 03 Dec all strikes full")
    following = replace(SENSEX, expiries=(date(2027, 12, 3),))
    assert (await start(paths, following)).rules == [following.as_rule()]


async def test_an_entry_that_was_edited_before_the_update_replaces_its_earlier_self(paths: Paths) -> None:
    await stored(paths, NIFTY.as_rule())
    remember(paths, "NIFTY next 2 ATM±40 full")
    assert (await start(paths, replace(NIFTY, strikes=60))).rules == [replace(NIFTY, strikes=60).as_rule()]


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', "[1, null]"])
async def test_a_file_that_cannot_be_read_is_no_hindrance(paths: Paths, content: str) -> None:
    remember(paths).write_text(content)
    assert (await start(paths, NIFTY)).rules == [NIFTY.as_rule()]


# ---------------------------------------------------------------------- the same rule twice


async def test_the_form_refuses_a_rule_that_is_there_in_other_words(paths: Paths) -> None:
    options = EngineOptions(Settings(rules=(SENSEX,), accounts=(ACCOUNT,)), paths, environ={}, seed=1)
    async with Engine(options).services() as services:
        backend = ServicesBackend(services)
        (rule,) = await services.store.list_rules()
        with pytest.raises(BackendRefused, match=f"^{rule.describe()}: there already$"):
            await backend.add_rule(replace(rule, rule_id=0, expiries=rule.expiries * 2))
        await backend.add_rule(replace(rule, expiries=(date(2027, 12, 3),)))
        assert len(await services.store.list_rules()) == 2
