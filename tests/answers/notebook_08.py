"""The fast twin: gates written in plain Numba, wrong ones and what the check must say."""

GATES = """
import math

@numba.njit
def sigma(x):
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    e = math.exp(x)
    return e / (1 + e)

@numba.njit
def some_gates(a, out, first, last):
    for n in range(first, last):
        for k in range(4):
            x = float(a[n, k])
            out[n, k] = math.tanh(x) if k == 2 else sigma(x)

def my_gates(a, threads):
    out = np.zeros_like(a)
    size = -(-len(a) // threads)
    for first in range(0, len(a), size):
        some_gates(a, out, first, min(first + size, len(a)))
    return out
"""
RIGHT = [GATES]


def with_slip(source, right, wrong):
    assert right in source
    return source.replace(right, wrong)


WRONG = [
    {
        "NaN clamped away": (
            with_slip(GATES, "x = float(a[n, k])", "x = 40.0 if not a[n, k] < 40 else float(a[n, k])"),
            "NaN in must give NaN out; column 0 gives",
        ),
        "all of fastmath": (GATES.replace("@numba.njit", "@numba.njit(fastmath=True)"), "NaN in must give NaN out"),
        "tanh as a sigmoid": (
            with_slip(GATES, "math.tanh(x) if", "2 / (1 + np.exp(np.float32(-2 * x))) - np.float32(1) if"),
            r"column 2 \(g\) at a = .* units of the last place",
        ),
        "sigmoid by way of tanh": (
            with_slip(GATES, "e / (1 + e)", "0.5 * np.float32(math.tanh(0.5 * x)) + 0.5"),
            r"column \d \([ifo]\) at a = -\d.* units of the last place",
        ),
        "a rational tanh": (with_slip(GATES, "math.tanh(x) if", "x / (1 + abs(x)) if"), r"column 2 \(g\) at a = "),
        "tanh in the wrong column": (with_slip(GATES, "k == 2", "k == 3"), r"column \d \([go]\) at a = "),
        "rows left over": (
            with_slip(GATES, "-(-len(a) // threads)", "len(a) // threads").replace(
                "range(0, len(a), size)", "range(0, size * threads, size)"
            ),
            "2 threads give other bits than 1, first in row 4000",
        ),
        "in place": (with_slip(GATES, "out = np.zeros_like(a)", "out = a"), "your function changed a"),
        "in float64": (with_slip(GATES, "return out", "return out.astype(float)"), "float32 of shape .*got float64"),
    },
]
