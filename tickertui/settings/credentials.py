"""Where an account's API secret comes from: the environment, a command, or the private secrets file, in this order.

The secret never stands in the configuration, which people share. The file must be readable by its owner only.
"""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path

from tickertui.kite.secrets import Secret
from tickertui.settings.model import AccountSettings

_COMMAND_TIMEOUT_S = 30.0


class CredentialError(Exception):
    """There is a place for the secret, and it cannot be used; the text is one sentence without the secret."""


def environment_name(account_id: str, what: str) -> str:
    """Return ``TICKERTUI_Z1_API_SECRET`` and the like."""
    return f"TICKERTUI_{account_id.upper().replace('-', '_')}_{what}"


def api_secret(account: AccountSettings, secrets_file: Path, environ: Mapping[str, str]) -> Secret | None:
    """Return the API secret of an account, None where it is nowhere.

    Args:
        account: From the configuration.
        secrets_file: ``[ID]`` tables with ``api_secret = "..."``.
        environ: Of the process.

    Raises:
        CredentialError: The command fails, or the file is open to others or not readable.
    """
    value = environ.get(environment_name(account.id, "API_SECRET"))
    if value:
        return Secret(value)
    if account.secret_command:
        return Secret(_from_command(account))
    return _from_file(account.id, secrets_file)


def _from_command(account: AccountSettings) -> str:
    where = f"accounts.{account.id}.secret_command"
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command, without a shell
            shlex.split(account.secret_command), capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=False
        )
    except FileNotFoundError as error:
        raise CredentialError(f"{where}: there is no program {error.filename!r}") from None
    except (OSError, ValueError) as error:
        raise CredentialError(f"{where}: cannot be run: {error}") from None
    except subprocess.TimeoutExpired:
        raise CredentialError(f"{where}: gave no secret within {_COMMAND_TIMEOUT_S:.0f} s") from None
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise CredentialError(f"{where}: ended with code {done.returncode} and printed {len(lines)} lines")
    return lines[0].strip().removeprefix("\ufeff")


def _from_file(account_id: str, path: Path) -> Secret | None:
    if not path.exists():
        return None
    require_private(path)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError):
        raise CredentialError(f"{path}: cannot be read") from None
    except tomllib.TOMLDecodeError:
        # The parser's message may quote the line, which holds a secret.
        raise CredentialError(f'{path}: is not valid TOML; it holds [{account_id}] and api_secret = "..."') from None
    table = document.get(account_id)
    value = table.get("api_secret") if isinstance(table, dict) else None
    return Secret(value) if isinstance(value, str) and value else None


def require_private(path: Path) -> None:
    """Refuse a file that others can read, as ssh does with a key.

    Raises:
        CredentialError: With the command that mends it.
    """
    if os.name != "posix":
        return
    status = path.stat()
    if status.st_uid != os.getuid():
        raise CredentialError(f"{path}: belongs to another user")
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise CredentialError(f"{path}: others can read it; run `chmod 600 {shlex.quote(str(path))}`")
