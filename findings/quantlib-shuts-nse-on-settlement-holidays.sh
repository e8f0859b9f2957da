#!/usr/bin/env bash
# QuantLib's calendar of the National Stock Exchange of India is shut on days on which the exchange trades.
#
# What: QuantLib 1.44 (Python wheel), `India(India.NSE)`, over the weekdays of 2026, beside exchange_calendars 4.13.2
#   (XBOM; both exchanges trade on the same weekdays).
# Source: the class takes the exchange's list of holidays of the year, in which days without settlement of funds stand
#   beside days without trading.
# Seen: 19 February, 19 March, 1 April and 26 August 2026 are no business days for QuantLib. They are settlement holidays:
#   the market is open. Days to expiry, and an expiry that is moved to the day before a holiday, come out wrong by one.
# Needs python3. Ends with 1 when either behaves otherwise.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env && env/bin/pip install --quiet QuantLib==1.44 exchange_calendars==4.13.2

env/bin/python - <<'PY'
import sys
from datetime import date, timedelta
import exchange_calendars
import QuantLib

nse, bombay = QuantLib.India(QuantLib.India.NSE), exchange_calendars.get_calendar("XBOM")
days = [date(2026, 1, 1) + timedelta(number) for number in range(365)]
weekdays = [day for day in days if day.weekday() < 5]
open_there = {session.date() for session in bombay.sessions_in_range("2026-01-01", "2026-12-31")}
open_here = {day for day in weekdays if nse.isBusinessDay(QuantLib.Date(day.day, day.month, day.year))}
shut_while_open = sorted(open_there - open_here)
print("QuantLib shut, exchange open:", *shut_while_open)
print("QuantLib open, exchange shut:", *sorted(open_here - open_there))
expected = [date(2026, 2, 19), date(2026, 3, 19), date(2026, 4, 1), date(2026, 8, 26)]
sys.exit(0 if shut_while_open == expected and not open_here - open_there else "a calendar has changed")
PY
