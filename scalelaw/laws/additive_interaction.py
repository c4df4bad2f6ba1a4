"""additive_interaction: model size and visual tokens each take away a part of the error, and a part together.

error = A * N^-alpha + B * V^-beta + C * N^-alpha * V^-beta + D, the additive form with an interaction term compared
in arXiv 2505.18855: N = LLM parameters in billions, V = visual tokens. C = 0 is additive_power, A = B = 0 is
product_power.
"""

from __future__ import annotations

from typing import Any

import numpy as np

formula = (
    "error = A * (n_params / 1e9)^-alpha + B * visual_tokens^-beta "
    "+ C * (n_params / 1e9)^-alpha * visual_tokens^-beta + D"
)
source = "arXiv 2505.18855, the additive form with interaction"
units = {"n_params": 1e9, "visual_tokens": 1.0}
bounds = dict.fromkeys(("A", "alpha", "B", "beta", "C", "D"), (0.0, np.inf))
linear = ("A", "B", "C", "D")
search = {"alpha": (0.0, 3.0), "beta": (0.0, 3.0)}
notes = {
    "A": "size acts only together with tokens: the points show no part of the error that size alone removes",
    "B": "tokens act only together with size: the points show no part of the error that tokens alone remove",
    "C": "the points show no interaction: additive_power says the same with a parameter less",
    "D": "the irreducible error is not determined; the exponents depend on D, so neither is a finding by itself",
}


def predict(n_params: Any, visual_tokens: Any, A: Any, alpha: Any, B: Any, beta: Any, C: Any, D: Any) -> Any:
    """The error, in the target's unit; n_params in billions. All arguments broadcast."""
    power_n, power_v = np.exp(-alpha * np.log(n_params)), np.exp(-beta * np.log(visual_tokens))
    return A * power_n + B * power_v + C * power_n * power_v + D


def gradient(
    n_params: Any, visual_tokens: Any, A: Any, alpha: Any, B: Any, beta: Any, C: Any, D: Any
) -> tuple[Any, ...]:
    """The derivatives of `predict` by A, alpha, B, beta, C, D."""
    log_n, log_v = np.log(n_params), np.log(visual_tokens)
    power_n, power_v = np.exp(-alpha * log_n), np.exp(-beta * log_v)
    by_alpha = -(A + C * power_v) * power_n * log_n
    by_beta = -(B + C * power_n) * power_v * log_v
    return power_n, by_alpha, power_v, by_beta, power_n * power_v, 1.0
