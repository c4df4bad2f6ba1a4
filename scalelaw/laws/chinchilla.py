"""chinchilla: the loss of a model of N parameters trained on D tokens is a constant plus two power laws.

loss = E + A * N^-alpha + B * D^-beta, arXiv 2203.15556, equation 2 (approach 3); N in parameters, D in tokens, both
in raw units, so that A and B compare with publications. As N and D grow the loss falls to E.
"""

from __future__ import annotations

from typing import Any

import numpy as np

formula = "loss = E + A * n_params^-alpha + B * train_tokens^-beta"
source = "arXiv 2203.15556, equation 2"
units = {"n_params": 1.0, "train_tokens": 1.0}
bounds = dict.fromkeys(("E", "A", "alpha", "B", "beta"), (0.0, np.inf))
linear = ("E", "A", "B")
search = {"alpha": (0.0, 2.0), "beta": (0.0, 2.0)}
notes = {
    "E": "the irreducible error is not determined; the exponents depend on E, so neither is a finding by itself"
}


def predict(n_params: Any, train_tokens: Any, E: Any, A: Any, alpha: Any, B: Any, beta: Any) -> Any:
    """The loss, in the target's unit. All arguments broadcast."""
    return E + A * np.exp(-alpha * np.log(n_params)) + B * np.exp(-beta * np.log(train_tokens))


def gradient(
    n_params: Any, train_tokens: Any, E: Any, A: Any, alpha: Any, B: Any, beta: Any
) -> tuple[Any, ...]:
    """The derivatives of `predict` by E, A, alpha, B, beta."""
    log_n, log_d = np.log(n_params), np.log(train_tokens)
    power_n, power_d = np.exp(-alpha * log_n), np.exp(-beta * log_d)
    return 1.0, power_n, -A * power_n * log_n, power_d, -B * power_d * log_d


def derived(parameters: dict[str, Any]) -> dict[str, Any]:
    """The exponents with which the best N and D grow with training compute C = 6 N D: beta or alpha over their sum."""
    alpha, beta = np.asarray(parameters["alpha"]), np.asarray(parameters["beta"])
    with np.errstate(divide="ignore", invalid="ignore"):
        share = beta / (alpha + beta)
    return {"optimal_n_params_exponent": share, "optimal_train_tokens_exponent": 1 - share}
