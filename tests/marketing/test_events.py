"""EventLog: what it reads, how it orders, what it refuses, and what its report says."""

import datetime
import gzip
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import data_folder
from hypothesis import given
from hypothesis import strategies as st

from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog
from rnncore.marketing.log import parts
from rnncore.marketing.log.columns import EMPTY, OTHER
from rnncore.marketing.log.datetimes import forms_of
from rnncore.marketing.log.days import to_day
from rnncore.marketing.log.files import require_columns
from rnncore.marketing.log.quality import Check

NAMES = {"customer": "id", "time": "t", "value": "v"}


def frame(**columns) -> pl.DataFrame:
    default = {"id": [2, 1, 2], "t": ["2024-01-03", "2024-01-02", "2024-01-01"], "v": [3.0, 2.0, 1.0]}
    return pl.DataFrame(default | columns)


def log(source=None, **words) -> EventLog:
    return EventLog(frame() if source is None else source, **(NAMES | words))


def csv(folder: Path, text: str) -> Path:
    path = folder / "events.csv"
    path.write_text(text, encoding="utf-8")
    return path


# reading and ordering


def test_events_are_sorted_by_customer_and_time():
    made = log()
    assert made.customers.tolist() == [1, 2]
    assert made.offsets.tolist() == [0, 1, 3]
    assert made.value.tolist() == [2.0, 1.0, 3.0]


@pytest.mark.parametrize("order", [None, "place"])
def test_events_at_the_same_time_are_ordered_by_the_order_column_or_else_by_their_cells(order):
    rng = np.random.default_rng(0)
    value, place = rng.permutation(2000).astype(float), rng.permutation(2000)
    columns = {"id": np.arange(2000) % 7, "t": [datetime.date(2024, 1, 1)] * 2000, "v": value, "place": place}
    for seed in (1, 2):
        made = log(pl.DataFrame(columns).sample(fraction=1.0, shuffle=True, seed=seed), order=order)
        want = np.sort(value[3::7]) if order is None else value[3::7][np.argsort(place[3::7])]
        assert made.value[made.offsets[3] : made.offsets[4]].tolist() == want.tolist()


def test_input_frame_is_not_changed():
    source = frame()
    log(source)
    assert source.equals(frame())


@pytest.mark.parametrize("name", ["customers", "offsets", "time", "value", "count"])
def test_arrays_are_closed_against_writing(name):
    array = getattr(log().per_day(), name)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = array[1]


@pytest.mark.parametrize(
    "t",
    [
        pl.Series(["2024-01-03 00:00:00", "2024-01-02T00:00", "2024-01-01"]),
        pl.Series(["2024-01-03T00:00:00.000Z", "2024-01-02 00:00:00+02:00", "2024-01-01T00:00 -0500"]),
        pl.Series([datetime.date(2024, 1, day) for day in (3, 2, 1)]),
        pl.Series([datetime.datetime(2024, 1, day) for day in (3, 2, 1)]).cast(pl.Datetime("ns")),
        pl.Series([datetime.datetime(2024, 1, day) for day in (3, 2, 1)]).dt.replace_time_zone("Asia/Tokyo"),
    ],
    ids=["iso", "iso with offsets", "date", "nanoseconds", "time zone"],
)
def test_kinds_of_time_are_read_by_the_clock_as_written(t):
    assert log(frame(t=t)).time.tolist() == [datetime.datetime(2024, 1, day) for day in (2, 1, 3)]


@pytest.mark.parametrize(
    ("t", "time_format"),
    [
        ([20240103, 20240102, 20240101], "%Y%m%d"),
        (["3.1.2024", "02.01.2024", "1.1.2024"], "%d.%m.%Y"),
        (["3.1.2024 23:00 -0800", "2.1.2024 23:00 -0800", "1.1.2024 23:00 -0800"], "%d.%m.%Y %H:%M %z"),
    ],
)
def test_stated_format_reads_other_times(t, time_format):
    assert log(frame(t=t), time_format=time_format).day.astype(str).tolist() == [
        "2024-01-02",
        "2024-01-01",
        "2024-01-03",
    ]


def test_without_a_customer_all_rows_are_of_one_series():
    rows = pl.DataFrame({"t": ["2024-01-02", "2024-01-01"], "v": [2.0, 1.0]})
    days = pl.DataFrame({"t": ["2024-01-01", "2024-01-02", "2024-01-03"], "holiday": [1, 0, 1]})
    made = EventLog(rows, time="t", value="v", calendar=days)
    assert (made.customers.tolist(), made.value.tolist()) == (["all"], [1.0, 2.0])
    assert made.frame({"n": np.array([2])}).to_dict(as_series=False) == {"series": ["all"], "n": [2]}
    assert made.calendar.at(np.array(["2024-01-03"], "datetime64[D]")).numbers["holiday"].tolist() == [1.0]


@pytest.mark.parametrize("words", [{}, {"time": "t"}])
def test_without_a_customer_each_text_is_of_its_own_by_its_number_in_the_source(words):
    rows = pl.DataFrame({"t": ["2024-01-02", "2024-01-01", None], "said": ["b", None, "a"], "row": [7, 8, 9]})
    made = EventLog(rows, text="said", missing="drop", **words)
    assert made.customers.tolist() == ([1, 2] if words else [1, 2, 3]) and made.dated == bool(words)
    assert made.words().tolist()[:2] == ["b", None] and made.static.names == []
    answers = made.frame({"n": np.arange(len(made))})
    assert answers.schema["row"] == pl.Int64 and answers["row"].to_list() == made.customers.tolist()


def test_of_a_table_of_customers_a_text_is_not_static():
    rows = pl.DataFrame({"id": [1, 2], "said": ["b", "a"], "age": [20, 30]})
    assert EventLog(rows, customer="id", text="said").static.names == ["age"]
    with pytest.raises(DataError, match="texts stand each by itself where customer is left out"):
        EventLog(rows.with_columns(id=1), customer="id", text="said")


def test_without_a_time_a_customer_must_be_named():
    with pytest.raises(ContractError, match="customer: expected the name of a column"):
        EventLog(frame(), value="v")


@pytest.mark.parametrize(
    ("t", "form"), [(20240103, "%Y%m%d"), (202401, "%Y%m"), ("202401", "%Y%m"), (2024, "%Y"), ("2024", "%Y")]
)
def test_whole_numbers_are_no_dates_unless_stated(t, form):
    with pytest.raises(DataError, match=f'time_format="{form}" reads them all$'):
        log(frame(t=[t] * 3))
    assert log(frame(t=[t] * 3), time_format=form).day[0].astype(str).startswith("2024-01-0")


@pytest.mark.parametrize("dtype", [pl.Int64, pl.String, pl.Null])
def test_a_column_of_times_without_one_is_missing(dtype):
    with pytest.raises(DataError, match=r"missing cells.* 3 in 't'"):
        log(frame(t=pl.Series([None] * 3, dtype=dtype)))


def test_csv_keeps_ids_as_they_stand_there(tmp_path):
    made = log(csv(tmp_path, "id,t,v\n007,2024-01-01,1\n7,2024-01-02,2.5\n"))
    assert made.customers.tolist() == ["007", "7"]


@pytest.mark.parametrize("kind", ["csv", "gz", "parquet", "semicolon"])
def test_file_equals_frame(tmp_path, kind):
    path = tmp_path / "file"
    source = frame(id=["b", "a", "b"])
    if kind == "parquet":
        source.write_parquet(path)
    else:
        text = source.write_csv(separator=";" if kind == "semicolon" else ",").encode()
        path.write_bytes(gzip.compress(text) if kind == "gz" else text)
    made = log(path, separator=";" if kind == "semicolon" else ",")
    assert (made.customers.tolist(), made.value.tolist()) == (["a", "b"], [2.0, 1.0, 3.0])


def test_lazy_frame_is_collected():
    assert len(log(frame().lazy())) == 3


# the same kind of dataframe comes out


@pytest.mark.parametrize("dtype", [pl.Int16, pl.String, pl.Categorical, pl.UInt64, pl.Enum(["1", "2"])], ids=str)
def test_ids_come_out_with_the_type_they_came_with(dtype):
    source = frame().with_columns(pl.col("id").cast(pl.String).cast(dtype))
    assert log(source).frame({"p": np.zeros(2)}).schema["id"] == dtype


def test_frame_has_the_asked_customers_in_the_asked_order():
    out = log().frame({"p": np.array([0.5, 0.25])}, index=np.array([1, 0]))
    assert out.rows() == [(2, 0.5), (1, 0.25)]


def test_a_column_named_as_one_of_the_source_keeps_its_own_type():
    assert log(frame(v=[1, 2, 3])).frame({"v": np.array([0.5, 0.25])})["v"].to_list() == [0.5, 0.25]


@pytest.mark.parametrize("ids", [[2, 1, 2], ["b", "a", "b"], [2.0, 1.0, 2.0]])
def test_pandas_in_pandas_out(ids):
    pandas = pytest.importorskip("pandas")
    source = pandas.DataFrame(
        {"id": ids, "t": pandas.to_datetime(["2024-01-03", "2024-01-02", "2024-01-01"]), "v": 1.0}
    )
    out = log(source).frame({"p": np.array([0.0, 1.0])})
    assert isinstance(out, pandas.DataFrame)
    assert (out["id"].tolist(), out["id"].dtype) == (sorted(set(ids)), source["id"].dtype)


def test_gap_in_pandas_is_missing():
    pandas = pytest.importorskip("pandas")
    source = pandas.DataFrame({"id": ["b", None, "b"], "t": ["2024-01-03", "2024-01-02", None], "v": 1.0})
    assert log(source, missing="drop").quality()["rows used"] == 1


def test_pyarrow_in_pyarrow_out():
    pyarrow = pytest.importorskip("pyarrow")
    out = log(pyarrow.table(frame().to_dict(as_series=False))).frame({"p": np.array([0.0, 1.0])})
    assert isinstance(out, pyarrow.Table)


# refusals


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("id,t,v\n", "has no rows"),
        ("id,time,v\n1,2024-01-01,1\n", "has no column 't'; it has 'id', 'time', 'v'"),
        ("id;t;v\n1;2024-01-01;1\n", "separator="),
        ("id,t,v\n1,2024-01-01,1\n2,2024-02-30,1\n", "'2024-02-30' in row 2 of 't' is not an ISO date"),
        ("id,t,v\n1,01/02/2024,1\n", "'01/02/2024' in row 1 of 't'.*time_format="),
        ("id,t,v\n1,2024-01-01,1\n2,2024-01-01,12 EUR\n", "'12 EUR' in row 2 of 'v' is not a finite number"),
        ("id,t,v\n1,2024-01-01,1\n2,2024-01-01,inf\n", "'inf' in row 2 of 'v' is not a finite number"),
        ("id,t,v\n1,2024-01-01,NaN\n", "missing cells.*1 in 'v', the first in row 1.*missing=\"drop\""),
        ("id,t,v\n1,2024-01-01,1\n ,2024-01-01,1\n", "missing cells.*1 in 'id', the first in row 2"),
        ("id,t,v\n1,,1\n,2024-01-01,1\n", "1 in 'id', the first in row 2; 1 in 't', the first in row 1"),
        ("id,t,v\n1,2024-01-01,-2.5\n", r"negative numbers: 1 in 'v', the first in row 1 \(-2.5\).*negative=\"drop\""),
        ("id,t,v\n1,2024-01-01,1,9\n", "line 2 has 4 cells, its header has 3"),
    ],
)
def test_bad_csv_is_a_clear_error(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        log(csv(tmp_path, text))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"v": [1.0, float("inf"), 2.0]}, "inf in row 2 of 'v' is not a finite number"),
        ({"v": [1.0, float("nan"), 2.0]}, "missing cells.*1 in 'v', the first in row 2"),
        ({"v": [True, False, True]}, "'v' holds Boolean; it must hold numbers"),
        ({"id": [1.0, 1.5, 2.0]}, "customer 1.5 in row 2 of 'id' is not a whole number"),
        ({"id": [True, False, True]}, "'id' holds Boolean; customer ids must be text or whole numbers"),
        ({"t": [1.5, 2.0, 3.0]}, "'t' holds Float64; times must be dates"),
    ],
)
def test_bad_frame_is_a_clear_error(columns, message):
    with pytest.raises(DataError, match=message):
        log(frame(**columns))


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*nothing\.csv: No such file"):
        log(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    "content", [b"PAR1 and then nothing", b"\x7fELF\x00\x00", b"\x1f\x8b broken gzip", b"id,t,v\n\xe9,1,1\n"]
)
def test_file_of_another_kind(tmp_path, content):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"other (cannot be read as|is neither)|other: line 2 is not written in UTF-8"):
        log(path)


def test_closest_column_is_suggested():
    with pytest.raises(DataError, match="did you mean 'CustomerID'"):
        require_columns(["customer_id"], ["InvoiceNo", "CustomerID"], "shop.csv")


def test_format_for_a_column_of_dates_is_refused():
    with pytest.raises(DataError, match="time_format is for text and numbers"):
        log(frame(t=[datetime.date(2024, 1, 1)] * 3), time_format="%Y")


@pytest.mark.parametrize(
    "words", [{"missing": "ignore"}, {"negative": "ignore"}, {"customer": 3}, {"value": 3}, {"separator": ""}]
)
def test_wrong_argument_is_a_contract_error(words):
    with pytest.raises(ContractError):
        log(**words)


@pytest.mark.parametrize("source", [[1, 2], None, {"id": [1]}, pl.Series([1])])
def test_source_that_is_no_dataframe_is_a_contract_error(source):
    with pytest.raises(ContractError, match="a dataframe or a path"):
        EventLog(source, customer="id", time="t")


def test_nothing_left_after_dropping():
    with pytest.raises(DataError, match="no row is left"):
        log(frame(v=[-1.0, -1.0, -2.0]), negative="drop")


@pytest.mark.parametrize("day", ["1900-01-01", "1970-01-01", "2999-12-31"])
def test_unlikely_dates_warn_and_are_counted(day):
    with pytest.warns(UserWarning, match="1 date before 1971 or in the future"):
        made = log(frame(t=["2024-01-03", day, "2024-01-01"]))
    assert made.quality()["unlikely dates"] == 1


# the report


def test_dropped_rows_are_counted_by_reason():
    source = pl.DataFrame(
        {
            "id": ["a", None, "b", "c", "", "d"],
            "t": ["2024-01-01", "2024-01-01", None, "2024-01-01", None, "2024-01-01"],
            "v": [1.0, 1.0, 1.0, -1.0, 1.0, None],
        }
    )
    report = log(source, missing="drop", negative="drop").quality()
    counts = {check.name: check.rows for check in report}
    assert counts["rows read"] == 6
    assert (counts["missing customer"], counts["missing time"], counts["missing value"]) == (2, 2, 1)
    assert (counts["negative value"], counts["rows used"], counts["customers"]) == (1, 1, 1)


def test_zeros_repeats_and_disorder_are_counted():
    source = frame(id=[1, 1, 1, 1], t=["2024-01-02", "2024-01-01", "2024-01-01", "2024-01-01"], v=[1.0, 0.0, 0.0, 2.0])
    report = log(source).quality()
    names = ("zero value", "exact repeats", "repeated customer and day", "out of order")
    assert [report[name] for name in names] == [2, 1, 2, 1]


def test_conversions_have_a_line():
    t = ["2024-01-03T10:00+02:00", "2024-01-02", "2024-01-01"]
    report = log(frame(id=[1.0, 2.0, 1.0], t=t, v=["1", "2", "3"])).quality()
    assert [report[name] for name in ("customers as floats", "text as dates", "text as numbers", "time zone")] == [
        3,
        3,
        3,
        1,
    ]


def test_outliers_and_rare_levels_are_counted_and_kept():
    n = 200
    paid = [*np.random.default_rng(0).lognormal(3, 0.5, n - 1), 1e9]
    way = ["web"] * (n - 3) + ["fax", "fax", "post"]
    made = log(pl.DataFrame({"id": range(n), "t": ["2024-01-01"] * n, "v": paid, "way": way}), channel="way")
    report = made.quality()
    assert (report["outliers of value"], report["rare levels of channel"], report["rows used"]) == (1, 3, n)
    assert "the largest is 1e+09" in str(report) and "2 of 3 levels" in str(report)


def test_words_of_a_table_that_few_customers_have_are_counted():
    ids = [f"c{k}" for k in range(20)]
    static = pl.DataFrame({"id": ids, "joined": [f"2020-01-{k + 1:02}" for k in range(20)], "sex": ["m", "f"] * 10})
    made = EventLog(pl.DataFrame({"id": ids, "t": ["2024-01-01"] * 20}), customer="id", time="t", static=static)
    line = next(check for check in made.quality() if check.name == "static: rare levels")
    assert (line.rows, line.remark.split(",")[0]) == (20, "'joined': kept; 20 of 20 levels")


def test_prices_that_are_mostly_equal_have_no_outliers():
    assert log(frame(v=[9.99, 9.99, 100.0])).quality()["outliers of value"] == 0


def test_report_prints_a_table():
    lines = str(log(frame(v=[0.0, 1.0, 2.0])).quality()).splitlines()
    assert lines[0] == "the dataframe"
    assert any(line.split() == ["zero", "value", "1", "kept"] for line in lines)


def test_columns_of_which_the_same_is_said_share_a_line():
    names = [f"column_{k}" for k in range(12)]
    source = frame(v=["1", "2", "3"], **{name: ["1", "2", "3"] for name in names})
    lines = str(log(source, extras=names).quality()).splitlines()
    place = next(k for k, line in enumerate(lines) if line.startswith("  text as numbers"))
    assert lines[place].split()[3:6] == ["3", "'v',", "'column_0',"]
    assert all(name in " ".join(lines[place : place + 3]) for name in names)
    assert max(map(len, lines)) <= 100


def test_a_clean_log_has_a_short_report_that_names_what_was_looked_for():
    lines = str(log().quality()).splitlines()
    assert [line.split("  ")[1] for line in lines[1:6]] == [
        "rows read",
        "text as dates",
        "out of order",
        "rows used",
        "customers",
    ]
    words = " ".join(line.strip() for line in lines[6:])
    assert words.startswith("no rows with: missing customer, missing time, ") and words.endswith("outliers of value")


# cutting and adding up


def test_per_day_adds_up_value_items_and_count():
    source = pl.DataFrame(
        {
            "id": [1, 1, 1, 2],
            "t": ["2024-01-01 09:00", "2024-01-01 17:00", "2024-01-02", "2024-01-02"],
            "v": [1, 2, 3, 4],
        }
    )
    daily = log(source, items="v").per_day()
    assert daily.value.tolist() == daily.items.tolist() == [3.0, 3.0, 4.0]
    assert (daily.count.tolist(), daily.offsets.tolist()) == ([2, 1, 1], [0, 2, 3])
    assert daily.time.tolist() == [datetime.datetime(2024, 1, day) for day in (1, 2, 2)]


def test_until_takes_the_whole_day():
    made = log(frame(t=["2024-01-03", "2024-01-01 23:59:59", "2024-01-02"]))
    assert made.until("2024-01-01").customers.tolist() == [1]


def test_until_before_the_first_event_is_empty():
    assert len(log().until("2023-12-31").per_day()) == 0


def test_count_and_value_between_leave_out_the_first_day_and_take_the_last():
    made = log()
    assert made.count_between("2024-01-01", "2024-01-03").tolist() == [1, 1]
    assert made.value_between("2024-01-01", "2024-01-03").tolist() == [2.0, 3.0]


def test_value_between_needs_a_value():
    with pytest.raises(ContractError, match="name it when the log is made"):
        EventLog(frame(), customer="id", time="t").value_between("2024-01-01", "2024-01-02")


@pytest.mark.parametrize(
    "day", [5, None, "yesterday", "2020-12", "2020-12-31 12:00", "2020-02-30", np.datetime64("NaT", "D")]
)
def test_what_is_no_day_is_a_contract_error(day):
    with pytest.raises(ContractError, match="a date, a numpy datetime64 or ISO text"):
        to_day(day)


events = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40), st.integers(0, 9)), min_size=1, max_size=30)


def small_log(rows) -> EventLog:
    first = datetime.date(2024, 1, 1)
    days = [first + datetime.timedelta(days=day) for _, day, _ in rows]
    return log(pl.DataFrame({"id": [r[0] for r in rows], "t": days, "v": [float(r[2]) for r in rows]}))


@given(events)
def test_offsets_hold_each_customers_events_in_order(rows):
    made = small_log(rows)
    for i, customer in enumerate(made.customers):
        mine = sorted(r for r in rows if r[0] == customer)
        assert made.value[made.offsets[i] : made.offsets[i + 1]].tolist() == [r[2] for r in mine]


@given(events)
def test_per_day_keeps_the_sums_of_each_customer(rows):
    made = small_log(rows)
    before = np.add.reduceat(made.value, made.offsets[:-1])
    daily = made.per_day()
    assert np.add.reduceat(daily.value, daily.offsets[:-1]).tolist() == before.tolist()


@given(events, st.integers(-1, 41))
def test_history_and_future_share_out_the_events(rows, cut):
    made = small_log(rows)
    day = np.datetime64("2024-01-01") + np.timedelta64(cut, "D")
    future = made.count_between(day, "2024-12-31")
    past = np.zeros(len(made.customers), int)
    past[made.population(day)] = np.diff(made.until(day).offsets)
    assert (past + future).tolist() == np.diff(made.offsets).tolist()


# the other columns and the tables beside the log


def full(**words):
    columns = {"way": ["web", None, "mail"], "what": [7, 8, 7], "p": [0.5, 0.25, 1.0], "said": ["Hi", "", None]}
    extra = {"rebate": ["1", "", "2.5"], "zip": ["01", "02", "01"], "shop": ["x", "y", "x"], "ok": [True, None, False]}
    roles = {"channel": "way", "item": "what", "propensity": "p", "text": "said", "outcome": "ok"}
    return log(frame(**columns, **extra), **roles, extras=["rebate", "zip", "shop"], **words)


def test_categories_have_codes_and_gaps():
    made = full()
    assert made.category("channel").codes.tolist() == [EMPTY, 0, 1]  # in the order of customer and time
    assert made.category("channel").levels.tolist() == ["mail", "web"]
    assert made.category("item").levels.tolist() == ["7", "8"]


def test_numbers_keep_gaps_and_texts_stay_as_they_are():
    made = full()
    assert made.number("outcome").tolist()[1:] == [0.0, 1.0] and np.isnan(made.number("outcome")[0])
    assert made.number("propensity").tolist() == [0.25, 1.0, 0.5]
    assert made.words().tolist() == [None, None, "Hi"]
    assert made.number("value") is made.value


def test_extras_are_numbers_where_all_cells_are_unless_named_as_categories():
    assert np.isnan(full().number("rebate")[0]) and full().number("zip").tolist() == [2.0, 1.0, 1.0]
    assert full(categories=["zip"]).category("zip").levels.tolist() == ["01", "02"]
    assert full().category("shop").levels.tolist() == ["x", "y"]


def test_gaps_in_other_columns_are_kept_and_reported():
    report = full().quality()
    names = ("rows used", "missing channel", "missing text", "missing outcome", "numbers as categories")
    assert [report[name] for name in names] == [3, 1, 2, 1, 3]


def test_gaps_in_numbers_are_kept_when_told():
    made = log(frame(v=[1.0, None, -2.0]), missing="keep", negative="keep")
    assert np.isnan(made.value[0]) and made.value[1:].tolist() == [-2.0, 1.0]
    assert (made.quality()["missing value"], made.quality()["negative value"]) == (1, 1)
    assert np.isnan(made.per_day().value[0])


def test_a_column_of_another_kind_is_a_clear_error():
    with pytest.raises(ContractError, match=r"event: expected a column of categories, received none; name it when"):
        full().category("event")
    with pytest.raises(ContractError, match="shop: expected a column of numbers, received another kind of column"):
        full().number("shop")


@pytest.mark.parametrize("p", [0.0, 1.5])
def test_a_propensity_is_a_probability(p):
    with pytest.raises(DataError, match=r"in row 2 of 'p' is no probability in \(0, 1\]"):
        log(frame(p=[1.0, p, 0.5]), propensity="p")


@pytest.mark.parametrize("extras", ["shop", [1], ["value"], ["row"]])
def test_extras_are_a_list_of_names_without_another_role(extras):
    with pytest.raises(ContractError, match="extras"):
        log(extras=extras)


def test_cuts_take_the_cells_along():
    early = full(static=pl.DataFrame({"id": [2, 1], "age": [30, 40]})).until("2024-01-02")
    assert early.number("propensity").tolist() == [0.25, 1.0]
    assert full(static=pl.DataFrame({"id": [2, 1], "age": [30, 40]})).until("2024-01-01").static.numbers[
        "age"
    ].tolist() == [30.0]
    assert early.per_day().cells.names == []


def test_static_columns_stand_in_the_order_of_the_customers():
    made = log(static=pl.DataFrame({"id": [3, 2], "age": [50.0, None], "sex": ["f", "m"]}))
    assert np.isnan(made.static.numbers["age"]).all()
    assert made.static.categories["sex"].coded(["m"]).tolist() == [OTHER, 1]
    assert [made.quality()[name] for name in ("customers without static row", "static rows of others")] == [1, 1]


def test_a_calendar_answers_for_days_to_come_and_leaves_others_empty():
    days = [datetime.date(2024, 12, 25), datetime.date(2024, 1, 1)]
    made = log(calendar=pl.DataFrame({"t": days, "holiday": ["Christmas", "New Year"], "rain": [0.5, 1]}))
    asked = made.until("2024-01-02").calendar.at(np.array(["2024-12-25", "2024-12-26"], "datetime64[D]"))
    assert asked.categories["holiday"].codes.tolist() == [0, EMPTY]
    assert asked.numbers["rain"][0] == 0.5 and np.isnan(asked.numbers["rain"][1])


def test_a_calendar_may_have_rows_per_customer():
    rows = {"t": ["2024-01-02", "2024-01-01", "2024-01-02"], "id": [2, 1, 1], "price": [3.0, 1.0, 2.0]}
    days = np.array(["2024-01-02", "2024-01-02", "2024-01-01", "2024-01-01"], "datetime64[D]")
    asked = log(calendar=pl.DataFrame(rows)).calendar.at(days, np.array([1, 2, 2, 1])).numbers["price"]
    assert asked[[0, 1, 3]].tolist() == [2.0, 3.0, 1.0] and np.isnan(asked[2])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"static": pl.DataFrame({"id": [1, 1], "a": [1, 2]})}, "row 2 is a second one for 1"),
        ({"static": pl.DataFrame({"id": ["1"], "a": [1]})}, "'id' holds text, in the log it holds numbers"),
        ({"static": pl.DataFrame({"who": [1]})}, "the dataframe static has no column 'id'"),
        ({"static": pl.DataFrame({"id": [1, None]})}, "row 2 has no customer 'id'"),
        ({"calendar": pl.DataFrame({"t": ["2024-01-01", "2024-01-01 12:00"]})}, "row 2 is a second one"),
        ({"calendar": pl.DataFrame({"t": ["soon"]})}, "'soon' in row 1 of 't'"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_clear_error(words, message):
    with pytest.raises(DataError, match=message):
        log(**words)


# real data


def test_a_price_times_items_is_the_value():
    source = frame(n=[1, 2, 3], p=[10.0, 0.5, 2.0]).drop("v")
    priced = EventLog(source, customer="id", time="t", items="n", price="p")
    assert priced.value.tolist() == [1.0, 6.0, 10.0]
    assert priced.quality()["value"] == 3


@pytest.mark.parametrize("words", [{"price": "v"}, {"price": "v", "value": "v", "items": "v"}])
def test_a_price_needs_items_and_no_value(words):
    with pytest.raises(ContractError, match="price: expected items beside it, and no value"):
        EventLog(frame(), customer="id", time="t", **words)


def test_a_negative_price_is_named_by_its_column():
    with pytest.raises(DataError, match=r"negative numbers: 1 in 'p', the first in row 2 \(-1\)"):
        EventLog(frame(n=[1, 1, 1], p=[1.0, -1.0, 1.0]), customer="id", time="t", items="n", price="p")


def test_online_retail_with_explicit_words():
    path = data_folder("online_retail_1") / "online_retail.parquet"
    words = {"customer": "CustomerID", "time": "InvoiceDate", "price": "UnitPrice", "items": "Quantity"}
    log = EventLog(path, **words, missing="drop", negative="drop")
    report = log.quality()
    assert log.value.sum() == pytest.approx(8_911_407.904)
    names = ("rows read", "missing customer", "negative price", "negative items", "rows used", "customers")
    assert [report[name] for name in names] == [541_909, 135_080, 2, 10_624, 397_924, 4_339]


@pytest.mark.parametrize("words", [{"customer": "t"}, {"value": "t"}, {"items": "id"}])
def test_who_and_when_need_columns_of_their_own(words):
    with pytest.raises(ContractError, match="expected a column of its own"):
        log(**words)


def test_codes_too_long_to_be_added_up_are_read_as_categories_where_they_are_named_so():
    codes = frame(ean=[4006381333931, 4006381333932, 4006381333931])
    with pytest.raises(DataError, match="a column of codes is one of categories"):
        log(codes, extras=["ean"])
    levels = log(codes, extras=["ean"], categories=["ean"]).category("ean").levels
    assert levels.tolist() == ["4006381333931", "4006381333932"]


@pytest.mark.parametrize("huge", [1e308, -2e12, "1e13"])
def test_a_huge_amount_is_an_error_with_its_row(huge):
    with pytest.raises(DataError, match=r"in row 2 of 'v' is beyond 1e\+12"):
        log(frame(v=["1", str(huge), "2"]))


def test_an_amount_of_a_million_millions_is_read():
    assert log(frame(v=[1.0, 1e12, 2.0])).value.max() == 1e12


def test_one_of_a_thing_is_in_the_singular():
    assert repr(log(frame().head(1))) == "EventLog(1 event of 1 customer, 2024-01-03 to 2024-01-03)"


# nothing is converted in silence

NOON = "2024-01-01T12:00:00"


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        (f"id,t,v\n1,{NOON}Z,1\n1,{NOON},2\n", {}, f"'{NOON}' in row 2 of 't' has no offset from UTC"),
        ("id,id,t,v\n1,2,2024-01-01,1\n", {}, "has 2 columns called 'id'"),
        ("id,t,v\r1,2024-01-01,1\r", {}, "carriage return alone"),
        ("id;t;v\n1;2024-01-01;1,5\n", {"separator": ";"}, "'1,5' in row 1 of 'v'.*say decimal=\",\""),
        ("id;t;v\n1;2024-01-01;1,5\n", {}, 'separated by ;, say separator=";"'),
        ("id\tt\tv\n1\t2024-01-01\t1.5\n", {}, r'separated by a tab, say separator="\\t"'),
        ('id,t,v,x\n1,2024-01-01,1,"1,5"\n1,2024-01-02,1,2\n', {"extras": ["x"]}, "'x' holds.*decimal comma, as '1,5'"),
        ("id,t,v\n1,2024-13-01,1\n", {}, "'2024-13-01' in row 1"),
        ("id,t,v\n1,1704110400,1\n", {}, 'time_format="%s" .seconds since 1970'),
    ],
)
def test_a_file_that_would_be_guessed_at_is_refused(tmp_path, text, words, message):
    with pytest.raises(DataError, match=message):
        log(csv(tmp_path, text), **words)


@pytest.mark.parametrize(
    ("t", "time_format"), [("1704110400", "%s"), ("1704110400000", "%s%3f"), ("1704110400000000", "%s%6f")]
)
def test_parts_of_time_since_1970_are_named_and_read_when_told(tmp_path, t, time_format):
    path = csv(tmp_path, f"id,t,v\n1,{t},1\n")
    with pytest.raises(DataError, match=f'time_format="{time_format}" .(milli|micro|)seconds since 1970'):
        log(path)
    assert str(log(path, time_format=time_format).time[0])[:19] == NOON


@pytest.mark.parametrize("t", ["1704110400.0", 1704110400.0, 1704110400])
def test_seconds_since_1970_may_be_floats(tmp_path, t):
    assert str(log(frame(t=[t] * 3), time_format="%s").time[0])[:19] == NOON
    with pytest.raises(DataError, match="seconds since 1970" if type(t) is not float else "Float64"):
        log(frame(t=[t] * 3))


@pytest.mark.parametrize("kind", [str, int])
def test_a_log_that_counts_its_days_is_read_by_the_day(kind):
    with pytest.raises(DataError, match=r'time_format="%d" .days since 1970.'):
        log(frame(t=["711", "1", "365"]))
    with pytest.warns(UserWarning, match="before 1971"):
        made = log(frame(t=[kind(711), kind(1), kind(365)]), time_format="%d")
    assert sorted(made.day.astype(int).tolist()) == [1, 365, 711]


def test_days_as_a_spreadsheet_counts_them_are_told_from_other_numbers():
    with pytest.raises(DataError, match=r"'45292.5' .*counts days \(2024-01-01\), format the column as dates there"):
        log(frame(t=["45292.5"] * 3))


@pytest.mark.parametrize("word", ["NaT", "NULL", "nan"])
def test_a_time_that_is_none_is_missing(word):
    assert log(frame(t=["2024-01-03", word, "2024-01-01"]), missing="drop").quality()["missing time"] == 1


def test_decimal_commas_are_read_where_they_are_told(tmp_path):
    text = "id;t;v;x;way\na;2024-01-01;-1,5;0,25;1,5\nb;2024-01-02;2;1;2.5\n"
    (tmp_path / "static.csv").write_text("id;age\na;30,5\nb;40\n")
    words = {"separator": ";", "decimal": ",", "extras": ["x"], "channel": "way", "negative": "keep"}
    made = log(csv(tmp_path, text), **words, static=tmp_path / "static.csv")
    assert (made.value.tolist(), made.number("x").tolist()) == ([-1.5, 2.0], [0.25, 1.0])
    assert made.static.numbers["age"].tolist() == [30.5, 40.0]
    assert made.category("channel").levels.tolist() == ["1,5", "2.5"]  # words stay as they are
    assert made.reading["decimal"] == "," and "decimal" not in log().reading


def test_another_decimal_mark_is_refused():
    with pytest.raises(ContractError, match=r"decimal: expected .* received ';'"):
        log(decimal=";")


def test_a_number_of_seconds_beyond_all_years_is_refused(tmp_path):
    with pytest.raises(DataError, match="'1704110400000' in row 1"):
        log(csv(tmp_path, "id,t,v\n1,1704110400000,1\n"), time_format="%s")


@pytest.mark.parametrize("zone", [" UTC", "+00"])
def test_zones_of_exports_from_databases_are_offsets(tmp_path, zone):
    made = log(csv(tmp_path, f"id,t,v\n1,2024-01-01 12:00:00{zone},1\n1,2024-01-02 12:00:00.5{zone},1\n"))
    assert str(made.time[0])[:19] == NOON
    assert made.quality()["time zone"] == 2


@pytest.mark.parametrize(
    ("cells", "forms"),
    [
        (["2/24/2003 0:00", "5/7/2003 0:00"], ["%m/%d/%Y %H:%M"]),
        (["04-09-2012", "08-03-2014"], ["%d-%m-%Y", "%m-%d-%Y"]),
        (["06-12-2016", "6-16-2016"], ["%m-%d-%Y"]),
        (["1960-01", "1960-02"], ["%Y-%m"]),
        (["1991 Jul", "1991 Aug"], ["%Y %b"]),
        (["Jan 1 2000", "Feb 1 2000"], ["%b %d %Y"]),
        (["05-Jan-20", "31-Dec-19"], ["%d-%b-%y"]),
        (["1/2/2020 3:04 PM", "1/22/2020 3:04 AM"], ["%m/%d/%Y %I:%M %p"]),
        (["1/2/2020", "2020.2.1"], []),
        (["13/13/2020"], []),
        (["20"], []),
        (["01-Dec-2010 14:42:00"], ["%d-%b-%Y %H:%M:%S"]),  # that it may have tenths too is no other reading
        (["Wed, 01 Dec 2010 14:42:00 -0500"], ["%a, %d %b %Y %H:%M:%S %z"]),
        (["Wednesday, December 01, 2010"], ["%A, %B %d, %Y"]),
        (["14 Apr 2019, 08:32"], ["%d %b %Y, %H:%M"]),
        (["10/Oct/2000:13:55:36 -0700"], ["%d/%b/%Y:%H:%M:%S %z"]),
        (["1-01", "3-12"], ["%y-%m"]),
        (["01 Nov 2003", "02 Nov 2003"], ["%d %b %Y"]),
        (["Jan-1-1995"], ["%b-%d-%Y"]),
        (["January 2019"], ["%B %Y"]),
        (["1700", "1701"], ["%Y"]),
        (["2019-W05", "2019-W06"], ["%G-W%V"]),
        (["2019Q1", "2019Q4"], ["%YQ%q"]),
        (["Q1 2019"], ["Q%q %Y"]),
        (["Q5 2019"], []),
        (["Fri Nov 30 06:25:02 +0000 2012"], ["%a %b %d %H:%M:%S %z %Y"]),
    ],
)
def test_the_forms_that_read_every_time_are_found(cells, forms):
    assert forms_of(pl.Series(cells), cells[0]) == forms


@pytest.mark.parametrize(
    ("cell", "form", "day"),
    [
        ("2020 Q2", "%Y Q%q", "2020-04-01"),
        ("Q4 19", "Q%q %y", "2019-10-01"),
        ("2019-W05", "%G-W%V", "2019-01-28"),
        ("2-11", "%y-%m", "2002-11-01"),
    ],
)
def test_a_quarter_is_its_first_day_and_a_week_its_monday(cell, form, day, tmp_path):
    assert str(log(csv(tmp_path, f"id,t,v\n1,{cell},1\n"), time_format=form).day[0]) == day
    with pytest.raises(DataError, match="'soon' in row 2"):
        log(csv(tmp_path, f"id,t,v\n1,{cell},1\n1,soon,1\n"), time_format=form)


def test_times_in_none_of_the_forms_get_the_general_advice(tmp_path):
    with pytest.raises(DataError, match=r'for example time_format="%d/%m/%Y %H:%M"$'):
        log(csv(tmp_path, "id,t,v\n1,2020 spring,1\n"))


def test_a_time_unlike_most_others_is_told_from_a_form_that_is_not_said(tmp_path):
    with pytest.raises(
        DataError, match=r"'Total' in row 3 of 't' is not an ISO date .* as 2 of 3 are; correct this one"
    ):
        log(csv(tmp_path, "id,t,v\n1,2020-01-01,1\n1,2020-01-02,1\n1,Total,2\n"))
    with pytest.raises(DataError, match=r'"%d.%m.%Y" reads 2 of 3, but not \'Total\': correct or remove'):
        log(csv(tmp_path, "id,t,v\n1,30.01.2020,1\n1,31.01.2020,1\n1,Total,2\n"))
    with pytest.raises(DataError, match=r'%m/%d/%Y" too\), but not \'Total\''):
        log(csv(tmp_path, "id,t,v\n1,01/02/2020,1\n1,02/02/2020,1\n1,Total,2\n"))


def test_where_day_and_month_cannot_be_told_apart_both_forms_are_named(tmp_path):
    with pytest.raises(DataError, match=r'"%d/%m/%Y" reads them all, or time_format="%m/%d/%Y", which'):
        log(csv(tmp_path, "id,t,v\n1,01/02/2024,1\n"))


def test_a_form_that_does_not_read_all_times_leads_to_the_one_that_does(tmp_path):
    with pytest.raises(
        DataError, match=r"'2/13/2024' in row 2.*form '%d/%m/%Y'; time_format=.%m/%d/%Y. reads them all"
    ):
        log(csv(tmp_path, "id,t,v\n1,1/2/2024,1\n1,2/13/2024,1\n"), time_format="%d/%m/%Y")


def test_words_that_differ_in_spaces_are_told_apart_and_reported(tmp_path):
    text = "id,t,v,way\na,2024-01-01,1,web\na ,2024-01-02,1, web\nb ,2024-01-03,1,web\n"
    made = log(csv(tmp_path, text), channel="way")
    assert made.customers.tolist() == ["a", "a ", "b "]
    assert made.quality()["customer alike but for spaces"] == 2  # the space of "b " is no matter
    assert made.quality()["channel alike but for spaces"] == 3
    assert "kept apart, as ' web' and 'web'" in str(made.quality())


def test_words_that_differ_in_capitals_are_told_apart_and_reported_but_for_ids(tmp_path):
    text = "id,t,v,way\na,2024-01-01,1,web\nA,2024-01-02,1,Web\nb,2024-01-03,1,mail\n"
    made = log(csv(tmp_path, text), channel="way")
    assert made.quality()["channel alike but for capitals"] == 2
    assert "kept apart, as 'Web' and 'web'" in str(made.quality())
    assert "customer alike" not in str(made.quality())


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_byte_order_mark_quotes_and_line_breaks_inside_them_are_read(tmp_path, mark):
    made = log(csv(tmp_path, f'{mark}"id",t,v,way\n"a\nb",2024-01-01,1,"x,y"\n007,2024-01-01,1,\n7,2024-01-01,2,z\n'),
               channel="way")  # fmt: skip
    assert made.customers.tolist() == ["007", "7", "a\nb"]
    assert made.category("channel").levels.tolist() == ["x,y", "z"]


def test_a_name_that_is_there_twice_and_not_asked_for_is_no_matter(tmp_path):
    assert len(log(csv(tmp_path, "id,t,v,x,x\n1,2024-01-01,1,3,4\n"))) == 1


def pandas_frame(**columns):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame({"id": [1, 2], "t": ["2024-01-01", "2024-01-02"], "v": [1.0, 2.0], **columns})


def test_pandas_times_of_several_zones_are_refused_and_those_of_one_keep_its_clock():
    pd = pytest.importorskip("pandas")
    rome, utc = (pd.Timestamp(NOON, tz=zone) for zone in ("Europe/Rome", "UTC"))
    with pytest.raises(DataError, match="several zones"):
        log(pandas_frame(t=pd.Series([rome, utc], dtype=object)))
    made = log(pandas_frame(t=pd.Series([rome, rome], dtype=object)))
    assert made.time.tolist() == [datetime.datetime(2024, 1, 1, 12)] * 2


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"t": np.array(["300000-01-01", "2024-01-01"], "datetime64[s]")}, "too far away"),
        ({"t": np.array(["-0500-01-01", "2024-01-01"], "datetime64[s]")}, "outside the years 1 to 9999"),
        ({"id": [2.0**60, 1.0]}, "may have been another before it was made a float"),
        ({"id": ["007", 7]}, "several types"),
        ({"v": [np.inf, 1.0]}, "inf in row 1"),
        ({"id": [1.5, 2.0]}, "1.5 in row 1 of 'id' is not a whole number"),
    ],
)
def test_a_pandas_column_that_would_be_changed_is_refused(column, message):
    with pytest.raises(DataError, match=message):
        log(pandas_frame(**column))


def test_pandas_times_in_seconds_whole_numbers_with_gaps_and_categories_are_read():
    pd = pytest.importorskip("pandas")
    columns = {"n": pd.array([2**35 + 1, None], dtype="Int64"), "way": pd.Categorical(["x", None])}
    frame = pandas_frame(t=np.array(["2024-01-01T00:00:01"] * 2, "datetime64[s]"), **columns)
    made = log(frame, extras=["n"], channel="way")
    assert made.time.tolist() == [datetime.datetime(2024, 1, 1, 0, 0, 1)] * 2
    assert made.number("n")[0] == 2**35 + 1 and np.isnan(made.number("n")[1])
    assert made.category("channel").codes.tolist() == [0, EMPTY]


def test_names_that_are_no_text_are_shown_as_they_are():
    pd = pytest.importorskip("pandas")
    with pytest.raises(DataError, match=r"has no column 'id'; it has 0, 1"):
        log(pd.DataFrame([[1, 2]]))
    with pytest.raises(DataError, match=r"it has \('a', 'b'\)"):
        log(pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])))


def test_whole_numbers_too_large_to_be_counted_are_categories_as_they_stand():
    made = log(frame(way=[1e300, 2.0, None]), channel="way")
    assert made.category("channel").levels.tolist() == ["1e+300", "2.0"]


def test_times_finer_than_a_microsecond_are_reported():
    times = pl.Series([f"{NOON}.000000001", f"{NOON}.000001", f"{NOON}.5"])
    for column in (times, times.str.to_datetime(time_unit="ns")):
        assert log(frame(t=column)).quality()["times cut to microseconds"] == 1


def test_a_dict_of_arrays_is_no_dataframe():
    with pytest.raises(ContractError, match="expected a dataframe or a path, received dict"):
        log({"id": np.array([1]), "t": np.array(["2024-01-01"]), "v": np.array([1.0])})


def test_columns_are_parsed_in_parts_and_a_bad_cell_keeps_its_row(monkeypatch):
    monkeypatch.setattr(parts, "PART", 2)
    assert log().value.tolist() == [2.0, 1.0, 3.0]
    with pytest.raises(DataError, match="'no' in row 3 of 'v'"):
        log(frame(v=["1", "2", "no"]))
    with pytest.raises(DataError, match="in row 3 of 't' has no offset"):
        log(frame(t=[f"{NOON}Z", f"{NOON}Z", NOON]))


@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([None, 0.0, 1.0]),
                               st.sampled_from([None, "x", "y"])), min_size=1, max_size=12),
       seed=st.integers(0, 99))  # fmt: skip
def test_the_order_and_the_repeats_are_those_of_sorting_rows_in_python(rows, seed):
    names = ["id", "t", "v", "way"]
    source = pl.DataFrame([(f"c{i}", datetime.date(2024, 1, 1 + d), v, w) for i, d, v, w in rows],
                          schema={"id": pl.String, "t": pl.Date, "v": pl.Float64, "way": pl.String},
                          orient="row").sample(fraction=1.0, shuffle=True, seed=seed)  # fmt: skip
    made = log(source, channel="way", missing="keep")
    key = {"id": str, "t": str, "v": lambda v: -1.0 if v is None else v, "way": lambda w: w or ""}
    want = sorted(source.rows(), key=lambda row: [key[name](cell) for name, cell in zip(names, row, strict=True)])
    way = made.category("channel")
    levels = [*way.levels, None]
    value = [None if np.isnan(v) else v for v in made.value]
    found = zip(made.customers[made.codes], made.time.astype("datetime64[D]").tolist(), value,
                [levels[k] for k in way.codes], strict=True)  # fmt: skip
    assert list(found) == want
    assert made.quality()["exact repeats"] == len(rows) - len(set(source.rows()))


PEOPLE = pl.DataFrame({"id": [2, 1], "plan": ["a", None], "spent": [1.5, 2.0], "left": ["yes", "no"]})


def test_without_times_a_source_is_a_table_of_customers_whose_other_columns_are_static():
    made = EventLog(PEOPLE, customer="id", outcome="left")
    assert not made.dated and repr(made) == "EventLog(a table of 2 customers)"
    assert made.customers.tolist() == [1, 2] and made.static.numbers["spent"].tolist() == [2.0, 1.5]
    assert sorted(made.static.names) == ["plan", "spent"]
    assert made.quality()["static: empty cells"] == 1
    assert EventLog(PEOPLE, customer="id", outcome="left", extras=["plan"]).static.names == ["plan"]


@pytest.mark.parametrize("time", [{}, {"time": "t"}])
def test_the_report_has_no_checks_of_columns_that_were_not_read(time):
    source = pl.DataFrame({"t": ["2024-01-01", "2024-01-01"], "said": ["so", "so"], "x": [0.0, 1.0]})
    texts = EventLog(source, text="said", **time).quality()
    assert {check.name for check in texts} >= {"rows read", "missing text", "rows used"}
    assert not any(re.search("customer|value|repeat|order", check.name) for check in texts)
    assert ("missing time" in str(texts)) == bool(time)
    series = {check.name for check in EventLog(source, time="t", value="x").quality()}
    assert series >= {"zero value", "missing time", "exact repeats"} and not series & {"customers", "missing customer"}


def test_the_report_says_which_column_customers_were_counted_in():
    assert Check("customers", 2, "in 'id'") in tuple(EventLog(PEOPLE, customer="id", outcome="left").quality())


def test_the_report_of_a_table_without_times_has_no_checks_of_times():
    shown = str(EventLog(PEOPLE, customer="id", outcome="left").quality())
    assert "missing customer" in shown
    assert not any(word in shown for word in ("time", "date", "day", "order", "repeat"))


def test_a_table_of_customers_has_a_row_for_each_and_no_table_beside_it():
    with pytest.raises(DataError, match=r"more than one row of customer 2: .*name it when the log is made: time="):
        EventLog(frame(), customer="id", value="v")
    for word in ("static", "calendar"):
        with pytest.raises(ContractError, match=f"{word}: expected no"):
            EventLog(PEOPLE, customer="id", **{word: PEOPLE})
