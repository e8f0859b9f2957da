"""`TaskMonitor`: every background task has a name, a state, a last error and a number of restarts.

The ticker loop starts its tasks through it, the health pane shows `TaskMonitor.tasks`. A task that dies is started
again with exponential backoff and jitter when it has a `RestartPolicy`; when it dies too often it is FAILED and
whoever started it is told. The exception is kept, so that nothing is lost in a log.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from tickertui.frozen import frozen
from tickertui.market.clock import Clock
from tickertui.process.error_texts import describe_error as describe_error
from tickertui.process.error_texts import whole_error
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.services.supervision.status import TaskInfo, TaskState

logger = logging.getLogger(__name__)

OnError = Callable[[BaseException], object]
"""Told about an exception; it may be an ordinary or an async function, its own failure is logged and harmless."""

_KEPT_FINISHED: Final = 64
"""Tasks that ended are kept for the health pane, the oldest forgotten first."""


@frozen
class RestartPolicy:
    """How a task that died is started again.

    Attributes:
        attempts: Crashes in a row before the task is FAILED; None for never.
        first_delay: Seconds before the first restart; each further one waits twice as long.
        longest_delay: Seconds, the most that is waited.
        healthy_after: A run this long (seconds) makes the crashes before it forgotten.
    """

    attempts: int | None = 5
    first_delay: float = 1.0
    longest_delay: float = 60.0
    healthy_after: float = 60.0

    def delay(self, crashes: int, random: Random) -> float:
        """Return the seconds to wait after that many crashes in a row: half of it fixed, half of it jitter."""
        # min() on the exponent as well: 2.0 ** 1024 overflows after a night of crashes.
        ceiling = min(self.longest_delay, self.first_delay * 2.0 ** min(crashes - 1, 30))
        return ceiling * (0.5 + 0.5 * random.random())


@dataclass(slots=True)
class _Record:
    """What is known of one task."""

    name: str
    state: TaskState
    started_at: datetime
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)
    restarts: int = 0
    error: BaseException | None = None
    error_text: str = ""
    error_at: datetime | None = None
    last_activity: datetime | None = None

    @property
    def is_alive(self) -> bool:
        return not self.ended.is_set()


class TaskMonitor:
    """Starts, supervises, restarts and lists background tasks.

    Args:
        clock: Stamps starts, errors and activity.
        events: Crashes are recorded here.
        random: Jitter of the restarts.
    """

    def __init__(self, *, clock: Clock, events: EventLog, random: Random) -> None:
        self._clock = clock
        self._events = events
        self._random = random
        self._records: dict[str, _Record] = {}

    def start(
        self,
        task_group: TaskGroup,
        name: str,
        fn: Callable[..., Awaitable[object]],
        *args: Any,
        restart: RestartPolicy | None = None,
        on_error: OnError | None = None,
        on_failed: OnError | None = None,
    ) -> None:
        """Run ``fn(*args)`` in the task group under supervision.

        An exception never leaves the task: it is kept, shown as an event and, with a policy, answered by a restart.

        Args:
            task_group: Owner of the task; its cancellation ends it.
            name: Unique among the running tasks.
            fn: Async function.
            args: Its arguments.
            restart: When and how often it is started again; None for never.
            on_error: Told of each exception.
            on_failed: Told of the last one, when the task is given up.

        Raises:
            ValueError: When a task of this name is running.
        """
        earlier = self._records.get(name)
        if earlier is not None and earlier.is_alive:
            raise ValueError(f"a task named {name!r} is already running")
        self._records.pop(name, None)
        record = self._records[name] = _Record(name, TaskState.RUNNING, self._clock.now())
        self._forget_oldest()
        task_group.start_soon(self._supervise, record, fn, args, restart, on_error, on_failed, name=name)

    def create_monitored_task(
        self,
        task_group: TaskGroup,
        fn: Callable[..., Awaitable[object]],
        task_name: str,
        on_error: OnError | None = None,
    ) -> None:
        """Run ``fn()`` once under supervision, without a restart (the name of the original service)."""
        self.start(task_group, task_name, fn, on_error=on_error)

    def touch(self, name: str) -> None:
        """Note that a task did something just now; unknown names are passed over."""
        record = self._records.get(name)
        if record is not None:
            record.last_activity = self._clock.now()

    def cancel(self, name: str) -> bool:
        """Cancel a task, also while it waits for its restart; False where none of that name runs."""
        record = self._records.get(name)
        if record is None or not record.is_alive:
            return False
        record.scope.cancel()
        return True

    async def wait(self, name: str) -> None:
        """Wait until a task has ended; returns at once for an unknown name."""
        record = self._records.get(name)
        if record is not None:
            await record.ended.wait()

    def is_running(self, name: str) -> bool:
        """Whether a task of that name runs or waits for its restart."""
        record = self._records.get(name)
        return record is not None and record.is_alive

    def error(self, name: str) -> BaseException | None:
        """Return the last exception of a task, None when it had none."""
        record = self._records.get(name)
        return None if record is None else record.error

    def tasks(self) -> tuple[TaskInfo, ...]:
        """Return all running and the latest ended tasks, in the order of their start."""
        return tuple(
            TaskInfo(
                name=record.name,
                state=record.state,
                restarts=record.restarts,
                last_error=record.error_text,
                last_error_at=record.error_at,
                started_at=record.started_at,
                last_activity=record.last_activity,
            )
            for record in self._records.values()
        )

    # ------------------------------------------------------------------ supervision

    async def _supervise(
        self,
        record: _Record,
        fn: Callable[..., Awaitable[object]],
        args: tuple[Any, ...],
        policy: RestartPolicy | None,
        on_error: OnError | None,
        on_failed: OnError | None,
    ) -> None:
        try:
            with record.scope:
                record.state = await self._run_until_given_up(record, fn, args, policy, on_error, on_failed)
            if record.scope.cancelled_caught:
                record.state = TaskState.CANCELLED
        except BaseException:
            record.state = TaskState.CANCELLED
            raise
        finally:
            record.ended.set()

    async def _run_until_given_up(
        self,
        record: _Record,
        fn: Callable[..., Awaitable[object]],
        args: tuple[Any, ...],
        policy: RestartPolicy | None,
        on_error: OnError | None,
        on_failed: OnError | None,
    ) -> TaskState:
        crashes = 0
        while True:
            record.state = TaskState.RUNNING
            record.started_at = self._clock.now()
            logger.debug("task %s starts", record.name)
            began = anyio.current_time()
            try:
                await fn(*args)
            except Exception as error:  # noqa: BLE001 - supervision is the one place that takes whatever comes
                failure = error
            else:
                return TaskState.DONE
            if policy is not None and anyio.current_time() - began >= policy.healthy_after:
                crashes = 0
            crashes += 1
            self._note(record, failure)
            await self._tell(on_error, failure, record.name)
            if policy is None or (policy.attempts is not None and crashes >= policy.attempts):
                record.state = TaskState.FAILED
                self._report(record, "was given up" if policy else "ended", Severity.ERROR)
                await self._tell(on_failed, failure, record.name)
                return TaskState.FAILED
            delay = policy.delay(crashes, self._random)
            record.state = TaskState.RESTARTING
            self._report(record, f"restarts in {delay:.1f} s", Severity.WARNING)
            await anyio.sleep(delay)
            record.restarts += 1

    def _note(self, record: _Record, error: BaseException) -> None:
        record.error = error
        record.error_text = describe_error(error)
        record.error_at = self._clock.now()
        logger.error("task %s crashed: %s\n%s", record.name, record.error_text, whole_error(error))

    def _report(self, record: _Record, outcome: str, severity: Severity) -> None:
        self._events.add("task", f"{record.name} {outcome} after {record.error_text}", severity=severity)

    async def _tell(self, callback: OnError | None, error: BaseException, name: str) -> None:
        if callback is None:
            return
        try:
            answer = callback(error)
            if inspect.isawaitable(answer):
                await answer
        except Exception as failure:  # noqa: BLE001 - a broken listener must not end what it listens to
            logger.error("the listener of task %s failed: %s", name, describe_error(failure))

    def _forget_oldest(self) -> None:
        ended = [name for name, record in self._records.items() if not record.is_alive]
        for name in ended[: max(0, len(ended) - _KEPT_FINISHED)]:
            del self._records[name]
