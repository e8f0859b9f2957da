"""Where an API secret comes from, and what is refused without showing it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest

from tickertui.kite.secrets import Secret
from tickertui.settings.credentials import CredentialError, api_secret
from tickertui.settings.model import AccountSettings


def account(command: str = "") -> AccountSettings:
    return AccountSettings(id="Z1", api_key=Secret("key1"), secret_command=command)


def secrets(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "secrets.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def asked(of: AccountSettings, path: Path, environ: dict[str, str]) -> Secret | None:
    return anyio.run(api_secret, of, path, environ)


def revealed(command: str, path: Path, environ: dict[str, str]) -> str | None:
    secret = asked(account(command), path, environ)
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
        asked(account(), path, {})


def test_a_broken_file_does_not_show_its_line(tmp_path: Path) -> None:
    path = secrets(tmp_path, '[Z1]\napi_secret = "hush\n')
    with pytest.raises(CredentialError) as caught:
        asked(account(), path, {})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("no-such-program-here", "there is no program 'no-such-program-here'"),
        (f'{sys.executable} -c "raise SystemExit(3)"', "ended with code 3"),
        ("'unbalanced", "cannot be run"),
        (f'{sys.executable} -c ""', "ended with code 0 and printed 0 lines"),
    ],
)
def test_a_failing_command_is_one_sentence(tmp_path: Path, command: str, sentence: str) -> None:
    with pytest.raises(CredentialError, match=sentence):
        asked(account(command), tmp_path / "none.toml", {})


def test_a_command_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tickertui.settings.credentials._COMMAND_TIMEOUT_S", 0.2)
    with pytest.raises(CredentialError, match="secret_command: gave no secret within 0 s"):
        asked(account(f'{sys.executable} -c "import time; time.sleep(60)"'), tmp_path / "none.toml", {})


def test_of_several_lines_the_first_is_the_secret(tmp_path: Path) -> None:
    command = f"{sys.executable} -c \"print(' from-command '); print('user: me')\""
    assert revealed(command, tmp_path / "none.toml", {}) == "from-command"


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = secrets(tmp_path, '[Z1]\napi_secret = "hush"\n')
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    with pytest.raises(CredentialError, match="belongs to another user"):
        asked(account(), path, {})


def test_a_file_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    path = secrets(tmp_path, "")
    path.write_bytes(b'[Z1]\napi_secret = "\xff\xfe"\n')
    with pytest.raises(CredentialError, match="cannot be read"):
        asked(account(), path, {})


@pytest.mark.parametrize("text", ['Z1 = "hush"\n', "[Z1]\napi_secret = 5\n", '[Z1]\napi_secret = ""\n', "[Z2]\n"])
def test_a_file_without_this_secret_has_none(tmp_path: Path, text: str) -> None:
    assert revealed("", secrets(tmp_path, text), {}) is None


def test_an_empty_variable_is_no_secret(tmp_path: Path) -> None:
    path = secrets(tmp_path, '[Z1]\napi_secret = "from-file"\n')
    assert revealed("", path, {"TICKERTUI_Z1_API_SECRET": ""}) == "from-file"
