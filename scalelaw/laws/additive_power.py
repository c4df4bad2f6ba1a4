"""additive_power: model size and visual tokens each take away a power-law part of the error.

error = A * N^-alpha + B * V^-beta + D, the additive form compared in arXiv 2505.18855: N = LLM parameters in
billions, V = visual tokens. As N grows the error falls to B V^-beta + D, and as V grows to A N^-alpha + D.
"""

from __future__ import annotations

from typing import Any

import numpy as np

formula = "error = A * (n_params / 1e9)^-alpha + B * visual_tokens^-beta + D"
source = "arXiv 2505.18855, the additive form"
units = {"n_params": 1e9, "visual_tokens": 1.0}
bounds = {
    "A": (0.0, np.inf),
    "alpha": (0.0, np.inf),
    "B": (0.0, np.inf),
    "beta": (0.0, np.inf),
    "D": (0.0, np.inf),
}
linear = ("A", "B", "D")
search = {"alpha": (0.0, 3.0), "beta": (0.0, 3.0)}
notes = {
    "D": "the irreducible error is not determined; the exponents depend on D, so neither is a finding by itself"
}


def predict(n_params: Any, visual_tokens: Any, A: Any, alpha: Any, B: Any, beta: Any, D: Any) -> Any:
    """The error, in the target's unit; n_params in billions. All arguments broadcast."""
    return A * np.exp(-alpha * np.log(n_params)) + B * np.exp(-beta * np.log(visual_tokens)) + D


def gradient(
    n_params: Any, visual_tokens: Any, A: Any, alpha: Any, B: Any, beta: Any, D: Any
) -> tuple[Any, ...]:
    """The derivatives of `predict` by A, alpha, B, beta, D."""
    log_n, log_v = np.log(n_params), np.log(visual_tokens)
    power_n, power_v = np.exp(-alpha * log_n), np.exp(-beta * log_v)
    return power_n, -A * power_n * log_n, power_v, -B * power_v * log_v, 1.0


def derived(parameters: dict[str, Any]) -> dict[str, Any]:
    """The ratio of the two exponents."""
    alpha, beta = np.asarray(parameters["alpha"]), np.asarray(parameters["beta"])
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"alpha_over_beta": np.where(beta > 0, alpha / beta, np.inf)}
