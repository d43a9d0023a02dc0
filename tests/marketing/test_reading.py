"""What is read from a file: every line whole, or an error with its number; other files are refused in words."""

import gzip
import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnncore.errors import DataError
from rnncore.marketing.log.reading import read

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
    "text", [HEAD + "a,1,caf\u00e9\n", "who,when,caf\u00e9\na,1,x\n", HEAD + 'a,1,"x"\n' * 9999 + "a,1,\u00e9\n"]
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_whose_letters_are_not_in_utf_8_is_told_to_be_saved_so(tmp_path, text, zipped):
    path, latin = tmp_path / "log.csv", text.encode("latin-1")
    path.write_bytes(gzip.compress(latin) if zipped else latin)
    words = "save it as UTF-8, as .* with iconv -f WINDOWS-1252 -t UTF-8 log.csv > log-utf8.csv$"
    with pytest.raises(DataError, match=rf"log\.csv cannot be read as CSV .*: {words}"):
        read(path, ["who"])


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
