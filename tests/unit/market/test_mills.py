"""The rationals of `mills` against decimal arithmetic: their stated errors are measured here."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest

from tests.support.decimal_black import density, mills_ratio_far, upper_tail
from tickertui.market import mills
from tickertui.market.mills import Floats

Function = Callable[[Floats, Floats, Floats], Floats]

GRID = np.concatenate([[0.0], np.geomspace(1e-9, 0.1, 25), np.linspace(0.1, 11.9, 160), np.geomspace(12.0, 1e6, 30)])


def exact_mills(u: float) -> Decimal:
    z = Decimal(u)
    return upper_tail(z) / density(z) if u < 12 else mills_ratio_far(z)


def evaluate(function: Function, u: Floats) -> Floats:
    return function(u, np.empty_like(u), np.empty_like(u))


def relative_errors(values: Floats, exact: list[Decimal]) -> Floats:
    return np.array([float(abs(Decimal(float(v)) / e - 1)) for v, e in zip(values, exact, strict=True)])


def test_mills_ratio_to_double_precision() -> None:
    errors = relative_errors(evaluate(mills.mills, GRID), [exact_mills(u) for u in GRID.tolist()])
    assert errors.max() < 2e-15
    assert np.median(errors) < 2e-16


def test_slope_to_double_precision_where_the_difference_would_cancel() -> None:
    exact = [1 - Decimal(u) * exact_mills(u) for u in GRID.tolist()]
    errors = relative_errors(evaluate(mills.slope, GRID), exact)
    assert errors.max() < 2e-15
    assert np.median(errors) < 2e-16


def test_inverse_to_a_starting_values_precision() -> None:
    u = np.concatenate([np.geomspace(1e-6, 0.1, 40), np.linspace(0.1, 12.0, 200)])
    k = [Decimal(x) / (density(Decimal(x)) - Decimal(x) * upper_tail(Decimal(x))) for x in u.tolist()]
    log_ratio = np.array([float((1 + x).ln()) for x in k])
    found = evaluate(mills.inverse, log_ratio) * log_ratio
    assert np.abs(found / u - 1.0).max() < 2.5e-5


@pytest.mark.parametrize("function", [mills.mills, mills.slope])
def test_nan_stays_nan_and_stays_alone(function: Function) -> None:
    found = evaluate(function, np.array([1.0, np.nan, 2.0]))
    assert np.isnan(found).tolist() == [False, True, False]
    assert found[[0, 2]].tolist() == evaluate(function, np.array([1.0, 2.0])).tolist()
