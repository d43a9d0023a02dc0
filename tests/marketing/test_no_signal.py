"""On journeys that hold no signal the verdict says so; on the same journeys with a planted effect it does not.

The task here is as plain as one can be: a journey's channels, one yes or no at its end.
"""

import datetime

import numpy as np
import polars as pl
import pytest
from conftest import data_folder
from sklearn.linear_model import LogisticRegression

import rnncore as rc
from rnncore.marketing import EventLog
from rnncore.marketing.judging.judgement import CONSTANT
from rnncore.marketing.learning.examples import Examples, tenth
from rnncore.marketing.learning.features import encode, latest, measure, of_events
from rnncore.marketing.task import Task

START = datetime.date(2024, 1, 1)


class Conversion(Task):
    """P(a journey ends in a conversion), from its channels; journeys of later days judge."""

    name = "conversion"
    needs = ("channel",)
    uses = ("channel",)

    def origin(self, log):
        return np.median(log.day.astype(np.int64)).astype(np.int64).astype("datetime64[D]")

    def _of(self, log, keep, code):
        log = log.among(np.flatnonzero(keep))
        rows = encode(of_events(log, ["channel"]), code)[:, 1:]
        counts = np.add.reduceat(rows, log.offsets[:-1])
        return Examples(
            latest(rows, log.offsets, self.latest),
            group=np.flatnonzero(keep),
            target=log.static.numbers["converted"][:, None],
            facts=np.column_stack([counts, rows[log.offsets[1:] - 1]]),
        )

    def told(self, log, end, code=None):
        done = log.day[log.offsets[1:] - 1] <= end
        code = code or measure(of_events(log.among(np.flatnonzero(done)), ["channel"]))
        told = self._of(log, done, code)
        return code, told._replace(watched=tenth(np.arange(len(told.group)), self.seed))

    def judged(self, log, origin, code):
        return self._of(log, log.day[log.offsets[:-1]] > origin, code)

    def network(self, code):
        D = len(code["levels"]["channel"]) + 1
        return rc.Stack(rc.GRU(D, self.units, backend=self.backend), rc.Last(), rc.Dense(self.units, 1))

    def rivals(self, told, asked):
        y = told.target[:, 0]
        half = told.facts.shape[1] // 2
        found = {CONSTANT: np.full(len(asked.group), y.mean())}
        for name, part in (("counts", np.s_[:, :half]), ("last touch", np.s_[:, half:])):
            model = LogisticRegression(max_iter=1000).fit(told.facts[part], y)
            found[name] = model.predict_proba(asked.facts[part])[:, 1]
        return found


def journeys(plant):
    """A journey for each path, with one of its outcomes; plant: conversions follow `alpha` in the last place."""
    table = pl.read_csv(data_folder("channel_attribution") / "Data.csv", separator=";").sample(6000, seed=0)
    rng = np.random.default_rng(0)
    rate = (table["total_conversions"] / (table["total_conversions"] + table["total_null"])).to_numpy()
    paths = [path.split(" > ") for path in table["path"]]
    if plant:
        rate = np.array([0.3 if path[-1] == "alpha" else 0.1 for path in paths])
    converted = (rng.uniform(size=len(rate)) < np.nan_to_num(rate)).astype(float)
    rows = [(n, n // 20, k, way) for n, path in enumerate(paths) for k, way in enumerate(path)]
    log = pl.DataFrame(rows, schema=["journey", "day", "place", "channel"], orient="row")
    log = log.with_columns(day=pl.lit(START) + pl.duration(days="day"))
    cases = pl.DataFrame({"journey": range(len(paths)), "converted": converted})
    return EventLog(log, customer="journey", time="day", order="place", channel="channel", static=cases)


@pytest.mark.parametrize(("plant", "signal"), [(False, False), (True, True)])
def test_the_verdict_says_whether_journeys_hold_a_signal(plant, signal):
    task = Conversion(units=8, epochs=3, seeds=1, backend="numpy").fit(journeys(plant))
    assert (task.verdict_ != "no signal") == signal, str(task.table_)
    if not signal:
        assert all(0.46 < rival.auroc.value < 0.54 for rival in task.table_)
