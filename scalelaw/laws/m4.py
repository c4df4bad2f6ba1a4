"""m4: a learning curve from the error of chance, over a power law, to an irreducible error.

(error - eps) / (eps_0 - error)^alpha = beta * x^-c, arXiv 2209.06640, M4. Written with the range R = eps_0 - eps and
error = eps + R * s it is s / (1 - s)^alpha = (x / x0)^-c, in which eps and R are linear; the natural logarithm of x0
is the parameter. s is 1 (chance) for x far below x0 and falls as (x / x0)^-c far above it. alpha = 0 is a power law.
"""

from __future__ import annotations

from typing import Any

import numpy as np

formula = "error = eps + R * s, s / (1 - s)^alpha = (x / exp(log_x0))^-c"
source = "arXiv 2209.06640, M4"
units = {"x": 1.0}
bounds = {
    "eps": (0.0, np.inf),
    "R": (0.0, np.inf),
    "alpha": (1e-3, 10.0),
    "c": (1e-3, 10.0),
    "log_x0": (-np.inf, np.inf),
}
linear = ("eps", "R")
notes = {
    "eps": "the irreducible error is not determined; c depends on eps, and is a finding only if that error is known"
}


def search(x: Any) -> dict[str, tuple[float, float]]:
    """Powers up to 3; x0 from e^10 below the smallest x to the largest."""
    log_x = np.log(x)
    return {"alpha": (0.02, 3.0), "c": (0.02, 3.0), "log_x0": (float(log_x.min()) - 10.0, float(log_x.max()))}


def predict(x: Any, eps: Any, R: Any, alpha: Any, c: Any, log_x0: Any) -> Any:
    """The error, in the target's unit. All arguments broadcast."""
    root, soft = _solve(c * (log_x0 - np.log(x)), alpha)
    return eps + R * np.exp(root - soft)


def gradient(x: Any, eps: Any, R: Any, alpha: Any, c: Any, log_x0: Any) -> tuple[Any, ...]:
    """The derivatives of `predict` by eps, R, alpha, c, log_x0 (those of the root by the implicit function theorem)."""
    reach = log_x0 - np.log(x)
    root, soft = _solve(c * reach, alpha)
    share = np.exp(root - soft)
    turn = R * share * (1 - share) / (1 - share + alpha * share)
    return 1.0, share, -turn * soft, turn * reach, turn * c


def derived(parameters: dict[str, Any]) -> dict[str, Any]:
    """The published parameters: eps_0, the error of chance, and beta."""
    r, c = np.asarray(parameters["R"]), np.asarray(parameters["c"])
    with np.errstate(all="ignore"):
        beta = np.exp(c * parameters["log_x0"]) * r ** (1 - np.asarray(parameters["alpha"]))
    return {"eps_0": parameters["eps"] + r, "beta": beta}


def _softplus(w: Any) -> Any:
    return np.maximum(w, 0.0) + np.log1p(np.exp(-np.abs(w)))


def _solve(level: Any, alpha: Any) -> tuple[Any, Any]:
    """(w, softplus(w)) with ln s - alpha ln(1 - s) = level, s = logistic(w): Newton, monotone after its first step."""
    w = np.where(level < 0, level, level / alpha)
    for _ in range(40):
        soft = _softplus(w)
        share = np.exp(w - soft)
        step = ((alpha - 1) * soft + w - level) / (1 - share + alpha * share)
        w = w - step
        if np.all(~(np.abs(step) > 1e-9 * (1 + np.abs(w)))):
            break
    return w, _softplus(w)
