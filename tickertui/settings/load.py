"""The settings: a TOML file, overridden by the environment, checked field by field.

`load_settings` reports every mistake at once, each with file, line, key, the wrong value, and the nearest valid key
where a key is unknown. `tickertui.settings.text` writes the documented example from the same fields.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tickertui.settings.model import Settings
from tickertui.settings.paths import Paths
from tickertui.settings.presets import BUILT_IN
from tickertui.settings.text import ConfigProblem, line_of, nearest_key, problem_from, sections_of

ENVIRONMENT_PREFIX = "TICKERTUI_"

_NOT_SETTINGS = frozenset(("TICKERTUI_HOME", "TICKERTUI_CONFIG"))


class ConfigError(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: Every mistake, in the order of the file.
    """

    def __init__(self, problems: tuple[ConfigProblem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read, override and check the settings.

    Args:
        path: The TOML file; None or a file that is not there means the defaults.
        environ: ``TICKERTUI_SECTION__KEY=value`` overrides one key.

    Raises:
        ConfigError: With every mistake at once.
    """
    text = ""
    if path is not None and path.exists():
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ConfigError((ConfigProblem(str(path), 0, "", f"cannot be read: {reason}"),)) from error
    name = str(path) if path is not None else "settings"
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((ConfigProblem(name, _error_line(str(error)), "", f"is not valid TOML: {error}"),)) from error
    misplaced = _misplaced_secrets(document, text, name)
    if misplaced:
        raise ConfigError(misplaced)
    from_environment, problems = _overrides(environ)
    for section, key, value, _ in from_environment:
        document.setdefault(section, {})[key] = value
    settings = Settings()
    if document:
        # pydantic takes 110 ms to import, a fifth of the start of the demo: nothing to check is not checked.
        from pydantic import TypeAdapter, ValidationError

        try:
            settings = TypeAdapter(Settings).validate_python(document)
        except ValidationError as error:
            origin = {(section, key): variable for section, key, _, variable in from_environment}
            problems += [problem_from(detail, Settings, text, name, origin) for detail in error.errors()]
    if problems:
        raise ConfigError(tuple(sorted(problems, key=lambda problem: problem.line)))
    return settings


def check_starting_columns(path: Path, settings: Settings, saved: Iterable[str]) -> None:
    """Check that ``screen.columns`` names a preset, now that those of the column editor are known too.

    Args:
        path: The file that the settings come from.
        settings: As read.
        saved: Names of the presets that the column editor keeps.

    Raises:
        ConfigError: When there is no such preset, with the nearest one.
    """
    names = [*BUILT_IN, *settings.screen.presets, *saved]
    wanted = settings.screen.columns
    if wanted not in names:
        text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
        line = line_of(text, ("screen", "columns"))
        sentence = f"is no preset (it is {wanted!r}){nearest_key(wanted, names)}"
        raise ConfigError((ConfigProblem(str(path) if line else "environment", line, "screen.columns", sentence),))


def resolve_config_path(argument: str | None, environ: Mapping[str, str], paths: Paths) -> Path:
    """Return ``--config``, else ``TICKERTUI_CONFIG``, else the platform's file.

    Raises:
        ConfigError: When a file that was named is not there.
    """
    named = argument or environ.get("TICKERTUI_CONFIG")
    if not named:
        return paths.config_file
    path = Path(named).expanduser()
    if not path.is_file():
        origin = "--config" if argument else "TICKERTUI_CONFIG"
        raise ConfigError(
            (ConfigProblem(str(path), 0, "", f"does not exist ({origin}); `tickertui config init` writes one"),)
        )
    return path


def _error_line(message: str) -> int:
    _, _, tail = message.partition("at line ")
    digits = tail.split(",")[0].strip()
    return int(digits) if digits.isdigit() else 0


def _misplaced_secrets(document: dict[str, Any], text: str, name: str) -> tuple[ConfigProblem, ...]:
    """A secret in the configuration is refused before anything could print it."""
    accounts = document.get("accounts")
    return tuple(
        ConfigProblem(
            name,
            line_of(text, ("accounts", index, key)),
            f"accounts.{index + 1}.{key}",
            "does not belong in this file; put api_secret into secrets.toml (mode 0600) or secret_command, "
            "and let `tickertui login` keep the token",
        )
        for index, account in enumerate(accounts if isinstance(accounts, list) else [])
        for key in ("api_secret", "access_token", "request_token")
        if isinstance(account, dict) and key in account
    )


def _overrides(environ: Mapping[str, str]) -> tuple[list[tuple[str, str, Any, str]], list[ConfigProblem]]:
    """Return (section, key, value, variable) of the environment, and what it got wrong."""
    found: list[tuple[str, str, Any, str]] = []
    problems: list[ConfigProblem] = []
    for variable in sorted(environ):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in _NOT_SETTINGS or "__" not in variable:
            continue
        section, _, key = variable.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        names = sections_of(Settings)
        if section not in names:
            hint = nearest_key(section, names)
            problems.append(ConfigProblem("environment", 0, variable, f"names no section{hint}"))
            continue
        found.append((section, key, _plain(environ[variable]), variable))
    return found, problems


def _plain(text: str) -> Any:
    """Read a value of the environment as TOML would, else as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def environment() -> Mapping[str, str]:
    """Return the process environment (one place, so that tests hand in their own)."""
    return os.environ
