"""Configuration as text: which line a key stands on, mistakes in words, and the documented example file."""

from __future__ import annotations

import ast
import difflib
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from tickertui.frozen import frozen

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_MAX_SHOWN = 60


@frozen
class ConfigProblem:
    """One mistake in the configuration.

    Attributes:
        file: File name, or "environment".
        line: Line from 1, 0 where there is none.
        key: Dotted key ("accounts.1.sockets", numbered from 1), empty for the whole file.
        text: What is wrong and how to mend it.
    """

    file: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.text}" if self.key else f"{where}: {self.text}"


_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*("[^"]*"|'[^']*'|[A-Za-z0-9_.\-"']+)\s*=""")


def line_of(text: str, path: Sequence[str | int]) -> int:
    """Return the line (from 1) of a key in a TOML text, of its table where the key is missing, or 0.

    Args:
        text: The TOML document.
        path: For instance ``("accounts", 1, "sockets")``, array tables counted from 0.
    """
    wanted = list(path)
    table: list[str | int] = []
    counts: dict[str, int] = {}
    best = 0
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            name = header[2].strip().strip("\"'")
            if header[1] == "[[":
                counts[name] = counts.get(name, -1) + 1
                table = [name, counts[name]]
            else:
                table = list(name.split("."))
            if table and wanted[: len(table)] == table:
                best = number
            continue
        key = _KEY.match(line)
        if key:
            full = [*table, *(part.strip("\"'") for part in key[1].split("."))]
            if wanted[: len(full)] == full:
                return number
    return best


def nearest_key(wrong: str, names: Iterable[str]) -> str:
    """Return ``; did you mean X?`` for the closest name, or the list of valid names."""
    names = list(names)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid here: {', '.join(names)}" if names else ""


def problem_from(
    detail: ErrorDetails,
    model: type,
    text: str,
    file: str,
    origin: Mapping[tuple[str, str], str],
) -> ConfigProblem:
    """Turn one validation error into a sentence with file, line, key, the wrong value and the way out."""
    path = [part for part in detail["loc"] if not _is_type_tag(part)]
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in path)
    variable = origin.get((str(path[0]), str(path[1]))) if len(path) >= 2 else None
    line = 0 if variable else line_of(text, path)
    return ConfigProblem("environment" if variable else file, line, variable or key, _sentence(detail, model, path))


def _is_type_tag(part: str | int) -> bool:
    """Unions add the type that was tried to the path (``strikes.int``); it is no key."""
    return isinstance(part, str) and bool(
        re.match(r"^(int|list\[|tuple\[|literal\[|function-|date$|str$|\[key\]$)", part)
    )


def _sentence(detail: ErrorDetails, model: type, path: Sequence[str | int]) -> str:
    kind = detail["type"]
    if kind == "unexpected_keyword_argument":
        owner = _model_at(model, path[:-1])
        names = [item.name for item in fields(owner)] if owner else []
        return f"is not a setting{nearest_key(str(path[-1]), names)}"
    if kind == "missing":
        return "is missing"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    message = message[0].lower() + message[1:] if message else message
    value = detail.get("input")
    return message if _is_confidential(path) or message.endswith(f"not {value!r}") else f"{message}{_shown(value)}"


def _is_confidential(path: Sequence[str | int]) -> bool:
    return any(word in str(path[-1]) for word in ("key", "secret", "token", "url")) if path else False


def _shown(value: object) -> str:
    """The wrong value, shortened; never a secret, never a whole table."""
    if value is None or isinstance(value, (dict, list)) or is_dataclass(value):
        return ""
    shown = repr(value)
    return f" (it is {shown if len(shown) <= _MAX_SHOWN else shown[:_MAX_SHOWN] + '…'})"


def sections_of(model: type) -> list[str]:
    """Return the names of the settings that are one table each."""
    return [name for name, annotation in get_type_hints(model).items() if is_dataclass(annotation)]


def _model_at(model: type, path: Sequence[str | int]) -> type | None:
    current: type | None = model
    for part in path:
        if isinstance(part, int) or current is None:
            continue
        current = _model_in(get_type_hints(current).get(part))
    return current


def _model_in(annotation: Any) -> type | None:
    if isinstance(annotation, type) and is_dataclass(annotation):
        return annotation
    return next((model for arg in get_args(annotation) if (model := _model_in(arg))), None)


# ---------------------------------------------------------------------- the example file

_EXAMPLES: Mapping[str, str] = {
    "accounts": '# [[accounts]]\n# id = "Z1"\n# api_key = "abcd1234efgh5678"\n',
    "rules": (
        '# [[rules]]\n# underlying = "NIFTY"\n# expiries = 2\n# strikes = 40\n#\n'
        '# [[rules]]\n# underlying = "SENSEX"\n# expiries = [2026-12-03]\n# strikes = "all"\n'
    ),
    "keys": '# chain-to-atm = "a,home"\n',
    "presets": '# [screen.presets]\n# mine = ["bar", "oi", "dOI", "iv", "delta"]\n',
}


def render_example(model: type) -> str:
    """Return a TOML file that documents every setting and sets none: each line is its default, commented out."""
    documents = _field_documents(model)
    lines = [
        "# tickertui configuration. Every setting is shown with its default, commented out.",
        "# Any of them can be set for one run in the environment: TICKERTUI_SCREEN__THEME=mono",
        "",
    ]
    annotations = get_type_hints(model)
    for item in fields(model):
        name, annotation = item.name, annotations[item.name]
        section = _model_in(annotation)
        repeated = annotation is not section
        lines += _comment(inspect.cleandoc(section.__doc__ or "") if section else documents[model.__name__, name])
        if section is None:
            lines += [f"[{name}]", *_EXAMPLES[name].splitlines(), ""]
            continue
        if repeated:
            for key in fields(section):
                lines += _comment(f"  {key.name}: {documents[section.__name__, key.name]}{_default_note(key)}")
            lines += [*_EXAMPLES[name].splitlines(), ""]
            continue
        lines.append(f"[{name}]")
        for key in fields(section):
            lines += _comment(documents[section.__name__, key.name])
            # A table of its own stands behind the other keys, so that it may be written with its header.
            example = _EXAMPLES.get(key.name, f"# {key.name} = {_toml(key.default)}")
            lines += example.splitlines()
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _field_documents(model: type) -> dict[tuple[str, str], str]:
    """Return the docstring under every field of the models in the model's module, by class and field."""
    found: dict[tuple[str, str], str] = {}
    for definition in ast.parse(inspect.getsource(inspect.getmodule(model) or model)).body:
        if not isinstance(definition, ast.ClassDef):
            continue
        for field, following in pairwise(definition.body):
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                found[definition.name, field.target.id] = inspect.cleandoc(str(ast.literal_eval(following.value)))
    return found


def _comment(text: str) -> list[str]:
    return [f"# {line}".rstrip() for line in text.splitlines() if line.strip()]


def _default_note(item: Field[Any]) -> str:
    return " (required)" if item.default is MISSING else f" Default {_toml(item.default)}."


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)
