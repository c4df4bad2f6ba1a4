"""Several fits at once: a product has more than one task, and their optima may pull apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.errors import InputError, unknown
from scalelaw.plan.make_problem import check_law


@dataclass(frozen=True)
class Blend:
    """A weighted mean of the errors of several fitted laws, to be planned on like one.

    Draws of different fits are taken as independent. What was measured is what every fit measured. A fit of weight 0
    decides nothing: its error is told beside the others', and its draws, range and status do not matter.
    """

    fits: dict[str, Any]
    weights: dict[str, float]
    seed: int = 0
    inputs: tuple[str, ...] = ("n_params", "visual_tokens")
    target: str = "error"

    @property
    def counted(self) -> dict[str, Any]:
        """The fits that have weight."""
        return {name: fit for name, fit in self.fits.items() if self.weights[name] > 0}

    @property
    def law(self) -> str:
        """The tasks with their weights and laws, in words."""
        return " + ".join(f"{w:g} {name} ({self.fits[name].law})" for name, w in self.weights.items())

    @property
    def status(self) -> str:
        """The worst status among the fits."""
        order = ("identified", "at_bound", "not_converged", "not_identified")
        every = [str(fit.status) for fit in self.counted.values()]
        return max(every, key=lambda status: order.index(status) if status in order else 0)

    @property
    def target_kind(self) -> str:
        """`error` where every fit that counts predicts a share of 1, else that of the first that does not."""
        kinds = [str(getattr(fit, "target_kind", "error")) for fit in self.counted.values()]
        return next((kind for kind in kinds if kind != "error"), "error")

    @property
    def draws(self) -> dict[str, Any]:
        """The draws of every fit, `task.parameter`; empty where a fit has none."""
        values = [fit.draws for fit in self.counted.values()]
        if not all(d and all(len(v) for v in d.values()) for d in values):
            return {}
        return {f"{name}.{p}": v for name, fit in self.counted.items() for p, v in fit.draws.items()}

    @property
    def _smallest(self) -> Any:
        """The fit to the fewest points: it says how far draws overstate the variance."""
        return min(self.counted.values(), key=lambda fit: getattr(fit, "n_points", 0))

    @property
    def n_points(self) -> int:
        """Points of the fit with the fewest."""
        return int(getattr(self._smallest, "n_points", 0))

    @property
    def bounds(self) -> dict[str, tuple[float, float]]:
        """Bounds of the parameters of that fit."""
        return dict(getattr(self._smallest, "bounds", {}))

    @property
    def draws_method(self) -> str:
        """How that fit's draws were made."""
        return str(getattr(self._smallest, "draws_method", ""))

    @property
    def measured_range(self) -> dict[str, tuple[float, float]]:
        """The range that every fit measured, by input."""
        ranges = [fit.measured_range for fit in self.counted.values()]
        return {
            name: (max(r[name][0] for r in ranges), min(r[name][1] for r in ranges)) for name in self.inputs
        }

    @property
    def points(self) -> dict[str, Any]:
        """The sizes that every fit measured, as `inputs`."""
        values = [fit.points["inputs"]["n_params"] for fit in self.counted.values()]
        sizes = [set(np.asarray(n_params).tolist()) for n_params in values]
        return {"inputs": {"n_params": sorted(set.intersection(*sizes))}}

    def predict(self, **inputs: Any) -> np.ndarray:
        """The weighted mean of the errors."""
        return np.asarray(
            sum(self.weights[name] * np.asarray(fit.predict(**inputs)) for name, fit in self.counted.items())
        )

    def predict_draws(self, **inputs: Any) -> np.ndarray:
        """Draws of the weighted mean [n_draws, ...]; as many as the fit with the fewest has."""
        count = min(len(next(iter(fit.draws.values()))) for fit in self.counted.values())
        rng = np.random.default_rng(self.seed)
        total: Any = 0.0
        for name, fit in self.counted.items():
            every = np.asarray(fit.predict_draws(**inputs))
            total = total + self.weights[name] * every[rng.permutation(len(every))[:count]]
        mean: np.ndarray = total
        return mean

    def by_task(self, **inputs: Any) -> dict[str, Any]:
        """The error of each task."""
        return {name: np.asarray(fit.predict(**inputs)) for name, fit in self.fits.items()}


def blend(fits: Mapping[str, Any], weights: Mapping[str, float] | None = None, seed: int = 0) -> Blend:
    """Several fitted laws {task: fit} as one; weights {task: weight}: those left out share what remains to 1.

    Raises InputError for a weight of a task that is not there, a weight below 0, weights above 1 together, fits
    that measured no size or no range in common, and laws of other inputs.
    """
    if not fits:
        raise InputError("There are no fits to blend.", code="no_fits")
    fits = {
        name: fit.with_column_names() if hasattr(fit, "with_column_names") else fit
        for name, fit in fits.items()
    }
    for fit in fits.values():
        check_law(fit)
    named = {name: _weight(name, weight, fits) for name, weight in (weights or {}).items()}
    left = [name for name in fits if name not in named]
    rest = 1 - sum(named.values())
    if rest < -1e-9 or (not left and abs(rest) > 1e-9):
        raise InputError(f"The weights add up to {1 - rest:g}, not to 1.", code="bad_weight")
    values = {name: named.get(name, max(rest, 0) / max(len(left), 1)) for name in fits}
    blended = Blend(dict(fits), values, seed)
    if not blended.points["inputs"]["n_params"]:
        raise InputError(
            "The fits measured no model size in common.", code="no_common_sizes", hint="Name the models."
        )
    for name, (low, high) in blended.measured_range.items():
        if low > high:
            raise InputError(
                f"The fits measured no {name} in common: one ends at {high:g}, another begins at {low:g}.",
                code="no_common_range",
                hint="A blend is planned where every fit was measured.",
            )
    return blended


def _weight(name: str, weight: Any, fits: Mapping[str, Any]) -> float:
    if name not in fits:
        raise unknown("task", name, fits)
    try:
        number = float(weight)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"The weight of '{name}' is not a number: {weight}.", code="bad_weight") from error
    if not 0 <= number <= 1:
        raise InputError(
            f"The weight of '{name}' must lie between 0 and 1; it is {number:g}.", code="bad_weight"
        )
    return number
