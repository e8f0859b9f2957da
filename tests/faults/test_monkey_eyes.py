"""The key monkey sees what is wrong, and does the same again for the same seed."""

from __future__ import annotations

import pytest

from tests.faults.key_monkey import Session, has_streamed, sessions_of
from tests.faults.random_input import registry_keys, sent_for, start_size, steps
from tests.support.emulator import Emulator
from tests.support.stages import SCENARIOS
from tickertui.tui.keys.actions import ACTIONS, Action

WHOLE = "\x1b[1;1Hab\x1b[2;1Hcd"


def test_a_screen_that_is_painted_wholly_is_right() -> None:
    emulator = Emulator(2, 2)
    emulator.feed(WHOLE)
    assert emulator.screen.row_faults() == []
    assert emulator.text() == "ab\ncd"


def test_a_row_that_is_too_long_is_told_until_it_is_painted_rightly() -> None:
    emulator = Emulator(2, 2)
    emulator.feed(f"{WHOLE}\x1b[2;1Hcde")
    assert emulator.screen.row_faults() == ["row 2: written past the edge of 2: 'cde'"]
    emulator.feed("\x1b[2;1Hcd")
    assert emulator.screen.row_faults() == []


def test_a_wide_letter_that_does_not_fit_is_told() -> None:
    emulator = Emulator(2, 2)
    emulator.feed(f"{WHOLE}\x1b[1;2H語")
    assert emulator.screen.row_faults() == ["row 1: written past the edge of 2: '語'"]


def test_cells_that_are_not_painted_after_another_size_are_told() -> None:
    emulator = Emulator(2, 2)
    emulator.feed(WHOLE)
    emulator.screen.resize(2, 3)
    emulator.feed("\x1b[1;1Habc\x1b[2;1Hde")
    assert emulator.screen.row_faults() == ["row 2: 1 of 3 cells not painted, the first is 3"]


def test_sequences_are_understood_wherever_they_are_cut() -> None:
    emulator = Emulator(2, 2)
    for letter in f"\x1b[>25u\x1b[?2026$p\x1b]2;MOCK\x07\x1b[?2026h{WHOLE}\x1b[?2026l":
        emulator.feed(letter)
    assert (emulator.text(), emulator.title) == ("ab\ncd", "MOCK")


def test_what_is_written_after_the_screen_was_left_is_kept_apart() -> None:
    emulator = Emulator(2, 2)
    emulator.feed(f"{WHOLE}\x1b[?1049lTraceback")
    assert (list(emulator.last), emulator.after) == (["ab", "cd"], "Traceback")


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_key_of_the_registry_can_be_sent(action: Action) -> None:
    assert all(sent_for(key.strip()) for key in action.keys.split(","))


def test_keys_are_sent_as_keyboards_send_them() -> None:
    names = ("shift+tab", "up", "pagedown", "ctrl+o", "escape", "enter", "plus", "question_mark")
    assert b" ".join(map(sent_for, names)) == b"\x1b[Z \x1b[A \x1b[6~ \x0f \x1b \r + ?"


def test_quit_is_left_for_the_end() -> None:
    assert b"q" not in registry_keys()


def test_a_seed_is_one_session() -> None:
    assert list(steps(7, 200)) == list(steps(7, 200))
    assert list(steps(7, 200)) != list(steps(8, 200))
    assert start_size(7) == start_size(7)


def test_a_session_of_many_is_done_again_by_itself() -> None:
    third = sessions_of(40, 12, 120, "all")[2]
    assert third == Session(SCENARIOS[2].name, 42, 120)
    assert sessions_of(42, 1, 120, SCENARIOS[2].name) == [third]
    assert third.command.endswith(f"--seed 42 --sessions 1 --keys 120 --scenario {SCENARIOS[2].name}")


def test_the_sessions_go_round_all_scenarios() -> None:
    assert {session.scenario for session in sessions_of(1, 12, 120, "all")} == {one.name for one in SCENARIOS}


def test_a_socket_that_takes_anothers_place_streams_although_the_sum_is_lower() -> None:
    before = [{"number": 1, "packets": 4_000}, {"number": 2, "packets": 30}]
    assert not has_streamed(before, before)
    assert not has_streamed(before, [{"number": 3, "packets": 0}])
    assert has_streamed(before, [{"number": 2, "packets": 30}, {"number": 3, "packets": 5}])
    assert has_streamed(before, [{"number": 1, "packets": 4_000}, {"number": 2, "packets": 31}])
