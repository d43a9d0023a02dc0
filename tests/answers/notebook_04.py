"""Where the gradient goes: answers written without the library's backward pass, wrong ones and what the check says."""

FACTORS = """
def my_factors(params, cache, dy):
    dh, first, second = dy[-1, 0], [], []
    for h in cache.h[:0:-1, 0]:
        da = dh * (1 - h**2)
        back = np.einsum("j,ij->i", da, params["Wh"])
        first.append(np.linalg.norm(da) / np.linalg.norm(dh))
        second.append(np.linalg.norm(back) / np.linalg.norm(da))
        dh = back
    return np.array(first), np.array(second)
"""
GAINS = "my_gains = {0: 1.01, 0.1: 1.22, 1: 1.86}"
RIGHT = [FACTORS, GAINS]


def with_slip(source, right, wrong):
    assert right in source
    return source.replace(right, wrong)


WRONG = [
    {
        "Wh instead of its transpose": (with_slip(FACTORS, "j,ij->i", "j,ji->i"), r"step 1 back, line \(1'\)"),
        "h_{t-1} for h_t": (with_slip(FACTORS, "[:0:-1, 0]", "[-2::-1, 0]"), r"step 1 back, line \(2'\)"),
        "not a number": (
            with_slip(FACTORS, "return np.array(first), np.array(second)", "return np.full((2, len(first)), np.nan)"),
            r"step 1 back, line \(2'\)",
        ),
        "h for its square": (with_slip(FACTORS, "h**2", "h"), r"step 1 back, line \(2'\)"),
        "each step starts from the loss": (with_slip(FACTORS, "dh = back", "pass"), r"step 2 back, line \(2'\)"),
        "the first step first": (
            with_slip(FACTORS, "np.array(first), np.array(second)", "np.array(first)[::-1], np.array(second)[::-1]"),
            r"step 1 back, line \(2'\)",
        ),
        "both lines in one factor": (
            with_slip(
                FACTORS, "np.linalg.norm(back) / np.linalg.norm(da)", "np.linalg.norm(back) / np.linalg.norm(dh)"
            ),
            r"step 1 back, line \(1'\)",
        ),
    },
    {
        "orthogonal for all": ("my_gains = dict.fromkeys([0, 0.1, 1], 1.0)", "input 0.1: norm .* too small"),
        "too large without input": (with_slip(GAINS, "0: 1.01", "0: 1.1"), "input 0: norm .* too large"),
        "one over the factor of line (2')": (
            "my_gains = {0: 1.0, 0.1: 1.064, 1: 1.56}",
            "input 0.1: norm .* too small",
        ),
        "one size left out": ("my_gains = {0: 1.0, 0.1: 1.25}", "input 1: norm .* too small"),
        "too small for large input": (with_slip(GAINS, "1.86", "1.4"), "input 1: norm .* too small"),
    },
]
