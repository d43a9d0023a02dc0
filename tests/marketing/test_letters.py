"""A CSV file in another encoding than UTF-8 is read as its copy in UTF-8; which one is said, never guessed."""

import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnncore.errors import ContractError, DataError
from rnncore.marketing import EventLog
from rnncore.marketing.judging.leaks import find_leaks
from rnncore.marketing.log import blocks
from rnncore.marketing.log.letters import codec

SHOP = 'who,when,what\nRené,2024-01-01,Café\nZoë,2024-01-02,"Crème\nbrûlée, ""petite"""\nRené,2024-01-03,Thé\n'
STATIC = "who,home\nRené,Orléans\nZoë,Köln\n"
CALENDAR = "when,feast\n2024-01-01,Fête\n2024-01-02,-\n2024-01-03,-\n"
WORDS = {"customer": "who", "time": "when", "item": "what"}


def write(path, text, encoding, zipped=False):
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path


def read(folder, written, zipped=False, **words):
    folder.mkdir(exist_ok=True)
    texts = {"log": SHOP, "static": STATIC, "calendar": CALENDAR}
    paths = {name: write(folder / f"{name}.csv", text, written, zipped) for name, text in texts.items()}
    return EventLog(paths["log"], **WORDS, static=paths["static"], calendar=paths["calendar"], **words)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "iso-8859-15", "utf-8-sig"])
def test_a_log_and_its_tables_are_read_as_their_copies_in_utf_8(tmp_path, encoding, zipped):
    one, other = read(tmp_path / "utf-8", "utf-8"), read(tmp_path / "other", encoding, zipped, encoding=encoding)
    assert other.customers.tolist() == one.customers.tolist() == ["René", "Zoë"]
    assert other.category("item").codes.tolist() == one.category("item").codes.tolist()
    assert other.category("item").levels.tolist() == ["Café", 'Crème\nbrûlée, "petite"', "Thé"]
    assert other.static.categories["home"].levels.tolist() == ["Köln", "Orléans"]
    assert "Fête" in other.calendar.columns.categories["feast"].levels
    assert str(other.quality()) == str(one.quality())


def test_the_words_of_the_call_hold_an_encoding_that_is_not_utf_8(tmp_path):
    assert read(tmp_path, "cp1252", encoding="cp1252").reading["encoding"] == "cp1252"
    assert "encoding" not in read(tmp_path, "utf-8", encoding="UTF8").reading


@given(st.lists(st.text('aé,"\n表|あ ', max_size=5), min_size=1, max_size=8), st.integers(1, 20))
@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030"])
def test_letters_of_several_bytes_are_read_wherever_blocks_are_cut(tmp_path_factory, encoding, cells, size):
    path = tmp_path_factory.mktemp("letters") / "log.csv"  # a letter's second byte may be that of a mark: 0x7C
    cells = [cell if encoding == "gb18030" else cell.replace("é", "e") for cell in cells]
    frame = pl.DataFrame({"who": cells, "said": cells[::-1]})
    path.write_bytes(frame.write_csv(quote_style="always", separator="|").encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "SIZE", size)
        text = blocks.Text(path, separator="|", encoding=encoding)
        text.require_cells(2)
        found = pl.concat(text.frames(text.header(), ["said", "who"]))
    assert found.fill_null("").equals(frame.select("said", "who"))


@pytest.mark.parametrize("zipped", [False, True])
def test_find_leaks_reads_so_too(tmp_path, zipped):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    frame = pl.DataFrame({"été": y, "payé": y * rng.gamma(2, size=400)})
    path = write(tmp_path / "table.csv", frame.write_csv(), "latin-1", zipped)
    assert find_leaks(path, "été", encoding="latin-1").suspected == ["payé"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (
            [b"a,2024-01-01,tea", b"b,2024-01-01,Caf\xe9 cr\xe8me"],
            "line 3 .* with encoding=\"cp1252\" .* reads 'Café':",
        ),
        ([b"a,2024-01-01,\x93t\xe9\x94"], "line 2 .* with encoding=\"cp1252\" .* reads '“té”':"),
        ([b"a,2024-01-01,t\xe9", b"b,2024-01-01,\x81"], "line 2 .* with encoding=\"latin-1\" .* reads 'té':"),
        (
            [b"a,2024-01-01,Th\xc3\xa9", b"b,2024-01-01,t\xe9"],
            "line 3 .*, though lines before it are: .* reads 'té'; w",
        ),
        ([b"a,2024-01-01," + b"x" * 99 + b"\xe9" + b"y" * 99], f"reads '{'x' * 20}é{'y' * 19}'"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_that_is_not_utf_8_shows_what_its_first_odd_word_would_read_like(tmp_path, rows, said, zipped):
    content = b"\n".join([b"who,when,what", *rows, b""])
    (tmp_path / "log.csv").write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(DataError, match=f"log.csv: .*{said}"):
        EventLog(tmp_path / "log.csv", **WORDS)


@pytest.mark.parametrize("size", [10, 2**24])
def test_a_byte_that_the_encoding_does_not_have_is_named_with_its_line(tmp_path, monkeypatch, size):
    monkeypatch.setattr(blocks, "SIZE", size)
    (tmp_path / "log.csv").write_bytes(b'who,when,what\na,2024-01-01,"t\xe9\n"\nb,2024-01-01,\x81\n')
    with pytest.raises(DataError, match=r"log\.csv: line 4 has the byte 0x81, which cp1252 does not have"):
        EventLog(tmp_path / "log.csv", **WORDS, encoding="cp1252")


def test_a_cell_too_many_keeps_its_line(tmp_path):
    path = write(tmp_path / "log.csv", SHOP + "Zoë,2024-01-04,thé,café\n", "latin-1")
    with pytest.raises(DataError, match="line 6 has 4 cells"):
        EventLog(path, **WORDS, encoding="latin-1")


def test_a_file_that_says_it_is_utf_8_is_not_read_as_another(tmp_path):
    with pytest.raises(
        DataError, match=r'is written in UTF-8, as its first bytes say, and not in cp1252; .* encoding="utf-8"'
    ):
        read(tmp_path, "utf-8-sig", encoding="cp1252")


def test_one_that_may_be_utf_8_warns_and_shows_a_word_both_ways(tmp_path):
    path = write(tmp_path / "log.csv", SHOP, "utf-8")
    with pytest.warns(UserWarning, match=r"log\.csv is read as cp1252, .* may be UTF-8: 'RenÃ©' would be 'René'"):
        EventLog(path, **WORDS, encoding="cp1252")


@pytest.mark.parametrize("encoding", ["utf-16", "cp037", "klingon", "rot13", "idna", "punycode", "a\0b", 3, None])
def test_an_encoding_without_the_marks_of_ascii_is_refused(encoding):
    with pytest.raises(ContractError, match=r'encoding: expected .*; for example "cp1252" \(Windows\), "latin-1"'):
        codec(encoding)
