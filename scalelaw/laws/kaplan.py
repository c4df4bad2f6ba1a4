"""kaplan: size and data limit the loss together, without an irreducible loss.

loss = ((Nc / N)^(alpha_N / alpha_D) + Dc / D)^alpha_D, arXiv 2001.08361, equation 1.5; N in parameters, D in tokens.
With infinite data it is (Nc / N)^alpha_N, with infinite size (Dc / D)^alpha_D. Nc and Dc span decades, so their natural
logarithms are the parameters; `derived` gives them plain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

formula = "loss = (exp((log_Nc - ln n_params) * alpha_N / alpha_D) + exp(log_Dc - ln train_tokens))^alpha_D"
source = "arXiv 2001.08361, equation 1.5"
units = {"n_params": 1.0, "train_tokens": 1.0}
bounds = {
    "log_Nc": (-np.inf, np.inf),
    "alpha_N": (1e-4, 10.0),
    "log_Dc": (-np.inf, np.inf),
    "alpha_D": (1e-4, 10.0),
}
linear = ()


def search(n_params: Any, train_tokens: Any) -> dict[str, tuple[float, float]]:
    """Critical sizes from the smallest measured to e^30 times the largest; exponents up to 1.5."""
    log_n, log_d = np.log(n_params), np.log(train_tokens)
    return {
        "log_Nc": (float(log_n.min()), float(log_n.max()) + 30.0),
        "alpha_N": (0.01, 1.5),
        "log_Dc": (float(log_d.min()), float(log_d.max()) + 30.0),
        "alpha_D": (0.01, 1.5),
    }


def predict(n_params: Any, train_tokens: Any, log_Nc: Any, alpha_N: Any, log_Dc: Any, alpha_D: Any) -> Any:
    """The loss, in the target's unit. All arguments broadcast."""
    by_size = (log_Nc - np.log(n_params)) * alpha_N / alpha_D
    return np.exp(alpha_D * np.logaddexp(by_size, log_Dc - np.log(train_tokens)))


def gradient(
    n_params: Any, train_tokens: Any, log_Nc: Any, alpha_N: Any, log_Dc: Any, alpha_D: Any
) -> tuple[Any, ...]:
    """The derivatives of `predict` by log_Nc, alpha_N, log_Dc, alpha_D."""
    reach = log_Nc - np.log(n_params)
    by_size = reach * alpha_N / alpha_D
    both = np.logaddexp(by_size, log_Dc - np.log(train_tokens))
    share, loss = np.exp(by_size - both), np.exp(alpha_D * both)
    return (
        loss * share * alpha_N,
        loss * share * reach,
        loss * (1 - share) * alpha_D,
        loss * (both - share * by_size),
    )


def derived(parameters: dict[str, Any]) -> dict[str, Any]:
    """Nc in parameters and Dc in tokens."""
    with np.errstate(over="ignore"):
        return {"Nc": np.exp(parameters["log_Nc"]), "Dc": np.exp(parameters["log_Dc"])}
