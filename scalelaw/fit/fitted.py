"""A fitted law: parameters, intervals, status and predictions. It is read from and written to JSON."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from scalelaw.errors import InputError, unknown
from scalelaw.fit.formula_law import SHORTHAND, rename
from scalelaw.fit.input_checks import check_errors, check_numbers, check_units
from scalelaw.fit.law import Law
from scalelaw.fit.law_average import PREFIX, effective_parameters
from scalelaw.fit.load_law import load_law
from scalelaw.fit.plotting import plot_fit
from scalelaw.fit.prediction_bands import band
from scalelaw.results.envelope import answer, dumps, plain
from scalelaw.table.schema import COLUMNS


@dataclass(frozen=True)
class FittedLaw:
    """A law with its parameters, intervals, status and the points it was fitted to.

    units: what each input is divided by before the law sees it (`params` are for inputs in these units);
    intervals: name -> (low, high), NaN where there is no interval; objective: the sum over points of r^2, or of
    the Huber function (r^2/2 inside delta, delta (|r| - delta/2) outside); draws: name -> [n_draws] parameters
    of the bootstrap refits; points: {inputs: {name: values}, target, target_se, weight (None: all alike), labels:
    {column: values}}; ties: parameter -> formula of other parameters; target_kind: `error` (a share of 1),
    `loss` (in its own unit, which may exceed 1) or `other`.
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
    ties: dict[str, str] = field(default_factory=dict)
    target_kind: str = "error"

    @property
    def measured_range(self) -> dict[str, tuple[float, float]]:
        """The smallest and largest value of each input among the points, in raw units."""
        return {name: (float(np.min(v)), float(np.max(v))) for name, v in self.points["inputs"].items()}

    @property
    def n_free(self) -> float:
        """Number of free parameters; of an average, its members' numbers averaged by weight."""
        if self.law.startswith(PREFIX):
            return effective_parameters(self.params)
        return float(sum(low != high for name, (low, high) in self.bounds.items() if name not in self.ties))

    @property
    def fit_hash(self) -> str:
        """Identifies the fit by its data and values: the same once it is written and read, also after a renaming."""
        values = {
            name: list(getattr(self, name).values()) for name in ("params", "bounds", "intervals", "draws")
        }
        facts = {**values, "target": self.target, "loss": self.loss, "data": self.checklist.get("data_hash")}
        return hashlib.sha256(json.dumps(plain(facts), sort_keys=True).encode()).hexdigest()[:16]

    def the_law(self) -> Law:
        """The law itself. Raises InputError where its file is missing or has changed since the fit."""
        law = load_law(self.law, tuple(self.inputs))
        for what, now, then in (
            ("inputs", law.inputs, self.inputs),
            ("parameters", law.parameters, self.params),
        ):
            if set(now) != set(then):
                raise InputError(
                    f"The law '{self.law}' has the {what} {', '.join(now)}; the fit has {', '.join(then)}.",
                    code="other_law",
                    hint="Fit the law again.",
                )
        if changed := [name for name in law.inputs if law.units[name] != self.units[name]]:
            raise InputError(
                f"The law '{self.law}' has {changed[0]} in units of {law.units[changed[0]]:g}; the fit has "
                f"{self.units[changed[0]]:g}.",
                code="other_law",
                hint="Fit the law again.",
            )
        return law

    def predict(self, params: Mapping[str, float] | None = None, **inputs: Any) -> np.ndarray:
        """The predicted target; inputs in raw units (n_params in parameters), broadcast against each other.

        `params` replace the fitted parameters. Predicted errors outside 0 to 1 give a PredictionWarning.
        Raises InputError for a missing or unknown input, and for sizes in billions (unit_mismatch).
        """
        parameters = self.params if params is None else params
        value = self._evaluate(inputs, {name: np.float64(parameters[name]) for name in self.params})
        check_errors(value, self.target, self.points["target"])
        return value

    def predict_draws(self, **inputs: Any) -> np.ndarray:
        """[n_draws, ...] the predicted target for every bootstrap refit; inputs as in `predict`."""
        self._check(inputs)
        depth = np.broadcast(*inputs.values()).ndim
        draws = {name: np.reshape(self.draws.get(name, []), (-1, *[1] * depth)) for name in self.params}
        return self._evaluate(inputs, draws)

    def band(self, kind: str = "law", level: float = 0.95, **inputs: Any) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) for the `law` itself or for a new `run`, at inputs in raw units; see `fit.prediction_bands`."""
        return band(self, kind, level, **inputs)

    def plot(self, axes: Any = None) -> Any:
        """Draw the points and the law, one curve for each level of the second input; returns the matplotlib Axes.

        Args:
            axes: matplotlib Axes to draw on; None makes a figure.
        """
        return plot_fit(self, axes)

    def _evaluate(self, inputs: Mapping[str, Any], named: Mapping[str, Any]) -> np.ndarray:
        self._check(inputs)
        law = self.the_law()
        parameters = [named[name] for name in law.parameters]
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
        for name, values in inputs.items():
            check_numbers(name, values)
        check_units(inputs, self.measured_range, self.checklist.get("columns", {}))

    def with_column_names(self) -> FittedLaw:
        """The same fit of a formula with its inputs named as in the results table: N is n_params, V visual_tokens.

        Inputs that were read from a column of the schema have its name; so that a plan can use the fit.
        """
        columns = {**SHORTHAND, **self.checklist.get("columns", {})}
        names = {
            name: SHORTHAND.get(columns[name], columns[name])
            for name in self.inputs
            if columns.get(name, name) in COLUMNS or columns.get(name) in SHORTHAND
        }
        names = {
            old: new for old, new in names.items() if old != new and new not in (*self.inputs, *self.params)
        }
        if self.source != "typed" or not names:
            return self

        def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
            return {names.get(name, name): value for name, value in values.items()}

        law = rename(self.law, names)
        return replace(
            self,
            law=law,
            formula=law,
            inputs=[names.get(name, name) for name in self.inputs],
            units=renamed(self.units),
            points={**self.points, "inputs": renamed(self.points["inputs"])},
            checklist={**self.checklist, "columns": renamed(self.checklist.get("columns", {}))},
        )

    def to_dict(self) -> dict[str, Any]:
        """The `data` object of `scalelaw fit --json`, in JSON types; NaN is null."""
        data = {
            f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("draws_method", "warnings")
        }
        data["draws"] = {"method": self.draws_method, "params": self.draws}
        data["measured_range"] = self.measured_range
        # reproducible output: no timing is written
        if "SOURCE_DATE_EPOCH" in os.environ:
            data["certificate"] = {**self.certificate, "seconds": None}
        made: dict[str, Any] = plain(data)
        return made

    def to_json(self) -> str:
        """The JSON object that `scalelaw fit --json` prints."""
        return dumps(answer("fit", self.to_dict(), self.warnings))
