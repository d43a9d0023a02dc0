"""The worked example as a whole process: imports, 100 epochs, the forecast; against Keras on each backend installed.

36 months of sales, 100 + 10 i + noise in [-20, 20), scaled to [0, 1]; windows of 6 months; LSTM with 50 relu units and
a dense layer; Adam, batches of 32, 100 epochs; the month that follows. Both sides start from the same weights. Keras
adds Adam's epsilon before the bias correction, rnncore after it, as the paper does: it is made too small to matter.

    python -m benchmarks.worked_example rnncore [EPOCHS [BACKEND]]    one side, printed as JSON
    KERAS_BACKEND=torch python -m benchmarks.worked_example keras
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np

WINDOW, UNITS, EPOCHS, EPSILON = 6, 50, 100, 1e-12
LINE = "worked example, whole process: 36 months, LSTM 50 relu, 100 epochs"


def problem() -> tuple[Any, Any, Any, Any]:
    """Windows (30, 6, 1), the months that follow (30, 1), the last window (1, 6, 1), and starting weights."""
    rng = np.random.default_rng(0)
    sales = 100 + 10 * np.arange(36) + rng.integers(-20, 20, 36)
    scaled = ((sales - sales.min()) / (sales.max() - sales.min())).astype(np.float32)[:, None]
    windows = np.stack([scaled[i : i + WINDOW] for i in range(36 - WINDOW + 1)])

    def draw(*size: int) -> Any:
        return rng.uniform(-0.15, 0.15, size).astype(np.float32)

    weights = {"0.Wx": draw(1, 4 * UNITS), "0.Wh": draw(UNITS, 4 * UNITS), "0.b": draw(4 * UNITS)}
    return windows[:-1], scaled[WINDOW:], windows[-1:], {**weights, "2.W": draw(UNITS, 1), "2.b": draw(1)}


def rnncore_forecast(epochs: int, backend: str = "numpy") -> dict[str, float]:
    """Train with rnncore and forecast."""
    import rnncore as rc

    x, target, last, params = problem()
    layer = rc.LSTM(1, UNITS, activation="relu", backend=backend)  # type: ignore[arg-type]
    model = rc.Stack(layer, rc.Last(), rc.Dense(UNITS, 1))
    batches = rc.sequences.Minibatches(list(x), target, batch_size=32)
    adam = rc.Adam(1e-3, epsilon=EPSILON)
    params, history = rc.fit(model, params, batches, rc.losses.mse, adam, epochs=epochs)
    y, _ = rc.predict(model, params, last.swapaxes(0, 1))
    return {"loss": history[-1]["train_loss"], "forecast": float(y[0, 0])}


def keras_forecast(epochs: int) -> dict[str, float]:
    """Train with Keras and forecast; its gates come in the order i f g o, as here."""
    import keras

    x, target, last, params = problem()
    layers = [keras.layers.LSTM(UNITS, activation="relu"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.layers.Input((WINDOW, 1)), *layers])
    model.set_weights(list(params.values()))
    model.compile(optimizer=keras.optimizers.Adam(1e-3, epsilon=EPSILON), loss="mse")
    history = model.fit(x, target, epochs=epochs, batch_size=32, verbose=0)
    y = model.predict(last, verbose=0)
    return {"loss": float(history.history["loss"][-1]), "forecast": float(y[0, 0])}


def _run(side: str, epochs: int, backend: str) -> tuple[float, dict[str, float]]:
    """Seconds of the whole process, and what it found."""
    from .processes import new_process  # not above: the processes that are timed load what they need only

    chosen = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"} if side == "keras" else {}
    words = [side, str(epochs), *([backend] if side == "rnncore" else [])]
    start = time.perf_counter()
    output = new_process("-m", f"{__package__}.worked_example", *words, **chosen)
    return time.perf_counter() - start, json.loads(output.splitlines()[-1])


def keras_backends() -> list[str]:
    """The backends of Keras that are installed; none where Keras is not."""
    if importlib.util.find_spec("keras") is None:
        return []
    return [name for name in ("torch", "tensorflow", "jax") if importlib.util.find_spec(name)]


def measure(backend: str, name: str, quick: bool) -> list[Any]:
    """Require the same loss and forecast after one epoch and after all, then time whole processes in turns."""
    from .processes import paired

    sides = {f"rnncore {backend}": ("rnncore", backend)}
    sides |= {f"Keras {metadata.version('keras')}, {other}": ("keras", other) for other in keras_backends()}
    first = {side: _run(words[0], 1, words[1])[1] for side, words in sides.items()}  # and the caches are warm
    _agree(first, 1e-5)
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(1 if quick else 3):
        found = {}
        for side, words in sides.items():
            seconds, found[side] = _run(words[0], EPOCHS, words[1])
            times[side].append(seconds)
    _agree(found, 2e-3)
    ours, *others = sides
    times["rnncore"] = times.pop(ours)
    note = "; ".join(f"{side}: {numbers['forecast']:.4f}" for side, numbers in found.items())
    return [paired(name, other, times, f"forecasts {note}") for other in others or ["rnncore"]]


def lines() -> dict[str, Any]:
    """Name and measurement of every line: on the textbook, as `rnncore example forecast`, and on the fast twin."""
    return {LINE: partial(measure, "numpy"), f"{LINE}, backend=numba": partial(measure, "numba")}


def _agree(found: dict[str, dict[str, float]], tolerance: float) -> None:
    for what in ("loss", "forecast"):
        values = [numbers[what] for numbers in found.values()]
        gap = (max(values) - min(values)) / max(abs(v) for v in values)
        assert gap <= tolerance, f"{what} differs by {gap:.1e}: {found}"


if __name__ == "__main__":
    side, *rest = sys.argv[1:]
    epochs, *words = [int(rest[0]), *rest[1:]] if rest else [EPOCHS]
    print(json.dumps(rnncore_forecast(epochs, *words) if side == "rnncore" else keras_forecast(epochs)))
