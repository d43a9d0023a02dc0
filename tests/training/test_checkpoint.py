"""A checkpoint goes on only with the run it belongs to, and says what differs."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from small_run import EPOCHS, arguments

import rnncore as rc
from rnncore.errors import ContractError, ModelFileError
from rnncore.interop import safetensors
from rnncore.training import SGD, Adam, AdamW, Cosine, checkpoint, fit
from rnncore.training.checkpoint import function_name

SMALLER = rc.Stack(rc.GRU(2, 2, backend="numpy"), rc.Dropout(0.3), rc.Last(), rc.Dense(2, 1))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The checkpoint of a whole run."""
    file = tmp_path_factory.mktemp("run") / "c"
    fit(**arguments(), checkpoint=file)
    return file


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": SMALLER, "params": SMALLER.init(seed=1)}, "model.parts.0.H is 3 there and 2 here"),
        ({"params": {n: p + 1 for n, p in arguments()["params"].items()}}, "initial_params"),
        ({"optimizer": AdamW(0.01)}, "optimizer.learning_rate is 0.05 there and 0.01 here"),
        ({"optimizer": Adam(0.05)}, "optimizer.optimizer is 'AdamW' there and 'Adam' here"),
        ({"loss": rc.losses.mae}, "loss is 'rnncore.losses.regression.mse' there"),
        ({"clip": None}, "clip is 0.3 there and None here"),
        ({"seed": 5}, "seed is 3 there and 5 here"),
        ({"validation": None}, "validation"),
        ({"batches": arguments()["validation"]}, "batches"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_checkpoint_of_another_run_is_refused_with_what_differs(path, change, named):
    with pytest.raises(ContractError) as caught:
        fit(**(arguments() | change), checkpoint=path)
    assert named in str(caught.value)
    assert "delete this one" in caught.value.advice


def test_an_optimizer_that_has_made_steps_is_another_run(path):
    optimizer = AdamW(0.05)
    params = arguments()["params"]
    optimizer.step(params, params)
    with pytest.raises(ContractError, match="initial_optimizer_state"):
        fit(**(arguments() | {"optimizer": optimizer}), checkpoint=path)


def test_a_refused_checkpoint_stays_as_it_is(path):
    before = path.read_bytes()
    with pytest.raises(ContractError):
        fit(**(arguments() | {"seed": 5}), checkpoint=path)
    assert path.read_bytes() == before


def test_a_finished_run_comes_back_without_a_step(path):
    def no_batch(tick):
        raise AssertionError(tick)

    params, history = fit(**arguments(no_batch), checkpoint=path)
    expected = fit(**arguments())
    assert history == expected[1]
    np.testing.assert_array_equal(params["3.W"], expected[0]["3.W"])


def test_more_epochs_extend_a_finished_run(tmp_path):
    fit(**arguments(), checkpoint=tmp_path / "c")
    longer = arguments() | {"epochs": EPOCHS + 2}
    extended, whole = fit(**longer, checkpoint=tmp_path / "c"), fit(**longer)
    assert extended[1] == whole[1]
    np.testing.assert_array_equal(extended[0]["3.W"], whole[0]["3.W"])


def flat(prediction, target, weight):
    """A loss of one value for every prediction, but with a slope."""
    return 1.0, np.ones_like(prediction)


@pytest.mark.parametrize("shorter", [{"epochs": EPOCHS - 1}, {"patience": 1}])
def test_a_run_that_is_past_the_end_asked_for_is_refused(tmp_path, shorter):
    usual = arguments() | {"loss": flat}  # the validation loss never falls
    fit(**usual, checkpoint=tmp_path / "c")
    with pytest.raises(ContractError, match="at most 2 epochs"):
        fit(**(usual | shorter), checkpoint=tmp_path / "c")


def test_a_damaged_checkpoint_is_refused(path, tmp_path):
    damaged = bytearray(path.read_bytes())
    damaged[-20] ^= 1
    (tmp_path / "c").write_bytes(damaged)
    with pytest.raises(ModelFileError, match="checksum"):
        fit(**arguments(), checkpoint=tmp_path / "c")


def test_a_file_of_another_kind_is_refused(tmp_path):
    safetensors.write(tmp_path / "c", {"Wx": np.ones(2)}, {}, kind="model")
    with pytest.raises(ModelFileError, match="kind"):
        fit(**arguments(), checkpoint=tmp_path / "c")


def test_a_checkpoint_without_settings_is_refused(tmp_path):
    safetensors.write(tmp_path / "c", {"Wx": np.ones(2)}, {}, kind="checkpoint")
    with pytest.raises(ModelFileError, match="description"):
        fit(**arguments(), checkpoint=tmp_path / "c")


@pytest.mark.parametrize(
    "counters",
    [
        {"sums": {"loss": 1.0}},
        {"history": [{"epoch": 0}] * EPOCHS},
        {"epoch": EPOCHS - 1},
        {"step": -1},
        {"best_epoch": EPOCHS},
        {"best_epoch": None},
        {"history": 5},
    ],
    ids=repr,
)
def test_counters_that_no_run_has_are_refused_though_the_file_is_sound(tmp_path, monkeypatch, counters):
    save = checkpoint.save
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", lambda path, run, words: save(path, replace(run, **counters), words))
        fit(**arguments(), checkpoint=tmp_path / "c")
    with pytest.raises(ModelFileError, match=r"description|names"):
        fit(**arguments(), checkpoint=tmp_path / "c")


def test_numbers_of_numpy_can_be_saved(tmp_path):
    rule = AdamW(Cosine(0.05, steps=np.int64(9)), accumulate=np.int64(1))
    job = arguments() | {"optimizer": rule, "seed": np.int64(3), "clip": np.float32(0.3)}
    expected = fit(**(arguments() | {"optimizer": AdamW(Cosine(0.05, steps=9)), "clip": float(np.float32(0.3))}))
    assert fit(**job, checkpoint=tmp_path / "c")[1] == fit(**job, checkpoint=tmp_path / "c")[1] == expected[1]


def test_a_run_without_slots_has_a_checkpoint_too(tmp_path):
    job = arguments() | {"optimizer": SGD(0.05)}
    fit(**job, checkpoint=tmp_path / "c")
    assert fit(**job, checkpoint=tmp_path / "c")[1] == fit(**job)[1]


class Callable:
    """A loss that is an object."""

    def __call__(self, prediction, target, weight):
        return rc.losses.mse(prediction, target, weight)


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (rc.losses.mse, "rnncore.losses.regression.mse"),
        (
            functools.partial(rc.losses.softmax_cross_entropy, ignore=3),
            "rnncore.losses.classes.softmax_cross_entropy(ignore=3)",
        ),
        (Callable(), f"{__name__}.Callable"),
    ],
)
def test_a_loss_is_known_by_its_name(loss, name):
    assert function_name(loss) == name
