"""What key ``f`` of the chain offers: which strikes are worth a line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tickertui.tui.chain_grid.row_order import RowFilter
from tickertui.tui.view.frames import ChainFrame, Field


def _with_oi(frame: ChainFrame) -> NDArray[np.bool_]:
    """Strikes with open interest on either side."""
    return np.asarray((np.nan_to_num(frame.values[:, :, Field.OI]) > 0).any(axis=1))


def _with_price(frame: ChainFrame) -> NDArray[np.bool_]:
    """Strikes with a price on either side."""
    return np.asarray((~np.isnan(frame.values[:, :, Field.LTP])).any(axis=1))


def _heavy(frame: ChainFrame) -> NDArray[np.bool_]:
    """Strikes with at least a tenth of the largest open interest."""
    oi = np.nan_to_num(frame.values[:, :, Field.OI])
    return np.asarray((oi >= oi.max(initial=0.0) / 10).any(axis=1) & (oi > 0).any(axis=1))


def _changing(frame: ChainFrame) -> NDArray[np.bool_]:
    """Strikes whose open interest has changed by a twentieth or more."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.abs(frame.values[:, :, Field.OI_CHANGE]) / frame.values[:, :, Field.OI]
    return np.asarray((np.nan_to_num(share) >= 0.05).any(axis=1))


FILTERS: Final[Mapping[str, tuple[str, RowFilter | None]]] = MappingProxyType(
    {
        "all": ("every strike", None),
        "priced": ("strikes with a price", _with_price),
        "open interest": ("strikes with open interest", _with_oi),
        "heavy": ("at least a tenth of the largest open interest", _heavy),
        "moving": ("open interest changed by 5 % or more", _changing),
    }
)
"""Name -> what it keeps in words, and the filter; None for no filter."""
