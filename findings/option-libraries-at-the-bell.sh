#!/usr/bin/env bash
# An option at the instant of its expiry, asked of four option libraries: four kinds of answer, none says "expired".
#
# What: vollib 1.0.11, mibian 0.1.3, blackscholes 0.2.2, QuantLib 1.44; a call at the money (24,350) with a time to expiry
#   of nothing, which is what a chain on the screen holds at 15:30; and of one second.
# Source: closed formulas divide by the volatility times the root of the time; each guards that in its own way.
# Seen: vollib's gamma is not a number and its delta raises a ValueError about integers, while the implied volatility of a
#   price of 2.10 is infinite; mibian raises a ZeroDivisionError; blackscholes an AssertionError; QuantLib prices 10 points
#   of intrinsic value at 0, as what expires on the day of valuation counts as gone since the morning. With a second left
#   vollib's theta of a day is -8,967 on an option that is worth 0.21.
# Needs python3. Ends with 1 when one of them behaves otherwise.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env
env/bin/pip install --quiet vollib==1.0.11 mibian==0.1.3 blackscholes==0.2.2 QuantLib==1.44

env/bin/python -W ignore - <<'PY'
import math, sys
import blackscholes, mibian, QuantLib as ql
from vollib.black_scholes import black_scholes
from vollib.black_scholes.greeks import analytical
from vollib.black_scholes.implied_volatility import implied_volatility

STRIKE, SECOND = 24_350.0, 1 / (365 * 24 * 3600)

def answer(work):
    try:
        return work()
    except Exception as error:
        return type(error).__name__

def quantlib():
    today = ql.Date(30, 11, 2026)
    ql.Settings.instance().evaluationDate = today
    option = ql.VanillaOption(ql.PlainVanillaPayoff(ql.Option.Call, STRIKE), ql.EuropeanExercise(today))
    rate = ql.YieldTermStructureHandle(ql.FlatForward(today, 0.0, ql.Actual365Fixed()))
    flat = ql.BlackConstantVol(today, ql.NullCalendar(), 0.12, ql.Actual365Fixed())
    spot = ql.QuoteHandle(ql.SimpleQuote(STRIKE + 10))
    option.setPricingEngine(
        ql.AnalyticEuropeanEngine(ql.BlackScholesProcess(spot, rate, ql.BlackVolTermStructureHandle(flat)))
    )
    return option.NPV()

found = {
    "vollib delta": answer(lambda: analytical.delta("c", STRIKE, STRIKE, 0.0, 0.0, 0.12)),
    "vollib gamma": answer(lambda: analytical.gamma("c", STRIKE, STRIKE, 0.0, 0.0, 0.12)),
    "vollib implied volatility of 2.10": answer(lambda: implied_volatility(2.10, STRIKE, STRIKE, 0.0, 0.0, "c")),
    "mibian": answer(lambda: mibian.BS([STRIKE, STRIKE, 0, 0], volatility=12).callDelta),
    "blackscholes": answer(lambda: blackscholes.BlackScholesCall(STRIKE, STRIKE, 0.0, 0.0, 0.12).delta()),
    "QuantLib, 10 points in the money": answer(quantlib),
    "vollib price a second before": round(black_scholes("c", STRIKE, STRIKE, SECOND, 0.0, 0.12), 2),
    "vollib theta a second before": round(analytical.theta("c", STRIKE, STRIKE, SECOND, 0.0, 0.12)),
}
for what, value in found.items():
    print(f"{what}: {value}")
gamma = found.pop("vollib gamma")
expected = {
    "vollib delta": "ValueError",
    "vollib implied volatility of 2.10": math.inf,
    "mibian": "ZeroDivisionError",
    "blackscholes": "AssertionError",
    "QuantLib, 10 points in the money": 0.0,
    "vollib price a second before": 0.21,
    "vollib theta a second before": -8967,
}
sys.exit(0 if found == expected and isinstance(gamma, float) and math.isnan(gamma) else "a library has changed")
PY
