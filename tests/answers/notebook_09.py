"""Customers: a leak and a forecast of one's own, wrong ones and what the check must say."""

COLUMN = "my_column = past.mean(axis=0) / counts.mean(axis=0)"
FORECAST = """
def my_forecast(past):
    bought = past > 0
    first, silent = bought.argmax(axis=0), bought[::-1].argmax(axis=0)
    rate = (past.sum(axis=0) - 1 + 0.25) / (39 - first + 5)
    return 39 * rate * np.exp(-silent / 25)
"""
RIGHT = [COLUMN, FORECAST]


def with_slip(source, right, wrong):
    assert right in source
    return source.replace(right, wrong)


WRONG = [
    {
        "an honest scale": (
            "my_column = past.sum(axis=0) / past.sum()",
            r"column mine: alone .* AUROC of 0\.\d+.*no leak",
        ),
        "a scale of the future, shared by all": (
            "my_column = (x - counts.sum(axis=0).mean()) / counts.sum(axis=0).std()",
            "no leak; is the scale the customer's own",
        ),
        "noise": ("my_column = np.random.default_rng(0).normal(size=len(x))", r"AUROC of 0\.\d+.*no leak"),
        "not a number": ("my_column = np.full(len(x), np.nan)", r"AUROC of 0\.\d+.*no leak"),
    },
    {
        "the truth": ("my_forecast = lambda past: truth", "it has read the future"),
        "the customer's own rate": (
            "my_forecast = lambda past: (past.sum(axis=0) - 1) / (38 - (past > 0).argmax(axis=0)) * 39",
            "squared error: better by .* not above 0",
        ),
        "the same in whole weeks": (
            "my_forecast = lambda past: (past.sum(axis=0) - 1) / (39 - (past > 0).argmax(axis=0)) * 39",
            "squared error: better by 0.15, interval 0.10 to 0.21, not above 0.5",
        ),
        "the last quarter": (
            "my_forecast = lambda past: past[-13:].sum(axis=0) * 3",
            "squared error: better by .* not above 0",
        ),
        "nobody": ("my_forecast = lambda past: np.zeros(past.shape[1])", "squared error: better by .* not above 0"),
        "not a number": (with_slip(FORECAST, "return 39", "return np.nan"), "one finite number for each"),
        "one number for all": ("my_forecast = lambda past: past.mean()", "one finite number for each"),
        "in place": (with_slip(FORECAST, "    bought", "    past *= 2\n    bought"), "your function changed the past"),
    },
]
