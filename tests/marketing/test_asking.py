"""What a command is asked for is checked before anything is computed."""

import polars as pl
import pytest

from rnncore.errors import ContractError
from rnncore.marketing import EventLog
from rnncore.marketing.commands import asking
from rnncore.marketing.tasks import TASKS


def test_neither_a_table_without_times_nor_what_comes_before_the_log_is_cut():
    table = EventLog(pl.DataFrame({"id": ["a", "b"], "age": [20, 30]}), customer="id")
    log = EventLog(pl.DataFrame({"id": ["a"], "day": ["2024-03-01"]}), customer="id", time="day")
    with pytest.raises(ContractError, match="until: expected a day from 2024-03-01 on"):
        asking.cut(log, "2024-02-29")
    with pytest.raises(ContractError, match="until: expected no day for a table without times, received 2024-01-01"):
        asking.cut(table, "2024-01-01")


@pytest.mark.parametrize("word", ["1", "true", "null", "Churned"])
def test_an_event_may_be_called_what_json_takes_for_something_else(word):
    assert asking.asked_for("subscriptions", {}, [f"cancel={word}", "period=7"]).get_params()["cancel"] == word


def test_of_the_tasks_that_compare_customers_texts_alone_need_none():
    asking.require_customer(TASKS["sentiment"](), None)
    with pytest.raises(ContractError, match="or sentiment of texts, needs none"):
        asking.require_customer(TASKS["churn"](), None)


def test_an_argument_that_has_an_option_of_its_own_is_said_once():
    assert asking.asked_for("churn", {}, ["horizon=3"]).horizon == 3
    with pytest.raises(ContractError, match="set: expected horizon once, received --horizon and --set horizon"):
        asking.asked_for("churn", {"horizon": 30}, ["horizon=3"])
