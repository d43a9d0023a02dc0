"""The cliff: a clipping and a threshold of one's own, wrong ones and what the check must say."""

CLIP = """
def my_clip(grads, max_norm):
    vector = np.concatenate([g.ravel() for g in grads.values()])
    norm = float(np.linalg.norm(vector))
    if not np.isfinite(norm):
        raise ValueError("the gradient is not finite")
    return {name: g * (max_norm / norm if norm > max_norm else 1.0) for name, g in grads.items()}, norm
"""
RIGHT = [CLIP, "my_threshold = 5.0"]


def with_slip(source, right, wrong):
    assert right in source
    return source.replace(right, wrong)


EACH = """
def my_clip(grads, max_norm):
    norms = {name: np.linalg.norm(g) for name, g in grads.items()}
    norm = np.sqrt(sum(n**2 for n in norms.values()))
    return {name: g * min(1, max_norm / norms[name]) for name, g in grads.items()}, norm
"""
IN_PLACE = """
def my_clip(grads, max_norm):
    norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
    for g in grads.values():
        g *= min(1, max_norm / norm)
    return grads, norm
"""
SAME = with_slip(
    CLIP, "g * (max_norm / norm if norm > max_norm else 1.0)", "g * (max_norm / norm) if norm > max_norm else g"
)
WRONG = [
    {
        "by value": (
            "my_clip = rc.clip_by_value",
            r"\(1\) one factor for all entries; yours lie between 0\.\d+ and 1\.000",
        ),
        "each array by itself": (EACH, r"\(1\) one factor for all entries"),
        "in place": (IN_PLACE, r"\(1\) your function changed what was passed in"),
        "scales small ones up": (
            with_slip(CLIP, "max_norm / norm if norm > max_norm else 1.0", "max_norm / norm"),
            "below the limit",
        ),
        "the arrays themselves": (SAME, "below the limit, too, the arrays returned are new"),
        "the square of the norm": (with_slip(CLIP, "np.linalg.norm(vector)", "np.sum(vector**2)"), "the norm before"),
        "twice the limit": (
            with_slip(CLIP, "(max_norm / norm if", "(2 * max_norm / norm if"),
            r"after clipping is 2\.000",
        ),
        "the norm after clipping": (
            with_slip(CLIP, "}, norm", "}, min(norm, max_norm)"),
            "the norm before clipping is 3.67",
        ),
        "divides by a norm of zero": (
            with_slip(CLIP, "max_norm / norm if norm > max_norm else 1.0", "min(1, max_norm / norm)"),
            "a gradient of zeros stays zero",
        ),
        "NaN taken for zero": (
            with_slip(CLIP, "vector = ", "grads = {n: np.nan_to_num(g) for n, g in grads.items()}; vector = "),
            "NaN went in and numbers came out",
        ),
    },
    {
        "the median": ("my_threshold = float(np.median(norms))", "clips 50% of the steps: that is the body"),
        "the maximum": ("my_threshold = float(norms.max())", "clips 0.0% of the steps: the tail"),
        "not a number": ("my_threshold = np.nan", "the tail goes through"),
    },
]
