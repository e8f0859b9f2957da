from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from textual.theme import Theme

from tests.support.colours import VISIONS, contrast, delta_e_2000, distance
from tests.support.paths import REPOSITORY
from tickertui.tui.look.themes import (
    DEFAULT_THEME,
    INTERFACE,
    MEANINGS,
    SHIPPED,
    ThemeError,
    load_themes,
    read_theme,
    themes_directory,
    variable_defaults,
)

THEMES = load_themes()[0]
INKS = (
    "text-cell", "quiet", "gain", "loss", "stale", "snap", "closed", "cas", "mock", "replay", "warn", "error", "strike",
)  # fmt: skip
GROUNDS = ("ground", "itm", "atm")
OWN_PAIRS = (
    ("cursor-text", "cursor"), ("flash-text", "flash-up"), ("flash-text", "flash-down"), ("header-text", "header"),
)  # fmt: skip
SAFE = ("cvd-dark", "cvd-light", "high-contrast")

every_theme = pytest.mark.parametrize("name", SHIPPED)


def colours(name: str) -> dict[str, str]:
    return THEMES[name].variables


def test_all_shipped_themes_load() -> None:
    loaded, failed = load_themes()
    assert failed == []
    assert tuple(loaded) == SHIPPED
    assert DEFAULT_THEME in loaded


@every_theme
def test_a_shipped_theme_names_every_colour_itself(name: str) -> None:
    document = tomllib.loads((themes_directory() / f"{name}.toml").read_text(encoding="utf-8"))
    assert tuple(document["colours"]) == tuple(MEANINGS)
    assert set(document["interface"]) == set(INTERFACE)
    assert document["name"] == name


@every_theme
def test_every_text_can_be_read(name: str) -> None:
    theme = colours(name)
    pairs = [(ink, ground) for ink in INKS for ground in GROUNDS] + list(OWN_PAIRS)
    # Banners and alerts stand in reverse video: the hue is the ground.
    pairs += [("ground", hue) for hue in ("mock", "replay", "warn", "error", "gain", "stale", "snap", "cas")]
    pairs += [("header", "warn")]
    low = {pair: round(ratio, 2) for pair in pairs if (ratio := contrast(theme[pair[0]], theme[pair[1]])) < 4.5}
    assert low == {}


@every_theme
def test_the_interfaces_own_text_can_be_read(name: str) -> None:
    theme = THEMES[name]
    assert theme.foreground is not None
    for ground in (theme.background, theme.surface, theme.panel):
        assert ground is not None
        for ink in (theme.foreground, *(colours(name)[key] for key in ("stale", "quiet", "warn", "error", "gain"))):
            assert contrast(ink, ground) >= 4.5, (ink, ground)


@every_theme
def test_bars_and_row_marks_can_be_seen(name: str) -> None:
    theme = colours(name)
    for bar in ("bar-call", "bar-put"):
        for ground in GROUNDS:
            assert contrast(theme[bar], theme[ground]) >= 3.0, (bar, ground)
    assert distance(theme["atm"], theme["ground"]) >= 8
    assert distance(theme["itm"], theme["ground"]) >= 3
    assert distance(theme["itm"], theme["atm"]) >= 5


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("name", SAFE)
def test_up_and_down_stay_apart_in_every_vision(name: str, vision: str) -> None:
    theme = colours(name)
    assert distance(theme["gain"], theme["loss"], vision) >= 45
    assert distance(theme["flash-up"], theme["flash-down"], vision) >= 25


@every_theme
@pytest.mark.parametrize("vision", VISIONS)
def test_a_stale_number_does_not_look_like_a_good_one(name: str, vision: str) -> None:
    theme = colours(name)
    assert distance(theme["stale"], theme["text-cell"], vision) >= 15


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("name", SAFE)
def test_a_mock_does_not_look_stale_to_any_eye(name: str, vision: str) -> None:
    theme = colours(name)
    assert distance(theme["stale"], theme["mock"], vision) >= 15
    assert distance(theme["replay"], theme["mock"], vision) >= 5, "told apart by hatch and words first of all"


def test_classic_themes_are_for_who_sees_red_and_green() -> None:
    for name in ("classic", "classic-asia"):
        assert distance(colours(name)["gain"], colours(name)["loss"]) >= 65

    assert "collapse" in (themes_directory() / "classic.toml").read_text(encoding="utf-8")
    assert colours("classic")["gain"] == colours("classic-asia")["loss"]


def test_mono_has_no_hue() -> None:
    for key, value in colours("mono").items():
        assert value[1:3] == value[3:5] == value[5:7], key


def test_the_distance_is_the_published_one() -> None:
    # Three pairs of the test data of Sharma, Wu and Dalal 2005.
    assert delta_e_2000((50, 2.6772, -79.7751), (50, 0, -82.7485)) == pytest.approx(2.0425, abs=1e-4)
    assert delta_e_2000((50, -1, 2), (50, 0, 0)) == pytest.approx(2.3669, abs=1e-4)
    assert delta_e_2000((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514)) == pytest.approx(0.9082, abs=1e-4)
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)


def test_every_meaning_has_a_default_and_it_is_the_default_theme() -> None:
    assert set(variable_defaults()) == set(MEANINGS)
    assert variable_defaults() == colours(DEFAULT_THEME)


def test_the_wheel_takes_the_themes_along() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included == {"themes": "tickertui/tui/look/themes"}


@every_theme
def test_textual_accepts_every_colour(name: str) -> None:
    generated = THEMES[name].to_color_system().generate()
    assert generated["primary"]


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_theme_of_the_traders_own_names_only_what_it_changes(tmp_path: Path) -> None:
    write(tmp_path, 'name = "mine"\n[colours]\ngain = "lime"\n')
    loaded, failed = load_themes(tmp_path)
    assert failed == []
    assert loaded["mine"].variables["gain"] == "#00FF00"
    assert loaded["mine"].variables["loss"] == variable_defaults()["loss"]
    assert isinstance(loaded["mine"], Theme)


def test_a_light_theme_stands_on_the_light_one(tmp_path: Path) -> None:
    theme = read_theme(write(tmp_path, 'name = "paper"\ndark = false\n'))
    assert theme.variables["ground"] == colours("cvd-light")["ground"]
    assert theme.dark is False


def test_a_shipped_theme_can_be_replaced_by_its_name(tmp_path: Path) -> None:
    write(tmp_path, 'name = "mono"\n[colours]\ngain = "#ABCDEF"\n')
    assert load_themes(tmp_path)[0]["mono"].variables["gain"] == "#ABCDEF"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[colours]\ngian = "#FFFFFF"\n', ["colours.gian", "'gain'"]),
        ('[colours]\ngain = "#GGGGGG"\n', ["colours.gain", "#GGGGGG"]),
        ('[colours]\ngain = "#FFFFFF80"\n', ["colours.gain", "opaque"]),
        ('[colours]\ngain = "ansi_red"\n', ["colours.gain"]),
        ("[colours]\ngain = 7\n", ["colours.gain", "7"]),
        ('[interface]\nprimry = "#FFFFFF"\n', ["interface.primry", "'primary'"]),
        ('colours = "red"\n', ["colours", "table"]),
        ('dark = "yes"\n', ["dark", "true or false"]),
        ("name = 5\n", ["name", "5"]),
        ("[colours\n", ["TOML", "line 1"]),
        ('colors = "x"\n', ["colors", "'colours'"]),
    ],
)
def test_a_broken_theme_is_named_by_file_and_key_and_costs_only_itself(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    path = write(tmp_path, text, "broken.toml")
    loaded, failed = load_themes(tmp_path)
    assert tuple(loaded) == SHIPPED
    assert [failure.path for failure in failed] == [path]
    for word in ["broken.toml", *words]:
        assert word in str(failed[0])


def test_a_file_that_is_no_text_or_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ThemeError, match="UTF-8"):
        read_theme(path)
    with pytest.raises(ThemeError, match="cannot be read"):
        read_theme(tmp_path / "absent.toml")
    assert load_themes(tmp_path / "nowhere")[1] == []
