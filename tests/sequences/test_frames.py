"""Dataframes of any library to histories and back."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnncore.errors import ContractError, DataError
from rnncore.sequences import from_frame, pad, to_frame

LOG = {"who": ["b", "a", "b", "c", "a"], "when": [3, 1, 2, 5, 1], "x": [1.0, 2.0, 3.0, 4.0, 5.0], "n": [1, 0, 1, 1, 0]}


def frames(library):
    module = pytest.importorskip(library)
    return module.table(LOG) if library == "pyarrow" else module.DataFrame(LOG)


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow"])
def test_every_library_gives_the_same_histories_and_gets_its_own_frame_back(library):
    frame = frames(library)
    log, ids = from_frame(frame, "who", ["x", "n"], dtype="float64")
    assert ids.tolist() == ["b", "a", "c"]
    assert [h.tolist() for h in np.split(log.values, log.offsets[1:-1])] == [
        [[1, 1], [3, 1]],
        [[2, 0], [5, 0]],
        [[4, 1]],
    ]
    back = to_frame(log, ids, "who", ["x", "n"], like=frame)
    assert type(back) is type(frame)
    again, same = from_frame(back, "who", ["x", "n"], dtype="float64")
    np.testing.assert_array_equal(again.values, log.values)
    np.testing.assert_array_equal(again.offsets, log.offsets)
    assert same.tolist() == ids.tolist()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=1, max_size=30))
def test_rows_are_sorted_by_time_and_equal_times_stay_as_they_come(events):
    who, when = zip(*events, strict=True)
    frame = pl.DataFrame({"who": who, "when": when, "row": range(len(events))})
    log, ids = from_frame(frame, "who", ["row"], time="when")
    assert ids.tolist() == list(dict.fromkeys(who))
    for k, name in enumerate(ids):
        expected = sorted((i for i, w in enumerate(who) if w == name), key=lambda i: when[i])
        assert log.values[log.offsets[k] : log.offsets[k + 1], 0].tolist() == expected


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_from_frame_undoes_to_frame(lengths):
    histories = [np.random.default_rng(n).normal(size=(n, 2)) for n in lengths]
    frame = to_frame(histories, np.arange(len(lengths)), "id", ["a", "b"], like=pl.DataFrame())
    log, ids = from_frame(frame, "id", ["a", "b"], dtype="float64")
    assert ids.tolist() == list(range(len(lengths)))
    np.testing.assert_array_equal(pad(log)[0], pad(histories)[0])


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow"])
def test_ids_for_an_embedding_have_no_axis_of_columns_and_stay_whole(library):
    frame = frames(library)
    log, ids = from_frame(frame, "who", "n", dtype="int64")
    assert log.values.dtype == np.int64
    assert log.values.tolist() == [1, 1, 0, 0, 1]
    again, _ = from_frame(to_frame(log, ids, "who", "n", like=frame), "who", "n", dtype="int64")
    np.testing.assert_array_equal(again.values, log.values)


def test_a_gap_is_nan():
    log, _ = from_frame(pl.DataFrame({"who": [1, 1], "x": [None, 2.0]}), "who", ["x"])
    np.testing.assert_array_equal(log.values, np.array([[np.nan], [2]], np.float32))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"history": "whom"}, ContractError, "frame: expected the columns 'whom' or 'x', received none called 'whom'"),
        ({"time": "then"}, ContractError, "none called 'then'"),
        ({"columns": ["who"]}, DataError, "column 'who' holds String, not numbers"),
        ({"dtype": "int8"}, ContractError, "dtype: expected 'float32', 'float64' or 'int64'"),
        ({"dtype": "int64"}, DataError, "column 'x' holds Float64, or gaps, not whole numbers"),
        ({"frame": {"who": [1]}}, ContractError, "frame: expected a dataframe that narwhals knows"),
        ({"frame": pl.DataFrame(LOG).lazy()}, ContractError, "collect a lazy one first"),
        (
            {"frame": pl.DataFrame({"who": [1, None], "x": [1.0, 2.0]})},
            DataError,
            "column 'who', row 1: a value is missing",
        ),
    ],
)
def test_what_does_not_fit_is_named(change, error, words):
    with pytest.raises(error, match=words):
        from_frame(**({"frame": pl.DataFrame(LOG), "history": "who", "columns": ["x"]} | change))


@pytest.mark.parametrize(
    ("ids", "columns", "name"), [([1], ["a"], "ids"), ([1, 2], ["a", "b"], "columns"), ([1, 2], "a", "columns")]
)
def test_names_that_do_not_fit_the_histories_are_refused(ids, columns, name):
    with pytest.raises(ContractError, match=f"^{name}"):
        to_frame([np.ones((2, 1)), np.ones((1, 1))], ids, "id", columns, like=pl.DataFrame())
