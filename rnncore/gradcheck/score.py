"""How good is a test? The share of planted errors that it catches, for a test of your own or for each oracle."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rnncore import checks
from rnncore.contract import Layer
from rnncore.gradcheck.check import oracles
from rnncore.gradcheck.measure import Evidence, Upstream, as_inputs, as_pair, gather, judge
from rnncore.gradcheck.mutants import Mutant, mutants, right_layer
from rnncore.gradcheck.oracles import GATES, Inputs, has_kink
from rnncore.gradcheck.problems import random_problem
from rnncore.gradcheck.report import aligned


@dataclass(frozen=True)
class Score:
    """Which planted errors a test caught, by their labels, and whether it raised a false alarm on the right code.

    >>> score = Score("my test", {"dh_0 missing": True, "dc_0 missing": False}, false_alarm=False)
    >>> score.share, score.missed
    (0.5, ('dc_0 missing',))
    """

    subject: str
    caught: dict[str, bool]
    false_alarm: bool

    @property
    def share(self) -> float:
        """The share of errors caught, 0 to 1."""
        return sum(self.caught.values()) / max(len(self.caught), 1)

    @property
    def missed(self) -> tuple[str, ...]:
        """The errors that the test accepted."""
        return tuple(name for name, seen in self.caught.items() if not seen)

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [(name, "caught" if seen else "MISSED") for name, seen in self.caught.items()]
        alarm = "FALSE ALARM: the right code is rejected" if self.false_alarm else "the right code is accepted"
        counts = f"{sum(self.caught.values())} of {len(self.caught)} planted errors caught ({self.share:.0%}); {alarm}"
        return "\n".join([f"{self.subject}: {counts}", aligned(rows) if rows else ""])


def score_test_suite(
    check: Callable[[Layer], bool],
    cell: str = "lstm",
    *,
    D: int = 3,
    H: int = 5,
    planted: Sequence[Mutant] | None = None,
) -> Score:
    """Run a test of your own on the right layer and on every planted error; return what it caught.

    check: takes a layer (float64 textbook, D features, H units) and returns True where it accepts its gradients; an
    AssertionError counts as a rejection, so a test function that ends in `return True` will do. `cell` is "lstm" or
    another of the table, "bidirectional", "stack" or "recurrent_dropout"; `planted` takes some of
    `mutants(cell)` only. Any other exception of the test goes through.

    >>> def falls(layer):  # "one step of gradient descent lowers the loss": a popular test, and no evidence
    ...     p = random_problem(layer)
    ...     y, _, cache = layer.forward(p.params, p.x)
    ...     grads, _, _ = layer.backward(p.params, cache, y)
    ...     after, _, _ = layer.forward({n: a - 1e-3 * grads[n] for n, a in p.params.items()}, p.x)
    ...     return bool((after**2).sum() < (y**2).sum())
    >>> score_test_suite(falls, "rnn").share < 0.5
    True
    """
    chosen = mutants(cell) if planted is None else list(planted)
    right = {id(m): right_layer(m.cell, D, H, **m.options) for m in chosen}
    alarms = {repr(layer): _rejects(check, layer) for layer in right.values()}
    caught = {label_of(m): _rejects(check, m.planted_in(right[id(m)])) for m in chosen}
    return Score(getattr(check, "__name__", "test"), caught, any(alarms.values()))


def _rejects(check: Callable[[Layer], bool], layer: Layer) -> bool:
    try:
        return not check(layer)
    except AssertionError:
        return True


def label_of(mutant: Mutant) -> str:
    """Return a mutant's name, with the option under which it applies."""
    return mutant.name + "".join(f" ({option} {value})" for option, value in mutant.options.items())


def score_oracles(
    cell: str = "lstm",
    methods: Sequence[str] = ("complex-step", "forward-mode"),
    *,
    seed: int = 0,
    entries: int | None = 12,
) -> dict[str, Score]:
    """Return, for each method of `check`, which planted errors it catches, with `entries` of each array (None: all).

    All are put to one random problem, with the masks of dropout drawn from `seed`. A method catches an error where its
    verdict is "fail"; "inconclusive" is no catch. The oracles see the forward pass alone, which the errors leave right,
    so each is asked once for all of them. Of an option under which the gradient leaves parts out on purpose, forward
    mode alone knows: the errors there are in its score only.

    >>> {method: score.share for method, score in score_oracles("rnn").items()}
    {'complex-step': 1.0, 'forward-mode': 1.0}
    """
    for method in methods:
        checks.one_of("method", method, tuple(GATES))
    caught: dict[str, dict[str, bool]] = {method: {} for method in methods}
    alarms = dict.fromkeys(methods, False)
    groups: dict[str, list[Mutant]] = {}
    for mutant in mutants(cell):
        groups.setdefault(repr(right_layer(cell, 3, 5, **mutant.options)), []).append(mutant)
    for group in groups.values():
        layer = right_layer(cell, 3, 5, **group[0].options)
        able = [m for m in methods if m == "forward-mode" or getattr(layer, "exact", True)]
        trial = Trial(layer, able, seed, entries)
        for method in able:
            alarms[method] |= trial.verdict(layer, method) == "fail"
            caught[method].update({label_of(m): trial.verdict(m.planted_in(layer), method) == "fail" for m in group})
    return {method: Score(method, caught[method], alarms[method]) for method in methods}


class Trial:
    """One problem, what each oracle says about it, and the verdict on any backward pass of the same layer."""

    def __init__(self, layer: Layer, methods: Sequence[str], seed: int = 0, entries: int | None = None) -> None:
        p = random_problem(layer, seed)
        self.inputs: Inputs = as_inputs(p.params, p.x, p.state_0)
        self.upstream: Upstream = (p.dy, *p.dstate_T)
        self.lengths, self.seed = p.lengths, seed
        forward, backward = as_pair(layer, p.lengths, seed)
        self.only = lambda arrays: forward(arrays)[0]
        corner = functools.partial(has_kink, self.only, self.inputs, self.upstream)
        self.kink = functools.cache(corner)  # once for all errors too: half of the time
        outputs, cache = forward(self.inputs)
        made = oracles(layer, methods, self.only, self.inputs, self.upstream, p.lengths, seed)
        grads, rng = backward(self.inputs, cache, self.upstream), np.random.default_rng(seed)
        self.evidence = gather(grads, made, entries, rng, outputs, self.upstream)

    def verdict(self, layer: Layer, method: str) -> str:
        """Return "pass", "fail" or "inconclusive"."""
        forward, backward = as_pair(layer, self.lengths, self.seed)
        with np.errstate(all="ignore"):
            grads = backward(self.inputs, forward(self.inputs)[1], self.upstream)
        said = {name: Evidence(e.indices, {method: e.found[method]}) for name, e in self.evidence.items()}
        return judge("", grads, said, self.kink).verdict


def table_of(scores: dict[str, Score]) -> str:
    """Return several scores on the same errors as one table: error by method, and the share caught below.

    >>> print(table_of({"central": Score("central", {"no dh_0": True}, False)}))
                  central
    no dh_0       caught
    caught        1 of 1
    false alarms  0
    """
    words = {True: "caught", False: "MISSED", None: "-"}
    labels = list(dict.fromkeys(label for s in scores.values() for label in s.caught))
    rows = [("", *scores)]
    rows += [(label, *(words[s.caught.get(label)] for s in scores.values())) for label in labels]
    rows.append(("caught", *(f"{sum(s.caught.values())} of {len(s.caught)}" for s in scores.values())))
    rows.append(("false alarms", *(str(int(s.false_alarm)) for s in scores.values())))
    return aligned(rows)
