"""Where an account's API secret comes from: the environment, a command, or the private secrets file, in this order.

It is asked for when a login needs it, never at a start: a command may take its time, or ask the user something.
The secret never stands in the configuration, which people share. The file must be readable by its owner only.
"""

from __future__ import annotations

import os
import shlex
import signal
import stat
import subprocess
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio

from tickertui.kite.secrets import Secret
from tickertui.settings.model import AccountSettings

_COMMAND_TIMEOUT_S = 30.0


class CredentialError(Exception):
    """There is a place for the secret, and it cannot be used; the text is one sentence without the secret."""


def environment_name(account_id: str, what: str) -> str:
    """Return ``TICKERTUI_Z1_API_SECRET`` and the like."""
    return f"TICKERTUI_{account_id.upper().replace('-', '_')}_{what}"


async def api_secret(
    account: AccountSettings, secrets_file: Path, environ: Mapping[str, str], *, on_screen: bool = False
) -> Secret | None:
    """Return the API secret of an account, None where it is nowhere. Cancelling it ends the command.

    Args:
        account: From the configuration.
        secrets_file: ``[ID]`` tables with ``api_secret = "..."``.
        environ: Of the process.
        on_screen: Whether the terminal belongs to the screen, so that the command may not use it.

    Raises:
        CredentialError: The command fails, or the file is open to others or not readable.
    """
    value = environ.get(environment_name(account.id, "API_SECRET"))
    if value:
        return Secret(value)
    if account.secret_command:
        return Secret(await _from_command(account, on_screen=on_screen))
    return secret_of_file(account.id, secrets_file)


async def _from_command(account: AccountSettings, *, on_screen: bool) -> str:
    where = f"accounts.{account.id}.secret_command"
    try:
        words = shlex.split(account.secret_command)
        if not words:
            raise ValueError("there is no program in it")
        with anyio.fail_after(_COMMAND_TIMEOUT_S):
            code, output = await _output_of(words, on_screen=on_screen)
    except FileNotFoundError as error:
        raise CredentialError(f"{where}: there is no program {error.filename!r}") from None
    except TimeoutError:
        raise CredentialError(f"{where}: gave no secret within {_COMMAND_TIMEOUT_S:.0f} s") from None
    except (OSError, ValueError) as error:
        raise CredentialError(f"{where}: cannot be run: {error}") from None
    lines = output.decode("utf-8", "replace").strip().splitlines()
    if code or not lines:
        raise CredentialError(f"{where}: ended with code {code} and printed {len(lines)} lines")
    return lines[0].strip().removeprefix("\ufeff")


async def _output_of(words: list[str], *, on_screen: bool) -> tuple[int, bytes]:
    """Run the user's own command, without a shell; return its exit code and what it printed.

    In a session of its own it cannot open the screen's terminal; what it has started there ends with it when it is
    left.
    """
    printed = bytearray()
    terminal = subprocess.DEVNULL if on_screen else None  # elsewhere it may ask, and say what is wrong
    async with await anyio.open_process(words, stdin=terminal, stderr=terminal, start_new_session=on_screen) as process:
        try:
            assert process.stdout is not None
            async for part in process.stdout:
                printed += part
            return await process.wait(), bytes(printed)
        except BaseException:
            if on_screen and os.name == "posix":
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            raise


def secret_of_file(account_id: str, path: Path) -> Secret | None:
    """Return the API secret that the private file holds for an account, None where it holds none.

    Raises:
        CredentialError: When others can read the file, or nobody can.
    """
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
