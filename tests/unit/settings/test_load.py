"""The configuration: every mistake at once, each with file, line, key and the way out; nothing secret is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY
from tickertui.settings.load import ConfigError, check_starting_columns, load_settings, resolve_config_path
from tickertui.settings.model import BrokerSettings, Settings
from tickertui.settings.paths import user_paths
from tickertui.settings.text import line_of, render_example


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def problems_of(path: Path, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_settings(path, environ or {})
    return [str(problem) for problem in caught.value.problems]


def test_no_file_means_defaults(tmp_path: Path) -> None:
    settings = load_settings(tmp_path / "none.toml", {})
    assert settings == Settings()
    assert settings.accounts == ()


def test_a_full_file_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
[broker]
api_url = "http://127.0.0.1:8000/"
stream_url = "ws://127.0.0.1:9000"
[[accounts]]
id = "Z1"
api_key = "abcd1234"
[[rules]]
underlying = "NIFTY"
expiries = [2026-12-01, 2026-12-08]
strikes = "all"
account = "Z1"
[keys]
chain-to-atm = "a,home"
""",
    )
    settings = load_settings(path, {})
    assert settings.broker.api_url == "http://127.0.0.1:8000"
    assert settings.accounts[0].api_key.reveal() == "abcd1234"
    assert settings.rules[0].expiries == (date(2026, 12, 1), date(2026, 12, 8))
    assert settings.rules[0].strikes == "all"
    assert settings.keys == {"chain-to-atm": "a,home"}


def test_every_mistake_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """[broker]
api_url = "ftp://x"
[[accounts]]
id = "Z1"
api_kee = "x"
[[accounts]]
id = "Z2"
api_key = "abc1"
sockets = 4
[screen]
thme = "mono"
[scren]
""",
    )
    problems = problems_of(path)
    assert problems == [
        f"{path}:2: broker.api_url: must start with http:// or https://",
        f"{path}:3: accounts.1.api_key: is missing",
        f"{path}:5: accounts.1.api_kee: is not a setting; did you mean 'api_key'?",
        f"{path}:9: accounts.2.sockets: should be less than or equal to 3 (it is 4)",
        f"{path}:11: screen.thme: is not a setting; did you mean 'theme'?",
        f"{path}:12: scren: is not a setting; did you mean 'screen'?",
    ]


@pytest.mark.parametrize("address", ["sqlite:///home/z/mine.db", "mysql://desk/x", "file:///x.db"])
def test_a_store_at_an_address_that_is_none_is_no_file_of_that_name(tmp_path: Path, address: str) -> None:
    path = write(tmp_path, f'[store]\nurl = "{address}"\n')
    (problem,) = problems_of(path)
    assert problem.startswith(f"{path}:2: store.url: must be a path without a scheme, or start with postgresql://")


@pytest.mark.parametrize("place", ["", "mine.db", "C:\\\\mine.db", "postgresql://desk/x", "postgres://desk/x"])
def test_a_store_may_be_a_path_or_a_server(tmp_path: Path, place: str) -> None:
    path = write(tmp_path, f'[store]\nurl = "{place}"\n')
    assert load_settings(path, {}).store.url == place.replace("\\\\", "\\")


def test_broken_toml_names_the_line(tmp_path: Path) -> None:
    path = write(tmp_path, '[broker]\napi_url = "x\n')
    (problem,) = problems_of(path)
    assert problem.startswith(f"{path}:2: is not valid TOML")


@pytest.mark.parametrize("key", ["api_secret", "access_token"])
def test_a_secret_in_the_configuration_is_refused_and_not_shown(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, f'[[accounts]]\nid = "Z1"\napi_key = "abc1"\n{key} = "hunter2secret"\n')
    (problem,) = problems_of(path)
    assert problem.startswith(f"{path}:4: accounts.1.{key}: does not belong in this file")
    assert "hunter2secret" not in problem


def test_a_wrong_api_key_is_not_shown(tmp_path: Path) -> None:
    path = write(tmp_path, '[[accounts]]\nid = "Z1"\napi_key = "with space"\n')
    (problem,) = problems_of(path)
    assert "accounts.1.api_key: must be the letters and digits" in problem
    assert "with space" not in problem


def test_settings_never_print_a_key(tmp_path: Path) -> None:
    path = write(tmp_path, '[[accounts]]\nid = "Z1"\napi_key = "abcd1234"\n')
    assert "abcd1234" not in repr(load_settings(path, {}))


def test_the_environment_overrides_one_key(tmp_path: Path) -> None:
    path = write(tmp_path, '[screen]\ntheme = "classic"\n')
    environ = {"TICKERTUI_SCREEN__THEME": "mono", "TICKERTUI_MOCK__SEED": "11", "TICKERTUI_HOME": "/x"}
    settings = load_settings(path, environ)
    assert settings.screen.theme == "mono"
    assert settings.mock.seed == 11


def test_mistakes_of_the_environment_name_the_variable(tmp_path: Path) -> None:
    environ = {"TICKERTUI_SCREEN__GLYPHS": "xx", "TICKERTUI_SCREN__THEME": "mono"}
    problems = problems_of(tmp_path / "none.toml", environ)
    assert problems == [
        "environment: TICKERTUI_SCREN__THEME: names no section; did you mean 'screen'?",
        "environment: TICKERTUI_SCREEN__GLYPHS: should be 'auto', 'unicode' or 'ascii' (it is 'xx')",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[[accounts]]\nid="A"\napi_key="k1"\n[[accounts]]\nid="A"\napi_key="k2"\n', "the id 'A' is used twice"),
        ('[[accounts]]\nid="A"\napi_key="k1"\n[[accounts]]\nid="B"\napi_key="k1"\n', "share one api_key"),
        ('[[rules]]\nunderlying="NIFTY"\naccount="Z9"\n', "names the account 'Z9', which is not configured"),
        (
            '[[rules]]\nunderlying="NIFTY"\nstrikes=0\n',
            'rules.1.strikes: strikes must be a number from 1 to 500 or "all", not 0',
        ),
        (
            '[[rules]]\nunderlying="NIFTY"\nexpiries=0\n',
            "rules.1.expiries: expiries must be a number from 1 to 20 or dates like 2026-12-01, not 0",
        ),
    ],
)
def test_values_that_contradict_each_other(tmp_path: Path, text: str, sentence: str) -> None:
    (problem,) = problems_of(write(tmp_path, text))
    assert sentence in problem


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    paths = user_paths({"TICKERTUI_HOME": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"does not exist \(--config\); `tickertui config init` writes one"):
        resolve_config_path(str(tmp_path / "x.toml"), {}, paths)
    with pytest.raises(ConfigError, match="TICKERTUI_CONFIG"):
        resolve_config_path(None, {"TICKERTUI_CONFIG": str(tmp_path / "x.toml")}, paths)
    assert resolve_config_path(None, {}, paths) == tmp_path / "config" / "config.toml"


def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert problems_of(path) == [f"{path}: cannot be read: it is not UTF-8 text"]


def test_the_example_in_the_repository_is_generated_from_the_settings(tmp_path: Path) -> None:
    example = (REPOSITORY / "config.example.toml").read_text(encoding="utf-8")
    assert example == render_example(Settings), "run `tickertui config init --stdout > config.example.toml`"
    assert load_settings(write(tmp_path, example), {}) == Settings()


def test_the_example_is_valid_with_every_comment_taken_off(tmp_path: Path) -> None:
    uncommented = []
    for line in render_example(Settings).splitlines():
        bare = line.removeprefix("# ").removeprefix("#")
        is_setting = line.startswith("# ") and (" = " in bare or bare.startswith("[")) and not bare.startswith(" ")
        uncommented.append(bare if is_setting and not bare.split(" = ")[0].count(" ") else line)
    settings = load_settings(write(tmp_path, "\n".join(uncommented)), {})
    assert settings.accounts[0].id == "Z1"
    assert len(settings.rules) == 2
    assert settings.screen.presets == {"mine": ("bar", "oi", "oi_change", "iv", "delta")}
    assert replace(settings.screen, presets={}) == Settings().screen


PRESETS = """[screen]
theme = "mono"
columns = "scalp"
[screen.presets]
scalp = ["oi", "dOI", "ltp", "Chg%"]
wide = ["bar", "vega"]
"""


def test_own_presets_take_names_and_headers_in_their_order(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, PRESETS), {})
    assert settings.screen.presets == {"scalp": ("oi", "oi_change", "change_pct"), "wide": ("bar", "vega")}
    assert list(settings.screen.presets) == ["scalp", "wide"]


def test_mistakes_in_presets_have_their_line_and_the_nearest_name(tmp_path: Path) -> None:
    text = """[screen.presets]
scalp = ["oi", "thta"]
full = ["oi"]
"two words" = ["oi"]
twice = ["oi", "OI"]
none = []
text = "oi"
"""
    path = write(tmp_path, text)
    assert problems_of(path) == [
        f"{path}:2: screen.presets.scalp.2: is no column; did you mean 'theta'? (it is 'thta')",
        f"{path}:3: screen.presets.full: 'full' is built in; choose another name (it is 'full')",
        f"{path}:4: screen.presets.two words: a name is a letter, then up to 15 letters, digits, - and _ "
        "(it is 'two words')",
        f"{path}:5: screen.presets.twice: names the column 'oi' twice",
        f"{path}:6: screen.presets.none: names no column",
        f"{path}:7: screen.presets.text: should be a valid tuple (it is 'oi')",
    ]


def test_the_columns_to_start_with_are_any_preset_there_is(tmp_path: Path) -> None:
    path = write(tmp_path, PRESETS.replace('"scalp"', '"scalpp"', 1))
    settings = load_settings(path, {})
    with pytest.raises(ConfigError) as caught:
        check_starting_columns(path, settings, ["mine"])
    assert str(caught.value) == f"{path}:3: screen.columns: is no preset (it is 'scalpp'); did you mean 'scalp'?"
    check_starting_columns(path, settings, ["scalpp"])
    check_starting_columns(path, load_settings(write(tmp_path, PRESETS), {}), [])


@pytest.mark.parametrize(
    ("path", "line"),
    [(("a", "x"), 2), (("a", "b", "y"), 4), (("l", 0, "z"), 6), (("l", 1, "z"), 8), (("l", 1, "q"), 7), (("m",), 0)],
)
def test_line_of(path: tuple[str | int, ...], line: int) -> None:
    text = "[a]\nx = 1\n[a.b]\ny = 2\n[[l]]\nz = 1\n[[l]]\nz = 2\n"
    assert line_of(text, path) == line


@pytest.mark.parametrize(
    ("broker", "simulated"),
    [
        (BrokerSettings(), False),
        (BrokerSettings(api_url="http://127.0.0.1:8765"), True),
        (BrokerSettings(stream_url="ws://localhost:8765"), True),
        (BrokerSettings(stream_url="wss://ws.kite.trade.example"), True),
    ],
)
def test_prices_from_elsewhere_than_the_broker_are_known_as_such(broker: BrokerSettings, simulated: bool) -> None:
    assert broker.is_simulated is simulated
