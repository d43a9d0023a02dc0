"""What is read from a file: every line whole, or an error with its number; other files are refused in words."""

import datetime
import gzip
import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog
from rnncore.marketing.log import blocks
from rnncore.marketing.log.reading import header, read

HEAD = "who,when,said\n"


def write(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("lines", "number", "cells"),
    [
        ("a,1,x\nb,2,y,z\n", 3, 4),
        ("a,1,x\nb,2\nc,3,z\n", 3, 2),
        ('a,1,"x, y"\nb,2,y, z\n', 3, 4),
        ('a,1,"x\ny, z"\n\nb,2\n', 5, 2),
        ('a,1,"5"" x, 6"""\nb,2,"y",\n', 3, 4),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_line_with_other_cells_than_the_header_is_named(tmp_path, lines, number, cells, zipped):
    path = tmp_path / "log.csv"
    if zipped:
        path.write_bytes(gzip.compress((HEAD + lines).encode()))
    else:
        write(path, HEAD + lines)
    with pytest.raises(DataError, match=f"log.csv: line {number} has {cells} cells, its header has 3"):
        read(path, ["who"])


CELL = st.text(st.sampled_from("ab \",\n'\u00e9"), max_size=6)


@given(st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=5))
def test_whole_lines_are_read_as_they_were_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "log.csv"
    frame = pl.DataFrame(rows, schema=["who", "when", "said"], orient="row")
    frame.write_csv(path, quote_style="always")
    assert read(path, ["said"]).columns["said"].fill_null("").to_list() == frame["said"].to_list()


def test_a_quote_inside_a_cell_is_named_and_swallows_no_line(tmp_path):
    path = write(tmp_path / "log.csv", HEAD + 'a,1,"x\ny"\nb,2,5" pipe\nc,3,6" pipe\n')
    with pytest.raises(DataError, match=r"log\.csv: line 4 has a quote inside a cell"):
        read(path, ["who"])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (HEAD + "a,1,caf\u00e9\n", 2),
        ("who,when,caf\u00e9\na,1,x\n", 1),
        (HEAD + 'a,1,"x"\n' * 9999 + "a,1,caf\u00e9\n", 10001),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_whose_letters_are_not_in_utf_8_is_told_what_to_say(tmp_path, text, number, zipped):
    path, latin = tmp_path / "log.csv", text.encode("latin-1")
    path.write_bytes(gzip.compress(latin) if zipped else latin)
    words = "with encoding=\"cp1252\" its first odd word reads 'caf\u00e9': if that is right, say so; if not, name"
    with pytest.raises(DataError, match=rf"log\.csv: line {number} is not written in UTF-8; {words}"):
        read(path, ["who"])
    with pytest.raises(DataError, match=r"log\.csv: line"):
        header(path, {}, ["who"])


@pytest.mark.parametrize("seed", range(5))
def test_a_file_of_random_bytes_is_no_log(tmp_path, seed):
    (tmp_path / "log.csv").write_bytes(random.Random(seed).randbytes(3000))
    with pytest.raises(DataError, match=r"log\.csv"):
        read(tmp_path / "log.csv", ["who"])


def test_neither_is_an_empty_file_or_a_folder(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        read(tmp_path / "log.csv", ["who"])
    with pytest.raises(DataError, match="cannot read"):
        read(tmp_path, ["who"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("who,when\n".encode("utf-16"), "is written in UTF-16; save it as UTF-8, as a spreadsheet does"),
        (b"PK\x03\x04 sheet", "is a workbook, or another ZIP archive; save its sheet as CSV"),
        (b"Sales 2024\n\nwhen,who\n2024-01-01,a\n", "line 3 has them: remove the lines above it"),
        (b'a,2024-01-01T10:00:00Z,"x",y\n', "its first line looks like data"),
        (b"a,2024-01-01,7\nb,2024-01-02,8\n", "its first line looks like data: write a line with the names"),
    ],
)
def test_a_file_whose_table_is_elsewhere_says_where(tmp_path, content, message):
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "log.csv", ["who", "when"])


@pytest.mark.parametrize("rows", ['"x" y,2024-01-01,a\n', 'a,2024-01-01,"Weird Al" Yankovic\n'])
def test_words_in_quotes_within_a_cell_are_told_how_to_be_written(tmp_path, rows):
    path = write(tmp_path / "log.csv", HEAD + rows)
    with pytest.raises(DataError, match="a quote stands inside a cell: put the whole cell in quotes, and double"):
        EventLog(path, customer="who", time="when", item="said")


def test_a_letter_is_no_separator_as_a_tab_without_quotes_becomes_one(tmp_path):
    with pytest.raises(ContractError, match=r"received 't'; .*\(in quotes\) for a tab"):
        read(write(tmp_path / "log.csv", HEAD), ["who"], "t")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_name_with_commas_is_several_columns(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(blocks, "SIZE", 60)
    days = [datetime.date(2024, 1, 1 + k // 2) for k in range(6)]
    frame = pl.DataFrame({"shop": [1, 1, 2, 2, 1, None], "till": ["x", "y", "x", "NA", "x", "y"], "Date": days})
    frame = frame.with_columns(Time=pl.Series(["09:30:00", "10:00:00"] * 3), paid=pl.int_range(6))
    path = tmp_path / f"log.{suffix}"
    frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
    log = EventLog(path, customer="shop,till", time="Date,Time", value="paid", missing="drop")
    assert log.customers.tolist() == ["1,x", "1,y", "2,x"]
    assert log.time.astype(str).tolist()[:2] == ["2024-01-01T09:30:00.000000", "2024-01-03T09:30:00.000000"]
    assert log.quality()["missing customer"] == 2
    table = pl.DataFrame({"shop": [2, 1], "till": ["x", "y"], "size": [20.0, 10.0]})
    calendar = pl.DataFrame({"shop": [1], "till": ["x"], "Date": ["2024-01-01"], "Time": ["00:00"], "open": [1.0]})
    words = {"customer": "shop,till", "time": "Date,Time", "missing": "drop"}
    log = EventLog(path, **words, static=table, calendar=calendar)
    assert log.static.names == ["size"] and log.static.numbers["size"].tolist()[1:] == [10.0, 20.0]
    assert log.calendar.customers.tolist() == ["1,x"] and log.calendar.columns.names == ["open"]
    assert log.frame({}).columns == ["shop,till"]


def test_joined_whole_numbers_are_written_alike_whether_or_not_there_is_a_gap_beside_them():
    static = pl.DataFrame({"shop": [1, 2], "till": [1, 1], "size": [5.0, 6.0]})
    gap = pl.DataFrame({"shop": [1.0, 2.0, None], "till": [1, 1, 1], "day": ["2024-01-01"] * 3})
    words = {"customer": "shop,till", "time": "day", "missing": "drop"}
    log = EventLog(gap, **words, static=static)
    assert (log.customers.tolist(), log.static.numbers["size"].tolist()) == (["1,1", "2,1"], [5.0, 6.0])


@pytest.mark.parametrize("day", [datetime.date(2024, 1, 5), datetime.datetime(2024, 1, 5)])
def test_a_typed_day_and_a_typed_time_of_day_are_joined(day):
    frame = pl.DataFrame({"id": ["a"], "day": [day], "clock": [datetime.time(8, 30)]})
    assert str(EventLog(frame, customer="id", time="day,clock").time[0])[:16] == "2024-01-05T08:30"


def test_ids_that_differ_in_spaces_stay_apart_where_they_are_joined():
    frame = pl.DataFrame({"shop": ["a ", "a"], "till": ["b", "b"], "day": ["2024-01-01"] * 2})
    assert EventLog(frame, customer="shop,till", time="day").customers.tolist() == ["a ,b", "a,b"]


@pytest.mark.parametrize("role", ["value", "items", "order"])
def test_numbers_are_not_joined(role):
    frame = pl.DataFrame({"id": ["a"], "day": ["2024-01-01"], "whole": ["1"], "tenths": ["5"]})
    with pytest.raises(DataError, match="no column 'whole,tenths'"):
        EventLog(frame, customer="id", time="day", decimal=",", **{role: "whole,tenths"})


def test_a_cell_with_a_comma_cannot_be_joined():
    frame = pl.DataFrame({"shop": ["a,b", "a"], "till": ["c", "b,c"], "day": ["2024-01-01"] * 2})
    with pytest.raises(DataError, match="a cell of 'shop' holds a comma, so that 'shop,till' cannot be one column"):
        EventLog(frame, customer="shop,till", time="day")


def test_a_column_that_is_called_so_comes_first():
    frame = pl.DataFrame({"shop,till": ["a", "b"], "shop": [1, 2], "till": [1, 2], "day": ["2024-01-01"] * 2})
    assert EventLog(frame, customer="shop,till", time="day").customers.tolist() == ["a", "b"]


def test_blank_lines_at_the_end_are_left_out_and_said(tmp_path):
    made = EventLog(
        write(tmp_path / "log.csv", HEAD + "a,2024-01-01,x\nb,2024-01-02,y\n\n,,z\n"), customer="who", time="when"
    )
    assert (len(made), made.quality()["rows read"], made.quality()["empty rows at the end"]) == (2, 4, 2)
    with pytest.raises(DataError, match="missing cells"):
        EventLog(write(tmp_path / "log.csv", HEAD + "a,2024-01-01,x\n\nb,2024-01-02,y\n"), customer="who", time="when")


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_the_numbers_of_the_rows_beside_a_table_are_no_column_of_it(tmp_path, name):
    path = write(tmp_path / "table.csv", f"{name},id,age\n0,a,31\n1,b,47\n")
    made = EventLog(path, customer="id")
    assert made.static.names == ["age"]
    assert made.quality()["static: column without a name"] == 2
