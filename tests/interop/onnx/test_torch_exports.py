"""What torch's exporter writes is read: outputs and gradients are those of the module."""

import io
import warnings

import numpy as np
import onnx
import pytest
from conftest import TOLERANCE, scaled_error

from rnncore.interop.onnx import prepare

torch = pytest.importorskip("torch")


class Classifier(torch.nn.Module):
    """Two layers in both directions, the last step, an affine map, log-probabilities."""

    def __init__(self, kind):
        super().__init__()
        self.inner = getattr(torch.nn, kind)(3, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.head = torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Linear(8, 2))

    def forward(self, x):
        return torch.log_softmax(self.head(self.inner(x)[0][:, -1]), -1)


class Packed(torch.nn.Module):
    """Rows of their own lengths, in any order, with an initial state."""

    def __init__(self, kind):
        super().__init__()
        self.inner, self.head = getattr(torch.nn, kind)(3, 4, batch_first=True), torch.nn.Linear(4, 2)

    def forward(self, x, lengths, h):
        rows = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        state = (h, 2 * h) if isinstance(self.inner, torch.nn.LSTM) else h
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(self.inner(rows, state)[0], batch_first=True)
        return torch.softmax(self.head(y), -1)


class Tagger(torch.nn.Module):
    """Integer ids, their embedding, a layer over time, an affine map."""

    def __init__(self, kind):
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 3)
        self.inner, self.head = getattr(torch.nn, kind)(3, 4, batch_first=True), torch.nn.Linear(4, 2)

    def forward(self, ids):
        return self.head(self.inner(self.embedding(ids))[0])


def exported(module, arguments, names, dynamo=False):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        if dynamo:  # the exporter that traces the graph of torch.export
            pytest.importorskip("onnxscript")
            words = {"input_names": names, "opset_version": 18, "dynamo": True, "verbose": False}
            return torch.onnx.export(module, arguments, **words).model_proto
        torch.onnx.export(module, arguments, file, input_names=names, opset_version=17, dynamo=False)
    return onnx.load_from_string(file.getvalue())


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("make", [Classifier, Packed])
def test_outputs_and_gradients_are_those_of_the_module(kind, make):
    torch.manual_seed(0)
    module = make(kind).double().eval()
    given = {"x": torch.randn(3, 5, 3).double()}
    if make is Packed:
        given |= {"lengths": torch.tensor([2, 5, 3]), "h": torch.randn(1, 3, 4).double()}
    rep = prepare(exported(module, tuple(given.values()), list(given)))
    floats = [name for name in given if given[name].is_floating_point()]
    for name in floats:
        given[name].requires_grad_()
    theirs = module(*given.values())
    arrays = {name: a.detach().numpy() for name, a in given.items()}
    (mine,) = rep.run(arrays)
    assert scaled_error(mine, theirs.detach().numpy()) < TOLERANCE["equal in float64"]
    d = np.random.default_rng(0).normal(size=mine.shape)
    theirs.backward(torch.from_numpy(d))
    grads = rep.gradients(arrays, [d])
    for name in floats:
        assert scaled_error(grads[name], given[name].grad.numpy()) < TOLERANCE["equal in float64"], name


@pytest.mark.parametrize(
    ("kind", "dynamo"),
    [
        *((kind, False) for kind in ("RNN", "LSTM", "GRU")),
        ("LSTM", True),
        *(pytest.param(kind, True, marks=pytest.mark.thorough) for kind in ("RNN", "GRU")),
    ],
)
def test_ids_through_an_embedding_give_the_modules_outputs_and_its_gradient(kind, dynamo):
    torch.manual_seed(0)
    module, ids = Tagger(kind).double().eval(), torch.randint(0, 7, (3, 5))
    rep = prepare(exported(module, (ids,), ["ids"], dynamo))
    theirs, d = module(ids), np.random.default_rng(0).normal(size=(3, 5, 2))
    (mine,) = rep.run({"ids": ids.numpy()})
    assert scaled_error(mine, theirs.detach().numpy()) < TOLERANCE["equal in float64"]
    theirs.backward(torch.from_numpy(d))
    grads = rep.gradients({"ids": ids.numpy()}, [d])
    for name in ("embedding.weight", "head.bias"):
        expected = dict(module.named_parameters())[name].grad.numpy()
        assert scaled_error(grads[name], expected) < TOLERANCE["equal in float64"], name
