"""The last day, the last minutes and what comes after: by hand-computed numbers and an independent formula."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tickertui.market.implied_volatility import Status
from tickertui.market.last_minutes import LEAST_SECONDS, blank_last_minutes, theta_to_expiry


def test_too_little_time_a_settled_underlying_and_the_expiry_leave_no_volatility() -> None:
    left = np.array([86_400.0, 300.0, 299.0, 1.0, 0.0, -60.0, 86_400.0, math.nan])
    settled = np.array([False, False, False, True, True, False, True, False])
    iv, status = np.full(8, 0.13), np.zeros(8, dtype=np.int8)
    status[7] = Status.BAD_INPUT
    blank_last_minutes(left, settled, iv, status)
    assert np.isnan(iv).tolist() == [False, False, True, True, True, True, True, False]
    assert [Status(code) for code in status.tolist()] == [
        Status.OK, Status.OK, Status.NEAR_EXPIRY, Status.SETTLED, Status.EXPIRED, Status.EXPIRED, Status.SETTLED,
        Status.BAD_INPUT,
    ]  # fmt: skip
    assert LEAST_SECONDS == 300


@pytest.mark.parametrize(
    ("theta", "price", "strike", "is_call", "left", "expected"),
    [
        (-153.0, 2.10, 24_400.0, True, 1_200.0, -2.10),  # out of the money: all of it is time value
        (-153.0, 52.10, 24_300.0, True, 1_200.0, -2.10),  # 50 rupees of it are intrinsic
        (-153.0, 52.10, 24_400.0, False, 1_200.0, -2.10),
        (-1.5, 2.10, 24_400.0, True, 1_200.0, -1.5),
        (-153.0, 2.10, 24_400.0, True, 86_400.0, -153.0),  # a day or more: per day
        (-153.0, 49.0, 24_300.0, True, 1_200.0, 0.0),  # below intrinsic nothing can decay
    ],
)
def test_theta_is_never_more_than_the_time_value_that_is_left(
    theta: float, price: float, strike: float, is_call: bool, left: float, expected: float
) -> None:
    found = theta_to_expiry(
        np.array([theta]), np.array([price]), np.array([24_350.0]), np.array([strike]), np.array([is_call]), None,
        np.array([left]),
    )  # fmt: skip
    assert found.tolist() == pytest.approx([expected])


def test_discounting_takes_from_the_intrinsic_value_too() -> None:
    found = theta_to_expiry(
        np.array([-9.0]), np.array([49.5]), np.array([24_350.0]), np.array([24_300.0]), np.array([True]),
        np.array([0.98]), np.array([600.0]),
    )  # fmt: skip
    assert found.tolist() == pytest.approx([-(49.5 - 0.98 * 50.0)])
