"""An expiry strip for screens that are tested without a registry."""

from __future__ import annotations

from datetime import date

from tickertui.tui.view.frames import ListedExpiry


def expiry_marks(
    expiries: tuple[date, ...], today: date, notes: dict[date, str] | None = None
) -> tuple[ListedExpiry, ...]:
    """Mark expiries much as the registry's names do: three months of M, then Q and H by month."""
    marks = []
    for place, expiry in enumerate(expiries):
        following = expiries[place + 1] if place + 1 < len(expiries) else None
        monthly = following is None or (following.year, following.month) != (expiry.year, expiry.month)
        letter = "W"
        if monthly:
            months_out = (expiry.year - today.year) * 12 + expiry.month - today.month
            letter = "M" if months_out <= 3 else "H" if expiry.month in (6, 12) else "Q"
        marks.append(ListedExpiry(expiry, letter, (expiry - today).days, (notes or {}).get(expiry, "")))
    return tuple(marks)
