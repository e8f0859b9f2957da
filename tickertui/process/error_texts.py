"""What the log, the events and a crash file say of an exception: everything that helps, and no secret.

Neither values of local variables nor tokens get into these texts. `tickertui.services.supervision.task_monitor` (one
sentence), `tickertui.process.logging_setup` and `tickertui.process.crashes` (the whole of it) call this.
"""

from __future__ import annotations

import re
from typing import Final

_MASK: Final = "•••"
_SECRET_PARAMETER: Final = re.compile(
    r"(?i)\b(access_token|request_token|api_secret|api_key|enctoken|checksum|authorization|password)"
    r"(['\"]?\s*[=:]\s*['\"]?)(token\s+)?[^\s&'\",;)}]+"
)
_PASSWORD_IN_ADDRESS: Final = re.compile(r"(://[^\s:/@]+:)[^\s@/]+(?=@)")
_LIKE_A_TOKEN: Final = re.compile(r"\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{32,}\b")
"""The broker's secrets are 32 letters and digits; a text that quotes one alone does not say what it is."""
_MOST_MEMBERS: Final = 1_000
_DEEPEST: Final = 100


def mask_secrets(text: str) -> str:
    """Return a text that somebody else wrote with everything masked that is, or looks like, a secret."""
    text = _SECRET_PARAMETER.sub(rf"\1\2{_MASK}", text)
    text = _PASSWORD_IN_ADDRESS.sub(rf"\1{_MASK}", text)
    return _LIKE_A_TOKEN.sub(_MASK, text)


def describe_error(error: BaseException) -> str:
    """Return one sentence about an exception, without a secret, looking into a group of one."""
    error = only_member(error)
    text = " ".join(str(error).split()) or "no message"
    if isinstance(error, BaseExceptionGroup):
        text = "; ".join(describe_error(inner) for inner in error.exceptions[:3])
    return mask_secrets(f"{type(error).__name__}: {text}")


def only_member(error: BaseException) -> BaseException:
    """Return the one exception in a group of one, in however many groups it is; else the group itself."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def whole_error(error: BaseException) -> str:
    """Return the traceback with causes and every member of groups, without local variables and without a secret."""
    import traceback

    whole = traceback.TracebackException.from_exception(
        only_member(error), capture_locals=False, max_group_width=_MOST_MEMBERS, max_group_depth=_DEEPEST
    )
    return mask_secrets("".join(whole.format()))
