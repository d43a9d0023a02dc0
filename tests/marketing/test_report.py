"""The picture: a method has one colour, whatever its rank."""

from rnncore.marketing import report
from rnncore.marketing.judgement import CONSTANT


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


def test_the_network_is_drawn_first():
    assert next(iter(report.colours(Fitted("rfm", "rnn", CONSTANT)))) == "rnn"
