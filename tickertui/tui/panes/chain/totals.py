"""`Totals`: the line under the rows: sums of both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from tickertui.frozen import frozen
from tickertui.tui.look import format as fmt
from tickertui.tui.look.breakpoints import WIDE
from tickertui.tui.look.format import Units
from tickertui.tui.view.frames import ChainFrame, Field
from tickertui.tui.widgets.one_line import MUTED, PLAIN, OneLine, Piece, Tint, justified

_Sums = tuple[float, ...]
_SUMMED: Final = [Field.OI, Field.OI_CHANGE, Field.VOLUME]


@frozen
class TotalsView:
    """Values of the line as text, so that an equal view repaints nothing.

    Attributes:
        call: Open interest, its change and the volume of the calls.
        put: Of the puts.
        pcr_change: Put/call ratio of the changes.
        pcr_volume: Of the volumes.
        is_mock: Whether the values are synthetic.
    """

    call: tuple[str, str, str]
    put: tuple[str, str, str]
    pcr_change: str
    pcr_volume: str
    is_mock: bool


def totals_view(frame: ChainFrame, units: Units) -> TotalsView:
    """Return the line's view of a frame."""
    totals = frame.totals
    sums: tuple[_Sums, _Sums] = (
        (totals.call_oi, totals.call_oi_change, totals.call_volume),
        (totals.put_oi, totals.put_oi_change, totals.put_volume),
    )
    if units is not Units.LAKH:
        sums = _in_lots(frame, sums)

    def side(values: _Sums) -> tuple[str, str, str]:
        oi, change, volume = values
        return fmt.counted(oi, units), fmt.counted(change, units, signed=True), fmt.counted(volume, units)

    return TotalsView(
        side(sums[0]),
        side(sums[1]),
        fmt.number(totals.pcr_change),
        fmt.number(totals.pcr_volume),
        frame.is_mock,
    )


def _in_lots(frame: ChainFrame, sums: tuple[_Sums, _Sums]) -> tuple[_Sums, _Sums]:
    """The same sums in lots, each leg by its own; one that is withheld stays so."""
    lots, lot = frame.contracts.lots, frame.contracts.lot_size
    if ((lots == lot) | (lots == 0)).all():
        return _divided(sums[0], lot), _divided(sums[1], lot)
    in_lots = frame.values[..., _SUMMED] / np.maximum(lots, 1)[..., None]
    both = np.nansum(in_lots, axis=0).tolist()
    call, put = (
        tuple(value if total == total else total for value, total in zip(values, side, strict=True))
        for values, side in zip(both, sums, strict=True)
    )
    return call, put


def _divided(sums: _Sums, lot: int) -> _Sums:
    oi, change, volume = sums
    return oi / max(lot, 1), change / max(lot, 1), volume / max(lot, 1)


class Totals(OneLine[TotalsView]):
    """The line under the rows."""

    def lay_out(self, view: TotalsView, width: int) -> Sequence[Piece]:
        """Calls at the left, puts at the right, the ratios between them where the summary has no room for them."""
        mark, tint = ("~", Tint("mock")) if view.is_mock else ("", PLAIN)
        if width >= WIDE:
            left, right = _side("CE", view.call, mark, tint, words=True), _side("PE", view.put, mark, tint, words=True)
            return justified([Piece(" "), *left], [*right, Piece(" ")], width)
        left = [
            Piece(" "),
            *_side("CE", view.call, mark, tint, words=False),
            Piece("   PCR dOI ", MUTED),
            Piece(mark + view.pcr_change, tint),
            Piece(" vol ", MUTED),
            Piece(mark + view.pcr_volume, tint),
        ]
        return justified(left, [*_side("PE", view.put, mark, tint, words=False), Piece(" ")], width)


def _side(label: str, values: tuple[str, str, str], mark: str, tint: Tint, *, words: bool) -> list[Piece]:
    oi, change, volume = (mark + value for value in values)
    by_sign = (
        tint if mark else Tint("gain") if change.startswith("+") else Tint("loss") if change.startswith("-") else PLAIN
    )
    if not words:
        return [Piece(f"Σ {label} ", MUTED), Piece(oi, tint), Piece(" "), Piece(change, by_sign)]
    return [
        Piece(f"Σ {label} OI ", MUTED), Piece(oi, tint), Piece("  dOI ", MUTED), Piece(change, by_sign),
        Piece("  vol ", MUTED), Piece(volume, tint),
    ]  # fmt: skip
