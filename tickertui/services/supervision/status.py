"""How a supervised task stands, as a value: made by the task monitor, shown by the screens."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from tickertui.frozen import frozen


class TaskState(StrEnum):
    """State of a background task."""

    RUNNING = "running"
    RESTARTING = "restarting"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@frozen
class TaskInfo:
    """One background task, for the health pane.

    Attributes:
        name: Unique.
        state: See `TaskState`.
        restarts: Since the start.
        last_error: One sentence without a secret, empty when there was none.
        last_error_at: Aware datetime.
        started_at: Aware datetime of the last (re)start.
        last_activity: Aware datetime the task last reported; None when it never does.
    """

    name: str
    state: TaskState
    restarts: int = 0
    last_error: str = ""
    last_error_at: datetime | None = None
    started_at: datetime | None = None
    last_activity: datetime | None = None
