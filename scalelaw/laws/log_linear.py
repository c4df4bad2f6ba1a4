"""log_linear: every doubling of model size or of visual tokens takes the same amount off the error.

error = c - a ln N - b ln V: the limit of a power law with small exponents; N = LLM parameters in billions, V =
visual tokens. It has no irreducible error and becomes negative, so it describes a measured range and extrapolates
only a little way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

formula = "error = c - a * ln(n_params / 1e9) - b * ln(visual_tokens)"
source = "the first-order form of arXiv 2411.03312, section 3.1, for small exponents"
units = {"n_params": 1e9, "visual_tokens": 1.0}
bounds = {"c": (-np.inf, np.inf), "a": (-np.inf, np.inf), "b": (-np.inf, np.inf)}
linear = ("c", "a", "b")
signed = ("a_minus_b",)


def predict(n_params: Any, visual_tokens: Any, c: Any, a: Any, b: Any) -> Any:
    """The error, in the target's unit; n_params in billions. All arguments broadcast."""
    return c - a * np.log(n_params) - b * np.log(visual_tokens)


def gradient(n_params: Any, visual_tokens: Any, c: Any, a: Any, b: Any) -> tuple[Any, ...]:
    """The derivatives of `predict` by c, a, b."""
    return 1.0, -np.log(n_params), -np.log(visual_tokens)


def derived(parameters: dict[str, Any]) -> dict[str, Any]:
    """a/b: how many doublings of tokens are worth one doubling of size; a - b, whose sign says which is worth more."""
    a, b = np.asarray(parameters["a"]), np.asarray(parameters["b"])
    with np.errstate(divide="ignore", invalid="ignore"):
        return {"a_over_b": a / b, "a_minus_b": a - b}
