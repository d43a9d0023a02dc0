"""Against torch.nn.RNN, LSTM and GRU in float64: outputs, final states, every gradient; two layers, both directions."""

import numpy as np
import pytest
from conftest import TOLERANCE, all_results, assert_equal_results

import rnncore as rc
from rnncore.gradcheck import random_problem

torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")

CASES = [("RNN", {"activation": "tanh"}), ("RNN", {"activation": "relu"}), ("LSTM", {}), ("GRU", {"reset": "after"})]
BIASES = {"RNN": ("b", None), "LSTM": ("b", None), "GRU": ("bx", "bh")}


def our_model(name, options, layers, both, backend):
    parts, D = [], 3
    for _ in range(layers):
        cell = getattr(rc, name)(D, 5, backend=backend, dtype="float64", **options)
        parts.append(rc.Bidirectional(cell) if both else cell)
        D = 10 if both else 5
    return rc.Stack(*parts)


def torch_names(layers, both):
    """Yield our dotted prefix and torch's suffix for every cell."""
    for k in range(layers):
        for direction, suffix in (("forward.", ""), ("backward.", "_reverse")) if both else (("", ""),):
            yield f"{k}.{direction}", f"l{k}{suffix}"


def torch_results(name, options, layers, both, problem):
    params, x, state_0, lengths, dy, dstate_T = problem
    words = {"nonlinearity": options["activation"]} if name == "RNN" else {}
    net = getattr(torch.nn, name)(3, 5, layers, bidirectional=both, dtype=torch.float64, **words)
    bx, bh = BIASES[name]
    with torch.no_grad():
        for ours, theirs in torch_names(layers, both):
            getattr(net, f"weight_ih_{theirs}").copy_(torch.tensor(params[f"{ours}Wx"].T))
            getattr(net, f"weight_hh_{theirs}").copy_(torch.tensor(params[f"{ours}Wh"].T))
            getattr(net, f"bias_ih_{theirs}").copy_(torch.tensor(params[f"{ours}{bx}"]))
            getattr(net, f"bias_hh_{theirs}").copy_(
                torch.tensor(params[f"{ours}{bh}"] if bh else params[f"{ours}b"] * 0)
            )
    leaf = torch.tensor(x, requires_grad=True)
    count = 2 if name == "LSTM" else 1  # states a cell; ours stand cell after cell, torch has one array a state
    states = [torch.tensor(np.stack(state_0[k::count]), requires_grad=True) for k in range(count)]
    fed = leaf if lengths is None else torch.nn.utils.rnn.pack_padded_sequence(leaf, lengths)
    y, final = net(fed, tuple(states) if name == "LSTM" else states[0])
    if lengths is not None:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=len(x))
    final = final if name == "LSTM" else (final,)
    loss = (y * torch.tensor(dy)).sum()
    for k, state in enumerate(final):
        loss = loss + (state * torch.tensor(np.stack(dstate_T[k::count]))).sum()
    loss.backward()
    out = {"y": y.detach().numpy(), "dx": leaf.grad.numpy()}
    for j in range(len(state_0)):
        out[f"state_T[{j}]"] = final[j % count][j // count].detach().numpy()
        out[f"dstate_0[{j}]"] = states[j % count].grad[j // count].numpy()
    for ours, theirs in torch_names(layers, both):
        out[f"d{ours}Wx"] = getattr(net, f"weight_ih_{theirs}").grad.numpy().T
        out[f"d{ours}Wh"] = getattr(net, f"weight_hh_{theirs}").grad.numpy().T
        out[f"d{ours}{bx}"] = getattr(net, f"bias_ih_{theirs}").grad.numpy()
        if bh:
            out[f"d{ours}{bh}"] = getattr(net, f"bias_hh_{theirs}").grad.numpy()
    return out


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_equals_torch(name, options, layers, both, ragged, backend):
    model = our_model(name, options, layers, both, backend)
    p = random_problem(model, seed=7, T=7, N=4, ragged=ragged)
    if ragged:  # torch packs no rows of length zero
        p = p._replace(lengths=np.maximum(p.lengths, 1))
    ours = all_results(model, p)
    assert_equal_results(ours, torch_results(name, options, layers, both, p), TOLERANCE["equal in float64"])
