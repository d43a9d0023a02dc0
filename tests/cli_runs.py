"""What tests of the command line share: a log of purchases, and a run in this process."""

from types import SimpleNamespace

import numpy as np
import polars as pl
from typer.testing import CliRunner

from rnncore.cli import app
from rnncore.marketing.answers import page
from rnncore.marketing.commands import command

CUSTOMERS = 300
NAMES = ["--customer", "who", "--time", "when", "--value", "paid"]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def unchecked(monkeypatch):
    """Leave out the gradient check and the picture of a fit, three quarters of a small one, and a report's check."""
    checked = SimpleNamespace(ok=True, verdict="pass", worst=SimpleNamespace(error=0.0, name="b", method="central"))
    monkeypatch.setattr(command, "check_gradients", lambda task: checked)
    monkeypatch.setattr(page, "check_gradients", lambda task: checked)
    monkeypatch.setattr(command, "picture", lambda task, path: None)


def purchases(customers=CUSTOMERS, days=400, seed=0):
    """Customers who buy at their own pace, half of whom stop: something to learn."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(customers):
        pace, end = rng.uniform(5, 40), days if rng.random() < 0.5 else rng.uniform(0, days)
        day = rng.uniform(0, 60)
        while day < end:
            rows.append((f"c{k:03}", int(day), round(float(rng.lognormal(3, 1)), 2)))
            day += rng.exponential(pace)
    who, when, paid = zip(*rows, strict=True)
    start = np.datetime64("2024-01-01")
    return pl.DataFrame({"who": who, "when": [str(start + np.timedelta64(d, "D")) for d in when], "paid": paid})
