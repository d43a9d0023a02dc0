"""Examples: what networks are asked, what came, and which of them stop a training; nothing of a task is left in them.

Training is stopped by a later window, of customers from whom nothing is learned: a tenth of them (of texts that stand
each by itself, a tenth of the texts) is watched, and the loss of their newest examples stops it; of histories with an
answer for each step, that of the newest steps. From 50 of them on: where there are fewer, or where all windows are
equally new, everything that is watched stops it. Of few series, and where examples come one after another in each
customer (demand, next-purchase), nobody is watched, and the newest window itself is not learned from.

Log-loss in the judged window, mean of three single networks and standard deviation, where training is stopped by

                                            a tenth          the newest of it   all the newest, not trained on
    churn, CDNOW                            .4117 ± .0004    .4120 ± .0005      .4115 ± .0008
    churn, online_retail_1                  .6135 ± .0029    .6135 ± .0029      .6123 ± .0037
    churn-hazard, CDNOW                     .4321 ± .0028    .4321 ± .0028      .5154 ± .0374
    churn-hazard, online_retail_1           .6067 ± .0023    .6076 ± .0032      .6002 ± .0077
    contract-churn, made-up, without plans  .3172 ± .0017    .3172 ± .0017      .3150 ± .0024
    outcome, returns of online_retail_1     .4229 ± .0029    .4255 ± .0047      .4256 ± .0033
    outcome, bank_marketing                 .6779 ± .0106    .6469 ± .0356      .6344 ± .0029
    outcome, campaigns of complete_journey  .3381 ± .0065    .3335 ± .0093      .3371 ± .0016
    outcome, online_shoppers                .4708 ± .0047    .4719 ± .0033      .4852 ± .0024
    outcome-kind, online_retail_1           .4547 ± .0030    .4525 ± .0007      .4571 ± .0018
    journey, complete_journey               .2920 ± .0036    .2940 ± .0067      .3054 ± .0079
    journey, made-up                        .5655 ± .0019    .5627 ± .0033      .5637 ± .0018
    subscriptions, telco_churn              .0689 ± .0005    .0687 ± .0004
    subscriptions, made-up                  .2629 ± .0001    .2629 ± .0005
    subscriptions, made-up, logins fall     .3059 ± .0002    .3055 ± .0009

So it costs little anywhere, bank_marketing needs it, and most of the newest are not lost for learning. Five seeds, by a
tenth and by the newest of it: churn .4122 and .4124, .6130 and .6109; churn-hazard .4327 and .4330, .6068 and .6071;
contract-churn with plans .3116 and .3117; returns .4215 and .4256, bank .6768 and .6421, campaigns .3389 and .3362,
shoppers .4722 and .4732, kinds .4523 and .4527; journeys .2964 and .2987, .5641 and .5620, and of channel_attribution,
where there is nothing to learn, .5567 and .5611; sentiment .5977 both; segments by history .4605 and .4596, by future
.4340 and .4347; clv, deviance of spend on CDNOW 14.20 ± .17 and 14.21 ± .22, of purchases 2.309 ± .017 and 2.316 ±
.022, of spend on online_retail_1 95 ± 16 and 101 ± 11.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnncore.sequences import Histories

Array = NDArray[Any]
Floats = NDArray[np.float64]
GROUPS = 20  # from which on a tenth of them is watched
FEW = 50  # examples of the latest window, at least, that stop a training; else all that are watched


class Examples(NamedTuple):
    """N questions: what the network reads, and, where it is known, what came."""

    histories: Histories
    """As the network takes them: values (sum of L_i, D) of float32, or (sum of L_i,) of integer ids."""
    group: NDArray[np.int64]
    """Whose each is: a position among the customers (or series) of the log asked about, (N,)."""
    target: Any = None
    """(N, ...), one per history, or `Histories`, one per step."""
    weight: Any = None
    """(N,), or `Histories` of one per step; None: all count alike. What has weight 0 is not judged either."""
    newest: Any = None
    """Which are of the latest complete window, (N,), or `Histories` of one per step: they calibrate. None: all."""
    watched: NDArray[np.bool_] | None = None
    """From which nothing is learned, (N,): the newest of them stop the training. None: all the newest are."""
    facts: Any = None
    """Whatever else the task's own simple methods and decoding want."""

    @property
    def per_step(self) -> bool:
        """Whether there is an answer for each step of a history."""
        return isinstance(self.target, Histories)

    def judged(self) -> tuple[Array, NDArray[np.int64], NDArray[np.bool_]]:
        """Targets and groups of the rows that count, and which of all rows these are."""
        target = self.target.values if self.per_step else np.asarray(self.target)
        group = np.repeat(self.group, self.histories.lengths) if self.per_step else self.group
        weight = self.weight.values if isinstance(self.weight, Histories) else self.weight
        if weight is not None and len(weight) != len(target):
            weight = np.repeat(weight, self.histories.lengths)
        counts = np.ones(len(target), bool) if weight is None else np.asarray(weight) > 0
        target = target[:, 0] if target.ndim == 2 and target.shape[1] == 1 else target
        return target[counts], group[counts], counts

    def select(self, rows: NDArray[np.bool_]) -> Examples:
        """The examples with True in `rows`, without their facts."""

        def taken(column: Any) -> Any:
            return column.select(rows) if isinstance(column, Histories) else None if column is None else column[rows]

        return Examples(*(taken(column) for column in self[:6]))

    def late(self) -> Examples:
        """The newest of them: with per step `newest` those who have such steps, of which no other counts."""
        if not isinstance(self.newest, Histories):
            return self if self.newest is None else self.select(self.newest)
        steps, weight = self.newest, self.weight.values if isinstance(self.weight, Histories) else self.weight
        if weight is not None and len(weight) != len(steps.values):
            weight = np.repeat(weight, steps.lengths)
        counts = steps.values * (np.float32(1) if weight is None else weight)
        who = np.zeros(len(self.group), bool)
        who[np.repeat(np.arange(len(who)), steps.lengths)[counts > 0]] = True
        return self._replace(weight=Histories(counts, steps.offsets)).select(who)

    def stopping(self) -> tuple[NDArray[np.bool_], Examples | None]:
        """From which nothing is learned, (N,), and which of them stop the training: the newest, or, where these are
        fewer than FEW, all of them; None where there is none, or nothing else to learn from.
        """
        apart = self.watched if self.watched is not None else self.newest
        if not isinstance(apart, np.ndarray) or apart.all() or not apart.any():
            return np.zeros(len(self.group), bool), None
        watched = self.select(apart)
        late = watched.late()
        return apart, late if len(late.group) >= FEW else watched


def drawn(rows: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """At most so many of the rows, drawn by the seed, in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def tenth(group: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Whether each example is of the tenth of the groups from which nothing is learned, (N,).

    With fewer groups than GROUPS none is, and the network trains for all epochs.
    """
    groups = int(group.max()) + 1
    chosen = np.random.default_rng(seed).permutation(groups)[: groups // 10 if groups >= GROUPS else 0]
    return np.isin(group, chosen)
