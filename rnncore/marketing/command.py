"""What `rnncore fit churn` and `rnncore predict` print and write, without their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.interop.atomic import replacing
from rnncore.marketing.churn import Churn
from rnncore.marketing.events import EventLog
from rnncore.marketing.report import picture
from rnncore.marketing.splits import require_horizon
from rnncore.marketing.verdict import CONSTANT, NETWORK, Judgement
from rnncore.marketing.wording import counted

console = Console()


def asked_for(horizon: int, seed: int) -> Churn:
    """The estimator of a command; ContractError for numbers that it cannot take."""
    require_horizon(horizon)
    return Churn(horizon=horizon, seed=checks.size("seed", seed, least=0))


def print_rivals(churn: Churn) -> None:
    """The table of the network and the simple methods on the held-out window, and the verdict."""
    judged, held = churn.table_, churn.held_out_
    console.print(f"\n[bold]Back within {counted(churn.horizon, 'day')} of {held.origin}?[/bold] ", end="")
    who = counted(judged.customers, "customer")
    console.print(f"{who}, none of these days seen in training; {judged.rate:.1%} were back.")
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("method", judged.loss, "rnn better by, 95 %", "AUROC", "lift", "bias"):
        table.add_column(name, justify="left" if name == "method" else "right", no_wrap=True)
    for row in judged:
        gap = "" if row.name == NETWORK else f"{row.gap.value:+.4f} [{row.gap.low:+.4f}, {row.gap.high:+.4f}]"
        auroc = "" if row.auroc is None else f"{row.auroc.value:.4f}"
        lift, bias = row.measures["lift"], row.measures["bias"]
        cells = (f"{row.loss.value:.4f}", gap, auroc, f"{lift:.2f}", f"{bias:+.3f}")
        table.add_row(row.name, *cells, style="bold" if row.name == NETWORK else None)
    console.print(table)
    console.print("lift: of the tenth ranked highest; bias: mean probability minus what came\n", style="dim")
    console.print(f"[bold]Verdict: {judged.verdict}.[/bold] {judged.reason}", highlight=False)


def whose_probabilities(judged: Judgement, file: Path) -> str:
    """A sentence that says whose answer a file of predictions holds; empty where the network was judged best."""
    kind, _, name = judged.verdict.partition(":")
    if kind == NETWORK:
        return ""
    if not name:
        return f"{file.name} holds the network's probabilities, although nothing beat the {CONSTANT} when it was judged"
    did = "did better" if judged[name].gap.value < 0 else "would have done"
    return f"{file.name} holds the network's probabilities, although {name} {did} when both were judged"


def write_result(churn: Churn, log: EventLog, out: Path, shown: Path) -> None:
    """Write model, predictions and picture into the folder `out`, which is called `shown` in what is printed."""
    out.mkdir(exist_ok=True)
    churn.save(out / "churn.safetensors")
    rows = write_predictions(churn, churn.predict(log), out / "predictions.csv")
    picture(churn, out / "report.png")
    names = "predictions.csv, churn.safetensors, report.png"
    print(f"{counted(rows, 'customer')} in {shown}: {names}")


def write_predictions(churn: Churn, frame: Any, path: Path) -> int:
    """Write the predictions as CSV in one step and say whose they are; the number of rows."""
    rows = pl.DataFrame(frame)
    with replacing(str(path)) as file:
        rows.write_csv(file)
    whose = whose_probabilities(churn.table_, path)
    print(f"\n{whose}" if whose else "")
    return rows.height


def require_predictable(out: Path, force: bool, inputs: dict[str, Path]) -> None:
    """ContractError unless `out` can be written without loss; `inputs`: what each file read is called -> its path."""
    for name, path in inputs.items():
        if out.resolve() == path.resolve() or (out.exists() and path.exists() and out.samefile(path)):
            raise ContractError("--out", "another file than those that are read", f"{name} {path}", "name a new file")
    if out.is_dir():
        raise ContractError("--out", "the name of a file", f"the folder {out}", f"for example {out / 'p.csv'}")
    if out.exists() and not force:
        raise ContractError("--out", "a file that does not exist", str(out), "name another one, or say --force")
    folder = out.absolute().parent
    if not folder.is_dir():
        raise ContractError("--out", "a name in a folder that exists", str(out), f"make the folder {folder} first")
