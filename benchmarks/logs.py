"""Logs of series, journeys and subscribers from the data folder, for `tasks.py` and `attribution.py`."""

import datetime

import numpy as np
import polars as pl

from rnncore.datasets import journeys, subscriptions
from rnncore.marketing import EventLog


def bikes_log(folder):
    """bike_sharing by day; its calendar: holidays, working days, and the weather of the day as if it were forecast."""
    days = pl.read_csv(folder / "bike_sharing" / "day.csv").rename({"dteday": "day"})
    calendar = days.select("day", "holiday", "workingday", "weathersit", "temp", "atemp", "hum", "windspeed")
    rentals = days.select("day", pl.col("cnt").cast(pl.Float64), series=pl.lit("all"))
    words = {"customer": "series", "time": "day", "value": "cnt"}
    return EventLog(rentals, **words, calendar=calendar, categories=["weathersit"])


def passengers_log(folder):
    months = pl.read_csv(folder / "air_passengers" / "airline-passengers.csv")
    months = months.select(pl.col("Month") + "-01", pl.col("Passengers").cast(pl.Float64), series=pl.lit("all"))
    return EventLog(months, customer="series", time="Month", value="Passengers")


def juice_log(folder):
    """orange_juice: units by store, brand and week (week 1 is that of 1989-09-14); prices, deals and features are known
    in advance, the store's neighbourhood and the brand are static.
    """
    prices = [pl.col(f"price{k}") for k in range(1, 12)]
    path = folder / "orange_juice" / "orange_juice.csv.gz"
    rows = pl.read_csv(path).with_columns(
        series=pl.format("{}-{}", "store", "brand"),
        week=pl.lit(datetime.date(1989, 9, 14)) + pl.duration(weeks=pl.col("week") - 1),
        sold=pl.col("logmove").exp(),
        price=pl.concat_list(prices).list.get(pl.col("brand") - 1),
        cheapest=pl.min_horizontal(prices),
    )
    calendar = rows.select("series", "week", "price", "cheapest", "deal", "feat")
    stores = pl.read_csv(folder / "orange_juice" / "stores.csv").rename({"STORE": "store"})
    static = rows.select("series", "store", "brand").unique().join(stores, on="store", how="left").drop("store")
    words = {"customer": "series", "time": "week", "value": "sold"}
    return EventLog(rows, **words, calendar=calendar, static=static, categories=["brand"])


def _baskets(place):
    """complete_journey: a row per basket, small, middle or large, a third each."""
    spent = pl.col("sales_value").sum().alias("value")
    baskets = pl.scan_parquet(place / "transactions.parquet").group_by("household_id", "basket_id")
    baskets = baskets.agg(spent, pl.col("transaction_timestamp").min().alias("time")).collect()
    size = pl.col("value").qcut([1 / 3, 2 / 3], labels=["small basket", "middle basket", "large basket"])
    return baskets.with_columns(event=pl.lit("basket"), channel=size.cast(pl.String))


def _campaigns(place):
    """complete_journey: a row per campaign and household that it was sent to."""
    described = pl.read_parquet(place / "campaign_descriptions.parquet")
    sent = pl.read_parquet(place / "campaigns.parquet").join(described, on="campaign_id")
    kind = pl.format("campaign {}", pl.col("campaign_type").cast(pl.String))
    return sent.with_columns(time=pl.col("start_date"), event=pl.lit("campaign"), channel=kind)


def _in_2017(parts, numbers):
    """Rows of these parts, one below the other, each with these columns of numbers."""
    rows = []
    for part in parts:
        values = [(pl.col(name) if name in part.columns else pl.lit(None)).cast(pl.Float64).alias(name)
                  for name in numbers]  # fmt: skip
        text = [pl.col(name).cast(pl.String) for name in ("household_id", "event", "channel")]
        time = pl.col("time").cast(pl.Datetime("us")).dt.replace_time_zone(None)
        rows.append(part.select(*text, time, *values))
    return pl.concat(rows).filter(pl.col("time") >= datetime.datetime(2017, 1, 1))


def coupons_log(folder):
    """complete_journey: a household's baskets, the campaigns that it was sent, and the coupons that it redeemed."""
    place = folder / "complete_journey"
    redeemed = pl.read_parquet(place / "coupon_redemptions.parquet").unique(["household_id", "redemption_date"])
    redeemed = redeemed.with_columns(time=pl.col("redemption_date"), event=pl.lit("redemption"), channel=pl.lit(None))
    rows = _in_2017([_baskets(place), _campaigns(place), redeemed], ["value"])
    words = {"customer": "household_id", "time": "time", "value": "value", "event": "event", "channel": "channel"}
    return EventLog(rows, **words, missing="keep")


def campaigns_log(folder, within=30):
    """complete_journey: baskets, and campaigns with their outcome, whether the household redeemed one of its coupons
    within so many days. Campaigns whose days are not complete are left out. Demographics are known of a third.
    """
    place, keys = folder / "complete_journey", ["campaign_id", "household_id"]
    first = pl.read_parquet(place / "coupon_redemptions.parquet").group_by(keys).agg(pl.col("redemption_date").min())
    days = pl.col("redemption_date") - pl.col("start_date")
    sent = _campaigns(place).join(first, on=keys, how="left").with_columns(
        redeemed=(days <= pl.duration(days=within)).fill_null(False)
    )  # fmt: skip
    sent = sent.filter(pl.col("start_date") <= datetime.datetime(2018, 1, 1) - datetime.timedelta(within))
    rows = _in_2017([_baskets(place), sent], ["value", "redeemed"])
    known = pl.col("household_id").cast(pl.String)
    static = pl.read_parquet(place / "demographics.parquet").with_columns(known, pl.exclude("household_id").cast(str))
    words = {"customer": "household_id", "time": "time", "value": "value", "event": "event", "channel": "channel"}
    return EventLog(rows, **words, outcome="redeemed", static=static, missing="keep")


def shoppers_log(folder):
    """online_shoppers: a session is a case, and a visitor of its own. The file gives months only: within one the
    sessions are spread evenly. Without PageValues, which is computed from purchases.
    """
    months = ["Jan", "Feb", "Mar", "Apr", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    table = pl.read_csv(folder / "online_shoppers" / "online_shoppers_intention.csv", infer_schema_length=None)
    number = pl.col("Month").replace_strict({m: k for k, m in enumerate(months, 1)}, return_dtype=pl.Int32)
    day = (pl.int_range(pl.len()).over("Month") / pl.len().over("Month") * 28).cast(pl.Int32) + 1
    rows = table.with_row_index("session").with_columns(
        date=pl.date(2017, number, day), bought=pl.col("Revenue").cast(pl.Int64)
    )
    rows = rows.drop("PageValues", "Month", "Revenue")
    extras = [name for name in rows.columns if name not in ("session", "date", "bought", "VisitorType")]
    kinds = ["OperatingSystems", "Browser", "Region", "TrafficType"]
    words = {"customer": "session", "time": "date", "channel": "VisitorType", "outcome": "bought"}
    return EventLog(rows, **words, extras=extras, categories=kinds)


def made_up_log(_):
    words = {"customer": "customer", "time": "time", "event": "event", "channel": "channel"}
    return EventLog(journeys().frame, **words)


def paths_log(folder):
    """channel_attribution: 6,000 of its 10,000 paths, one touch a day, each with one of its outcomes drawn by its rate;
    twenty journeys begin on each day.
    """
    table = pl.read_csv(folder / "channel_attribution" / "Data.csv", separator=";").sample(6000, seed=0)
    rate = pl.col("total_conversions") / (pl.col("total_conversions") + pl.col("total_null"))
    drawn = (
        pl.Series(np.random.default_rng(0).uniform(size=table.height)) < table.select(rate.fill_nan(0.0)).to_series()
    )
    rows = []
    for n, (path, won) in enumerate(zip(table["path"], drawn, strict=True)):
        kinds = [*(("touch", way) for way in path.split(" > ")), *([("conversion", None)] if won else [])]
        rows += [(n, n // 20 + k, event, way) for k, (event, way) in enumerate(kinds)]
    frame = pl.DataFrame(rows, schema=["journey", "day", "event", "channel"], orient="row")
    frame = frame.with_columns(day=pl.lit(datetime.date(2024, 1, 1)) + pl.duration(days="day"))
    return EventLog(frame, customer="journey", time="day", event="event", channel="channel")


def telco_log(folder):
    """telco_churn as one cohort of which two years are seen: a payment per month of the tenure, time counted from the
    start. Without TotalCharges, which is tenure times charge. Whose tenure ends within the last window without a
    cancellation (about 2 % of those judged) is unknown there and left out.
    """
    table = pl.read_csv(folder / "telco_churn" / "Telco-Customer-Churn.csv").with_columns(
        pl.lit("renew").alias("event")
    )
    months = pl.int_ranges(pl.max_horizontal("tenure", 1))
    paid = table.with_columns(month=months).explode("month")
    left = table.filter(pl.col("Churn") == "Yes").with_columns(event=pl.lit("cancel"), month=pl.col("tenure"))
    rows = pl.concat([paid.with_columns(pl.col("month").cast(pl.Int64)), left.select(paid.columns)])
    rows = rows.with_columns(date=pl.date(2018, 1, 1) + pl.duration(days=30 * pl.col("month")))
    static = table.drop("tenure", "MonthlyCharges", "TotalCharges", "Churn", "Contract", "PaymentMethod", "event")
    words = {"customer": "customerID", "time": "date", "event": "event", "value": "MonthlyCharges", "item": "Contract"}
    log = EventLog(rows, **words, channel="PaymentMethod", static=static, categories=["SeniorCitizen"])
    return log.until(np.datetime64("2018-01-01") + np.timedelta64(30 * 24, "D"))


def subscribers_log(signal):
    words = {"customer": "customer", "time": "date", "event": "event", "value": "price", "item": "plan"}
    return EventLog(subscriptions(5000, 30, seed=0, signal=signal).drop("chance"), **words, extras=["logins"])
