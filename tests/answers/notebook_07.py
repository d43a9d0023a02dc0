"""Truncation: answers written with forward and backward alone, wrong ones and what the check must say."""

COUNTED = {"k1 = 4, k2 = 4": 30, "k1 = 1, k2 = 4": 42, "k1 = 4, k2 = 8": 62, "k1 = 3, k2 = 6": 51}
TRUNCATED = """
def my_truncated(dy, k1, k2):
    states = [(h_0,)]
    for t in range(T):
        states.append(layer.forward(params, x[t : t + 1], states[-1])[1])
    dWh = 0
    for start in range(0, T, k1):
        end = min(start + k1, T)
        oldest = max(0, end - k2)
        cache = layer.forward(params, x[oldest:end], states[oldest])[2]
        upstream = dy[oldest:end].copy()
        upstream[: start - oldest] = 0
        dWh = dWh + layer.backward(params, cache, upstream)[0]["Wh"]
    return dWh
"""
RIGHT = [f"mine = {COUNTED}", TRUNCATED]


def with_slip(source, right, wrong):
    assert right in source
    return source.replace(right, wrong)


WRONG = [
    {
        "the diagonal forgotten": (f"mine = {COUNTED | {'k1 = 4, k2 = 4': 18}}", "k2 = 4: .*reaches its own step too"),
        "chunks for every loss": (f"mine = {COUNTED | {'k1 = 1, k2 = 4': 30}}", "k1 = 1.*that is chunks of 4"),
        "something before the first block": (f"mine = {COUNTED | {'k1 = 4, k2 = 8': 78}}", "k2 = 8.*nothing before it"),
        "chunks of k2": (f"mine = {COUNTED | {'k1 = 4, k2 = 8': 46}}", "k2 = 8.*that is chunks of 8"),
        "half done": ("mine = {'k1 = 4, k2 = 4': 30}", "k1 = 1, k2 = 4 is empty"),
    },
    {
        "the state not carried on": (
            with_slip(TRUNCATED, ", states[oldest])", ", (h_0,))"),
            "k1 = 6, k2 = 6.*step none",
        ),
        "older losses counted again": (
            with_slip(TRUNCATED, "upstream[: start - oldest] = 0", "pass"),
            "k1 = 1, k2 = 6: the loss at step 0 .* step none",
        ),
        "one step short": (
            with_slip(TRUNCATED, "max(0, end - k2)", "max(0, end - k2 + 1)"),
            "k1 = 24, k2 = 24: the loss at step 0 is carried back to step 0; yours to step none",
        ),
        "chunks whatever k2": (
            with_slip(TRUNCATED, "max(0, end - k2)", "start"),
            "k1 = 1, k2 = 6: the loss at step 1 is carried back to step 0; yours to step 1",
        ),
        "nothing cut": (
            with_slip(TRUNCATED, "max(0, end - k2)", "0"),
            "k1 = 6, k2 = 6: the loss at step 6 is carried back to step 6; yours to step 0",
        ),
        "not a number": ("my_truncated = lambda dy, k1, k2: np.full((H, H), np.nan)", "loss at step 0 .* step none"),
        "dy changed": (
            with_slip(TRUNCATED, "dy[oldest:end].copy()", "dy[oldest:end]"),
            "your function changed dy",
        ),
    },
]
