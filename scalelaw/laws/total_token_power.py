"""total_token_power: as product_power, but with all tokens that the LLM reads in the place of the visual ones.

error = A * N^-alpha * (Q + V)^-beta + D: N = LLM parameters in billions, Q = text tokens, V = visual tokens. Some
summaries of arXiv 2411.03312 state the law so. At equal cost 2 N (Q + V) its best split never depends on Q, and on
the published points it fits worse than product_power (R2 .965 against .992 at Q = 50): offered for comparison.
"""

from __future__ import annotations

from typing import Any

import numpy as np

formula = "error = A * (n_params / 1e9)^-alpha * (text_tokens + visual_tokens)^-beta + D"
source = "a reading of arXiv 2411.03312, section 3.1, with T = Q + V"
units = {"n_params": 1e9, "visual_tokens": 1.0, "text_tokens": 1.0}
bounds = {"A": (0.0, np.inf), "alpha": (0.0, np.inf), "beta": (0.0, np.inf), "D": (0.0, np.inf)}
linear = ("A", "D")
search = {"alpha": (0.0, 3.0), "beta": (0.0, 3.0)}
notes = {
    "D": "the irreducible error is not determined; alpha and beta both depend on D, so neither is a finding alone"
}


def predict(
    n_params: Any, visual_tokens: Any, text_tokens: Any, A: Any, alpha: Any, beta: Any, D: Any
) -> Any:
    """The error, in the target's unit; n_params in billions. All arguments broadcast."""
    return A * np.exp(-alpha * np.log(n_params) - beta * np.log(visual_tokens + text_tokens)) + D


def gradient(
    n_params: Any, visual_tokens: Any, text_tokens: Any, A: Any, alpha: Any, beta: Any, D: Any
) -> tuple[Any, ...]:
    """The derivatives of `predict` by A, alpha, beta, D."""
    log_n, log_t = np.log(n_params), np.log(visual_tokens + text_tokens)
    power = np.exp(-alpha * log_n - beta * log_t)
    slope = -A * power
    return power, slope * log_n, slope * log_t, 1.0


def derived(parameters: dict[str, Any]) -> dict[str, Any]:
    """The ratio of the two exponents."""
    alpha, beta = np.asarray(parameters["alpha"]), np.asarray(parameters["beta"])
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"alpha_over_beta": np.where(beta > 0, alpha / beta, np.inf)}
