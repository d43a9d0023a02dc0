"""The adding problem, recorded: three cells, T = 50 to 1000, three biases of the gate that keeps, five seeds.

    python benchmarks/adding_problem.py [--cells RNN LSTM GRU] [--steps 50 100 200 400 750 1000] [--seeds 5]

What was run, for every row of `notebooks/adding_problem.csv`: 32 units, float32, the fast twin; 20 fresh sequences an
update, Adam at 5e-3, clipped at a global norm of 1, at most 2,000 updates. `Wh` is orthogonal, for each gate. The bias
is that of f (LSTM) or z (GRU); the RNN has no such gate. Every 50 updates the mean squared error on 500 other sequences
is looked at; below .01 the run is over and solved. One that never gets there is a failure and stays in the table as
one, as does one whose numbers overflow. Always saying 1 scores 1/6.

A row is appended when its run ends, and runs that have a row are not run again: Ctrl-C loses the run under way only,
and the same command goes on with what is missing, seed by seed. In all about an hour and a half of one core; the table
at the end says how many runs there are of each kind. Several processes may share the work, by --cells or --steps.
"""

import argparse
import csv
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

import rnncore as rc
from rnncore.errors import NonFiniteError
from rnncore.initialisation import forget_bias

FILE = Path(__file__).parents[1] / "notebooks" / "adding_problem.csv"
BIASES = {"RNN": [""], "LSTM": ["0", "1", "3"], "GRU": ["0", "1", "3"]}
H, N, RATE, CLIP, MOST, LOOK, SOLVED = 32, 20, 5e-3, 1.0, 2000, 50, 0.01


class Row(NamedTuple):
    """One run: `updates` is when it was solved, or how many it had; `error` the last test error, "nan" for overflow."""

    cell: str
    T: str
    bias: str
    seed: str
    solved: str
    updates: str
    error: str


def model_and_start(cell: str, bias: str, seed: int) -> tuple[Any, dict[str, Any]]:
    """Return the model and its first parameters."""
    model = rc.Stack(getattr(rc, cell)(2, H), rc.Last(), rc.Dense(H, 1))
    params = model.init(seed)
    return model, forget_bias(model, params, float(bias)) if bias else params


def run(cell: str, T: int, bias: str, seed: int) -> Row:
    """Train until solved or out of updates."""
    model, params = model_and_start(cell, bias, seed)
    batches = rc.datasets.Fresh(rc.datasets.adding, T, N, seed, steps=LOOK)
    x, wanted = rc.datasets.adding(T, 500, seed=10**6)
    optimizer, error = rc.Adam(RATE), float("nan")
    for update in range(1, MOST + 1):
        batch = batches.batch(*divmod(update - 1, LOOK))
        try:
            _, grads, _ = rc.full_bptt(model, params, batch.x, batch.target, rc.losses.mse)
            grads, _ = rc.clip_by_global_norm(grads, CLIP)
        except NonFiniteError:
            return Row(cell, str(T), bias, str(seed), "no", str(update), "nan")
        params = optimizer.step(params, grads)
        if update % LOOK == 0:
            error = float(rc.losses.mse(rc.predict(model, params, x)[0], wanted)[0])
            print(f"\r{cell} T={T} bias {bias or '-'} seed {seed}: {update} {error:.4f}  ", end="", file=sys.stderr)
            if error < SOLVED:
                break
    return Row(cell, str(T), bias, str(seed), "yes" if error < SOLVED else "no", str(update), f"{error:.4f}")


def rows(path: Path) -> list[Row]:
    """The rows that are there."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [Row(**row) for row in csv.DictReader(file)]


def append(path: Path, row: Row) -> None:
    """Write one row at the end, in one go."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        file.write((",".join(Row._fields) + "\n" if new else "") + ",".join(row) + "\n")


def table(found: list[Row]) -> str:
    """Median and range of the updates over the seeds; a failure counts as more than all."""
    lines = [f"{'cell':6}{'bias':>5}{'T':>6}  {'solved':>7}  median (range) of updates"]
    for cell, bias, T in dict.fromkeys((r.cell, r.bias, r.T) for r in sorted(found, key=lambda r: int(r.T))):
        runs = [r for r in found if (r.cell, r.bias, r.T) == (cell, bias, T)]
        updates = [int(r.updates) if r.solved == "yes" else MOST + 1 for r in runs]
        low, middle, high = (f"> {MOST}" if u > MOST else f"{u:.0f}" for u in
                             (min(updates), statistics.median(updates), max(updates)))  # fmt: skip
        wins = sum(r.solved == "yes" for r in runs)
        lines.append(f"{cell:6}{bias or '-':>5}{T:>6}  {wins:>3} of {len(runs)}  {middle} ({low} to {high})")
    return "\n".join(lines)


def main() -> None:
    """Run what has no row yet; then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=list(BIASES), choices=list(BIASES))
    parser.add_argument("--steps", nargs="+", type=int, default=[50, 100, 200, 400, 750, 1000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--file", type=Path, default=FILE)
    options = parser.parse_args()
    rc.set_num_threads(1)
    todo = [(cell, T, bias, seed) for seed in range(options.seeds) for T in options.steps for cell in options.cells
            for bias in BIASES[cell]]  # fmt: skip
    for cell, T, bias, seed in todo:
        if (cell, str(T), bias, str(seed)) not in {row[:4] for row in rows(options.file)}:
            append(options.file, run(cell, T, bias, seed))
    print("\n" + table(rows(options.file)))


if __name__ == "__main__":
    main()
