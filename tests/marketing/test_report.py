"""The picture: a method has one colour, whatever its rank."""

from types import SimpleNamespace

import numpy as np
from matplotlib.figure import Figure

from rnncore.marketing import metrics
from rnncore.marketing.answers import report
from rnncore.marketing.judging.judgement import CONSTANT
from rnncore.marketing.verdict import judge


class Row:
    def __init__(self, name):
        self.name = name


class Fitted:
    """As much of a fitted Churn as the choice of colours needs."""

    def __init__(self, *names):
        self.table_ = [Row(name) for name in names]


def test_a_method_has_its_colour_whatever_its_rank():
    one = report.colours(Fitted("rnn", "rfm", CONSTANT, "bg/nbd", "recency", "rfm-windows"))
    other = report.colours(Fitted("recency", "bg/nbd", "rfm-windows", "rnn", "rfm", CONSTANT))
    assert one == other
    assert len(set(one.values())) == 5


def test_methods_of_other_names_have_colours_of_their_own_too():
    names = ["rnn", "rfm", *"abcdefgh"]
    one = report.colours(Fitted(*names, CONSTANT))
    assert one == report.colours(Fitted(*names[::-1])) and len(set(one.values())) == 10


def test_the_network_is_drawn_first():
    assert next(iter(report.colours(Fitted("rfm", "rnn", CONSTANT)))) == "rnn"


def test_the_roc_curve_is_that_of_the_network_and_of_the_simple_method_that_ranks_best():
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=500)
    target = (rng.uniform(size=500) < truth).astype(float)
    said = {"rnn": truth, "good": (truth + rng.uniform(size=500)) / 2, "poor": rng.uniform(size=500)}
    table = judge(target, said["rnn"], {name: p for name, p in said.items() if name != "rnn"}, 0.5)
    axes = Figure().subplots()
    report._roc(axes, SimpleNamespace(held_out_=SimpleNamespace(target=target, prediction=said), table_=table))
    assert axes.get_title() == "ROC, rnn and good"
    assert axes.get_legend().get_title().get_text() == "good: the simple method that ranks best"
    drawn = {line.get_label(): line.get_xydata().T for line in axes.lines}
    assert list(drawn) == ["at random", *(f"{n}, area {metrics.auroc(target, said[n]):.3f}" for n in ("good", "rnn"))]
    for label, (false, true) in drawn.items():
        assert label == "at random" or f"{np.trapezoid(true, false):.3f}" == label[-5:]
