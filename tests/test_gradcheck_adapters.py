"""Torch modules and functions under the same test."""

import numpy as np
import pytest

from rnncore.gradcheck import check_pair
from rnncore.gradcheck.adapters import from_torch

torch = pytest.importorskip("torch")
RNG = np.random.default_rng(0)


class Cube(torch.autograd.Function):
    slip = 1.0

    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)
        return v**3

    @staticmethod
    def backward(ctx, dy):
        (v,) = ctx.saved_tensors
        return dy * 3 * v**2 * Cube.slip


def test_a_function_with_a_right_hand_written_backward_passes():
    report = check_pair(*from_torch(Cube, RNG.normal(size=(3, 2))), method=["richardson", "central"])
    assert report.ok, str(report)


def test_a_function_with_a_wrong_hand_written_backward_fails(monkeypatch):
    monkeypatch.setattr(Cube, "slip", 1 + 1e-6)
    report = check_pair(*from_torch(Cube, RNG.normal(size=(3, 2))), method="central")
    assert (report.verdict, report.worst.name) == ("fail", "input[0]")


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_module_is_checked_at_its_own_parameters_in_float64_and_stays_as_it_is(kind):
    module = getattr(torch.nn, kind)(3, 4)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    pair = from_torch(module, RNG.normal(size=(5, 2, 3)).astype(np.float32))
    report = check_pair(*pair, method="richardson", entries=3)
    assert report.ok, str(report)
    assert {b.name for b in report.blocks} == {*before, "input[0]"}
    assert all(p.dtype == torch.float32 and torch.equal(p, before[n]) for n, p in module.named_parameters())
    assert all(a.dtype == np.float64 for a in pair.inputs.values())


def test_the_masks_of_dropout_are_replayed():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5), torch.nn.Tanh())
    assert check_pair(*from_torch(module, RNG.normal(size=(5, 3))), method="richardson").ok


def test_ids_and_parameters_without_influence_are_no_obstacle():
    module = torch.nn.Embedding(6, 3)
    report = check_pair(*from_torch(module, np.array([[1, 2], [2, 5]])), method="central")
    assert report.ok
    assert [b.name for b in report.blocks] == ["weight"]
