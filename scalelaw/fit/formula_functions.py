"""The functions of typed formulas: their values, for real and complex arrays, and their derivatives.

Complex values are compared and signed by their real part, so that complex steps through them are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Slopes = Callable[..., tuple[Any, ...]]


def absolute(a: Any) -> Any:
    """The absolute value; of a complex number, by the sign of its real part."""
    return np.where(np.real(a) < 0, -a, a)


def maximum(a: Any, b: Any) -> Any:
    """The larger of two values."""
    return np.where(np.real(a) >= np.real(b), a, b)


def minimum(a: Any, b: Any) -> Any:
    """The smaller of two values."""
    return np.where(np.real(a) <= np.real(b), a, b)


def where(condition: Any, a: Any, b: Any) -> Any:
    """`a` where the condition is true, else `b`."""
    return np.where(condition, a, b)


def sigmoid(a: Any) -> Any:
    """1 / (1 + exp(-a)), without overflow."""
    small = np.exp(-absolute(a))
    return np.where(np.real(a) >= 0, 1.0, small) / (1.0 + small)


def softplus(a: Any) -> Any:
    """log(1 + exp(a)), without overflow."""
    return np.where(np.real(a) >= 0, a, 0.0) + np.log1p(np.exp(-absolute(a)))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "abs": absolute,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "min": minimum,
    "max": maximum,
    "where": where,
}
COUNTS = {"min": 2, "max": 2, "where": 3}
"""Arguments of the functions that take more than one."""

SLOPES: dict[str, Slopes] = {
    "exp": lambda v, a: (v,),
    "log": lambda v, a: (1.0 / a,),
    "log10": lambda v, a: (1.0 / (a * np.log(10.0)),),
    "log2": lambda v, a: (1.0 / (a * np.log(2.0)),),
    "sqrt": lambda v, a: (0.5 / v,),
    "tanh": lambda v, a: (1.0 - v * v,),
    "log1p": lambda v, a: (1.0 / (1.0 + a),),
    "expm1": lambda v, a: (v + 1.0,),
    "abs": lambda v, a: (np.where(a < 0, -1.0, 1.0),),
    "sigmoid": lambda v, a: (v * sigmoid(-a),),
    "softplus": lambda v, a: (sigmoid(a),),
    "min": lambda v, a, b: (np.where(a <= b, 1.0, 0.0), np.where(a <= b, 0.0, 1.0)),
    "max": lambda v, a, b: (np.where(a >= b, 1.0, 0.0), np.where(a >= b, 0.0, 1.0)),
    "where": lambda v, c, a, b: (0.0, np.where(c, 1.0, 0.0), np.where(c, 0.0, 1.0)),
}
"""Derivatives by each argument, of the value and the arguments."""
