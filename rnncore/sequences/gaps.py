"""Values with gaps at irregular times, as `rnncore.GRUD` reads them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.typing import Array


def with_gaps(values: ArrayLike, times: ArrayLike) -> Array:
    """Return one history with gaps (L, 3D) as `rnncore.GRUD` reads it: values, masks and elapsed times side by side.

    values: (L, D) with NaN where a value is missing, which becomes 0 under a mask of 0. times: (L,) in any unit, rising
    or equal. An elapsed time is that since the feature was last observed before the step, or since the first step (Che
    et al. 2018, eq. 2). The dtype is that of values. ContractError where shapes differ, or times fall or are not
    finite.

    >>> with_gaps([[1.0, np.nan], [np.nan, np.nan], [2.0, 5.0]], times=[0, 1, 3])
    array([[1., 0., 1., 0., 0., 0.],
           [0., 0., 0., 0., 1., 1.],
           [2., 5., 1., 1., 3., 3.]])
    """
    v, s = np.asarray(values), np.asarray(times, float if np.size(times) == 0 else None)
    checks.array("values", v, ("L", "D"), None, "one row for each step, NaN where a value is missing")
    if s.shape != v.shape[:1] or s.dtype.kind not in "iuf" or not np.isfinite(s).all() or (np.diff(s) < 0).any():
        came = f"shape {s.shape}, dtype {s.dtype}" + (
            "" if s.dtype.kind not in "iuf" else ", or falling, or not finite"
        )
        raise ContractError("times", f"{len(v)} finite numbers that do not fall", came, "sort the steps by time")
    observed = ~np.isnan(v)
    clock = np.repeat(s.astype(np.float64)[:, None], v.shape[1], axis=1)
    last = np.maximum.accumulate(np.where(observed, clock, clock[:1]), axis=0)
    elapsed = clock - np.concatenate([clock[:1], last[:-1]])
    return np.concatenate([block.astype(v.dtype) for block in (np.where(observed, v, 0), observed, elapsed)], axis=1)
