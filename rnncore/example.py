"""The classic worked example: 36 months of sales, windows of 6, an LSTM with 50 relu units; and was it worth it?

    data          100 + 10 i + noise of the whole numbers -20 to 19, all alike likely, in month i = 0 to 35
    network       each window of 6 months, scaled so that the 36 lie between 0 and 1, to the month after it;
                  LSTM(1, 50, relu), its last output, Dense(50, 1); mean squared error, Adam, batches of 32, 100 epochs
    judged by     month 37 of 1,000 other series of the same kind: the network as it is, and simple methods that read
                  the 36 months of each; nobody can do better in the mean than the noise, 10

A line knows how the series were made, as whoever looks at the plot does.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

import rnncore as rc
from rnncore.interop.atomic import replacing, require_free
from rnncore.typing import Array

MONTHS, WINDOW, UNITS, EPOCHS, BATCH, OTHERS = 36, 6, 50, 100, 32, 1000
NETWORK, LINE = "LSTM", "linear trend"


class Forecast(NamedTuple):
    """What came of the example."""

    series: Array
    """The months that the network learned from, (36,)."""
    fitted: Array
    """What it says of months 7 to 37, (31,): the last is the forecast."""
    line: Array
    """A line through the 36 months, at months 1 to 37, (37,)."""
    losses: tuple[float, float]
    """Mean squared error of the scaled months in the first epoch, and in the last."""
    errors: dict[str, Array]
    """Absolute error in month 37 of each of the other series, by method, (1000,), the lowest mean first."""

    @property
    def verdict(self) -> tuple[str, str]:
        """Which method, and why: the network only where its error is clearly lower."""
        best = next(name for name in self.errors if name != NETWORK)
        gap = self.errors[best] - self.errors[NETWORK]
        wide = 1.96 * gap.std(ddof=1) / np.sqrt(len(gap))
        low, high = gap.mean() - wide, gap.mean() + wide
        shown = (
            f"error of {best} minus that of the {NETWORK} {gap.mean():+.2f}, 95 % interval {low:+.2f} to {high:+.2f}"
        )
        if low > 0:
            return NETWORK, f"The network was worth it: {shown}."
        said = "A line is enough" if best == LINE else "A simple method is enough"
        return best, f"{said}: {shown}."

    def __str__(self) -> str:
        rows = [" ".join(f"{sales:4.0f}" for sales in year) for year in self.series.reshape(-1, 12)]
        months = [f"  {12 * k + 1:2d} to {12 * k + 12:2d}  {row}" for k, row in enumerate(rows)]
        width = max(map(len, self.errors))
        table = [f"  {name.ljust(width)}  {error.mean():5.2f}" for name, error in self.errors.items()]
        name, reason = self.verdict
        first, last = self.losses
        month, trend = MONTHS + 1, self.line[-1]
        told = f"An {NETWORK} with {UNITS} relu units reads {WINDOW} months; {EPOCHS} epochs"
        return "\n".join(
            [
                f"Sales of {MONTHS} months:",
                *months,
                f"{told}, loss {first:.3f} to {last:.4f}.",
                f"Month {month}: the {NETWORK} says {self.fitted[-1]:.0f}, a line through all months {trend:.0f}.",
                f"Mean absolute error in month {month} of {OTHERS:,} other series (the noise alone: 10):",
                *table,
                f"Verdict: {name}. {reason}",
            ]
        )


def forecast(seed: int = 0) -> Forecast:
    """Draw the series, train the network, forecast the month after, and judge it against simple methods.

    >>> found = forecast(seed=0)
    >>> found.verdict[0], len(found.fitted)
    ('linear trend', 31)
    """
    rng = np.random.default_rng(seed)
    series = _drawn(rng, 1, MONTHS)[0]
    low, high = series.min(), series.max()
    scaled = ((series - low) / (high - low)).astype(np.float32)
    model = rc.Stack(
        rc.LSTM(1, UNITS, activation="relu", backend="numpy"), rc.Last(), rc.Dense(UNITS, 1)
    )  # 100 small steps are over before Numba is loaded
    batches = rc.sequences.Windows(scaled, WINDOW, batch_size=BATCH, seed=seed)
    params, history = rc.fit(model, model.init(seed), batches, rc.losses.mse, rc.Adam(), epochs=EPOCHS)

    def network(months: Array) -> Array:
        """The month after each row of 6 months, (N, 6) to (N,)."""
        x = ((months - low) / (high - low)).astype(np.float32)
        said: Array = model.forward(params, x.T[:, :, None])[0][:, 0]
        unscaled: Array = low + (high - low) * said.astype(np.float64)
        return unscaled

    others = _drawn(rng, OTHERS, MONTHS + 1)
    past, came = others[:, :-1], others[:, -1]
    said = {
        NETWORK: network(past[:, -WINDOW:]),
        LINE: _lines(past)[:, -1],
        "drift": past[:, -1] + (past[:, -1] - past[:, 0]) / (MONTHS - 1),
        "last value": past[:, -1],
    }
    errors = {name: np.abs(prediction - came) for name, prediction in said.items()}
    return Forecast(
        series,
        network(np.lib.stride_tricks.sliding_window_view(series, WINDOW)),
        _lines(series[None])[0],
        (history[0]["train_loss"], history[-1]["train_loss"]),
        dict(sorted(errors.items(), key=lambda pair: float(pair[1].mean()))),
    )


def plot(found: Forecast, path: str | os.PathLike[str], force: bool = False) -> None:
    """Draw the months, what the network and the line say of them, and the forecasts, into a PNG file.

    ContractError where the file exists, unless `force`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    require_free(Path(path), force, "path")
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    months = np.arange(1, MONTHS + 2)
    axes.plot(months[:-1], found.series, "o", color="0.35", ms=4, label="sales")
    axes.plot(months[WINDOW:], found.fitted, color="#c2410c", lw=1.6, label=f"{NETWORK}, one month ahead")
    axes.plot(months, found.line, color="#1d4ed8", lw=1.2, ls="--", label="a line through all months")
    axes.plot(months[-1], found.fitted[-1], "D", color="#c2410c", ms=7, label=f"month {MONTHS + 1}, by the {NETWORK}")
    axes.plot(months[-1], found.line[-1], "s", color="#1d4ed8", ms=6, label=f"month {MONTHS + 1}, by the line")
    axes.axvline(MONTHS + 0.5, color="0.7", lw=1)
    judged = f"{found.verdict[1]}\nJudged on month {MONTHS + 1} of {OTHERS:,} other series, which are not drawn here."
    axes.set(xlabel="month", ylabel="sales", title=judged)
    axes.title.set_fontsize("medium")
    axes.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    with replacing(os.fspath(path)) as file:
        file.write(buffer.getvalue())


def _drawn(rng: np.random.Generator, series: int, months: int) -> Array:
    noise = rng.integers(-20, 20, (series, months))
    drawn: Array = 100.0 + 10.0 * np.arange(months) + noise
    return drawn


def _lines(past: Array) -> Array:
    """A least-squares line through each row of months, one month longer, (N, M) to (N, M + 1)."""
    month = np.arange(past.shape[1] + 1)
    slope, start = np.polyfit(month[:-1], past.T, 1)
    lines: Array = start[:, None] + slope[:, None] * month
    return lines
