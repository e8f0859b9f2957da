"""The option kernel against the libraries a Python program would otherwise use, in one run and one thread.

Targets: implied volatility and four Greeks of 9,000 options under 1 ms, at least 5 times faster than the fastest
peer at 9,000 and 200 times faster than vollib; 45,000 under 5 ms; growth linear; the pure part of a valuation
round of 9,000 rows (price choice, forwards, both sides, Greeks) under 4 ms.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.harness import MissingPeer, Result, best_of, compare, import_peer
from tickertui.market.black import Greeks
from tickertui.market.forward import ForwardInputs, choose_forwards, parity_forwards
from tickertui.market.mills import Floats
from tickertui.market.option_kernel import OptionKernel, spread
from tickertui.market.price_selection import is_unreliable, select_price, select_volatility

SCALAR_OPTIONS = 300
"""Options that the scalar peers are timed on; their time per option does not depend on the number."""


@dataclass(frozen=True, slots=True)
class Universe:
    """A listed universe: slices of 90 rows (45 strikes, call and put), skewed smile, prices on the tick grid."""

    lengths: NDArray[np.intp]
    forwards: Floats
    expiries: Floats
    forward: Floats
    strike: Floats
    years: Floats
    is_call: NDArray[np.bool_]
    price: Floats

    @classmethod
    def of(cls, size: int, seed: int = 7) -> Universe:
        """Build ``size`` options, each with a time value of at least one tick, as traded options have."""
        rng = np.random.default_rng(seed)
        slices = -(-size // 90)
        forwards = rng.choice([24_873.35, 81_250.6, 52_340.1, 1_420.5, 837.35], slices)
        expiries = rng.choice([1.2, 6.2, 13.2, 27.2, 34.2, 62.2], slices) / 365
        steps = np.repeat(np.arange(45) - 22, 2)
        forward, years = np.repeat(forwards, 90)[:size], np.repeat(expiries, 90)[:size]
        distance = np.tile(steps, slices)[:size] * 0.25 * 0.13 * np.sqrt(years)
        strike = forward * np.exp(distance)
        is_call = np.tile([True, False], slices * 45)[:size]
        iv = 0.13 - 0.3 * distance + 1.5 * distance**2
        out = Greeks.empty(size)
        OptionKernel(size).greeks(forward, strike, years, is_call, iv, None, out)
        intrinsic = np.maximum(np.where(is_call, forward - strike, strike - forward), 0.0)
        price = np.maximum(np.round(out.price / 0.05) * 0.05, np.ceil(intrinsic / 0.05 + 1.0) * 0.05)
        lengths = np.full(slices, 90, dtype=np.intp)
        lengths[-1] = size - 90 * (slices - 1)
        return cls(lengths, forwards, expiries, forward, strike, years, is_call, price)

    def __len__(self) -> int:
        return len(self.price)


def run() -> list[Result]:
    """Measure everything; peers that are not installed are reported as skipped."""
    rows = [_valued(size) for size in (100, 1_000)]
    small, large = _valued(9_000), _valued(45_000)
    rows += [small, *_peers(small.value), large, _growth(small, large)]
    rows += [
        _total("IV + 4 Greeks, 9,000", small, 9_000, "< 1 ms"),
        _total("IV + 4 Greeks, 45,000", large, 45_000, "< 5 ms"),
    ]
    rows += [_iv_only(9_000), _valued(9_000, higher=True), _round(9_000)]
    return rows


def _per_option(size: int, fn: Callable[[], object]) -> float:
    return best_of(fn, rounds=9, inner=max(3, 60_000 // size)) / size * 1e9


def _valued(size: int, higher: bool = False) -> Result:
    u, kernel = Universe.of(size), OptionKernel(size)
    iv, status, out = np.empty(size), np.empty(size, dtype=np.int8), Greeks.empty(size)
    figure = _per_option(
        size,
        lambda: kernel.value(u.price, u.forward, u.strike, u.years, u.is_call, None, iv, status, out, higher=higher),
    )
    if (status != 0).any():
        raise RuntimeError("the benchmark's universe has rows without a volatility; its figures would not compare")
    return Result(
        f"IV + {8 if higher else 4} Greeks, n = {size:,}",
        figure,
        "ns/option",
        target="70-80 with AVX-512" if size == 9_000 and not higher else "",
    )


def _iv_only(size: int) -> Result:
    u, kernel = Universe.of(size), OptionKernel(size)
    iv, status = np.empty(size), np.empty(size, dtype=np.int8)
    figure = _per_option(
        size,
        lambda: kernel.implied_volatility(u.price, u.forward, u.strike, u.years, u.is_call, None, iv, status),
    )
    return Result(f"IV, n = {size:,}", figure, "ns/option")


def _total(name: str, row: Result, size: int, target: str) -> Result:
    return Result(name, row.value * size / 1e6, "ms", target=target)


def _growth(small: Result, large: Result) -> Result:
    return Result("cost per option, 45,000 / 9,000", large.value / small.value, "x", target="about 1 (linear)")


def _peers(ours: float) -> list[Result]:
    name = "IV + 4 Greeks, 9,000, against"
    rows = []
    for module, label, measure, target in (
        ("vollib.black.implied_volatility", "vollib", _vollib, "> 200x"),
        ("QuantLib", "QuantLib", _quantlib, "> 5x"),
        ("fast_vollib", "fast-vollib", _fast_vollib, "> 5x"),
        ("fast_vollib.jackel", "fast-vollib (jackel)", _fast_vollib_jackel, "> 5x"),
    ):
        peer = import_peer(module)
        if isinstance(peer, MissingPeer):
            rows.append(compare(f"{name} {label}", ours, "ns/option", peer, None, target))
        else:
            rows.append(compare(f"{name} {label}", ours, "ns/option", label, measure(peer), target))
    return rows


def _vollib(solver: Any) -> float:
    from vollib.black.greeks import analytical

    u = Universe.of(SCALAR_OPTIONS)
    options = list(zip(*(c.tolist() for c in (u.price, u.forward, u.strike, u.years, u.is_call)), strict=True))

    def value() -> None:
        for price, forward, strike, years, is_call in options:
            flag = "c" if is_call else "p"
            iv = solver.implied_volatility(price, forward, strike, 0.0, years, flag)
            for greek in (analytical.delta, analytical.gamma, analytical.theta, analytical.vega):
                greek(flag, forward, strike, years, 0.0, iv)

    return best_of(value, rounds=3) / SCALAR_OPTIONS * 1e9


def _quantlib(ql: Any) -> float:
    u = Universe.of(SCALAR_OPTIONS)
    options = list(zip(*(c.tolist() for c in (u.price, u.forward, u.strike, u.years, u.is_call)), strict=True))

    def value() -> None:
        for price, forward, strike, years, is_call in options:
            kind = ql.Option.Call if is_call else ql.Option.Put
            deviation = ql.blackFormulaImpliedStdDev(kind, strike, forward, price)
            calculator = ql.BlackCalculator(ql.PlainVanillaPayoff(kind, strike), forward, deviation)
            calculator.deltaForward()
            calculator.gammaForward()
            calculator.theta(forward, years)
            calculator.vega(years)

    return best_of(value, rounds=5, inner=3) / SCALAR_OPTIONS * 1e9


def _fast_vollib(fast: Any) -> float:
    u = Universe.of(9_000)
    flags = np.where(u.is_call, "c", "p")

    def value() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            iv = fast.fast_implied_volatility_black(
                u.price, u.forward, u.strike, 0.0, u.years, flags, return_as="numpy", backend="numpy"
            )
            _fast_greeks(fast, u, flags, iv)

    return best_of(value, rounds=5) / len(u) * 1e9


def _fast_vollib_jackel(jackel: Any) -> float:
    import fast_vollib

    u = Universe.of(9_000)
    flags = np.where(u.is_call, "c", "p")

    def value() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            iv = jackel.jackel_iv_black(u.price, u.forward, u.strike, u.years, u.is_call)
            _fast_greeks(fast_vollib, u, flags, iv)

    return best_of(value, rounds=5) / len(u) * 1e9


def _fast_greeks(fast: Any, u: Universe, flags: NDArray[np.str_], iv: Floats) -> None:
    for greek in (fast.vectorized_delta, fast.vectorized_gamma, fast.vectorized_theta, fast.vectorized_vega):
        greek(flags, u.forward, u.strike, u.years, 0.0, iv, model="black", return_as="numpy", backend="numpy")


def _round(size: int) -> Result:
    """The pure part of a valuation round over one row array per input, as the valuation service does it."""
    u, kernel = Universe.of(size), OptionKernel(size)
    bid, ask = u.price - 0.025, u.price + 0.025
    age, tick = np.full(size, 3.0), np.full(size, 0.05)
    other = np.arange(size, dtype=np.intp) ^ 1
    forward, years = np.empty(size), np.empty(size)
    iv, status, out = np.empty(size), np.empty(size, dtype=np.int8), Greeks.empty(size)
    ones = np.ones(len(u.lengths))

    def value() -> None:
        chosen = select_price(bid, ask, u.price, age, tick)
        parity = parity_forwards(u.lengths // 2, u.strike[::2], bid[::2], ask[::2], bid[1::2], ask[1::2], ones)
        forwards = choose_forwards(parity, ForwardInputs.unknown(u.expiries), carry_rate=0.055)
        spread(forwards.value, u.lengths, forward)
        spread(u.expiries, u.lengths, years)
        kernel.implied_volatility(chosen.price, forward, u.strike, years, u.is_call, None, iv, status)
        used = select_volatility(iv, forward, u.strike, u.is_call, other)
        kernel.greeks(forward, u.strike, years, u.is_call, used.iv, None, out, higher=False)
        is_unreliable(out.vega, tick, ask - bid, chosen.source)

    return Result(
        "valuation round without the board, 9,000 rows", best_of(value, rounds=9, inner=7) * 1e3, "ms", target="< 4 ms"
    )
