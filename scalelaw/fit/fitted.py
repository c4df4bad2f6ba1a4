"""A fitted law: parameters, intervals, status and predictions. It is read from and written to JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalelaw.errors import InputError, InputTypeError, unknown
from scalelaw.fit.formula_law import SHORTHAND, rename
from scalelaw.fit.input_checks import check_errors, check_numbers, check_range, check_units
from scalelaw.fit.law import Law
from scalelaw.fit.law_average import PREFIX, effective_parameters
from scalelaw.fit.load_law import load_law
from scalelaw.fit.plotting import plot_fit
from scalelaw.fit.prediction_bands import band
from scalelaw.results.fit_result import FitResult
from scalelaw.table.schema import COLUMNS

RAISED = 0.75
"""Power of 1 / (1 - leverage) of wild bootstrap residuals: 1/2 is HC2, 1 is HC3."""


@dataclass(frozen=True)
class FittedLaw(FitResult):
    """The result of a fit with its law: it predicts, draws and plots. The fields are those of `FitResult`."""

    @property
    def n_free(self) -> float:
        """Number of free parameters; of an average, its members' numbers averaged by weight."""
        if self.law.startswith(PREFIX):
            return effective_parameters(self.params)
        return float(sum(low != high for name, (low, high) in self.bounds.items() if name not in self.ties))

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

    def predict(self, params: Mapping[str, float] | None = None, *unnamed: Any, **inputs: Any) -> np.ndarray:
        """The predicted target; inputs in raw units (n_params in parameters), broadcast against each other.

        `params` replace the fitted parameters. Predicted errors outside 0 to 1 give a PredictionWarning.
        Raises InputError for an input without its name (`wrong_arguments`), for a missing or unknown input or
        parameter, for inputs that do not broadcast
        (`wrong_shape`), for values that are not positive and finite (`bad_value`), and for sizes in billions and
        shares of the visual tokens (`unit_mismatch`).
        """
        self._check_named(*unnamed, *([] if params is None or isinstance(params, Mapping) else [params]))
        inputs = self.by_input(inputs)
        parameters = self.params if params is None else self._replacing(params)
        value = self._evaluate(inputs, {name: np.float64(parameters[name]) for name in self.params})
        check_errors(value, self.target, self.points["target"])
        return value

    def predict_draws(self, *unnamed: Any, **inputs: Any) -> np.ndarray:
        """[n_draws, ...] the predicted target for every bootstrap refit; inputs as in `predict`."""
        self._check_named(*unnamed)
        inputs = self.by_input(inputs)
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

    def _check_named(self, *unnamed: Any) -> None:
        """Raises InputError for values of inputs without their names."""
        if unnamed:
            raise InputTypeError(
                "The inputs of a prediction are passed by name.",
                code="wrong_arguments",
                hint=f"Write predict({', '.join(f'{name}=...' for name in self.inputs)}).",
            )

    def _evaluate(self, inputs: Mapping[str, Any], named: Mapping[str, Any]) -> np.ndarray:
        self._check(inputs)
        law = self.the_law()
        parameters = [named[name] for name in law.parameters]
        scaled = law.scale(inputs)
        try:
            shape = np.broadcast_shapes(*(np.shape(v) for v in (*scaled, *parameters)))
        except ValueError as error:
            shapes = ", ".join(f"{name} {np.shape(values)}" for name, values in inputs.items())
            raise InputError(
                f"The inputs do not broadcast against each other: {shapes}.", code="wrong_shape"
            ) from error
        with np.errstate(all="ignore"):
            return np.array(np.broadcast_to(law.predict(*scaled, *parameters), shape), dtype=float)

    def _replacing(self, params: Mapping[str, float]) -> Mapping[str, float]:
        """Parameters that replace the fitted ones. Raises InputError where one is missing or is no number."""
        if missing := [name for name in self.params if name not in params]:
            raise InputError(
                f"The law '{self.law}' needs the parameter {missing[0]}.",
                code="missing_parameter",
                hint=f"Its parameters are {', '.join(self.params)}.",
            )
        for name in self.params:
            check_numbers(name, params[name])
        return params

    def by_input(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by the law's own inputs, where a name is the column that an input was read from, or N is n_params.

        Other names stay as they are.
        """
        names = {long: letter for letter, long in SHORTHAND.items()} | SHORTHAND
        columns = self.checklist.get("columns", {})
        names |= {str(column): name for name, column in columns.items() if name in self.inputs}
        renamed: dict[str, Any] = {}
        for name, value in values.items():
            own = names.get(name, name)
            take = name not in self.inputs and own in self.inputs and own not in values
            renamed[own if take else name] = value
        return renamed

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
        columns = self.checklist.get("columns", {})
        for name, values in inputs.items():
            check_numbers(name, values)
            check_range(
                name,
                values,
                self.measured_range[name],
                SHORTHAND.get(columns.get(name, name), columns.get(name, name)),
            )
        check_units(inputs, self.measured_range, columns)

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
