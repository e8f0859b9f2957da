"""`Totals`: the line under the rows: sums of both sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from tickertui.frozen import frozen
from tickertui.market.coverage import Coverage
from tickertui.tui.look import format as fmt
from tickertui.tui.look.breakpoints import WIDE
from tickertui.tui.look.format import Units
from tickertui.tui.view.frames import ChainFrame, Field
from tickertui.tui.widgets.one_line import MUTED, PLAIN, OneLine, Piece, Tint, justified, length


class SideTotals(NamedTuple):
    """Sums of one side as text, and the coverage of each where it is not whole.

    Attributes:
        texts: Open interest, its change and the volume.
        parts: ``61/105`` for each, empty where it is of all listed legs.
        worst: That of the sum with the fewest legs.
    """

    texts: tuple[str, str, str]
    parts: tuple[str, str, str]
    worst: str


_Sums = tuple[float, ...]
_SUMMED: Final = [Field.OI, Field.OI_CHANGE, Field.VOLUME]


@frozen
class TotalsView:
    """Values of the line as text, so that an equal view repaints nothing.

    Attributes:
        call: Sums of the calls.
        put: Of the puts.
        pcr_change: Put/call ratio of the changes, with its coverage where it is not of the whole chain.
        pcr_volume: Of the volumes.
        is_mock: Whether the values are synthetic.
    """

    call: SideTotals
    put: SideTotals
    pcr_change: str
    pcr_volume: str
    is_mock: bool


def totals_view(frame: ChainFrame, units: Units) -> TotalsView:
    """Return the line's view of a frame."""
    totals, coverage = frame.totals, frame.totals.coverage
    sums: tuple[_Sums, _Sums] = (
        (totals.call_oi, totals.call_oi_change, totals.call_volume),
        (totals.put_oi, totals.put_oi_change, totals.put_volume),
    )
    if units is not Units.LAKH:
        sums = _in_lots(frame, sums)

    def side(values: _Sums, *parts: Coverage) -> SideTotals:
        oi, change, volume = values
        texts = (fmt.counted(oi, units), fmt.counted(change, units, signed=True), fmt.counted(volume, units))
        told = [part for part in parts if part.text]
        worst = min(told, key=lambda part: part.known).text if told else ""
        return SideTotals(texts, (parts[0].text, parts[1].text, parts[2].text), worst)

    return TotalsView(
        side(sums[0], coverage.call_oi, coverage.call_oi_change, coverage.call_volume),
        side(sums[1], coverage.put_oi, coverage.put_oi_change, coverage.put_volume),
        fmt.covered(fmt.number(totals.pcr_change), coverage.oi_change),
        fmt.covered(fmt.number(totals.pcr_volume), coverage.volume),
        frame.is_mock,
    )  # fmt: skip


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
        """Calls at the left, puts at the right, the ratios between them where the summary has no room for them.

        Where sums are of a part of the chain, each says of how many legs; without room for that, the side says it once,
        for the sum with the fewest, and the ratios go.
        """
        mark, tint = ("~", Tint("mock")) if view.is_mock else ("", PLAIN)
        ratios = [
            Piece("   PCR dOI ", MUTED),
            Piece(mark + view.pcr_change, tint),
            Piece(" vol ", MUTED),
            Piece(mark + view.pcr_volume, tint),
        ]
        forms = [(True, True, False), (True, False, False)] if width >= WIDE else []
        forms += [(False, False, True), (False, False, False)]
        for words, each, with_ratios in forms:
            left, right = (
                _side(label, side, mark, tint, words=words, each=each)
                for label, side in (("CE", view.call), ("PE", view.put))
            )
            left = [Piece(" "), *left, *(ratios if with_ratios else [])]
            right = [*right, Piece(" ")]
            if length(left) + length(right) < width:
                break
        return justified(left, right, width)


def _side(label: str, side: SideTotals, mark: str, tint: Tint, *, words: bool, each: bool) -> list[Piece]:
    """One side.

    Args:
        label: CE or PE.
        side: Its sums.
        mark: Of synthetic values.
        tint: Of values.
        words: Whether each sum is named, and the volume is among them.
        each: Whether each sum carries its coverage; else the side carries the worst one.
    """
    oi, change, volume = (mark + text for text in side.texts)
    by_sign = (
        tint if mark else Tint("gain") if change.startswith("+") else Tint("loss") if change.startswith("-") else PLAIN
    )
    each = each and len(set(side.parts)) > 1
    parts = [[Piece(f" {part}", MUTED)] if each and part else [] for part in side.parts]
    whole = [Piece(f"  {side.worst}", MUTED)] if side.worst and not each else []
    if not words:
        return [Piece(f"Σ {label} ", MUTED), Piece(oi, tint), Piece(" "), Piece(change, by_sign), *whole]
    return [
        Piece(f"Σ {label} OI ", MUTED), Piece(oi, tint), *parts[0], Piece("  dOI ", MUTED), Piece(change, by_sign),
        *parts[1], Piece("  vol ", MUTED), Piece(volume, tint), *parts[2], *whole,
    ]  # fmt: skip
