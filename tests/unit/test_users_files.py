"""Text files of the user: a byte order mark is as if it were not there, a mistake in the calendar is one sentence."""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path

import anyio
import pytest

from tickertui.cli import run
from tickertui.commands.subscription_files import read_subscriptions
from tickertui.kite.secrets import Secret
from tickertui.market.clock import IST
from tickertui.market.hours import Phase, load_calendar
from tickertui.process.exit_codes import ExitCode
from tickertui.settings.credentials import api_secret
from tickertui.settings.load import ConfigError, load_settings
from tickertui.settings.model import AccountSettings
from tickertui.settings.presets import read_presets
from tickertui.tui.look.themes import read_theme

ROOT = Path(__file__).parents[2]
MARK = b"\xef\xbb\xbf"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("TICKERTUI_HOME", str(tmp_path))
    return tmp_path


def marked(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MARK + text.encode())
    path.chmod(0o600)
    return path


# ---------------------------------------------------------------------------------------------- byte order marks


def test_the_configuration(tmp_path: Path) -> None:
    path = marked(tmp_path / "c.toml", '[screen]\nunderlying = "SENSEX"\n')
    assert load_settings(path, {}).screen.underlying == "SENSEX"
    wrong = marked(tmp_path / "d.toml", '[screen]\nthme = "x"\n')
    with pytest.raises(ConfigError, match=r"d\.toml:2: screen\.thme"):
        load_settings(wrong, {})


def test_the_calendar(tmp_path: Path) -> None:
    path = marked(tmp_path / "calendar.toml", 'valid_until = 2027-12-31\n[[holiday]]\ndate = 2026-12-24\nname = "x"\n')
    calendar = load_calendar(path)
    assert calendar.valid_until.year == 2027
    assert not calendar.session_on("NFO", calendar.valid_until.replace(year=2026, day=24))


def test_the_secrets(tmp_path: Path) -> None:
    path = marked(tmp_path / "secrets.toml", '[A7]\napi_secret = "not a real one"\n')
    secret = anyio.run(api_secret, AccountSettings(id="A7", api_key=Secret("key0key0key0")), path, {})
    assert secret is not None
    assert secret.reveal() == "not a real one"


def test_the_presets(tmp_path: Path) -> None:
    saved = read_presets(marked(tmp_path / "presets.toml", '[presets]\nmine = ["oi", "doi"]\n'))
    assert (dict(saved.presets), saved.problems) == ({"mine": ("oi", "oi_change")}, ())


def test_a_theme(tmp_path: Path) -> None:
    assert read_theme(marked(tmp_path / "night.toml", 'name = "night"\n')).name == "night"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.csv", "kind,name,expiries,strikes,mode,account,future\nrule,BANKNIFTY,1,12,full,,yes\n"),
        ("s.toml", '[[rules]]\nunderlying = "BANKNIFTY"\nexpiries = 1\nstrikes = 12\n'),
    ],
)
def test_subscriptions(tmp_path: Path, name: str, text: str) -> None:
    (rule,) = read_subscriptions(marked(tmp_path / name, text), None).rules
    assert (rule.underlying, rule.strikes) == ("BANKNIFTY", 12)


# ------------------------------------------------------------------------------------- mistakes in the calendar

MISTAKES = [
    ('[[holiday]]\ndate = "2026-12-28"\nname = "Local holiday"\n', "holiday[1].date: must be a date without quotes"),
    ('[[holiday]]\ndate = 2026-12-28\nnmae = "x"\n', "holiday[1].nmae: is not a key of the calendar; did you mean"),
    ('[[holidays]]\ndate = 2026-12-28\n', "holidays: is not a key of the calendar; did you mean 'holiday'?"),
    ('[[session]]\ndate = 2026-12-20\nname = "x"\nsegments = ["MXC"]\n', "did you mean 'MCX'?"),
    ('[[session]]\ndate = 2026-12-20\nname = "x"\nopen = 15:30:00\nclose = 09:15:00\n', "session[1].close: 09:15 is"),
    ("[[hours]\n", "is not valid TOML"),
    ("x = " + "[" * 3000, "is not valid TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentence"), MISTAKES)
@pytest.mark.parametrize(
    "arguments", [["config", "check"], ["subs", "list"], ["headless"], []], ids=["check", "subs", "headless", "screen"]
)
def test_a_mistake_ends_a_command_with_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], text: str, sentence: str
) -> None:
    path = home / "config" / "calendar.toml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    assert run(arguments) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert error.startswith(f"{path}: ")
    assert sentence in error
    assert error.count("\n") == 1
    assert not list(home.glob("state/crash*")), "it is no error of the program"


def test_config_check_tells_a_good_calendar_and_none_without_one(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "check"]) == ExitCode.OK
    assert "calendar.toml: ok" not in capsys.readouterr().out
    path = marked(home / "config" / "calendar.toml", "valid_until = 2027-12-31\n")
    assert run(["config", "check"]) == ExitCode.OK
    assert f"{path}: ok (holidays to 31 Dec 2027)\n" in capsys.readouterr().out
    path.write_text("valid_until = 2026-01-01\n", encoding="utf-8")
    assert run(["config", "check"]) == ExitCode.OK
    assert "The market calendar ended on 01 Jan 2026: holidays after it are not known" in capsys.readouterr().out


def test_the_calendar_of_the_documentation_can_be_used(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    (example,) = [block for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL) if "[[holiday]]" in block]
    path = tmp_path / "calendar.toml"
    path.write_text(example, encoding="utf-8")
    calendar = load_calendar(path)
    assert calendar.announced_hours("NFO", date(2026, 12, 7)) is None
    assert calendar.phase("NSEIX", datetime(2026, 12, 3, 1, 0, tzinfo=IST)) is Phase.OPEN
    assert calendar.phase("MCX", datetime(2026, 12, 20, 0, 15, tzinfo=IST)) is Phase.OPEN
    assert calendar.holiday_name(date(2027, 1, 26)) == "Republic Day"
