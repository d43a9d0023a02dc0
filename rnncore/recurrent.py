"""RNN, LSTM, GRU and their kin as layers, each with the words of its own; what they share is `recurrent_layer.py`."""

from __future__ import annotations

from rnncore.cells import CELLS
from rnncore.recurrent_layer import Recurrent

__all__ = [
    "GRU",
    "GRUD",
    "LSTM",
    "RNN",
    "CoupledLSTM",
    "LayerNormGRU",
    "LayerNormLSTM",
    "PeepholeLSTM",
    "ProjectedLSTM",
    "Recurrent",
    "TimeLSTM",
]


class RNN(Recurrent):
    """Simple recurrent network (Elman 1990): h_t = act(x_t Wx + h_{t-1} Wh + b); equations in `rnncore.layers.rnn`.

    `activation` is "tanh" or "relu", `backend` "numba" (the fast twin) or "numpy" (the textbook), `dtype` that of
    `init`. Parameters: Wx (D, H), Wh (H, H), b (H,). State: (h,).

    >>> layer = RNN(3, 4, backend="numpy")
    >>> y, (h,), cache = layer.forward(layer.init(seed=0), np.ones((5, 2, 3), np.float32))
    >>> y.shape, h.shape
    ((5, 2, 4), (2, 4))
    """

    def __init__(
        self, D: int, H: int, activation: str = "tanh", *, backend: str = "numba", dtype: str = "float32"
    ) -> None:
        super().__init__(CELLS["rnn"], D, H, backend=backend, dtype=dtype, activation=activation)


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997); equations in `rnncore.layers.lstm`.

    `activation` ("tanh" or "relu") is that of the candidate and of the output; the gates are sigmoid. Parameters, gate
    blocks i f g o: Wx (D, 4H), Wh (H, 4H), b (4H,). State: (h, c).

    >>> layer = LSTM(3, 4, backend="numpy")
    >>> y, (h, c), cache = layer.forward(layer.init(seed=0), np.ones((5, 2, 3), np.float32), lengths=[5, 2])
    >>> cache.gates.shape, bool(y[2:, 1].any())
    ((5, 2, 16), False)
    """

    def __init__(
        self, D: int, H: int, activation: str = "tanh", *, backend: str = "numba", dtype: str = "float32"
    ) -> None:
        super().__init__(CELLS["lstm"], D, H, backend=backend, dtype=dtype, activation=activation)


class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014); equations in `rnncore.layers.gru`.

    `reset` says whether the reset gate acts "after" the recurrent product (PyTorch, cuDNN) or "before" it (the paper).
    Parameters, gate blocks r z n: Wx (D, 3H), Wh (H, 3H), bx (3H,), bh (3H,). State: (h,).

    >>> layer = GRU(3, 4, reset="before", backend="numpy")
    >>> layer
    GRU(D=3, H=4, reset='before', backend='numpy', dtype='float32')
    """

    def __init__(self, D: int, H: int, reset: str = "after", *, backend: str = "numba", dtype: str = "float32") -> None:
        super().__init__(CELLS["gru"], D, H, backend=backend, dtype=dtype, reset=reset)


class PeepholeLSTM(Recurrent):
    """LSTM whose gates read the memory (Gers et al. 2002); equations in `rnncore.layers.peephole_lstm`.

    `gradient` is "exact", or "truncated": the one that the paper learns with, in which errors go back in time through
    the memory alone. It is not the derivative of the loss, and a gradient check says so. Parameters, gate blocks
    i f g o: Wx (D, 4H), Wh (H, 4H), b (4H,), and the peepholes P (3H,) of i f o, zero at the start. State: (h, c).

    >>> layer = PeepholeLSTM(3, 4, backend="numpy")
    >>> params = layer.init(seed=0)
    >>> {name: a.shape for name, a in params.items()}
    {'Wx': (3, 16), 'Wh': (4, 16), 'b': (16,), 'P': (12,)}
    >>> x = np.ones((5, 2, 3), np.float32)
    >>> y, (h, c), cache = layer.forward(params, x)
    >>> grads, dx, dstate_0 = layer.backward(params, cache, np.ones_like(y))
    >>> grads["P"].shape
    (12,)
    """

    def __init__(
        self, D: int, H: int, gradient: str = "exact", *, backend: str = "numba", dtype: str = "float32"
    ) -> None:
        super().__init__(CELLS["peephole_lstm"], D, H, backend=backend, dtype=dtype, gradient=gradient)


class CoupledLSTM(Recurrent):
    """LSTM that writes as much as it forgets (Greff et al. 2017); equations in `rnncore.layers.coupled_lstm`.

    The input gate is 1 - f: three blocks instead of four. Parameters, gate blocks f g o: Wx (D, 3H), Wh (H, 3H),
    b (3H,). State: (h, c).

    >>> layer = CoupledLSTM(3, 4, backend="numpy")
    >>> y, (h, c), cache = layer.forward(layer.init(seed=0), np.ones((50, 2, 3), np.float32))
    >>> y.shape, bool(np.abs(cache.c).max() <= 1)
    ((50, 2, 4), True)
    """

    def __init__(self, D: int, H: int, *, backend: str = "numba", dtype: str = "float32") -> None:
        super().__init__(CELLS["coupled_lstm"], D, H, backend=backend, dtype=dtype)


class ProjectedLSTM(Recurrent):
    """LSTM with a projection (Sak et al. 2014; PyTorch's proj_size); equations in `rnncore.layers.projected_lstm`.

    H units of memory, of which P numbers are given out and carried on; None: half of H. Parameters, gate blocks
    i f g o: Wx (D, 4H), Wh (P, 4H), b (4H,), Wp (H, P). State: (h, c), h (N, P) and c (N, H).

    >>> layer = ProjectedLSTM(3, 8, P=2, backend="numpy")
    >>> y, (h, c), cache = layer.forward(layer.init(seed=0), np.ones((5, 2, 3), np.float32))
    >>> y.shape, h.shape, c.shape
    ((5, 2, 2), (2, 2), (2, 8))
    """

    def __init__(self, D: int, H: int, P: int | None = None, *, backend: str = "numba", dtype: str = "float32") -> None:
        super().__init__(CELLS["projected_lstm"], D, H, P, backend=backend, dtype=dtype)


class LayerNormLSTM(Recurrent):
    """LSTM with layer normalisation (Ba et al. 2016); equations in `rnncore.layers.layernorm_lstm`.

    The sums from x and from h are normalised apart, each over its 4H numbers, and so is what h takes of the memory.
    Parameters, gate blocks i f g o: Wx (D, 4H), Wh (H, 4H), b, gain_x, gain_h (4H,), gain_c, bias_c (H,); gains start
    at one. State: (h, c).

    >>> layer = LayerNormLSTM(3, 4, backend="numpy")
    >>> params, x = layer.init(seed=0), np.ones((5, 2, 3), np.float32)
    >>> y, (h, c), cache = layer.forward(params, x)
    >>> bool(np.allclose(layer.forward(params, 7 * x)[0], y, atol=1e-4))
    True
    """

    def __init__(self, D: int, H: int, *, backend: str = "numba", dtype: str = "float32") -> None:
        super().__init__(CELLS["layernorm_lstm"], D, H, backend=backend, dtype=dtype)


class LayerNormGRU(Recurrent):
    """GRU with layer normalisation (Ba et al. 2016); equations in `rnncore.layers.layernorm_gru`.

    The sums from x and from h are normalised apart, the 2H of the gates together and the H of the candidate; the reset
    gate acts after the product. Parameters, gate blocks r z n: Wx (D, 3H), Wh (H, 3H), bx, bh, gain_x, gain_h (3H,);
    gains start at one. State: (h,).

    >>> layer = LayerNormGRU(3, 4, backend="numpy")
    >>> y, (h,), cache = layer.forward(layer.init(seed=0), np.ones((5, 2, 3), np.float32))
    >>> y.shape, cache.z.shape
    ((5, 2, 4), (5, 2, 24))
    """

    def __init__(self, D: int, H: int, *, backend: str = "numba", dtype: str = "float32") -> None:
        super().__init__(CELLS["layernorm_gru"], D, H, backend=backend, dtype=dtype)


class TimeLSTM(Recurrent):
    """Time-aware LSTM (Baytas et al. 2017) for events at irregular times; equations in `rnncore.layers.time_lstm`.

    x (T, N, D+1): D features, and last the time since the row's previous step, 0 at its first. The longer it is, the
    less is left of the short-term part of the memory: 1 / log(e + time) for `decay` "log", 1 / time from one unit of
    time on for "inverse". dx has the derivative by the time. Parameters, gate blocks i f g o: Wx (D, 4H), Wh (H, 4H),
    b (4H,), and of the short-term part Wd (H, H), bd (H,). State: (h, c).

    >>> layer = TimeLSTM(1, 4, backend="numpy")
    >>> times, amounts = np.array([0.0, 1.0, 31.0]), np.array([5.0, 2.0, 9.0])
    >>> x = np.stack([amounts, np.diff(times, prepend=times[0])], axis=1)[:, None].astype(np.float32)
    >>> y, (h, c), cache = layer.forward(layer.init(seed=0), x)
    >>> x.shape, y.shape
    ((3, 1, 2), (3, 1, 4))
    """

    def __init__(self, D: int, H: int, decay: str = "log", *, backend: str = "numba", dtype: str = "float32") -> None:
        super().__init__(CELLS["time_lstm"], D, H, backend=backend, dtype=dtype, decay=decay)


class GRUD(Recurrent):
    """GRU-D (Che et al. 2018) for series whose values have gaps; equations in `rnncore.layers.grud`.

    x (T, N, 3D), as `rnncore.sequences.with_gaps` makes it: D values (any number where missing), D masks (1: observed),
    and for each feature the time since it was last observed. A missing value decays from the last one to `mean`, the
    state decays to zero, and the gates read the mask. `reset` as in `GRU`. `mean` starts at zero, for features that
    were centred (else write their means into it), and is learned like everything else; dx has the derivatives by mask
    and time. Parameters, gate blocks r z n: Wx (2D, 3H), whose last D rows read the mask, Wh (H, 3H), bx and bh (3H,),
    mean (D,), and of the decays Wgx and bgx (D,), Wgh (D, H), bgh (H,). State: (h, u), u (N, D) the last values less
    their mean.

    >>> from rnncore.sequences import with_gaps
    >>> layer = GRUD(2, 4, backend="numpy")
    >>> x = with_gaps(np.array([[0.3, np.nan], [np.nan, 0.1]], np.float32), [0.0, 2.0])[:, None]
    >>> y, (h, u), cache = layer.forward(layer.init(seed=0), x)
    >>> x.shape, y.shape, u
    ((2, 1, 6), (2, 1, 4), array([[0.3, 0.1]], dtype=float32))
    """

    def __init__(
        self, D: int, H: int, reset: str = "before", *, backend: str = "numba", dtype: str = "float32"
    ) -> None:
        super().__init__(CELLS["grud"], D, H, backend=backend, dtype=dtype, reset=reset)
