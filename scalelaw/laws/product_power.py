"""product_power: the error falls as a product of powers of model size and visual tokens.

error = A * N^-alpha * V^-beta + D, the law of arXiv 2411.03312 (section 3.1): N = LLM parameters in billions,
V = visual tokens that the LLM sees. One amplitude: A and B of the published A * B / (N^alpha V^beta) are not
separate parameters. As N or V grows the error falls to D; at N = 1e9, V = 1 it is A + D.
"""

from __future__ import annotations

from typing import Any

import numpy as np

formula = "error = A * (n_params / 1e9)^-alpha * visual_tokens^-beta + D"
source = "arXiv 2411.03312, section 3.1"
units = {"n_params": 1e9, "visual_tokens": 1.0}
bounds = {"A": (0.0, np.inf), "alpha": (0.0, np.inf), "beta": (0.0, np.inf), "D": (0.0, np.inf)}
linear = ("A", "D")
signed = ("alpha_minus_beta",)
search = {"alpha": (0.0, 3.0), "beta": (0.0, 3.0)}
notes = {
    "D": "the irreducible error is not determined; alpha and beta both depend on D, so neither exponent is a "
    "finding by itself"
}


def _tokens_of_ratio(ratio: float) -> float:
    """V*/Q of alpha/beta: 1 / (alpha/beta - 1), infinite where alpha <= beta."""
    return 1 / (ratio - 1) if ratio > 1 else np.inf


implied = {"optimal_visual_tokens_per_text_token": ("alpha_over_beta", _tokens_of_ratio)}


def predict(n_params: Any, visual_tokens: Any, A: Any, alpha: Any, beta: Any, D: Any) -> Any:
    """The error, in the target's unit; n_params in billions. All arguments broadcast."""
    return A * np.exp(-alpha * np.log(n_params) - beta * np.log(visual_tokens)) + D


def gradient(n_params: Any, visual_tokens: Any, A: Any, alpha: Any, beta: Any, D: Any) -> tuple[Any, ...]:
    """The derivatives of `predict` by A, alpha, beta, D."""
    log_n, log_v = np.log(n_params), np.log(visual_tokens)
    power = np.exp(-alpha * log_n - beta * log_v)
    slope = -A * power
    return power, slope * log_n, slope * log_v, 1.0


def derived(parameters: dict[str, Any]) -> dict[str, Any]:
    """alpha/beta; alpha - beta, positive where size lowers the error faster than tokens; and V*/Q.

    V*/Q: visual tokens per text token of the cost-optimal split (FLOPs = 2 N (Q + V)). V* = beta Q / (alpha - beta)
    where alpha > beta; else there is no finite optimum (inf), and every token should be kept.
    """
    alpha, beta = np.asarray(parameters["alpha"]), np.asarray(parameters["beta"])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(beta > 0, alpha / beta, np.inf)
        per_text_token = np.where(alpha > beta, beta / (alpha - beta), np.inf)
    return {
        "alpha_over_beta": ratio,
        "alpha_minus_beta": alpha - beta,
        "optimal_visual_tokens_per_text_token": per_text_token,
    }
