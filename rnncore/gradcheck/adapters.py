"""Put derivatives that live elsewhere to the same test: torch modules and torch.autograd functions."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from rnncore.errors import ContractError
from rnncore.gradcheck.measure import Backward, Forward, Upstream
from rnncore.gradcheck.oracles import Inputs
from rnncore.typing import Grads


class Pair(NamedTuple):
    """The arguments of `check_pair`: forward, backward and the point to check at.

    >>> pair = Pair(lambda a: ((a["v"] ** 2,), None), lambda a, _, up: {"v": 2 * a["v"] * up[0]}, {"v": np.ones(2)})
    >>> from rnncore.gradcheck import check_pair
    >>> check_pair(*pair).verdict
    'pass'
    """

    forward: Forward
    backward: Backward
    inputs: Inputs


def from_torch(module: Any, *args: Any, seed: int = 0) -> Pair:
    """Return the pair of a torch.nn.Module, a torch.autograd.Function or a function of tensors, in float64.

    args are what it is called with, arrays or tensors: those of floating point become the inputs "input[0]", "input[1]"
    and so on, and are checked; ids, sizes and the like are passed on. The parameters of a module are inputs under their
    own names, at the values they have; the module itself is not touched. Every call starts from torch's `seed`, so
    dropout draws the same masks. Use method="richardson" or "central": torch's functions do not take complex numbers.
    Raises `ContractError` where torch is missing.

    >>> import torch  # doctest: +SKIP
    >>> check_pair(*from_torch(torch.nn.LSTM(3, 4), np.ones((5, 2, 3))), method="richardson").ok  # doctest: +SKIP
    True
    """
    try:
        import torch
    except ImportError as error:
        raise ContractError("module", "torch, installed", "no torch", "install torch") from error
    given = [torch.as_tensor(a) if isinstance(a, (np.ndarray, torch.Tensor)) else a for a in args]
    floats = {
        f"input[{k}]": a.detach().double().numpy().copy()
        for k, a in enumerate(given)
        if isinstance(a, torch.Tensor) and a.is_floating_point()
    }
    is_module = isinstance(module, torch.nn.Module)
    own = copy.deepcopy(module).double() if is_module else module
    names = tuple(name for name, _ in own.named_parameters()) if is_module else ()
    call = own.apply if isinstance(module, type) and issubclass(module, torch.autograd.Function) else own

    def forward(arrays: Inputs) -> tuple[Upstream, Any]:
        leaves = {name: torch.tensor(a, requires_grad=True) for name, a in arrays.items()}
        words = [leaves.get(f"input[{k}]", a) for k, a in enumerate(given)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if is_module:
                said = torch.func.functional_call(own, {name: leaves[name] for name in names}, tuple(words))
            else:
                said = call(*words)
        outputs = [y for y in _tensors(said) if y.is_floating_point()]
        return tuple(y.detach().numpy().copy() for y in outputs), (leaves, outputs)

    parameters = {name: own.get_parameter(name).detach().numpy().copy() for name in names}
    return Pair(forward, _autograd, {**parameters, **floats})


def _autograd(arrays: Inputs, cache: Any, upstream: Upstream) -> Grads:
    """Return what torch's backward pass gives for every input, zero where an output does not depend on it."""
    import torch

    leaves, outputs = cache
    pairs = [(y, torch.tensor(u)) for y, u in zip(outputs, upstream, strict=True) if y.requires_grad]
    wanted = [y for y, _ in pairs], list(leaves.values()), [u for _, u in pairs]
    found = torch.autograd.grad(*wanted, retain_graph=True, allow_unused=True)
    return {
        name: np.zeros(arrays[name].shape) if g is None else g.numpy() for name, g in zip(leaves, found, strict=True)
    }


def _tensors(said: Any) -> Iterator[Any]:
    """Yield every tensor in nested tuples, lists and dicts."""
    if isinstance(said, (tuple, list)):
        for part in said:
            yield from _tensors(part)
    elif isinstance(said, dict):
        yield from _tensors(list(said.values()))
    elif hasattr(said, "is_floating_point"):
        yield said
