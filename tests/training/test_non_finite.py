"""A number that is not finite stops a run, with its place and the last good checkpoint, and is never written."""

import numpy as np
import pytest
from small_run import TRAIN_STEPS, arguments

import rnncore as rc
from rnncore.errors import NonFiniteError
from rnncore.sequences import Minibatches
from rnncore.training import SGD, fit


class Spoiled(Minibatches):
    """Minibatches whose `column` holds NaN in one batch."""

    def __init__(self, *columns, column, epoch, step, value=np.nan, **words):
        super().__init__(*columns, **words)
        self.column, self.place, self.value = column, (epoch, step), value

    def batch(self, epoch, step):
        batch = super().batch(epoch, step)
        if (epoch, step) == self.place:
            getattr(batch, self.column).flat[0] = self.value
        return batch


def spoiled(column, **words):
    job = arguments()
    inner = job["batches"]
    columns = (inner.histories, inner.target)
    return job | {"batches": Spoiled(*columns, column=column, epoch=1, step=2, batch_size=4, **words)}


@pytest.mark.parametrize("column", ["x", "target"])
def test_a_loss_that_is_not_finite_names_step_and_arrays(column):
    with pytest.raises(NonFiniteError, match=r"the loss is nan.* epoch 1, step 2") as caught:
        fit(**spoiled(column))
    assert caught.value.step == TRAIN_STEPS + 2
    assert caught.value.arrays[:2] == ("loss", column)


def test_without_a_checkpoint_none_is_named():
    with pytest.raises(NonFiniteError, match="no checkpoint") as caught:
        fit(**spoiled("x"))
    assert caught.value.checkpoint is None


def test_the_last_good_checkpoint_is_named_and_is_that_of_the_step_before(tmp_path):
    path, good = tmp_path / "c", tmp_path / "good"
    with pytest.raises(NonFiniteError) as caught:
        fit(**spoiled("x"), checkpoint=path, every=1)
    assert caught.value.checkpoint == str(path)
    with pytest.raises(NonFiniteError):
        fit(**spoiled("target"), checkpoint=good, every=1)
    assert path.read_bytes() == good.read_bytes()


def nan_in_one_gradient(prediction, target, weight):
    """A loss whose value is finite and whose derivative is not."""
    value, d = rc.losses.mse(prediction, target, weight)
    return value, np.full_like(d, np.nan)


@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_gradient_that_is_not_finite_names_its_arrays(clip):
    with pytest.raises(NonFiniteError, match="the gradient holds NaN") as caught:
        fit(**(arguments() | {"loss": nan_in_one_gradient, "clip": clip}))
    assert caught.value.step == 0
    assert "3.W" in caught.value.arrays


def test_weights_that_overflow_are_an_error_at_that_step():
    with pytest.raises(NonFiniteError, match="weights") as caught:
        fit(**(arguments() | {"optimizer": SGD(3e38), "clip": 1e30}))
    assert caught.value.step == 0


def huge(prediction, target, weight):
    value, d = rc.losses.mse(prediction, target, weight)
    return value, d * np.float32(1e25)


def test_a_moment_that_overflows_is_an_error_although_the_weights_are_finite():
    with pytest.raises(NonFiniteError, match="optimiser holds") as caught:
        fit(**(arguments() | {"loss": huge, "clip": None}))
    assert "v.3.W" in caught.value.arrays


def test_a_moment_that_overflows_is_never_written(tmp_path):
    with pytest.raises(NonFiniteError):
        fit(**(arguments() | {"loss": huge, "clip": None}), checkpoint=tmp_path / "c", every=1)
    assert not (tmp_path / "c").exists()


def test_a_validation_loss_that_is_not_finite_is_an_error():
    job = arguments()
    inner = job["validation"]
    job["validation"] = Spoiled(inner.histories, inner.target, column="x", epoch=0, step=1, batch_size=4)
    with pytest.raises(NonFiniteError, match="validation loss"):
        fit(**job)


def test_initial_weights_that_are_not_finite_are_an_error():
    job = arguments()
    job["params"]["0.Wh"][0, 0] = np.inf
    with pytest.raises(NonFiniteError, match="initial") as caught:
        fit(**job)
    assert caught.value.arrays == ("0.Wh",)


def test_a_norm_beyond_float32_is_still_a_norm():
    _, history = fit(**(arguments() | {"loss": huge, "epochs": 1}))
    assert history[0]["gradient_norm"] > 1e24
