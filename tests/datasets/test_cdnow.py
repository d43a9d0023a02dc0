"""CDNOW as shipped: the published counts, and a build that checks its source and writes the same bytes."""

import gzip
import hashlib
import zipfile
from datetime import date

import polars as pl
import pytest

from rnncore.datasets import CDNOW_PATH, build_cdnow, cdnow, cdnow_weeks


@pytest.fixture(scope="module")
def full() -> pl.DataFrame:
    return cdnow()


def test_columns_and_types(full):
    assert dict(full.schema) == {"customer": pl.Int64, "date": pl.Date, "items": pl.Int64, "amount": pl.Float64}


def test_full_data_has_the_published_counts(full):
    assert full.height == 69_659
    assert full["customer"].n_unique() == 23_570
    assert (full["date"].min(), full["date"].max()) == (date(1997, 1, 1), date(1998, 6, 30))
    assert full["amount"].sum() == pytest.approx(2_500_315.63, abs=1e-6)


def test_known_oddities_are_kept(full):
    assert (full["amount"] == 0).sum() == 80
    assert full.height - full.n_unique() == 255
    assert full.height - full.n_unique(["customer", "date"]) == 2_068


def test_every_customer_starts_in_the_first_quarter_of_1997(full):
    assert full.group_by("customer").agg(pl.col("date").min())["date"].max() <= date(1997, 3, 31)


def test_sample_has_the_published_counts():
    sample = cdnow(sample=True)
    assert (sample.height, sample["customer"].n_unique()) == (6_919, 2_357)


def test_sample_holds_every_purchase_of_its_customers(full):
    sample = cdnow(sample=True)
    assert full.filter(pl.col("customer").is_in(sample["customer"].unique().to_list())).equals(sample)


def test_per_day_adds_up_to_one_row_per_customer_and_day(full):
    daily = cdnow(per_day=True)
    assert daily.height == 69_659 - 2_068 == daily.n_unique(["customer", "date"])
    assert daily["items"].sum() == full["items"].sum()
    assert daily["amount"].sum() == pytest.approx(2_500_315.63, abs=1e-6)


def test_shipped_content_is_the_one_built_from_the_wheel():
    content = gzip.decompress(CDNOW_PATH.read_bytes())
    assert hashlib.sha256(content).hexdigest() == "11ee50525d297d577329298ec6b7cfbb9464e8fa50eed0899a557a9cda11a9f9"


def test_gzip_header_holds_no_time_and_no_name():
    header = CDNOW_PATH.read_bytes()[:8]
    assert (header[3], header[4:8]) == (0, bytes(4))


def test_build_joins_master_and_sample():
    master = [["customer_id", "date"], ["00004", "19970101", "2", "29.33"], ["00005", "19970102", "1", "9.99"]]
    csv = build_cdnow.to_csv(master, [["00004", "0001", "19970101", "2", "29.33"]])
    assert csv == "customer,date,items,amount,sample\n4,1997-01-01,2,29.33,1\n5,1997-01-02,1,9.99,0\n"


def test_build_refuses_a_wheel_with_other_data(tmp_path):
    wheel = tmp_path / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(build_cdnow.MASTER, "00001 19970101 1 1.00\n")
    with pytest.raises(ValueError, match="SHA-256"):
        build_cdnow.read_member(wheel, build_cdnow.MASTER)


def test_weeks_hold_the_published_fit_and_what_came_after():
    counts = cdnow_weeks()
    assert counts.shape == (78, 2357)
    assert (counts[:12].sum(axis=0) > 0).all()  # everybody's first purchase
    assert (counts[:39].sum(axis=0) > 1).sum() == 946  # repeat buyers
    assert counts[39:].sum() == 1882
    sample = cdnow(sample=True, per_day=True)
    first = sample.filter(pl.col("customer") == sample["customer"].min())
    assert counts[:, 0].sum() == first.height
