"""A CSV file in blocks is the file, row by row, wherever it is cut."""

import gzip

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnncore.errors import DataError
from rnncore.marketing import EventLog
from rnncore.marketing.log import blocks

CELL = st.text(st.sampled_from('ab ",\n\u00e9'), max_size=5)
NOON = "2024-01-05 12:00:00"


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8), st.integers(1, 30), st.booleans())
def test_a_column_is_the_same_in_blocks_of_any_size(tmp_path_factory, rows, size, zipped):
    path = tmp_path_factory.mktemp("blocks") / "log.csv"
    frame = pl.DataFrame(rows, schema=["who", "said"], orient="row")
    frame.write_csv(path, quote_style="always")
    whole = pl.read_csv(path, infer_schema=False)
    if zipped:
        path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "SIZE", size)
        text = blocks.Text(path, zipped)
        assert b"".join(text.blocks()) == (gzip.decompress if zipped else bytes)(path.read_bytes())
        for name in frame.columns:
            found = pl.concat(part[name] for part in text.frames(frame.columns, [name]))
            assert found.equals(whole[name], check_names=True, null_equal=True)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "SIZE", 64)
    return tmp_path / "log.csv"


def read(path, times, values, kinds):
    rows = [f"c{k % 3},{t},{v},{kind}\n" for k, (t, v, kind) in enumerate(zip(times, values, kinds, strict=True))]
    path.write_text("who,when,paid,kind\n" + "".join(rows), encoding="utf-8", newline="")
    return EventLog(path, customer="who", time="when", value="paid", extras=["kind"])


@pytest.mark.parametrize(
    ("kinds", "numbers"),
    [(["1"] * 8, True), (["true", "FALSE"] * 4, True), (["1"] * 7 + ["x"], False), (["true"] * 7 + ["1"], False)],
)
def test_an_extra_column_is_numbers_only_where_it_is_in_every_block(path, kinds, numbers):
    log = read(path, [f"2024-01-0{k}" for k in range(1, 9)], [1.5] * 8, kinds)
    assert ("kind" in log.cells.numbers) == numbers
    assert numbers or sorted(log.category("kind").levels) == sorted(set(kinds))


def test_a_bad_cell_keeps_its_row(path):
    with pytest.raises(DataError, match="'no' in row 8 of 'paid' is not a finite number"):
        read(path, [NOON] * 8, [1.5] * 7 + ["no"], "abcdefgh")


def test_times_with_an_offset_in_one_block_and_without_in_another_are_refused(path):
    with pytest.raises(DataError, match="in row 8 of 'when' has no offset from UTC"):
        read(path, [f"{NOON}Z"] * 7 + [NOON], [1.5] * 8, "abcdefgh")
    assert read(path, [f"{NOON}Z"] * 8, [1.5] * 8, "abcdefgh").quality()["time zone"] == 8


def test_a_header_alone_is_a_log_without_rows(path):
    with pytest.raises(DataError, match=r"log\.csv has no rows"):
        read(path, [], [], [])
