"""power: the error falls as a power of one quantity x, to zero.

error = beta * x^-c (M1 of arXiv 2209.06640); x in its raw unit: tokens, examples, FLOPs. x^-c is 1 at x = 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

formula = "error = beta * x^-c"
source = "arXiv 2209.06640, M1"
units = {"x": 1.0}
bounds = {"beta": (0.0, np.inf), "c": (0.0, np.inf)}
linear = ("beta",)
search = {"c": (0.0, 3.0)}


def predict(x: Any, beta: Any, c: Any) -> Any:
    """The error, in the target's unit. All arguments broadcast."""
    return beta * np.exp(-c * np.log(x))


def gradient(x: Any, beta: Any, c: Any) -> tuple[Any, ...]:
    """The derivatives of `predict` by beta, c."""
    log_x = np.log(x)
    power = np.exp(-c * log_x)
    return power, -beta * power * log_x
