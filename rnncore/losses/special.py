"""Functions that likelihoods need and NumPy lacks, in float64, for complex arguments near the real axis too.

log Gamma(x) = (x - 1/2) log x - x + log(2 pi)/2 + S(x)             (1)   Stirling (1730)
S(x) = sum_k B_2k / (2k (2k - 1) x^(2k - 1)),  for x >= 10          (2)   DLMF 5.11.1, eight terms: 3e-17
psi(x) = d log Gamma(x)/dx                                          (3)   its derivative term by term
Gamma(x) = Gamma(x + 10) / (x (x + 1) ... (x + 9))                  (4)   takes a smaller x there, DLMF 5.5.1
"""

from __future__ import annotations

import numpy as np

from rnncore.typing import Array

FAR = 10  # from here on (2) holds to the last digit
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)  # B_2, B_4, ... B_16


def stirling(x: Array) -> tuple[Array, Array]:
    """Return (2) and its derivative, for real parts of at least 10.

    >>> [float(s.round(12)) for s in stirling(np.array(10.0))]
    [0.008330563433, -0.000832503927]
    """
    inverse = 1 / x
    value, derivative = np.zeros_like(inverse), np.zeros_like(inverse)
    for k, b in reversed(list(enumerate(BERNOULLI, start=1))):  # Horner's scheme in 1/x^2
        value = value * inverse**2 + b / (2 * k * (2 * k - 1))
        derivative = derivative * inverse**2 - b / (2 * k)
    return value * inverse, derivative * inverse**2


def gammaln(x: Array) -> Array:
    """Return log Gamma(x) for x > 0, by (1) and (4).

    >>> gammaln(np.array([1.0, 0.5, 101.0])).round(6)
    array([  0.      ,   0.572365, 363.739376])
    """
    near = x.real < FAR
    up = np.where(near, x + FAR, x)
    product = np.ones_like(up)
    for k in range(FAR):
        product = np.where(near, product * np.where(near, x + k, 1), product)
    out: Array = (up - 0.5) * np.log(up) - up + np.log(2 * np.pi) / 2 + stirling(up)[0] - np.log(product)
    return out


def digamma(x: Array) -> Array:
    """Return psi(x) for x > 0, by (3) and (4).

    >>> digamma(np.array([1.0, 100.0])).round(6)
    array([-0.577216,  4.600162])
    """
    near = x.real < FAR
    up = np.where(near, x + FAR, x)
    terms: Array | int = sum(np.where(near, 1 / np.where(near, x + k, 1), 0) for k in range(FAR))
    out: Array = np.log(up) - 0.5 / up + stirling(up)[1] - terms
    return out


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z)), never overflowing.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    small = np.exp(np.where(z.real < 0, z, -z))
    out: Array = np.where(z.real >= 0, 1, small) / (1 + small)
    return out


def softplus(z: Array) -> Array:
    """Return log(1 + exp(z)), never overflowing.

    >>> softplus(np.array([-1000.0, 0.0, 1000.0])).round(4).tolist()
    [0.0, 0.6931, 1000.0]
    """
    return np.where(z.real >= 0, z, 0 * z) + np.log1p(np.exp(np.where(z.real < 0, z, -z)))


def log_softplus(z: Array) -> tuple[Array, Array]:
    """Return log(softplus(z)) and its derivative, both right where softplus is too small for any float.

    >>> [part.round(4) for part in log_softplus(np.array([-1000.0, 0.0]))]
    [array([-1.000e+03, -3.665e-01]), array([1.    , 0.7213])]
    """
    tiny = z.real < -36  # softplus(z) = exp(z) (1 - exp(z)/2 ...) there, and exp(-36) is below the last digit
    plus = softplus(np.where(tiny, 0, z))
    return np.where(tiny, z, np.log(plus)), np.where(tiny, 1, sigmoid(z) / plus)


def log1p_less(q: Array) -> Array:
    """Return log(1 + q) - q for q >= 0 without cancellation, by log(1 + q) = 2 artanh(u) with u = q / (2 + q).

    >>> log1p_less(np.array([1e-9, 1.0])).round(20)
    array([-5.00000000e-19, -3.06852819e-01])
    """
    small = q.real < 0.5
    u = np.where(small, q, 0)
    u = u / (2 + u)
    series = sum(u ** (2 * k + 1) / (2 * k + 1) for k in range(1, 13))
    return np.where(small, 2 * series - 2 * u * u / (1 - u), np.log1p(q) - q)


def over_expm1(x: Array) -> Array:
    """Return x / (exp(x) - 1) for x >= 0: from 1 at x = 0 down to 0.

    >>> over_expm1(np.array([0.0, 1.0, 1e4])).round(4)
    array([1.   , 0.582, 0.   ])
    """
    small, big = np.abs(x) < 1e-5, x.real > 700
    low, middle = np.where(small, x, 0), np.where(small | big, 1, x)
    return np.where(small, 1 - low / 2 + low * low / 12, np.where(big, 0, middle / np.expm1(middle)))


def log1m_exp(x: Array, log_x: Array) -> Array:
    """Return log(1 - exp(-x)) for x > 0; its logarithm is given too, for an x that is too small for any float.

    >>> log1m_exp(np.array([0.0, 1.0, 9.0]), np.log([1e-300, 1.0, 9.0])).round(4)
    array([-6.907755e+02, -4.587000e-01, -1.000000e-04])
    """
    small, large = np.abs(x) < 1e-5, x.real > 1
    low, middle, high = np.where(small, x, 0), np.where(small | large, 1, x), np.where(large, x, 1)
    above = np.where(large, np.log1p(-np.exp(-high)), np.log(-np.expm1(-middle)))
    return np.where(small, log_x - low / 2 + low * low / 24, above)
