"""Judging at earlier origins too: which they are, what is kept, shown and said of them, and what cannot be."""

import datetime
import re

import numpy as np
import polars as pl
import pytest
from cli_runs import unchecked
from made_up import NAMES, SMALL, purchases

from rnncore.errors import ContractError, DataError
from rnncore.marketing import Churn, EventLog, Sentiment
from rnncore.marketing.answers.page import page
from rnncore.marketing.commands import command
from rnncore.marketing.judging.judgement import Earlier, Estimate, Judgement
from rnncore.marketing.splits import rolling_origins

HORIZON = 30
CHURN = Churn(horizon=HORIZON, **{**SMALL, "epochs": 1})


@pytest.fixture(scope="module")
def log():
    return EventLog(purchases(), **NAMES)


@pytest.fixture(scope="module")
def fitted(log):
    return Churn(**CHURN.get_params()).fit(log, origins=3)


def test_where_something_happens_every_day_origins_are_a_horizon_apart(fitted, log):
    days = [*(row.origin for row in fitted.table_.earlier), fitted.held_out_.origin]
    assert days == rolling_origins(log, HORIZON, 3)


def test_where_nothing_happened_on_an_origin_the_log_before_it_ends_on_the_last_day_of_which_it_knows(log):
    quiet = np.datetime64("2024-06-19")
    gap = log.where((log.day < quiet - 2) | (log.day > quiet))
    (earlier,) = Churn(**CHURN.get_params()).fit(gap, origins=2).table_.earlier
    alone = Churn(**CHURN.get_params()).fit(gap.until(quiet))
    assert earlier == alone.table_.at(alone.held_out_.origin)
    assert earlier.origin == quiet - 3 - HORIZON


def test_the_verdict_is_that_of_the_latest_and_so_is_the_model(fitted, log):
    alone = Churn(**CHURN.get_params()).fit(log)
    assert (alone.verdict_, alone.table_.rivals) == (fitted.verdict_, fitted.table_.rivals)
    assert fitted.table_.reason.startswith(alone.table_.reason)
    assert pl.DataFrame(alone.predict(log)).equals(pl.DataFrame(fitted.predict(log)))


def test_of_one_origin_nothing_more_is_kept_or_said(log):
    table = Churn(**CHURN.get_params()).fit(log).table_
    assert table.earlier == () and "earlier" not in table.to_json()
    assert "earlier" not in str(table).lower()


def test_they_are_saved_and_loaded(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = Churn.load(tmp_path / "model")
    assert len(loaded.table_.earlier) == 2 and loaded.table_ == fitted.table_


def row(verdict="rnn"):
    return Earlier(np.datetime64("2024-03-01"), verdict, 0.5, "bg/nbd", 0.625, Estimate(0.125, 0.0625, 0.25))


def table(*earlier):
    return Judgement("rnn", "It won.", (), 9, None, 0.95).beside(earlier)


@pytest.mark.parametrize(
    ("earlier", "words"),
    [
        ((row(),), "1 of 1 earlier window gave the same verdict."),
        ((row("no signal"), row()), "1 of 2 earlier windows gave the same verdict."),
        ((row("no signal"),), "0 of 1 earlier window gave the same verdict."),
    ],
)
def test_the_reason_says_how_many_agree(earlier, words):
    assert table(*earlier).reason == f"It won. {words}"


def test_another_simple_method_is_another_verdict_and_said_to_be_no_network_either():
    earlier = (row("baseline:rfm"), row("baseline:bg/nbd"), row("rnn"), row("no signal"))
    found = Judgement("baseline:bg/nbd", "It lost.", (), 9, None, 0.95).beside(earlier).reason
    words = "1 of 4 earlier windows gave the same verdict; in 1 another simple method would have done."
    assert found == f"It lost. {words}"


def test_a_row_has_the_day_the_verdict_both_losses_and_their_difference():
    assert table(row()).earlier_columns() == {
        "origin": ["2024-03-01"],
        "verdict": ["rnn"],
        "log-loss, rnn": ["0.5000"],
        "best simple method": ["bg/nbd"],
        "its log-loss": ["0.6250"],
        "rnn better by": ["+0.1250 [+0.0625, +0.2500]"],
    }


def test_a_row_is_of_the_lowest_loss_of_the_others(fitted):
    found = fitted.table_.at(fitted.held_out_.origin)
    best = min((rival for rival in fitted.table_ if rival.name != "rnn"), key=lambda rival: rival.loss.value)
    assert found[1:] == (fitted.verdict_, fitted.table_["rnn"].loss.value, best.name, best.loss.value, best.gap)


def test_they_are_printed_under_the_main_table_and_shown_on_the_page(fitted, log, capsys, monkeypatch):
    unchecked(monkeypatch)
    command.print_rivals(fitted, fitted.table_, fitted.held_out_.origin)
    shown = page(fitted, log)
    for text in (capsys.readouterr().out, re.sub("<[^>]*>", " ", shown), str(fitted.table_)):
        main, head, rest = text.partition("Judged at earlier days too")
        assert head and "log-loss" in main
        for earlier in fitted.table_.earlier:
            assert re.search(rf"{earlier.origin} +{re.escape(earlier.verdict)} +{earlier.loss:.4f} ", rest)


def test_progress_names_each_origin(log, capsys):
    Churn(**CHURN.get_params()).fit(log, origins=2, progress=True)
    said = capsys.readouterr().err
    lines = [re.sub(": [\\d,]+ examples", "", line) for line in said.splitlines() if re.search("^origin|network", line)]
    assert lines == [
        "origin 1 of 2: 2024-05-20",
        "judged network until 2024-05-20",
        "origin 2 of 2: 2024-06-19",
        "judged network until 2024-06-19",
        "final network until 2024-07-19",
    ]


def test_a_log_that_does_not_hold_so_many_says_how_many_it_holds(log):
    with pytest.raises(
        DataError, match=r"^the log holds 5 test origins, not 6; before 2024-02-20: a horizon of 30 days"
    ):
        CHURN.fit(log, origins=6)
    with pytest.raises(DataError, match=r"^a horizon of 300 days does not fit"):
        Churn(horizon=300).fit(log, origins=2)


def test_an_origin_at_which_nothing_can_be_judged_is_named():
    day = datetime.date(2024, 1, 1)
    rows = [(f"c{n % 2 if d < 60 else n}", day + datetime.timedelta(d)) for d in range(100) for n in range(12)]
    late = EventLog(pl.DataFrame(rows, schema=["who", "when"], orient="row"), customer="who", time="when")
    with pytest.raises(DataError, match=r"^at the earlier origin 2024-03-10: everybody has an event .*fewer origins$"):
        Churn(horizon=15, **SMALL).fit(late, origins=2)


def test_fewer_than_one_is_refused(log):
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(ContractError, match="origins"):
            CHURN.fit(log, origins=wrong)


def test_a_table_without_times_has_no_earlier_days():
    texts = pl.DataFrame({"said": ["good", "bad"] * 60, "kind": ["a", "b"] * 60})
    with pytest.raises(DataError, match="a table without times has no earlier days"):
        Sentiment(**SMALL).fit(EventLog(texts, text="said", outcome="kind"), origins=2)


def test_each_origin_has_checkpoints_of_its_own_and_goes_on_from_them(log, fitted, tmp_path):
    again = [Churn(**CHURN.get_params()).fit(log, origins=3, checkpoint=tmp_path / "run") for _ in range(2)]
    days = [f"run-{row.origin}-judged" for row in fitted.table_.earlier]
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([*days, "run-judged", "run-final"])
    for one in again:
        assert one.table_ == fitted.table_
        assert pl.DataFrame(one.predict(log)).equals(pl.DataFrame(fitted.predict(log)))
