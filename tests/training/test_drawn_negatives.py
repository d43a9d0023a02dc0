"""A loss that draws negatives at every step trains, resumes bitwise, and is judged on the same draws each epoch."""

from functools import partial

import numpy as np
import pytest

import rnncore as rc

V = 12
SOLD = np.arange(V, 0, -1)


def arguments(candidates=5, popularity=SOLD):
    rng = np.random.default_rng(0)
    histories = [rng.integers(0, V, 6) for _ in range(40)]
    bought = np.array([(h[-1] + 1) % V for h in histories])  # the next item follows from the last
    model = rc.Stack(rc.Embedding(V, 8), rc.GRU(8, 16, backend="numpy"), rc.Dropout(0.1), rc.Last(), rc.Dense(16, V))
    batches = rc.sequences.Minibatches(histories, bought, batch_size=8)
    loss = partial(rc.losses.drawn_softmax, popularity=popularity, candidates=candidates)
    words = {"validation": batches, "seed": 3}
    return (model, model.init(seed=0), batches, loss, rc.Adam(0.02)), words


def test_it_learns_what_the_softmax_over_all_items_asks_for():
    positional, words = arguments()
    params, _ = rc.fit(*positional, epochs=40, **words)
    model, before, batches, *_ = positional
    full = [rc.training.evaluate(model, p, batches, rc.losses.softmax_cross_entropy) for p in (before, params)]
    assert full[1] < 0.3 < full[0]


def test_a_run_that_is_cut_and_resumed_draws_the_same_bitwise(tmp_path):
    positional, words = arguments()
    whole, history = rc.fit(*positional, epochs=4, **words)
    path = tmp_path / "run"
    rc.fit(*positional, epochs=2, checkpoint=path, **words)
    again, other = rc.fit(*positional, epochs=4, checkpoint=path, **words)
    assert history == other and all(np.array_equal(whole[n], again[n]) for n in whole)


def test_another_seed_draws_others_and_validation_draws_the_same_always():
    positional, words = arguments()
    one, two = (rc.fit(*positional, epochs=1, **{**words, "seed": seed})[0] for seed in (3, 4))
    assert not np.array_equal(one["4.W"], two["4.W"])
    model, params, batches, loss, _ = positional
    assert rc.training.evaluate(model, params, batches, loss) == rc.training.evaluate(model, params, batches, loss)


def test_a_checkpoint_knows_what_the_negatives_are_drawn_by(tmp_path):
    positional, words = arguments()
    path = tmp_path / "run"
    rc.fit(*positional, epochs=1, checkpoint=path, **words)
    other, _ = arguments(popularity=SOLD[::-1].copy())
    with pytest.raises(rc.ContractError, match="loss"):
        rc.fit(*other, epochs=2, checkpoint=path, **words)


def test_a_popularity_that_fits_no_item_is_named():
    with pytest.raises(rc.ContractError, match="popularity: expected 3 finite counts"):
        rc.losses.drawn_softmax(np.zeros((1, 3)), np.array([0]), rng=np.random.default_rng(0), popularity=np.ones(2))
