"""Leaks: what is too good or too late is suspected, what is merely good is not."""

import datetime

import numpy as np
import polars as pl
import pytest
from cli_runs import run
from conftest import data_folder

from rnncore.errors import DataError
from rnncore.marketing.judging.leaks import find_leaks
from rnncore.marketing.judging.purity import settled
from rnncore.marketing.log.columns import Columns


def cases(n=900, seed=0):
    """Three columns that say something together, the first the most, and a column of noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)) * [1.2, 1.0, 0.8]
    bought = rng.uniform(size=n) < 1 / (1 + np.exp(-1.5 * x.sum(axis=1)))
    columns = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "noise": rng.normal(size=n)}
    return pl.DataFrame({**columns, "way": rng.choice(["web", "mail"], n), "bought": bought.astype(int)}), rng


def test_honest_columns_are_not_suspected():
    frame, _ = cases()
    assert find_leaks(frame, "bought").suspected == []


def test_a_column_that_alone_beats_the_others_is():
    frame, rng = cases()
    paid = frame["bought"].to_numpy() * rng.gamma(2.0, size=frame.height)
    assert find_leaks(frame.with_columns(paid=paid), "bought").suspected == ["paid"]


@pytest.mark.parametrize("outcome", [0, 1])
def test_so_is_one_with_numbers_for_one_outcome_alone(outcome):
    frame, rng = cases()
    paid = pl.when(pl.col("bought") == outcome).then(pl.lit(pl.Series(rng.gamma(2.0, size=frame.height))))
    assert find_leaks(frame.with_columns(paid.alias("paid")), "bought").suspected == ["paid"]


def test_columns_with_hardly_a_cell_are_passed_over():
    frame, rng = cases()
    paid = frame["bought"].to_numpy() * rng.gamma(2.0, size=frame.height)
    rare = pl.when(pl.int_range(pl.len()) == 3).then(1.0).alias("rare")
    frame = frame.with_columns(rare, paid=paid, empty=pl.lit(None, pl.Float64))
    assert find_leaks(frame, "bought").suspected == ["paid"]


def test_so_is_a_leak_of_words_and_each_of_a_pair_of_twins():
    frame, rng = cases()
    y = frame["bought"].to_numpy()
    thanked = np.where(rng.uniform(size=len(y)) < 0.97, y, 1 - y)
    words = frame.with_columns(letter=pl.Series(np.where(thanked, "thanks", "sorry")))
    assert find_leaks(words, "bought").suspected == ["letter"]
    paid = y * rng.gamma(2.0, size=len(y))
    twins = frame.with_columns(paid=paid, taxed=1.19 * paid + 1e-9 * rng.normal(size=len(y)))
    assert sorted(find_leaks(twins, "bought").suspected) == ["paid", "taxed"]


def strong(n, slope, weaker, seed):
    """A column that is honest and alone far better than those beside it, its outcome, and a count of it from 0 on."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=(n, 4))
    y = rng.uniform(size=n) < 1 / (1 + np.exp(1 - slope * x - weaker * z[:, 0]))
    columns = {"x": x, "count": np.maximum(0.0, np.round(2 * x)), **{f"z{k}": z[:, k] for k in range(4)}}
    return pl.DataFrame({**columns, "way": rng.choice(["web", "mail"], n), "came": y})


@pytest.mark.parametrize("weaker", [0.0, 1.5])
@pytest.mark.parametrize("column", ["x", "count"])
def test_an_honest_column_may_be_strong_whatever_stands_beside_it(column, weaker):
    for seed, slope in enumerate((2.0, 5.0)):
        frame = strong(1000, slope, weaker, seed)
        for beside in (["way"], ["z0", "z1", "z2", "z3", "way"]):
            found = find_leaks(frame.select(column, *beside, "came"), "came")
            assert found.suspected == [] and found.columns[0].name == column
            assert found.columns[0].alone < 0.8 or found.strong == [column]
    assert f"strong: {column}; a leak unless known before the outcome" in str(found)


def test_a_column_that_others_beat_is_neither():
    """Each of three measurements of one thing is good; the weakest is no leak for beating what is left."""
    rng = np.random.default_rng(0)
    y = rng.uniform(size=900) < 0.5
    x = {name: 2.0 * y + rng.normal(scale=s, size=900) for name, s in {"a": 0.9, "b": 1.0, "c": 1.3}.items()}
    found = find_leaks(pl.DataFrame({**x, "noise": rng.normal(size=900), "y": y}), "y")
    assert found.suspected == [] and found.strong == []


def test_of_two_leaks_the_one_does_not_hide_the_other():
    frame, rng = cases(2000)
    y = frame["bought"].to_numpy()
    paid, called = (np.where(rng.uniform(size=2000) < 0.93, y, 0) * rng.gamma(2.0, size=2000) for _ in range(2))
    assert sorted(find_leaks(frame.with_columns(paid=paid, called=called), "bought").suspected) == ["called", "paid"]


def visits(n=6000, seed=0):
    """Who visited, one in seven; few bought, all of them visitors; and who spent how much."""
    rng = np.random.default_rng(seed)
    visit = rng.uniform(size=n) < 0.14
    bought = visit & (rng.uniform(size=n) < 0.6)
    spent = np.where(bought, rng.gamma(2.0, 20.0, n), 0.0)
    return rng, visit, pl.DataFrame({"visit": visit.astype(int), "bought": bought.astype(int), "spent": spent})


@pytest.mark.parametrize("flip", [False, True])
def test_a_rare_value_that_settles_the_outcome_is_suspected_although_it_ranks_few(flip):
    rng, visit, frame = visits()
    rare = (rng.uniform(size=len(visit)) < 0.07) & visit
    frame = frame.select(visit=(visit ^ flip).astype(int), rare=pl.Series(rare), age=rng.normal(size=len(visit)))
    frame = frame.with_columns(rare=pl.when("rare").then(pl.lit("signed")).otherwise(pl.lit("no")))
    frame = pl.concat([frame] * 12)  # as often as it takes to be beyond chance
    found = find_leaks(frame, "visit")
    assert found.suspected == ["rare"]
    assert found.columns[0].alone < 0.6 and "cases with rare = signed, 100.0% have the same outcome" in str(found)


def test_so_are_amounts_where_there_are_any_and_cells_filled_in_after_the_outcome():
    _, visit, frame = visits()
    found = settled(Columns({"spent": np.array(frame["spent"])}), visit.astype(int))
    assert found["spent"].value == "other than 0"
    late = np.where(frame["bought"].to_numpy() == 1, np.arange(len(visit)), np.nan)
    assert settled(Columns({"late": late}), visit.astype(int))["late"].value == "filled"


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0, 2.5])
def test_neither_noise_nor_strong_honest_columns_settle_an_outcome(slope):
    for seed in range(25):
        rng = np.random.default_rng(seed)
        n, level = int(rng.choice([300, 3000, 20000])), int(rng.integers(0, 4))
        z = rng.normal(size=n)
        y = (rng.uniform(size=n) < 1 / (1 + np.exp(level - slope * z))).astype(int)
        noise = {f"noise {k}": rng.integers(0, 6, n).astype(float) for k in range(10)}
        strong = {"score": np.clip(np.round(3 * z), -8, 8), "half": np.round(z), "top": (z > 2).astype(float)}
        assert settled(Columns({**noise, **strong}), y) == {}


def test_rows_whose_outcome_is_not_known_are_left_out_when_asked_for():
    frame, rng = cases(400)
    paid = frame["bought"].to_numpy() * rng.gamma(2.0, size=400)
    known = frame.with_columns(paid=paid)
    gone = known.with_columns(pl.lit(None, pl.Int64).alias("bought"), paid=pl.lit(1.0))
    assert find_leaks(pl.concat([gone, known]), "bought", missing="drop").columns == find_leaks(known, "bought").columns


def test_times_in_a_form_of_their_own_are_times():
    frame, _ = cases(300)
    at = [datetime.date(2024, 5, 1) + datetime.timedelta(days=k % 28) for k in range(300)]
    sent = [day + datetime.timedelta(days=int(k % 10 == 0)) for k, day in enumerate(at)]
    texts = {n: pl.Series([f"{d:%m/%d/%Y}" for d in days]) for n, days in {"at": at, "sent": sent}.items()}
    assert find_leaks(frame.with_columns(**texts), "bought", time="at").suspected == ["sent"]


def test_the_numbers_of_rows_without_a_name_are_passed_over():
    frame, _ = cases(300)
    counted = frame.sort("bought").with_row_index("Unnamed: 0")
    assert "Unnamed: 0" not in [suspect.name for suspect in find_leaks(counted, "bought").columns]


@pytest.mark.parametrize("text", [False, True])
def test_times_after_the_outcome_are_suspected_and_times_before_are_not(text):
    frame, _ = cases(300)
    day = datetime.date(2024, 5, 1)
    at = [day] * 300
    sent = [day + datetime.timedelta(days=int(k % 10 == 0)) for k in range(300)]
    met = [day - datetime.timedelta(days=k) for k in range(300)]
    dated = frame.with_columns(at=pl.Series(at), sent=pl.Series(sent), met=pl.Series(met))
    dated = dated.with_columns(pl.col("at", "sent", "met").cast(pl.String)) if text else dated
    found = find_leaks(dated, "bought", time="at")
    assert found.suspected == ["sent"]
    assert "10.0% of its times are after the outcome" in str(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop("bought"), "has no column 'bought'"),
        (lambda f: f.with_columns(bought=pl.lit(1)), "must have two values.*it has 1"),
        (
            lambda f: f.with_columns(bought=pl.when(pl.int_range(pl.len()) > 2).then("bought")),
            'is empty in 3 rows, the first of them row 1; missing="drop" leaves such rows out',
        ),
        (lambda f: f.with_columns(bought=pl.lit(None)), "is empty in 100 rows"),
        (lambda f: f.select("bought"), "has no column beside the outcome"),
    ],
)
def test_a_table_that_cannot_be_searched_is_a_clear_error(change, message):
    with pytest.raises(DataError, match=message):
        find_leaks(change(cases(100)[0]), "bought")


def test_the_command_names_what_is_suspected(tmp_path):
    frame, _ = cases(300)
    frame.with_columns(paid=pl.col("bought") * 2.5).write_csv(tmp_path / "cases.csv")
    result = run("leaks", tmp_path / "cases.csv", "--outcome", "bought")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "suspected: paid"


@pytest.mark.parametrize(
    ("folder", "file", "outcome", "suspected"),
    [
        ("online_shoppers", "online_shoppers_intention.csv", "Revenue", ["PageValues"]),
        ("telco_churn", "Telco-Customer-Churn.csv", "Churn", []),
        ("hillstrom_email", "hillstrom.csv.gz", "visit", ["conversion", "spend"]),
    ],
)
def test_of_real_tables_the_known_leak_alone_is_suspected(folder, file, outcome, suspected):
    ignore = ["customerID"] if folder == "telco_churn" else []
    assert find_leaks(data_folder(folder) / file, outcome, ignore=ignore).suspected == suspected


@pytest.mark.parametrize("text", [False, True])
def test_a_time_that_is_filled_in_for_one_outcome_alone_is_suspected(text):
    """The end of a subscription, where it is asked who leaves, and its time is not named."""
    left = np.arange(400) % 5 == 0
    begin = [
        datetime.date(2023, 1, 1) + datetime.timedelta(days=int(d)) for d in np.random.default_rng(0).permutation(400)
    ]
    end = [day + datetime.timedelta(days=90) if gone else None for day, gone in zip(begin, left, strict=True)]
    table = pl.DataFrame({"left": left, "begin": begin, "end": end})
    found = find_leaks(table.with_columns(pl.col("begin", "end").cast(pl.String)) if text else table, "left")
    assert found.suspected == ["end"] and "with end empty, 100.0% have the same outcome" in str(found)
