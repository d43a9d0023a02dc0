"""Minibatches of a Parquet file are those of the histories in it, of which few are in memory."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnncore as rc
from rnncore.errors import ContractError, DataError
from rnncore.sequences import ParquetMinibatches, Prefetched, parquet

LENGTHS = st.lists(st.integers(1, 6), min_size=1, max_size=15)


def log(lengths):
    """Ids that do not rise, two features, a target and a weight for every row."""
    rows = sum(lengths)
    who = np.repeat([f"c{(7 * k) % 101}" for k in range(len(lengths))], lengths)
    return pl.DataFrame(
        {"who": who, "a": np.arange(rows), "b": np.arange(rows) * 0.5, "y": -np.arange(rows)}
    ).with_columns(w=pl.col("a") + 1.0, flag=pl.col("a") % 2 == 0)


def written(folder, lengths, group=4):
    path = folder / "log.parquet"
    log(lengths).write_parquet(path, row_group_size=group)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parquet")


@settings(max_examples=15)
@given(LENGTHS, st.integers(1, 9), st.integers(1, 4), st.integers(0, 2), st.sampled_from(["history", "step"]))
def test_every_history_comes_once_an_epoch_with_its_rows(folder, lengths, rows, batch_size, epoch, per):
    path, ends = written(folder, lengths), np.cumsum(lengths)
    words = {"weight": "w", "per": per, "batch_size": batch_size, "rows": rows, "dtype": "float64"}
    batches, seen = ParquetMinibatches(path, "who", ["a", "b"], ["y"], **words), []
    for step in range(len(batches)):
        x, n, target, weight, which = batches.batch(epoch, step)
        assert len(which) <= batch_size
        for k, row in enumerate(which):
            first, last = ends[row] - lengths[row], ends[row]
            assert n[k] == lengths[row]
            np.testing.assert_array_equal(x[: n[k], k, 0], np.arange(first, last))
            if per == "step":
                np.testing.assert_array_equal(target[: n[k], k, 0], -np.arange(first, last))
                np.testing.assert_array_equal(weight[: n[k], k], np.arange(first, last) + 1)
            else:
                assert target[k, 0] == 1 - last
                assert weight[k] == last
        seen.extend(which)
    assert sorted(seen) == list(range(len(lengths)))


def test_what_is_read_at_once_is_a_block_and_no_more(folder, monkeypatch):
    path, reads, real = written(folder, [3, 2, 4, 1, 5, 2]), [], parquet._rows

    def counted(path, names, first, count):
        reads.append((first, count))
        return real(path, names, first, count)

    monkeypatch.setattr(parquet, "_rows", counted)
    batches = ParquetMinibatches(path, "who", ["a"], ["y"], batch_size=1, rows=5)
    for step in range(len(batches)):
        batches.batch(0, step)
    assert sorted(reads) == [(0, 5), (5, 5), (10, 5), (15, 2)]


def test_a_history_longer_than_a_block_is_whole(folder):
    batches = ParquetMinibatches(written(folder, [9, 1]), "who", ["a"], ["y"], rows=2, batch_size=1)
    assert sorted(batches.batch(0, step).lengths[0] for step in range(2)) == [1, 9]


def test_the_order_of_blocks_is_a_function_of_seed_and_epoch(folder):
    path = written(folder, [2] * 40)

    def order(seed, epoch):
        batches = ParquetMinibatches(path, "who", ["a"], ["y"], rows=4, batch_size=2, seed=seed)
        return tuple(tuple(batches.batch(epoch, step).rows) for step in range(len(batches)))

    assert order(0, 1) == order(0, 1)
    assert len({order(0, 0), order(0, 1), order(1, 0)}) == 3


def test_a_run_prefetched_from_the_file_resumes_bitwise(folder, tmp_path):
    path = written(folder, [3, 2, 4, 1, 5, 2])
    model = rc.Stack(rc.GRU(2, 3, backend="numpy"), rc.Last(), rc.Dense(3, 1))

    def run(epochs, name, wrap=lambda batches: batches):
        batches = wrap(ParquetMinibatches(path, "who", ["a", "b"], ["flag"], batch_size=2, rows=6))
        words = {"epochs": epochs, "checkpoint": tmp_path / name}
        return rc.fit(model, model.init(0), batches, rc.losses.binary_cross_entropy, rc.Adam(0.01), **words)

    expected = run(3, "whole")
    run(1, "cut", Prefetched)
    assert run(3, "cut", Prefetched)[1] == expected[1]
    assert (tmp_path / "cut").read_bytes() == (tmp_path / "whole").read_bytes()


def test_the_fingerprint_tells_files_and_settings_apart(folder):
    def fingerprint(lengths=(2, 3), **words):
        return ParquetMinibatches(written(folder, list(lengths)), "who", ["a"], ["y"], **words).fingerprint()

    others = [fingerprint((3, 3)), fingerprint(seed=1), fingerprint(per="step"), fingerprint(rows=2)]
    assert fingerprint() == fingerprint()
    assert len({fingerprint(), *others}) == 5


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"history": "whom"}, ContractError, "none called 'whom'"),
        ({"target": "z"}, ContractError, "none called 'z'"),
        ({"columns": ["who"]}, DataError, "column 'who' holds String, not numbers"),
        ({"per": "row"}, ContractError, "per: expected 'history' or 'step'"),
        ({"rows": 0}, ContractError, "rows: expected a whole number"),
        ({"dtype": "float16"}, ContractError, "dtype: expected 'float32', 'float64' or 'int64'"),
        ({"target_dtype": "int8"}, ContractError, "target_dtype: expected 'float32', 'float64' or 'int64'"),
        ({"columns": "b", "dtype": "int64"}, DataError, "column 'b' holds Float64, not whole numbers"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(folder, change, error, words):
    usual = {"path": written(folder, [2, 1]), "history": "who", "columns": ["a"], "target": "y"}
    with pytest.raises(error, match=words):
        ParquetMinibatches(**(usual | change))


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ([1, 2, 2, 1], r"log.parquet: column 'who', row 3: history 1 has begun before; sort the file by 'who'"),
        ([1, 1, None, 2], r"log.parquet: column 'who', row 2: the id of the history is missing"),
        ([], "log.parquet: no rows"),
    ],
)
@pytest.mark.parametrize("rows", [2, 100])
def test_a_file_that_cannot_be_used_is_named_with_the_row(tmp_path, who, words, rows):
    frame = pl.DataFrame({"who": pl.Series(who, dtype=pl.Int64), "a": pl.Series([0.0] * len(who), dtype=pl.Float64)})
    frame.write_parquet(tmp_path / "log.parquet")
    with pytest.raises(DataError, match=words):
        ParquetMinibatches(tmp_path / "log.parquet", "who", ["a"], "a", rows=rows)


@pytest.mark.parametrize("content", [None, b"who,a\n1,2\n"])
def test_what_is_no_parquet_file_is_named(tmp_path, content):
    path = tmp_path / "log.csv"
    if content:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"log.csv: cannot be read as Parquet"):
        ParquetMinibatches(path, "who", ["a"], "a")


def test_one_name_has_no_axis_and_ids_and_classes_are_whole(folder):
    batches = ParquetMinibatches(written(folder, [3]), "who", "a", "flag", dtype="int64", target_dtype="int64")
    x, _, target, _, _ = batches.batch(0, 0)
    assert x.dtype == target.dtype == np.int64
    assert x.tolist() == [[0], [1], [2]]
    assert target.tolist() == [1]


def test_ids_too_large_for_a_float_stay_whole(tmp_path):
    frame = pl.DataFrame({"who": [1, 1], "item": [2**53 + 1, 2**62 + 1], "y": [0, 1]})
    frame.write_parquet(tmp_path / "log.parquet")
    batches = ParquetMinibatches(tmp_path / "log.parquet", "who", "item", "y", dtype="int64")
    assert batches.batch(0, 0).x.ravel().tolist() == [2**53 + 1, 2**62 + 1]


def test_a_gap_is_nan_among_numbers_and_named_among_ids(tmp_path):
    pl.DataFrame({"who": [1, 1], "item": [4, None], "y": [0, 1]}).write_parquet(tmp_path / "log.parquet")
    numbers = ParquetMinibatches(tmp_path / "log.parquet", "who", "item", "y")
    np.testing.assert_array_equal(numbers.batch(0, 0).x, [[4], [np.nan]])
    ids = ParquetMinibatches(tmp_path / "log.parquet", "who", "item", "y", dtype="int64")
    with pytest.raises(DataError, match=r"log.parquet: column 'item', row 1: a whole number is missing"):
        ids.batch(0, 0)


def test_a_step_outside_the_epoch_is_refused(folder):
    with pytest.raises(ContractError, match=r"^step"):
        ParquetMinibatches(written(folder, [2]), "who", ["a"], ["y"]).batch(0, 1)
