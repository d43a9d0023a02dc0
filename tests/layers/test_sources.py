"""The variants as their sources write them: a step of each in torch, in the source's order of gates; all gradients.

Ours are the leaves; what a source keeps in another place is taken from them by slices, so autograd brings it back.
"""

import numpy as np
import pytest
from conftest import BACKENDS, TOLERANCE, all_results, assert_equal_results

import rnncore as rc
from rnncore.gradcheck import random_problem

torch = pytest.importorskip("torch", reason="torch is not installed (extra: peers)")


def columns(a, order, letters="ifgo"):
    """Return the gate blocks of ours in a source's order."""
    blocks = dict(zip(letters, a.chunk(len(letters), -1), strict=True))
    return torch.cat([blocks[letter] for letter in order], -1)


def tensorflow_lstm(p, x, state):
    """LSTMCell(use_peepholes=True): one kernel for [x, h], gates i j f o."""
    c, m = state[1], state[0]
    kernel = columns(torch.cat([p["Wx"], p["Wh"]]), "igfo")
    i, j, f, o = (torch.cat([x, m], 1) @ kernel + columns(p["b"], "igfo")).chunk(4, 1)
    w_i_diag, w_f_diag, w_o_diag = p["P"].chunk(3)
    c = torch.sigmoid(f + w_f_diag * c) * c + torch.sigmoid(i + w_i_diag * c) * torch.tanh(j)
    return torch.sigmoid(o + w_o_diag * c) * torch.tanh(c), c


def gers(p, x, state):
    """No error goes back through a peephole into the memory, nor through a net input further back in time."""
    s, y = state[1], state[0].detach()
    net = {
        k: x @ W + y @ U + b for k, W, U, b in zip("ifco", *(p[n].chunk(4, -1) for n in ("Wx", "Wh", "b")), strict=True)
    }
    w_in, w_phi, w_out = p["P"].chunk(3)
    y_in, y_phi = torch.sigmoid(net["i"] + w_in * s.detach()), torch.sigmoid(net["f"] + w_phi * s.detach())
    s = y_phi * s + y_in * torch.tanh(net["c"])
    return torch.sigmoid(net["o"] + w_out * s.detach()) * torch.tanh(s), s


def greff(p, x, state):
    """CIFG without peepholes: the input gate is kept, f = 1 - i; ours has its weights with the sign turned."""
    c, y = state[1], state[0]
    (W_f, W_z, W_o), (R_f, R_z, R_o), (b_f, b_z, b_o) = (p[name].chunk(3, -1) for name in ("Wx", "Wh", "b"))
    z = torch.tanh(x @ W_z + y @ R_z + b_z)
    i = torch.sigmoid(x @ -W_f + y @ -R_f - b_f)
    c = z * i + c * (1 - i)
    return torch.tanh(c) * torch.sigmoid(x @ W_o + y @ R_o + b_o), c


def sak(p, x, state):
    """r_t = W_rm m_t, with columns in place of rows and no peepholes."""
    r, c = state[0].T, state[1].T
    gate = {}
    for k, W_x, W_r, b in zip("ifco", *(p[name].chunk(4, -1) for name in ("Wx", "Wh", "b")), strict=True):
        gate[k] = W_x.T @ x.T + W_r.T @ r + b[:, None]
    c = torch.sigmoid(gate["f"]) * c + torch.sigmoid(gate["i"]) * torch.tanh(gate["c"])
    m = torch.sigmoid(gate["o"]) * torch.tanh(c)
    return (p["Wp"].T @ m).T, c.T


def ln(x, b, s):
    return s * (x - x.mean(1)[:, None]) / torch.sqrt(x.var(1, correction=0)[:, None] + 1e-5) + b


def kiros_lstm(p, x, state):
    """lnlstm_layer of the paper's authors: gates i f o c; biases b1, b2 of the norms, and b."""
    h, c = state
    U, W, b1, s1, s2 = (columns(p[name], "ifog") for name in ("Wh", "Wx", "b", "gain_x", "gain_h"))
    preact = ln(h @ U, 0, s2) + ln(x @ W, b1, s1)
    i, f, o, g = preact.chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(ln(c, p["bias_c"], p["gain_c"])), c


def kiros_gru(p, x, state):
    """lngru_layer of the paper's authors: four norms, of the gates r u and of the candidate, from x and from h."""
    (h,), H = state, p["Wh"].shape[0]
    (W, Wx), (U, Ux), (b1, b2), (b3, b4), (s1, s2), (s3, s4) = (
        p[name].split([2 * H, H], -1) for name in ("Wx", "Wh", "bx", "bh", "gain_x", "gain_h")
    )
    r, u = torch.sigmoid(ln(h @ U, b3, s3) + ln(x @ W, b1, s1)).chunk(2, 1)
    candidate = torch.tanh(ln(h @ Ux, b4, s4) * r + ln(x @ Wx, b2, s2))
    return (u * h + (1.0 - u) * candidate,)


def baytas(decay):
    def step(p, x, state):
        """T_LSTM_Unit of the paper's authors, with e in place of 2.7183."""
        x, t = x[:, :-1], x[:, -1:]
        T = 1 / torch.log(t + np.e) if decay == "log" else 1 / t
        C_ST = torch.tanh(state[1] @ p["Wd"] + p["bd"])
        cell = state[1] - C_ST + T * C_ST
        i, f, C, o = (
            x @ W + state[0] @ U + b for W, U, b in zip(*(p[n].chunk(4, -1) for n in ("Wx", "Wh", "b")), strict=True)
        )
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(C)
        return torch.sigmoid(o) * torch.tanh(cell), cell

    return step


def che(p, x, state):
    """The paper: x' is the last value itself, and stands at the mean before there is one."""
    (h, u), mean = state, p["mean"]
    x, m, delta = x.chunk(3, 1)
    last = mean + u
    gamma_x = torch.exp(-torch.clamp(delta @ torch.diag(p["Wgx"]) + p["bgx"], min=0))
    gamma_h = torch.exp(-torch.clamp(delta @ p["Wgh"] + p["bgh"], min=0))
    x_hat = m * x + (1 - m) * (gamma_x * last + (1 - gamma_x) * mean)
    last, h = m * x + (1 - m) * last, gamma_h * h
    W, V = p["Wx"].chunk(2)
    (W_r, W_z, W_h), (V_r, V_z, V_h), (U_r, U_z, U_h) = (a.chunk(3, 1) for a in (W, V, p["Wh"]))
    b_r, b_z, b_h = (p["bx"] + p["bh"]).chunk(3)
    r = torch.sigmoid(x_hat @ W_r + h @ U_r + m @ V_r + b_r)
    z = 1 - torch.sigmoid(x_hat @ W_z + h @ U_z + m @ V_z + b_z)  # the other way round than ours
    h = (1 - z) * h + z * torch.tanh(x_hat @ W_h + (r * h) @ U_h + m @ V_h + b_h)
    return h, last - mean


SOURCES = {
    "peepholes of TensorFlow's LSTMCell": (rc.PeepholeLSTM, (3, 5), tensorflow_lstm),
    "truncated gradient of Gers et al. 2002": (rc.PeepholeLSTM, (3, 5, "truncated"), gers),
    "CIFG of Greff et al. 2017": (rc.CoupledLSTM, (3, 5), greff),
    "LSTMP of Sak et al. 2014": (rc.ProjectedLSTM, (3, 5, 2), sak),
    "LSTM of Ba et al. 2016": (rc.LayerNormLSTM, (3, 5), kiros_lstm),
    "GRU of Ba et al. 2016": (rc.LayerNormGRU, (3, 5), kiros_gru),
    "T-LSTM of Baytas et al. 2017, long times": (rc.TimeLSTM, (3, 5, "log"), baytas("log")),
    "T-LSTM of Baytas et al. 2017, short times": (rc.TimeLSTM, (3, 5, "inverse"), baytas("inverse")),
    "GRU-D of Che et al. 2018": (rc.GRUD, (3, 5), che),
}


def results_of(step, p):
    """Run a source over the steps; return what `all_results` returns."""
    leaves = {f"d{name}": torch.tensor(a, requires_grad=True) for name, a in p.params.items()}
    leaves["dx"] = torch.tensor(p.x, requires_grad=True)
    leaves |= {f"dstate_0[{k}]": torch.tensor(s, requires_grad=True) for k, s in enumerate(p.state_0)}
    params = {name: leaves[f"d{name}"] for name in p.params}
    state, y = tuple(leaves[f"dstate_0[{k}]"] for k in range(len(p.state_0))), []
    for x in leaves["dx"]:
        state = step(params, x, state)
        y.append(state[0])
    y = torch.stack(y)
    torch.autograd.backward([y, *state], [torch.tensor(d) for d in (p.dy, *p.dstate_T)])
    found = {name: np.zeros(a.shape) if a.grad is None else a.grad.numpy() for name, a in leaves.items()}
    return {**found, "y": y.detach().numpy(), **{f"state_T[{k}]": s.detach().numpy() for k, s in enumerate(state)}}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("source", SOURCES)
def test_the_cell_is_that_of_its_source(source, backend):
    kind, sizes, step = SOURCES[source]
    layer = kind(*sizes, backend=backend, dtype="float64")
    p = random_problem(layer, 8, ragged=False)
    if kind is rc.TimeLSTM:
        p.x[..., -1] = 1 + np.abs(p.x[..., -1])  # where neither of our maxima acts
    if kind is rc.GRUD:
        p.x[..., 3:6] = p.x[..., 3:6] > 0
    assert_equal_results(all_results(layer, p), results_of(step, p), TOLERANCE["equal in float64"])
