"""Numbers as people write them are read where they can be nothing else, and said in the report; others are refused."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnncore.errors import DataError
from rnncore.marketing import EventLog
from rnncore.marketing.log import parts
from rnncore.marketing.log.cells import parse_any, parse_customer
from rnncore.marketing.log.numerals import numbers


@pytest.mark.parametrize(
    ("cells", "decimal", "values"),
    [
        (["$1,234.50", "$9"], ".", [1234.5, 9.0]),
        (["1.234,50 €", "9.000 €", "5,00 €"], ",", [1234.5, 9000.0, 5.0]),
        (["R$ 1.234,5", "R$2"], ",", [1234.5, 2.0]),
        (["-£3.20", "£-3.20", "(£3.20)"], ".", [-3.2, -3.2, -3.2]),
        (["1 234,50", "1\u00a0234", "1\u202f000\u202f000"], ",", [1234.5, 1234.0, 1e6]),
        (["1'234.50", "12,34,567.00", ".5", "$.50", "1e3"], ".", [1234.5, 1234567.0, 0.5, 0.5, 1000.0]),
        (["1,234", "999"], ".", [1234.0, 999.0]),
        (["1,234", "2.5"], ".", [1234.0, 2.5]),
        (["1,234", "1,234,567"], ".", [1234.0, 1234567.0]),
    ],
)
def test_marks_between_thousands_signs_of_currency_and_brackets_are_read(cells, decimal, values):
    assert numbers(pl.Series(cells), decimal).to_list() == values


@pytest.mark.parametrize(
    ("cells", "decimal"),
    [
        (["1,234"], "."),  # may have three decimals
        (["1,234", "5,678"], "."),
        (["1,234", "12345"], "."),  # as it goes without
        (["0,125", "999"], "."),
        (["1,5", "1,234"], "."),
        (["1.234"], ","),
        (["$1", "€2"], "."),
        (["(-5)"], "."),  # below 0, or above it
        (["--5"], "."),
        (["-$-5"], "."),
        (["12 EUR", "5 kg", "1,2,3", "1.2.3", "(5", "5)", "$", "()", "1,23.4", "$1€"], "."),
    ],
)
def test_what_could_be_another_number_is_none(cells, decimal):
    assert None in numbers(pl.Series(cells), decimal).to_list()


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=20), st.sampled_from(["", "$", "US$"]))
def test_what_python_writes_with_thousands_comes_back(values, sign):
    written = [f"{sign}{value:,.2f}" for value in values]
    assert numbers(pl.Series(written), ".").to_list() == [float(f"{value:.2f}") for value in values]


def sales(tmp_path, amounts):
    path = tmp_path / "sales.csv"
    rows = "".join(f'a,2024-01-{k:02},"{amount}"\n' for k, amount in enumerate(amounts, 1))
    path.write_text("id,day,paid\n" + rows, encoding="utf-8")
    return path


WORDS = {"customer": "id", "time": "day", "value": "paid"}


def test_the_report_says_how_they_were_read(tmp_path):
    log = EventLog(sales(tmp_path, ["7", "$1,234.50"]), **WORDS)
    assert log.value.tolist() == [7.0, 1234.5]
    remarks = {check.name: check.remark for check in log.quality()}
    assert remarks["text as numbers"] == "'paid': '$1,234.50' is read as 1234.5"


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        (["$1", "€2"], r"amounts in '\$' and in '€' cannot be added up: convert them into one currency"),
        (["1,234"], r"say decimal=\",\", otherwise .* or without it where it stands between thousands"),
        (["12 EUR"], "'12 EUR' in row 1 of 'paid' is not a finite number; write a number alone"),
        (["-"], "correct it, or empty the cell"),
    ],
)
def test_what_is_refused_is_told_what_to_do(tmp_path, amounts, message):
    with pytest.raises(DataError, match=message):
        EventLog(sales(tmp_path, amounts), **WORDS)


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        (["$1", "$2", "€3", "€4"], "cannot be added up"),
        (["1,234", "999", "12345", "6"], r"'1,234' in row 1 of 'paid'"),
        (["1", "2", "€3", "$4"], "cannot be added up"),
    ],
)
def test_what_a_column_shows_does_not_depend_on_the_parts_it_is_read_in(monkeypatch, amounts, message):
    monkeypatch.setattr(parts, "PART", 2)
    rows = pl.DataFrame({"id": "a", "day": [f"2024-01-0{k}" for k in range(1, 5)], "paid": amounts})
    with pytest.raises(DataError, match=message):
        EventLog(rows, **WORDS)


CELLS = ["1", "$1", "€2", "1,234", "999", "12345", "1,234,567", "2.5", "1e3", "a", "", "NaN", "true", "(3)"]


@given(st.lists(st.sampled_from(CELLS), min_size=1, max_size=7), st.sampled_from(".,"))
def test_nor_does_whether_it_is_one_of_numbers_or_of_words(cells, decimal):
    def read():
        try:
            return parse_any(pl.Series("paid", cells), "log", decimal).to_list()
        except DataError as error:
            return str(error)

    whole = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART", 2)
        assert read() == whole


@pytest.mark.parametrize("word", ["NA", "NaN", "NULL", "None", "#N/A", r"\N", "n/a"])
def test_what_programs_write_for_nothing_is_missing_from_numbers_and_ids(tmp_path, word):
    with pytest.raises(DataError, match=r"missing cells.* 1 in 'paid', the first in row 2"):
        EventLog(sales(tmp_path, ["1", word]), **WORDS)
    assert parse_any(pl.Series(["1.5", word]), "log").to_list() == [1.5, None]
    assert parse_any(pl.Series(["TRUE", word, "false"]), "log").to_list() == [1.0, None, 0.0]
    assert parse_customer(pl.Series(["7", word]), "log").to_list() == ["7", None]


def test_as_a_word_among_words_it_stays(tmp_path):
    assert parse_any(pl.Series(["None", "10 % off"]), "log").to_list() == ["None", "10 % off"]
    assert parse_any(pl.Series(["None", "None"]), "log").to_list() == ["None", "None"]
