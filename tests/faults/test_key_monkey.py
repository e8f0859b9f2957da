"""The key monkey in the suite: twelve sessions of 120 steps, spread over the scenarios.

The seeds are fixed, so that a red run is red again; `python -m tests.faults.key_monkey` takes others. A failure prints
the command that does its session again, what was done, the last screen and the traceback.
"""

from __future__ import annotations

import pytest

from tests.faults.key_monkey import Session, play, sessions_of

SEED, SESSIONS, KEYS = 20261, 12, 120


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "session", sessions_of(SEED, SESSIONS, KEYS, "all"), ids=lambda session: f"{session.scenario}-{session.seed}"
)
def test_no_key_ends_it_or_freezes_it(session: Session) -> None:
    print(session.command)
    verdict = play(session)
    assert not verdict.fault, verdict.report()
