"""A fitted law: parameters, what of them may be believed, and predictions. It is read from and written to JSON."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from scalelaw.answers import answer, dumps, plain, read_answer
from scalelaw.errors import InputError, unknown
from scalelaw.fit.law import Law, load_law


@dataclass(frozen=True)
class FittedLaw:
    """A law with its parameters, intervals, verdict and the points it was fitted to.

    units: what each input is divided by before the law sees it (`params` are for inputs in these units);
    intervals: name -> (low, high), nan where nothing can be said; objective: the sum over points of r^2, or of
    the Huber function (r^2/2 inside delta, delta (|r| - delta/2) outside); draws: name -> [n_draws] parameters
    of the bootstrap refits; points: {inputs: {name: values}, target, target_se, labels: {column: values}}.
    """

    law: str
    formula: str
    source: str
    inputs: list[str]
    units: dict[str, float]
    target: str
    loss: dict[str, Any]
    n_points: int
    params: dict[str, float]
    bounds: dict[str, tuple[float, float]]
    intervals: dict[str, tuple[float, float]]
    interval: dict[str, Any]
    objective: float
    rmse: float
    r2: float
    aicc: float
    status: str
    certificate: dict[str, Any]
    derived: dict[str, dict[str, Any]]
    holdout: dict[str, Any]
    selection: list[dict[str, Any]]
    checklist: dict[str, Any]
    warnings: list[tuple[str, str]]
    draws: dict[str, np.ndarray] = field(repr=False)
    draws_method: str
    points: dict[str, Any] = field(repr=False)

    @property
    def measured_range(self) -> dict[str, tuple[float, float]]:
        """The smallest and largest value of each input among the points, in raw units."""
        return {name: (float(np.min(v)), float(np.max(v))) for name, v in self.points["inputs"].items()}

    def the_law(self) -> Law:
        """The law itself. Raises InputError where its file is gone."""
        return load_law(self.law, tuple(self.inputs))

    def predict(self, params: Mapping[str, float] | None = None, **inputs: Any) -> np.ndarray:
        """The predicted target; inputs in raw units (n_params in parameters), broadcast against each other.

        `params` are other parameters to predict with. Raises InputError for a missing or unknown input.
        """
        chosen = self.params if params is None else params
        return self._evaluate(inputs, [np.float64(chosen[name]) for name in self.params])

    def predict_draws(self, **inputs: Any) -> np.ndarray:
        """[n_draws, ...] the predicted target for every bootstrap refit; inputs as in `predict`."""
        self._check(inputs)
        depth = np.broadcast(*inputs.values()).ndim
        draws = [np.reshape(self.draws.get(name, []), (-1, *[1] * depth)) for name in self.params]
        return self._evaluate(inputs, draws)

    def band(self, kind: str = "law", level: float = 0.95, **inputs: Any) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) for the `law` itself or for a new `run`, at inputs in raw units: see `scalelaw.fit.bands`."""
        from scalelaw.fit.bands import band

        return band(self, kind, level, **inputs)

    def _evaluate(self, inputs: Mapping[str, Any], parameters: list[Any]) -> np.ndarray:
        self._check(inputs)
        law = self.the_law()
        scaled = law.scale(inputs)
        shape = np.broadcast_shapes(*(np.shape(v) for v in (*scaled, *parameters)))
        with np.errstate(all="ignore"):
            return np.array(np.broadcast_to(law.predict(*scaled, *parameters), shape), dtype=float)

    def _check(self, inputs: Mapping[str, Any]) -> None:
        for name in inputs:
            if name not in self.inputs:
                raise unknown("input", name, self.inputs)
        if missing := [name for name in self.inputs if name not in inputs]:
            raise InputError(
                f"The law '{self.law}' needs {missing[0]}.",
                code="missing_input",
                hint=f"Its inputs are {', '.join(self.inputs)}.",
            )

    def to_dict(self) -> dict[str, Any]:
        """The `data` object of `scalelaw fit --json`, with nothing but JSON's own types; not-a-number is null."""
        data = {
            f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("draws_method", "warnings")
        }
        data["draws"] = {"method": self.draws_method, "params": self.draws}
        data["measured_range"] = self.measured_range
        if "SOURCE_DATE_EPOCH" in os.environ:  # the wish for the same bytes each time: no timing is written
            data["certificate"] = {**self.certificate, "seconds": None}
        made: dict[str, Any] = plain(data)
        return made

    def to_json(self) -> str:
        """The JSON object that `scalelaw fit --json` prints."""
        return dumps(answer("fit", self.to_dict(), self.warnings))


def load_fit(path: str | Path) -> FittedLaw:
    """Read a fit back from the JSON that `to_json` (or `scalelaw fit --json`) wrote.

    Raises InputError for a file that is not there, is not JSON, or is not a fit.
    """
    envelope = read_answer(path, "fit")
    return read_fit(envelope["data"], [(w["code"], w["message"]) for w in envelope["warnings"]], path)


def read_fit(
    held: Mapping[str, Any], warnings: list[tuple[str, str]], path: str | Path = "The object"
) -> FittedLaw:
    """A fit from the data of its JSON; what else lies beside (an ablation) is left. Raises InputError for no fit."""
    try:
        known = {f.name for f in fields(FittedLaw)}
        data = {name: value for name, value in held.items() if name in known}
        draws = data["draws"]
        data["draws"] = {name: _numbers(v) for name, v in draws["params"].items()}
        data["draws_method"] = draws["method"]
        data["warnings"] = list(warnings)
        data["params"] = {name: _number(v) for name, v in data["params"].items()}
        for key in ("objective", "rmse", "r2", "aicc"):
            data[key] = _number(data[key])
        data["intervals"] = {
            name: (_number(low), _number(high)) for name, (low, high) in data["intervals"].items()
        }
        data["bounds"] = {name: _bound(pair) for name, pair in data["bounds"].items()}
        data["derived"] = _derived(data)
        points = data["points"]
        data["points"] = {
            "inputs": {name: _numbers(v) for name, v in points["inputs"].items()},
            "target": _numbers(points["target"]),
            "target_se": _numbers(points["target_se"]),
            "labels": points["labels"],
        }
        return FittedLaw(**data)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path} is not a fit.", code="not_a_fit", hint="`scalelaw fit TABLE -o FIT.json` writes one."
        ) from error


def _derived(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Derived quantities as they were: an infinite one is null in JSON, and the law gives it again.

    A null end is infinite where there are refits and freedom, or where the quantity or the other end says so.
    """
    held = data["derived"]
    if any(quantity["value"] is None for quantity in held.values()):
        derive = load_law(data["law"], tuple(data["inputs"])).derived
        again = derive(data["params"]) if derive is not None else {}
        held = {n: q if q["value"] is not None else {**q, "value": again.get(n)} for n, q in held.items()}
    free = sum(low != high for low, high in data["bounds"].values())
    drawn = data["n_points"] > free and any(len(v) for v in data["draws"].values())
    found = {}
    for name, quantity in held.items():
        value, (low, high) = _number(quantity["value"]), quantity["interval"]
        if drawn or (math.isinf(value) and data["interval"]["method"] != "none"):
            below = math.inf if math.isinf(value) else -math.inf
            ends = (below if low is None else float(low), math.inf if high is None else float(high))
        elif (low is None) != (high is None):
            ends = _bound((low, high))
        else:
            ends = (_number(low), _number(high))
        found[name] = {"value": value, "interval": ends}
    return found


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _numbers(values: Any) -> np.ndarray:
    return np.array([_number(v) for v in values], dtype=float)


def _bound(pair: Any) -> tuple[float, float]:
    low, high = pair
    return (-math.inf if low is None else float(low), math.inf if high is None else float(high))
