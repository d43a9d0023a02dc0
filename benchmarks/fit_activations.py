"""Fit the polynomials of rnncore/kernels/activations.py: minimax in the relative error (Remez 1934).

    expm1(r) = r + r^2 q(r)    for |r| <= ln(2)/2

The unknowns are the coefficients of q and the largest error E; at degree + 2 points sign(r) times the relative error
is +E, -E, ...
A step solves that linear system, then moves the points to the extremes of the error. Decimal arithmetic, 50 digits.

    python benchmarks/fit_activations.py
"""

from decimal import Decimal, getcontext

import numpy as np

getcontext().prec = 50
HALF_LOG_2 = Decimal(2).ln() / 2


def expm1(r: Decimal) -> Decimal:
    """Return exp(r) - 1 by its series, which cancels nothing near zero."""
    term, total, n = r, r, 1
    while abs(term) > Decimal("1e-60") and n < 60:
        n += 1
        term = term * r / n
        total += term
    return total


def solve(rows: list[list[Decimal]]) -> list[Decimal]:
    """Solve a linear system; each row ends in its right-hand side."""
    n = len(rows)
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(rows[i][k]))
        rows[k], rows[pivot] = rows[pivot], rows[k]
        for i in range(n):
            if i != k:
                factor = rows[i][k] / rows[k][k]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [rows[k][n] / rows[k][k] for k in range(n)]


def relative_error(q: list[Decimal], r: Decimal) -> Decimal:
    """Return (r + r^2 q(r)) / expm1(r) - 1."""
    total = Decimal(0)
    for coefficient in reversed(q):
        total = total * r + coefficient
    return (r + r * r * total) / expm1(r) - 1


def fit(degree: int) -> tuple[list[Decimal], Decimal]:
    """Return the coefficients of q, lowest first, and the largest relative error of r + r^2 q(r)."""
    points = [HALF_LOG_2 * Decimal(float(np.cos(np.pi * (k + 0.5) / (degree + 2)))) for k in range(degree + 2)]
    grid = [HALF_LOG_2 * Decimal(float(np.cos(np.pi * (k + 0.5) / 1000))) for k in range(1000)]
    for _ in range(8):
        rows = []
        for k, r in enumerate(points):
            weight = r * r / expm1(r)  # changes its sign with r, and so must the alternating error
            error = Decimal((-1) ** k).copy_sign((-1) ** k * r)
            rows.append([weight * r**n for n in range(degree + 1)] + [error, 1 - r / expm1(r)])
        q = solve(rows)[:-1]
        errors = [relative_error(q, r).copy_sign(relative_error(q, r) * r) for r in grid]
        points = extremes(grid, errors, degree + 2)
    return q, max(abs(e) for e in errors)


def extremes(grid: list[Decimal], errors: list[Decimal], count: int) -> list[Decimal]:
    """Return the point of largest error in each run of one sign; there are `count` runs."""
    runs: list[tuple[Decimal, Decimal]] = []
    for r, e in zip(grid, errors, strict=True):
        if runs and (runs[-1][1] > 0) == (e > 0):
            runs[-1] = max(runs[-1], (r, e), key=lambda run: abs(run[1]))
        else:
            runs.append((r, e))
    assert len(runs) == count, f"{len(runs)} runs of one sign instead of {count}"
    return [r for r, _ in runs]


if __name__ == "__main__":
    for name, real, degree in (("float32", np.float32, 4), ("float64", np.float64, 9), ("float64", np.float64, 10)):
        q, error = fit(degree)
        print(
            f"{name}: degree {degree}, relative error {float(error):.1e} = {float(error) / np.finfo(real).eps:.3f} eps"
        )
        print("   ", ", ".join(repr(float(c)) for c in q))
