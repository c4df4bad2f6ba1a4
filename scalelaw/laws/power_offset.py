"""power_offset: the error falls as a power of one quantity x, to an irreducible error eps.

error = eps + beta * x^-c (M2 of arXiv 2209.06640); x in its raw unit: tokens, examples, FLOPs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

formula = "error = eps + beta * x^-c"
source = "arXiv 2209.06640, M2"
units = {"x": 1.0}
bounds = {"eps": (0.0, np.inf), "beta": (0.0, np.inf), "c": (0.0, np.inf)}
linear = ("eps", "beta")
search = {"c": (0.0, 3.0)}
notes = {
    "eps": "the irreducible error is not determined; c depends on eps, and is a finding only if that error is known"
}


def predict(x: Any, eps: Any, beta: Any, c: Any) -> Any:
    """The error, in the target's unit. All arguments broadcast."""
    return eps + beta * np.exp(-c * np.log(x))


def gradient(x: Any, eps: Any, beta: Any, c: Any) -> tuple[Any, ...]:
    """The derivatives of `predict` by eps, beta, c."""
    log_x = np.log(x)
    power = np.exp(-c * log_x)
    return 1.0, power, -beta * power * log_x
