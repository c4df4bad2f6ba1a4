"""bnsl: a smoothly broken power law, whose slope changes at each of its breaks. `bnsl:2` has two breaks.

error = a + b * x^-c0 * prod_i (1 + (x / d_i)^(1 / f_i))^(-c_i f_i), arXiv 2210.14891, equation 1. Far below every break
it falls as x^-c0, far above all of them as x^-(c0 + c1 + ...); f is the sharpness of a break. The natural logarithm
of d is the parameter; `derived` gives d plain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scalelaw.errors import InputError

compared = ("2",)


def variant(breaks: str) -> dict[str, Any]:
    """The names of the law with this many breaks. Raises InputError for a number that is not 1 to 5."""
    if breaks not in ("1", "2", "3", "4", "5"):
        raise InputError(
            f"bnsl has 1 to 5 breaks, not '{breaks}'.", code="bad_law", hint="For example bnsl:2."
        )
    n = int(breaks)
    ends: dict[str, tuple[float, float]] = {"a": (0.0, np.inf), "b": (0.0, np.inf), "c0": (0.0, 10.0)}
    for i in range(1, n + 1):
        ends |= {f"c{i}": (-10.0, 10.0), f"log_d{i}": (-np.inf, np.inf), f"f{i}": (0.02, 10.0)}
    parts = "".join(f" * (1 + (x / exp(log_d{i}))^(1 / f{i}))^(-c{i} * f{i})" for i in range(1, n + 1))
    return {
        "formula": f"error = a + b * x^-c0{parts}",
        "source": "arXiv 2210.14891, equation 1",
        "units": {"x": 1.0},
        "bounds": ends,
        "linear": ("a", "b"),
        "predict": _predict,
        "gradient": _gradient,
        "search": _search(n),
        "derived": _derived(n),
        "notes": {"a": "the irreducible error is not determined, and the last slope depends on it"},
    }


def _pieces(x: Any, c0: Any, breaks: dict[str, Any]) -> tuple[Any, list[tuple[Any, Any, Any, Any, Any]]]:
    """The falling part for b = 1; for each break its c, its f, its softplus, its logistic and its argument."""
    log_x = np.log(x)
    exponent, bends = -c0 * log_x, []
    for i in range(1, len(breaks) // 3 + 1):
        c, log_d, f = (breaks[f"{name}{i}"] for name in ("c", "log_d", "f"))
        z = (log_x - log_d) / f
        soft = np.logaddexp(0.0, z)
        exponent = exponent - c * f * soft
        bends.append((c, f, soft, np.exp(z - soft), z))
    return np.exp(exponent), bends


def _predict(x: Any, a: Any, b: Any, c0: Any, **breaks: Any) -> Any:
    """The error, in the target's unit; breaks are c1, log_d1, f1, ... All arguments broadcast."""
    return a + b * _pieces(x, c0, breaks)[0]


def _gradient(x: Any, a: Any, b: Any, c0: Any, **breaks: Any) -> dict[str, Any]:
    """The derivatives of the error by parameter."""
    part, bends = _pieces(x, c0, breaks)
    columns = {"a": 1.0, "b": part, "c0": -b * part * np.log(x)}
    for i, (c, f, soft, share, z) in enumerate(bends, start=1):
        columns[f"c{i}"] = -b * part * f * soft
        columns[f"log_d{i}"] = b * part * c * share
        columns[f"f{i}"] = -b * part * c * (soft - share * z)
    return columns


def _search(n: int) -> Callable[[Any], dict[str, tuple[float, float]]]:
    def search(x: Any) -> dict[str, tuple[float, float]]:
        """Slopes up to 1.5 and breaks inside the measured range, in order."""
        low, high = float(np.log(x).min()), float(np.log(x).max())
        box = {"c0": (0.0, 1.5)}
        for i in range(1, n + 1):
            start, end = low + (high - low) * (i - 1) / n, low + (high - low) * i / n
            box |= {f"c{i}": (-1.0, 1.5), f"log_d{i}": (start, end), f"f{i}": (0.05, 1.5)}
        return box

    return search


def _derived(n: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def derived(parameters: dict[str, Any]) -> dict[str, Any]:
        """Where each break lies, and the slope after the last."""
        with np.errstate(over="ignore"):
            places = {f"d{i}": np.exp(parameters[f"log_d{i}"]) for i in range(1, n + 1)}
        return places | {"last_slope": sum((parameters[f"c{i}"] for i in range(n + 1)), 0.0)}

    return derived


_one_break = variant("1")
formula = _one_break["formula"]
source = _one_break["source"]
units = _one_break["units"]
bounds = _one_break["bounds"]
linear = _one_break["linear"]
notes = _one_break["notes"]
predict = _predict
gradient = _gradient
search = _search(1)
derived = _derived(1)
