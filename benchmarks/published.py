"""Public data as rows of events, for `logs.py`: from the folder of a data set to a dataframe, and the words of EventLog
for it. The words may hold tables: static columns of customers, and a calendar.
"""

import datetime

import numpy as np
import polars as pl


def _either(folder, *names):
    """The file of the first of these names that is there: some are published under two, or packed."""
    return next((folder / name for name in names if (folder / name).exists()), folder / names[0])


def bikes(folder):
    """bike_sharing by day; its calendar: holidays, working days, and the weather of the day as if it were forecast."""
    days = pl.read_csv(folder / "day.csv").rename({"dteday": "day"})
    calendar = days.select("day", "holiday", "workingday", "weathersit", "temp", "atemp", "hum", "windspeed")
    rentals = days.select("day", pl.col("cnt").cast(pl.Float64), series=pl.lit("all"))
    words = {"customer": "series", "time": "day", "value": "cnt"}
    return rentals, {**words, "calendar": calendar, "categories": ["weathersit"]}


def passengers(folder):
    months = pl.read_csv(folder / "airline-passengers.csv")
    months = months.select(pl.col("Month") + "-01", pl.col("Passengers").cast(pl.Float64), series=pl.lit("all"))
    return months, {"customer": "series", "time": "Month", "value": "Passengers"}


def juice(folder):
    """orange_juice: units by store, brand and week (week 1 is that of 1989-09-14); prices, deals and features are known
    in advance, the store's neighbourhood and the brand are static.
    """
    prices = [pl.col(f"price{k}") for k in range(1, 12)]
    path = _either(folder, "orange_juice.csv", "orange_juice.csv.gz")
    rows = pl.read_csv(path).with_columns(
        series=pl.format("{}-{}", "store", "brand"),
        week=pl.lit(datetime.date(1989, 9, 14)) + pl.duration(weeks=pl.col("week") - 1),
        sold=pl.col("logmove").exp(),
        price=pl.concat_list(prices).list.get(pl.col("brand") - 1),
        cheapest=pl.min_horizontal(prices),
    )
    calendar = rows.select("series", "week", "price", "cheapest", "deal", "feat")
    stores = pl.read_csv(folder / "stores.csv").rename({"STORE": "store"})
    static = rows.select("series", "store", "brand").unique().join(stores, on="store", how="left").drop("store")
    words = {"customer": "series", "time": "week", "value": "sold"}
    return rows, {**words, "calendar": calendar, "static": static, "categories": ["brand"]}


def _baskets(folder):
    """complete_journey: a row per basket, small, middle or large, a third each."""
    spent = pl.col("sales_value").sum().alias("value")
    baskets = pl.scan_parquet(folder / "transactions.parquet").group_by("household_id", "basket_id")
    baskets = baskets.agg(spent, pl.col("transaction_timestamp").min().alias("time")).collect()
    low, high = (baskets["value"].quantile(share, "linear") for share in (1 / 3, 2 / 3))
    size = pl.when(pl.col("value") <= low).then(pl.lit("small basket"))
    size = size.when(pl.col("value") <= high).then(pl.lit("middle basket")).otherwise(pl.lit("large basket"))
    return baskets.with_columns(event=pl.lit("basket"), channel=size)


def _campaigns(folder):
    """complete_journey: a row per campaign and household that it was sent to."""
    described = pl.read_parquet(folder / "campaign_descriptions.parquet")
    sent = pl.read_parquet(folder / "campaigns.parquet").join(described, on="campaign_id")
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


def coupons(folder):
    """complete_journey: a household's baskets, the campaigns that it was sent, and the coupons that it redeemed."""
    redeemed = pl.read_parquet(folder / "coupon_redemptions.parquet").unique(["household_id", "redemption_date"])
    redeemed = redeemed.with_columns(time=pl.col("redemption_date"), event=pl.lit("redemption"), channel=pl.lit(None))
    rows = _in_2017([_baskets(folder), _campaigns(folder), redeemed], ["value"])
    words = {"customer": "household_id", "time": "time", "value": "value", "event": "event", "channel": "channel"}
    return rows, {**words, "missing": "keep"}


def campaigns(folder, within=30):
    """complete_journey: baskets, and campaigns with their outcome, whether the household redeemed one of its coupons
    within so many days. Campaigns whose days are not complete are left out. Demographics are known of a third.
    """
    keys = ["campaign_id", "household_id"]
    first = pl.read_parquet(folder / "coupon_redemptions.parquet").group_by(keys).agg(pl.col("redemption_date").min())
    days = pl.col("redemption_date") - pl.col("start_date")
    sent = _campaigns(folder).join(first, on=keys, how="left").with_columns(
        redeemed=(days <= pl.duration(days=within)).fill_null(False)
    )  # fmt: skip
    sent = sent.filter(pl.col("start_date") <= datetime.datetime(2018, 1, 1) - datetime.timedelta(within))
    rows = _in_2017([_baskets(folder), sent], ["value", "redeemed"])
    known = pl.col("household_id").cast(pl.String)
    static = pl.read_parquet(folder / "demographics.parquet").with_columns(known, pl.exclude("household_id").cast(str))
    words = {"customer": "household_id", "time": "time", "value": "value", "event": "event", "channel": "channel"}
    return rows, {**words, "outcome": "redeemed", "static": static, "missing": "keep"}


def shoppers(folder):
    """online_shoppers: a session is a case, and a visitor of its own. The file gives months only: within one the
    sessions are spread evenly. Without PageValues, which is computed from purchases.
    """
    months = ["Jan", "Feb", "Mar", "Apr", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    table = pl.read_csv(folder / "online_shoppers_intention.csv", infer_schema_length=None)
    number = pl.col("Month").replace_strict({m: k for k, m in enumerate(months, 1)}, return_dtype=pl.Int32)
    day = (pl.int_range(pl.len()).over("Month") / pl.len().over("Month") * 28).cast(pl.Int32) + 1
    rows = table.with_row_index("session").with_columns(
        date=pl.date(2017, number, day), bought=pl.col("Revenue").cast(pl.Int64)
    )
    rows = rows.drop("PageValues", "Month", "Revenue")
    extras = [name for name in rows.columns if name not in ("session", "date", "bought", "VisitorType")]
    kinds = ["OperatingSystems", "Browser", "Region", "TrafficType"]
    words = {"customer": "session", "time": "date", "channel": "VisitorType", "outcome": "bought"}
    return rows, {**words, "extras": extras, "categories": kinds}


def paths(folder):
    """channel_attribution: 6,000 of its 10,000 paths, one touch a day, each with one of its outcomes drawn by its rate;
    twenty journeys begin on each day.
    """
    table = pl.read_csv(folder / "Data.csv", separator=";").sample(6000, seed=0)
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
    return frame, {"customer": "journey", "time": "day", "event": "event", "channel": "channel"}


def telco(folder):
    """telco_churn as one cohort of which two years are seen: a payment per month of the tenure, time counted from the
    start. Without TotalCharges, which is tenure times charge. Whose tenure ends within the last window without a
    cancellation (about 2 % of those judged) is unknown there and left out.
    """
    path = _either(folder, "Telco-Customer-Churn.csv", "WA_Fn-UseC_-Telco-Customer-Churn.csv")
    table = pl.read_csv(path).with_columns(pl.lit("renew").alias("event"))
    months = pl.int_ranges(pl.max_horizontal("tenure", 1))
    paid = table.with_columns(month=months).explode("month")
    left = table.filter(pl.col("Churn") == "Yes").with_columns(event=pl.lit("cancel"), month=pl.col("tenure"))
    rows = pl.concat([paid.with_columns(pl.col("month").cast(pl.Int64)), left.select(paid.columns)])
    rows = rows.with_columns(date=pl.date(2018, 1, 1) + pl.duration(days=30 * pl.col("month")))
    rows = rows.filter(pl.col("date") <= datetime.date(2018, 1, 1) + datetime.timedelta(30 * 24))
    static = table.drop("tenure", "MonthlyCharges", "TotalCharges", "Churn", "Contract", "PaymentMethod", "event")
    words = {"customer": "customerID", "time": "date", "event": "event", "value": "MonthlyCharges", "item": "Contract"}
    return rows, {**words, "channel": "PaymentMethod", "static": static, "categories": ["SeniorCitizen"]}


def orders(folder, within=30):
    """online_retail_1: a row per order, and whether things of it are in later invoices that begin with C, of the same
    customer, `within` days at most after it: `returned` (0 or 1), and its kind: kept, some things came back, or all.
    Empty for orders of the last `within` days, which are not complete.
    """
    rows = pl.scan_parquet(folder / "online_retail.parquet").drop_nulls("CustomerID")
    cancelled = pl.col("InvoiceNo").str.starts_with("C")
    back = rows.filter(cancelled).select("CustomerID", "StockCode", pl.col("InvoiceDate").alias("back"))
    bought = rows.filter(~cancelled, pl.col("Quantity") > 0)
    days = pl.col("back") - pl.col("InvoiceDate")
    came = (days > pl.duration()) & (days <= pl.duration(days=within))
    found = bought.join(back, on=["CustomerID", "StockCode"]).filter(came)
    found = found.group_by("InvoiceNo").agg(pl.col("StockCode").n_unique().alias("returned"))
    orders = bought.group_by("InvoiceNo", "CustomerID").agg(
        pl.col("InvoiceDate").min(),
        pl.col("Country").first(),
        (pl.col("UnitPrice") * pl.col("Quantity")).sum().alias("amount"),
        pl.col("Quantity").sum().alias("pieces"),
        pl.col("StockCode").n_unique().cast(pl.Float64).alias("things"),
        pl.col("UnitPrice").max().alias("dearest"),
    )
    orders = orders.join(found, on="InvoiceNo", how="left")
    last = pl.col("InvoiceDate").max() - pl.duration(days=within)
    whole = pl.when(pl.col("InvoiceDate") <= last).then(pl.col("returned").fill_null(0))
    back = pl.col("returned")
    kind = pl.when(back == 0).then(pl.lit("kept")).when(back == pl.col("things")).then(pl.lit("all back"))
    kind = kind.when(back > 0).then(pl.lit("some back"))
    orders = orders.with_columns(whole.alias("returned")).with_columns(kind.alias("kind"), back.clip(0, 1)).collect()
    words = {"customer": "CustomerID", "time": "InvoiceDate", "value": "amount", "items": "pieces"}
    return orders, {**words, "channel": "Country", "outcome": "returned", "extras": ["things", "dearest"]}


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def calls(folder):
    """bank_marketing, a row per call in the order of the file. It gives months only: within one the calls are spread
    evenly. Without `duration`, which is known after the call.
    """
    path = _either(folder, "bank-additional-full.csv", "bank-additional-full.csv.gz")
    calls = pl.read_csv(path, separator=";", infer_schema_length=None).drop("duration").with_row_index("call")
    number = pl.col("month").replace_strict({m: k for k, m in enumerate(MONTHS, 1)}, return_dtype=pl.Int32)
    calls = calls.with_columns(number=number)
    year = 2008 + (pl.col("number") < pl.col("number").shift(1)).fill_null(False).cast(pl.Int32).cum_sum()
    within = pl.int_range(pl.len()).over("year", "number") / pl.len().over("year", "number")
    calls = calls.with_columns(year=year).with_columns(day=(within * 28).cast(pl.Int32) + 1)
    calls = calls.with_columns(date=pl.date("year", "number", "day")).drop("year", "number", "day")
    extras = [name for name in calls.columns if name not in ("call", "date", "y", "contact")]
    return calls, {"customer": "call", "time": "date", "channel": "contact", "outcome": "y", "extras": extras}


def clicks(folder):
    path = _either(folder, "e-shop clothing 2008.csv", "eshop_clothing_2008.csv", "eshop_clothing_2008.csv.gz")
    frame = pl.read_csv(path, separator=";")
    frame = frame.with_columns(date=pl.date(pl.col("year"), pl.col("month"), pl.col("day")))
    words = {"customer": "session ID", "time": "date", "order": "order(sells)"}
    return frame, {**words, "item": "page 2 (clothing model)"}
