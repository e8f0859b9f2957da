#!/usr/bin/env bash
# Muhurat trading, the hour on Diwali, is in one half of a calendar package and not in the other; Sundays in neither.
#
# What: pandas_market_calendars 5.5.0 ("NSE" and "BSE") and exchange_calendars 4.13.2 ("XBOM"). Both Indian exchanges hold
#   the hour on the same day: 1 November 2024, 21 October 2025, Sunday 8 November 2026; and both traded a whole session on
#   the budget Sundays or Saturdays 1 February 2025 and 1 February 2026.
# Source: the first keeps a list of holidays for each exchange, the second one for Bombay; both have a week of five days.
# Seen: 1 November 2024 and 21 October 2025 are sessions of the first one's NSE and holidays of its BSE and of XBOM. No
#   session at a weekend is in any of them. On 26 January 2027, Republic Day, the first one's NSE is open: its list ends
#   with 2026 and then every weekday is a session; the second one refuses dates behind its list.
# Needs python3. Ends with 1 when one of them behaves otherwise.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env && env/bin/pip install --quiet pandas_market_calendars==5.5.0 exchange_calendars==4.13.2

env/bin/python - <<'PY'
import sys
import exchange_calendars
import pandas_market_calendars

DAYS = ("2024-11-01", "2025-02-01", "2025-10-21", "2026-02-01", "2026-11-08", "2027-01-26")
bombay = exchange_calendars.get_calendar("XBOM")

def is_open(name: str, day: str) -> str:
    if name == "XBOM":
        try:
            return "open" if bombay.is_session(day) else "shut"
        except ValueError as error:  # DateOutOfBounds is one
            return type(error).__name__
    return "open" if len(pandas_market_calendars.get_calendar(name).valid_days(day, day)) else "shut"

found = {day: tuple(is_open(name, day) for name in ("NSE", "BSE", "XBOM")) for day in DAYS}
for day, answers in found.items():
    print(day, "NSE {}, BSE {}, XBOM {}".format(*answers))
expected = {
    "2024-11-01": ("open", "shut", "shut"),
    "2025-02-01": ("shut", "shut", "shut"),
    "2025-10-21": ("open", "shut", "shut"),
    "2026-02-01": ("shut", "shut", "shut"),
    "2026-11-08": ("shut", "shut", "shut"),
    "2027-01-26": ("open", "open", "DateOutOfBounds"),
}
sys.exit(0 if found == expected else "a calendar has changed")
PY
