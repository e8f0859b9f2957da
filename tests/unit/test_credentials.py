"""Where an API secret comes from, and what is refused without showing it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tickertui.credentials import CredentialError, api_secret
from tickertui.kite.secrets import Secret
from tickertui.settings import AccountSettings


def account(command: str = "") -> AccountSettings:
    return AccountSettings(id="Z1", api_key=Secret("key1"), secret_command=command)


def secrets(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "secrets.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def revealed(command: str, path: Path, environ: dict[str, str]) -> str | None:
    secret = api_secret(account(command), path, environ)
    return None if secret is None else secret.reveal()


def test_the_environment_comes_first_then_the_command_then_the_file(tmp_path: Path) -> None:
    path = secrets(tmp_path, '[Z1]\napi_secret = "from-file"\n')
    command = f"{sys.executable} -c \"print('from-command')\""
    assert revealed(command, path, {"TICKERTUI_Z1_API_SECRET": "from-env"}) == "from-env"
    assert revealed(command, path, {}) == "from-command"
    assert revealed("", path, {}) == "from-file"
    assert revealed("", tmp_path / "none.toml", {}) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = secrets(tmp_path, '[Z1]\napi_secret = "hush"\n', mode)
    with pytest.raises(CredentialError, match=rf"others can read it; run `chmod 600 {path}`"):
        api_secret(account(), path, {})


def test_a_broken_file_does_not_show_its_line(tmp_path: Path) -> None:
    path = secrets(tmp_path, '[Z1]\napi_secret = "hush\n')
    with pytest.raises(CredentialError) as caught:
        api_secret(account(), path, {})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("no-such-program-here", "there is no program 'no-such-program-here'"),
        (f'{sys.executable} -c "raise SystemExit(3)"', "ended with code 3"),
        ("'unbalanced", "cannot be run"),
    ],
)
def test_a_failing_command_is_one_sentence(tmp_path: Path, command: str, sentence: str) -> None:
    with pytest.raises(CredentialError, match=sentence):
        api_secret(account(command), tmp_path / "none.toml", {})
