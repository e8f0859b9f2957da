"""`ActivePlan`: the plan in force, and the one way from it to the next.

The ticker loop calls it for every reload: prepare (read the store, expand the rules, place, compare), give new
instruments rows on the board, apply the difference to the account streams, commit, release the rows of what is gone.
Whatever fails on the way leaves the streams, the board and the plan as they were.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio

from tickertui.market.board import MarketBoard
from tickertui.market.clock import Clock
from tickertui.services.accounts.account_fleet import AccountFleet
from tickertui.services.accounts.plan_applier import ApplyReport, PlanApplier
from tickertui.services.loop.feed_switch import FeedSwitch
from tickertui.services.loop.plan_view import PlanView
from tickertui.services.plan.placement import Distribution
from tickertui.services.plan.status import ReloadPlan, ReloadResult, Unplaced
from tickertui.services.plan.subscription_reconciler import PreparedReload, SubscriptionReconciler
from tickertui.services.supervision.events import EventLog, Severity
from tickertui.services.supervision.task_monitor import describe_error

_LOG: Final = logging.getLogger(__name__)

Applied = Callable[[Sequence[int], Sequence[int]], Awaitable[None]]
"""Told after each plan that was put into force, with the tokens that came to the board and those that left it."""


class ActivePlan:
    """The plan in force.

    Attributes:
        view: The plan as arrays over the board.
        revision: Of the store the plan was made from.
        store_revision: Of the store, as far as is known.
        last_result: What the last reload did, None before the first.
        unassigned: What did not fit on any account.
        unresolved: What the day's dump does not know.

    Args:
        reconciler: Makes plans.
        board: Gets and gives back rows.
        fleet: The accounts' streams.
        feed: Says whether the accounts are the feed, and counts the plans.
        clock: Stamps results.
        events: Every reload that changed something, or failed, is recorded here.
        applier: Moves instruments without a gap.
        before: Called before each plan is made (fills in missing spots).
        merged: How many changes the plan answers.
        applied: See `Applied`.
    """

    def __init__(
        self,
        *,
        reconciler: SubscriptionReconciler,
        board: MarketBoard,
        fleet: AccountFleet,
        feed: FeedSwitch,
        clock: Clock,
        events: EventLog,
        applier: PlanApplier,
        before: Callable[[], Awaitable[object]],
        merged: Callable[[], int],
        applied: Applied,
    ) -> None:
        self.view = PlanView(board)
        self.revision = 0
        self.store_revision = 0
        self.last_result: ReloadResult | None = None
        self.unassigned: tuple[Unplaced, ...] = ()
        self.unresolved: tuple[Unplaced, ...] = ()
        self._reconciler = reconciler
        self._board = board
        self._fleet = fleet
        self._feed = feed
        self._clock = clock
        self._events = events
        self._applier = applier
        self._before = before
        self._merged = merged
        self._applied = applied

    # ------------------------------------------------------------------ reading

    @property
    def distribution(self) -> Distribution:
        """Connection number -> token -> mode, of the plan in force."""
        return self.view.distribution

    def describe(self) -> str:
        """One sentence about the plan in force."""
        count, accounts = len(self.view), len(self._fleet.plannable())
        if not count:
            return "running idle: nothing is subscribed yet"
        where = f"on {accounts} account{'s' * (accounts != 1)}" if accounts else "in the mock feed"
        return f"running: {count:,} instruments {where}"

    # ------------------------------------------------------------------ the next plan

    async def prepare(self) -> PreparedReload:
        """Make the next plan; nothing is sent and nothing is written.

        Raises:
            StoreError: When the store cannot be read.
        """
        await self._before()
        prepared = await self._reconciler.prepare(
            self._fleet.slots(), generation=self._feed.generation + 1, merged_triggers=self._merged()
        )
        self.store_revision = prepared.plan.revision
        return prepared

    async def reload(self, prepared: PreparedReload | None = None) -> ReloadResult:
        """Put the next plan into force; on any failure the one in force stays.

        Args:
            prepared: A plan that was shown before; it is made anew when it has been overtaken.

        Returns:
            What was done, or `ReloadResult.error`.
        """
        began = anyio.current_time()
        try:
            if prepared is None or await self._is_overtaken(prepared):
                prepared = await self.prepare()
            report = await self._put_into_force(prepared)
        except Exception as error:  # noqa: BLE001 - whatever went wrong: the running plan goes on, the reason is shown
            _LOG.error("a reload changed nothing", exc_info=error)
            self.last_result = self._failure(describe_error(error), anyio.current_time() - began)
        else:
            self.last_result = self._success(prepared.plan, report, anyio.current_time() - began)
        return self.last_result

    async def _is_overtaken(self, prepared: PreparedReload) -> bool:
        """Whether a plan that was shown is not what a reload would do now."""
        is_of_now = prepared.plan.generation == self._feed.generation + 1 and prepared.slots == self._fleet.slots()
        return not (is_of_now and await self._reconciler.is_current(prepared))

    async def _put_into_force(self, prepared: PreparedReload) -> ApplyReport:
        change = prepared.diff
        added = change.new.tokens[change.added].tolist()
        removed = change.old.tokens[change.removed].tolist()
        self._board.ensure(added)
        report = ApplyReport()
        try:
            if self._feed.is_live:
                report = await self._applier.apply(self._fleet.streams, change)
            await self._reconciler.commit(prepared, write=self._may_write)
        except BaseException:
            if self._feed.is_live:
                self._fleet.carry(change.old.distribution)
            self._board.release(added)
            raise
        if not prepared.plan.is_empty:
            self._feed.advance()
            if self._feed.is_live:
                self._fleet.stamp(self._feed.generation)
        self.view.set(change.new)
        self._board.release(removed)
        self.revision = prepared.plan.revision
        self.unassigned, self.unresolved = prepared.plan.unassigned, prepared.plan.unresolved
        await self._tell(added, removed)
        return report

    async def _tell(self, added: Sequence[int], removed: Sequence[int]) -> None:
        """Let the others know; what goes wrong there does not undo a plan that is in force."""
        try:
            await self._applied(added, removed)
        except Exception as error:  # noqa: BLE001 - shown; the next reload tells them again
            _LOG.error("what follows a reload failed", exc_info=error)
            text = f"the plan is in force, but not everybody took it up: {describe_error(error)}"
            self._events.add("reload", text, severity=Severity.ERROR)

    @property
    def _may_write(self) -> bool:
        """A terminal that streams nothing must not write where others stream what."""
        return self._fleet.is_ours or not self._fleet.plannable()

    # ------------------------------------------------------------------ results

    def _success(self, plan: ReloadPlan, report: ApplyReport, seconds: float) -> ReloadResult:
        result = self._result(plan, seconds)
        if not plan.is_empty:
            unseen = f", {report.unseen} of them not seen yet on their new socket" if report.unseen else ""
            parts = (
                (plan.added, "added"),
                (plan.removed, "removed"),
                (plan.moved, f"moved{unseen}"),
                (plan.mode_changed, "changed mode"),
            )
            counts = ", ".join(f"{count:,} {word}" for count, word in parts if count)
            self._events.add("reload", f"{counts}; {plan.unchanged:,} unchanged, {seconds:.2f} s")
        return result

    def _failure(self, reason: str, seconds: float) -> ReloadResult:
        self._events.add("reload", f"the reload failed, the plan stays: {reason}", severity=Severity.ERROR)
        return ReloadResult(self._clock.now(), self._feed.generation, 0, 0, 0, 0, seconds, reason)

    def _result(self, plan: ReloadPlan, seconds: float) -> ReloadResult:
        return ReloadResult(
            at=self._clock.now(),
            generation=self._feed.generation,
            added=plan.added,
            removed=plan.removed,
            moved=plan.moved,
            mode_changed=plan.mode_changed,
            seconds=seconds,
        )
