"""Small array functions that every floor uses."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def distinct(values: NDArray[Number]) -> NDArray[Number]:
    """Return the distinct values, ascending, as ``np.unique(values)`` does.

    That one looks for masked arrays and imports ``numpy.ma`` to do so: 20 ms of the start.

    Args:
        values: One dimension, no NaN.
    """
    ordered = np.sort(values)
    is_first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    chosen: NDArray[Number] = ordered[is_first]
    return chosen
