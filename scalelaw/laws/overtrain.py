"""overtrain: the loss of models trained on more (or fewer) tokens than is optimal for their size.

loss = E + (a * M^eta + b * M^-eta) * C^-eta, arXiv 2403.08540, equation 4: C = 6 N D training FLOPs, M = D / N tokens a
parameter. At fixed M the loss falls with compute to E; at fixed C the best M is (b / a)^(1 / (2 eta)).
"""

from __future__ import annotations

from typing import Any

import numpy as np

formula = "loss = E + (a * M^eta + b * M^-eta) * C^-eta, C = 6 * n_params * train_tokens, M = train_tokens / n_params"
source = "arXiv 2403.08540, equation 4"
units = {"n_params": 1.0, "train_tokens": 1.0}
bounds = dict.fromkeys(("E", "a", "b", "eta"), (0.0, np.inf))
linear = ("E", "a", "b")
search = {"eta": (0.0, 1.0)}
notes = {
    "E": "the irreducible error is not determined; eta depends on E, and is a finding only if that error is known"
}


def predict(n_params: Any, train_tokens: Any, E: Any, a: Any, b: Any, eta: Any) -> Any:
    """The loss, in the target's unit. All arguments broadcast."""
    log_c, log_m = np.log(6 * n_params * train_tokens), np.log(train_tokens / n_params)
    return E + a * np.exp(eta * (log_m - log_c)) + b * np.exp(-eta * (log_m + log_c))


def gradient(n_params: Any, train_tokens: Any, E: Any, a: Any, b: Any, eta: Any) -> tuple[Any, ...]:
    """The derivatives of `predict` by E, a, b, eta."""
    log_c, log_m = np.log(6 * n_params * train_tokens), np.log(train_tokens / n_params)
    more, fewer = np.exp(eta * (log_m - log_c)), np.exp(-eta * (log_m + log_c))
    return 1.0, more, fewer, a * more * (log_m - log_c) - b * fewer * (log_m + log_c)


def derived(parameters: dict[str, Any]) -> dict[str, Any]:
    """The compute-optimal tokens a parameter, (b / a)^(1 / (2 eta))."""
    a, b, eta = (np.asarray(parameters[name]) for name in ("a", "b", "eta"))
    with np.errstate(all="ignore"):
        return {"optimal_tokens_per_parameter": np.where(a > 0, (b / a) ** (0.5 / eta), np.inf)}
