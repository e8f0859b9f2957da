"""Reference values: our own in decimal arithmetic (always), and the shared vectors (where they are beside us)."""

from __future__ import annotations

import json
import math
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.support.paths import REPOSITORY, shared_data
from tickertui.market.clock import IST
from tickertui.market.conventions import calendar_years
from tickertui.market.greeks import Greeks, GreeksCalculator, Model, Status

OWN = REPOSITORY / "tests" / "data" / "greeks" / "greeks_reference.json"
EPSILON = float(np.finfo(np.float64).eps)
NAMES = ("delta", "gamma", "theta", "vega", "rho", "vanna", "volga", "charm", "price")


def floors(underlying: float) -> dict[str, float]:
    """Below these a figure is zero to any trader, and its relative error means nothing (the vectors' meta)."""
    scaled = dict.fromkeys(("theta", "vega", "rho", "volga"), 1e-12 * underlying)
    return {
        **scaled,
        "price": 1e-9 * underlying,
        "delta": 1e-12,
        "gamma": 1e-12 / underlying,
        "vanna": 1e-12,
        "charm": 1e-12,
    }


def column(rows: list[dict[str, Any]], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([math.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)


def check_greeks(found: Greeks, row: int, underlying: float, expected: dict[str, float], tolerance: float) -> None:
    for name in NAMES:
        reference = expected[name]
        if abs(reference) > floors(underlying)[name]:
            value = float(getattr(found, name)[row])
            assert value == pytest.approx(reference, rel=tolerance, abs=0.0), (row, name)


@cache
def own_rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(OWN.read_text(encoding="utf-8"))
    return rows


def test_own_reference_spans_the_stated_ranges() -> None:
    rows = own_rows()
    years, sigma = column(rows, "years"), column(rows, "sigma")
    moneyness = column(rows, "forward") / column(rows, "strike")
    assert len(rows) >= 100
    assert years.min() < 3e-6
    assert years.max() > 2.0
    assert sigma.min() < 0.012
    assert sigma.max() > 4.0
    assert moneyness.min() < 0.35
    assert moneyness.max() > 2.9


def test_own_reference_volatilities() -> None:
    rows = own_rows()
    discount = np.exp(-column(rows, "rate") * column(rows, "years"))
    iv, status = GreeksCalculator().implied_volatility(
        column(rows, "market_price"),
        column(rows, "forward"),
        column(rows, "strike"),
        column(rows, "years"),
        column(rows, "is_call") > 0,
        discount,
    )
    assert (status == Status.OK).all()
    tolerance = np.maximum(1e-13, 8 * EPSILON * (1 + column(rows, "condition")))
    assert (np.abs(iv / column(rows, "iv") - 1.0) <= tolerance).all()


def test_own_reference_greeks() -> None:
    rows = own_rows()
    found = GreeksCalculator().greeks(
        column(rows, "forward"),
        column(rows, "strike"),
        column(rows, "years"),
        column(rows, "is_call") > 0,
        column(rows, "sigma"),
        np.exp(-column(rows, "rate") * column(rows, "years")),
    )
    for number, row in enumerate(rows):
        check_greeks(found, number, row["forward"], row, 1e-11)


@cache
def shared_vectors() -> dict[str, Any]:
    path = shared_data("greeks-vectors.json")
    if path is None:
        pytest.skip("the shared reference vectors are not beside this checkout")
    vectors: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return vectors


def cases(model: str) -> list[dict[str, Any]]:
    return [case for case in shared_vectors()["cases"] if case["model"] == model]


def check_volatilities(rows: list[dict[str, Any]], iv: Any, status: Any) -> None:
    for number, row in enumerate(rows):
        if row["status"] == "ambiguous":
            continue
        assert Status(int(status[number])).name == row["status"].upper(), row
        if row["iv"] is None:
            assert math.isnan(iv[number]), row
        else:
            assert iv[number] == pytest.approx(row["iv"], rel=row["tol_iv_rel"], abs=0.0), row


def check_case_greeks(rows: list[dict[str, Any]], found: Greeks, underlying: str) -> None:
    checked = 0
    for number, row in enumerate(rows):
        if row["greeks"] is not None:
            check_greeks(found, number, row[underlying], row["greeks"], 1e-11)
            checked += 1
    assert checked >= 50


def test_shared_vectors_black76() -> None:
    rows = cases("b76")
    calculator = GreeksCalculator()
    years, calls = column(rows, "T"), np.array([row["flag"] == "c" for row in rows])
    discount = np.exp(-column(rows, "r") * years)
    forward, strike = column(rows, "F"), column(rows, "K")
    check_volatilities(
        rows, *calculator.implied_volatility(column(rows, "price"), forward, strike, years, calls, discount)
    )
    check_case_greeks(rows, calculator.greeks(forward, strike, years, calls, column(rows, "sigma"), discount), "F")


def test_shared_vectors_black_scholes() -> None:
    rows = cases("bsm")
    years, calls = column(rows, "T"), np.array([row["flag"] == "c" for row in rows])
    for rate, dividend in sorted({(row["r"], row["q"]) for row in rows}):
        calculator = GreeksCalculator(rate, dividend, Model.BLACK_SCHOLES)
        chosen = [number for number, row in enumerate(rows) if (row["r"], row["q"]) == (rate, dividend)]
        some = [rows[number] for number in chosen]
        spot, strike, time, side = column(some, "S"), column(some, "K"), years[chosen], calls[chosen]
        check_volatilities(some, *calculator.spot_implied_volatility(column(some, "price"), spot, strike, time, side))
        found = calculator.spot_greeks(spot, strike, time, side, column(some, "sigma"))
        for number, row in enumerate(some):
            check_greeks(found, number, row["S"], row["greeks"], 1e-11)


def test_shared_time_cases() -> None:
    for case in shared_vectors()["time_cases"]:
        now = datetime.fromisoformat(case["now_ist"]).replace(tzinfo=IST)
        expiry = datetime.fromisoformat(case["expiry_ist"]).replace(tzinfo=IST)
        assert calendar_years(now, expiry) == pytest.approx(case["T_calendar_365"], rel=1e-12, abs=0.0)
