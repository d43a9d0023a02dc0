"""The table of tasks: the word on the command line, and the class. The command line is made from it."""

from __future__ import annotations

import os

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.interop import safetensors
from rnncore.marketing.answers import saved
from rnncore.marketing.churn import Churn
from rnncore.marketing.clv import CLV
from rnncore.marketing.contract_churn import ContractChurn
from rnncore.marketing.demand import Demand
from rnncore.marketing.hazard import ChurnHazard
from rnncore.marketing.journey import Journey
from rnncore.marketing.next_purchase import NextPurchase
from rnncore.marketing.outcome import Outcome
from rnncore.marketing.outcome_kind import OutcomeKind
from rnncore.marketing.segments import Segments
from rnncore.marketing.sentiment import Sentiment
from rnncore.marketing.subscriptions import Subscriptions
from rnncore.marketing.task import Task

TASKS: dict[str, type[Task]] = {
    task.name: task
    for task in (
        Churn,
        ChurnHazard,
        CLV,
        ContractChurn,
        NextPurchase,
        Outcome,
        OutcomeKind,
        Demand,
        Journey,
        Sentiment,
        Segments,
        Subscriptions,
    )
}


def load(path: str | os.PathLike[str]) -> Task:
    """A saved task of whichever class; ModelFileError where the file is damaged or something else."""
    found: list[str] = []

    def expect(metadata: dict[str, object]) -> safetensors.Expected:
        saved.require_form(metadata)
        name = metadata.get("task")
        if not isinstance(name, str) or name not in TASKS:
            raise ContractError("task", checks.words(list(TASKS)), repr(name)[:80], "this version does not know it")
        found.append(name)
        return saved.expect(TASKS[name], metadata)

    safetensors.read(path, expect, kind=saved.KIND)
    return TASKS[found[0]].load(path)
