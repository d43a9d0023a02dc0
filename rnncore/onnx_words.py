"""The words for an activation of ONNX: its name in any capitals, and the numbers that it takes, or their defaults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnncore import checks
from rnncore.errors import ContractError
from rnncore.layers.onnx_activations import Activation

# The numbers that an activation takes, with their defaults: those of the operator of the same name; of Affine and
# ScaledTanh, which have left the standard, those that change nothing.
NUMBERS: dict[str, dict[str, float]] = {
    "Relu": {},
    "Tanh": {},
    "Sigmoid": {},
    "Affine": {"alpha": 1.0, "beta": 0.0},
    "LeakyRelu": {"alpha": 0.01},
    "ThresholdedRelu": {"alpha": 1.0},
    "ScaledTanh": {"alpha": 1.0, "beta": 1.0},
    "HardSigmoid": {"alpha": 0.2, "beta": 0.5},
    "Elu": {"alpha": 1.0},
    "Softsign": {},
    "Softplus": {},
}
_PROPER = {name.lower(): name for name in NUMBERS}

Word = str | Sequence[Any]


def proper_name(name: object) -> str:
    """Return an activation's name as the specification spells it, whatever its capitals; ContractError if it has none.

    >>> proper_name("leakyrelu")
    'LeakyRelu'
    """
    if not isinstance(name, str) or name.lower() not in _PROPER:
        advice = "names may be written in any capitals"
        raise ContractError("activations", f"names among {', '.join(NUMBERS)}", repr(name), advice)
    return _PROPER[name.lower()]


def activation(word: Word) -> Activation:
    """Return an activation from its name, or from (name, alpha, beta), of which the last ones may be left out.

    >>> activation("leakyrelu"), activation(("HardSigmoid", 0.25))
    (Activation(name='LeakyRelu', alpha=0.01, beta=0.0), Activation(name='HardSigmoid', alpha=0.25, beta=0.5))
    """
    name, *numbers = (word,) if isinstance(word, str) else tuple(word) or ("",)
    name = proper_name(name)
    known = [NUMBERS[name].get(key, 0.0) for key in ("alpha", "beta")]
    if len(numbers) > 2:
        raise ContractError("activations", "(name, alpha, beta)", repr(word)[:80], "two numbers at the most")
    given = [checks.number(f"a number of {name}", value, least=-np.inf) for value in numbers]
    return Activation(name, *given, *known[len(given) :])
