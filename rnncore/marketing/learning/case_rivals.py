"""Simple methods for what comes of cases, for `outcome.py` and `outcome_kind.py`: they read the facts of `cases.py`."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rnncore.marketing.judging.judgement import CONSTANT
from rnncore.marketing.learning.cases import Facts
from rnncore.marketing.learning.examples import Examples
from rnncore.marketing.task_parts import Rival

Floats = NDArray[np.float64]


def simple_methods(told: Examples, asked: Examples) -> dict[str, Rival]:
    """P(outcome) by each simple method, (M,) each, or a function that gives it; all but the constant shifted to the
    rate of the newest cases.

    "past rate": the customer's own, shrunk to that of all. "boosting, case": gradient boosting on the case's own
    columns. "logistic" and "boosting": on these, the gap, the number of events before and the past rate.
    """
    y, newest = np.asarray(told.target)[:, 0].astype(np.float64), told.newest
    rate = float(y[newest].mean())
    strength = min((1, 2, 5, 10, 20, 50, 100, 1000), key=lambda k: _loss(y, _shrunk(told.facts, float(y.mean()), k)))
    own = [_shrunk(facts, float(y.mean()), strength) for facts in (told.facts, asked.facts)]
    case = [facts.case for facts in (told.facts, asked.facts)]
    both = [np.column_stack([f.case, f.before, logit(p)]) for f, p in zip((told.facts, asked.facts), own, strict=True)]
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    stops = bool(min(y.sum(), len(y) - y.sum()) >= 20)
    models: dict[str, tuple[Any, list[Floats]]] = {
        "logistic": (logistic, both),
        "boosting, case": (_boosting(stops), case),
        "boosting": (_boosting(stops), both),
    }

    def moved(past: Floats, now: Floats) -> Floats:
        return shifted(now, past[newest], rate)

    def learned(model: Any, columns: list[Floats]) -> Floats:
        return moved(*_fitted(model, columns, y))

    found = {name: partial(learned, *how) for name, how in models.items() if how[1][0].shape[1]}
    return {"past rate": moved(*own), **found, CONSTANT: np.full(len(asked.group), rate)}


def simple_methods_of_kinds(told: Examples, asked: Examples, kinds: int) -> dict[str, Rival]:
    """Probabilities of all kinds, (M, kinds), or functions that give them, by the same methods as for yes and no."""
    y = np.asarray(told.target)
    newest = y[told.newest]
    shares = (np.bincount(newest, minlength=kinds) + 1) / (len(newest) + kinds)
    own = [(facts.positive + 10 * shares) / (facts.known + 10)[:, None] for facts in (told.facts, asked.facts)]
    case = [facts.case for facts in (told.facts, asked.facts)]
    both = [np.column_stack([f.case, f.before, np.log(p)]) for f, p in zip((told.facts, asked.facts), own, strict=True)]
    models: dict[str, tuple[Any, list[Floats]]] = {
        "logistic": (make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)), both),
        "boosting, case": (_boosting(bool(np.bincount(y).min() >= 20)), case),
        "boosting": (_boosting(bool(np.bincount(y).min() >= 20)), both),
    }

    def learned(model: Any, columns: list[Floats]) -> Floats:
        past, now = columns
        found = np.zeros((len(now), kinds))
        said = model.fit(past, y).predict_proba(now)
        found[:, model.classes_] = said
        return found

    found = {name: partial(learned, *how) for name, how in models.items() if how[1][0].shape[1]}
    return {"past shares": own[1], **found, CONSTANT: np.tile(shares, (len(asked.group), 1))}


def shifted(p: Floats, past: Floats, rate: float) -> Floats:
    """p with its log-odds moved by the number that would make the mean of `past` the rate."""
    odds = logit(np.clip(past, 1e-6, 1 - 1e-6))
    move = brentq(lambda b: float(expit(odds + b).mean()) - rate, -30.0, 30.0)
    return np.asarray(expit(logit(np.clip(p, 1e-6, 1 - 1e-6)) + move), np.float64)


def _boosting(stops: bool) -> HistGradientBoostingClassifier:
    """stops: it watches a tenth."""
    return HistGradientBoostingClassifier(early_stopping=stops, random_state=0)


def _fitted(model: Any, columns: list[Floats], y: Floats) -> list[Floats]:
    model.fit(columns[0], y)
    return [np.asarray(model.predict_proba(x)[:, 1], np.float64) for x in columns]


def _shrunk(facts: Facts, rate: float, strength: float) -> Floats:
    return np.asarray((facts.positive + strength * rate) / (facts.known + strength), np.float64)


def _loss(y: Floats, p: Floats) -> float:
    return -float(np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))
