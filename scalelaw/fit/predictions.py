"""Predictions of a fitted law, with intervals and the distance from the measured range."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from scalelaw.errors import InputError, NoAnswer, typed, unknown
from scalelaw.fit.fitted import FittedLaw
from scalelaw.results.envelope import Answer, plain
from scalelaw.results.warning import Warning, as_warnings
from scalelaw.table.cells import numbers

MAX_PLACES = 100_000


@dataclass(frozen=True)
class Predictions(Answer):
    """The predictions of a fitted law at each place.

    places: a dict for each place: the inputs in raw units; `error`, the predicted target; `law_interval`, (low, high)
        for the law's curve; `run_interval`, (low, high) for the result of one new run; both None where the fit has
        no bootstrap refits; `extrapolation`, {input: factor} for each input outside the measured range: the value
        divided by the nearest measured value, above 1 beyond the largest and below 1 under the smallest.
    target: the column that the law predicts. level: of the intervals.
    warnings: (code, message) pairs.
    """

    command: ClassVar[str] = "predict"

    law: str
    target: str
    level: float
    places: list[dict[str, Any]]
    warnings: list[Warning]

    def to_dict(self) -> dict[str, Any]:
        """The `data` object of `scalelaw predict --json`."""
        facts = {"law": self.law, "target": self.target, "level": self.level, "places": self.places}
        result: dict[str, Any] = plain(facts)
        return result


@typed(fitted=("FittedLaw",), at=("Mapping", "DataFrame", "list", "tuple"), level=("int", "float"))
def predict_places(
    fitted: FittedLaw, at: Mapping[str, Any] | pd.DataFrame | Sequence[Mapping[str, Any]], level: float = 0.95
) -> Predictions:
    """Predict the target of a fitted law at one or more places.

    Args:
        fitted: the law, from `fit_law` or `load_fit`.
        at: input -> value in raw units (n_params in parameters); an input with several values gives every
            combination. Or a DataFrame with a column for each input, or a list of mappings: one place a row.
        level: of the intervals, between 0 and 1.

    Returns:
        Predictions, one place for each row or combination, in order.

    Raises:
        InputError: a missing or unknown input, a value that is not a positive number, more than 100,000 places.
    """
    if not 0 < level < 1:
        raise InputError(
            f"The level of an interval lies between 0 and 1, not {str(level)[:40]}.", code="bad_value"
        )
    inputs = _columns(at, fitted)
    value = np.atleast_1d(fitted.predict(**inputs))
    warnings: list[tuple[str, str]] = []
    intervals = {kind: _interval(fitted, kind, level, inputs, warnings) for kind in ("law", "run")}
    factors = {name: _extrapolation(values, fitted.measured_range[name]) for name, values in inputs.items()}
    places = [
        {
            **{name: float(values[i]) for name, values in inputs.items()},
            "error": float(value[i]),
            **{f"{kind}_interval": bounds and [float(bounds[0][i]), float(bounds[1][i])]
               for kind, bounds in intervals.items()},
            "extrapolation": {name: float(f[i]) for name, f in factors.items() if f[i] != 1},
        }
        for i in range(len(value))
    ]  # fmt: skip
    if outside := sum(bool(place["extrapolation"]) for place in places):
        ranges = "; ".join(
            f"{name} {low:g} to {high:g}" for name, (low, high) in fitted.measured_range.items()
        )
        warnings.append((
            "extrapolates",
            f"{outside} of {len(places)} place(s) lie outside the measured range ({ranges}). "
            "The intervals assume that the law holds there.",
        ))  # fmt: skip
    return Predictions(fitted.law, fitted.target, level, places, as_warnings(dict.fromkeys(warnings)))


def _columns(at: Any, fitted: FittedLaw) -> dict[str, Any]:
    """input -> values [n places], each checked."""
    names = list(fitted.inputs)
    if isinstance(at, pd.DataFrame):
        frame = at
    elif isinstance(at, Mapping):
        levels = {
            str(name): np.atleast_1d(np.asarray(values, object)).tolist() for name, values in at.items()
        }
        count = int(np.prod([len(values) for values in levels.values()], dtype=float))
        _check_count(count)
        frame = pd.DataFrame(list(itertools.product(*levels.values())), columns=list(levels), dtype=object)
    elif isinstance(at, Sequence) and not isinstance(at, str) and all(isinstance(p, Mapping) for p in at):
        _check_count(len(at))
        frame = pd.DataFrame([dict(place) for place in at], dtype=object)
    else:
        raise InputError(
            "Places are a mapping of input to value, a list of such mappings, or a DataFrame.",
            code="bad_value",
        )
    _check_count(len(frame))
    if twice := sorted({str(name) for name in frame.columns[frame.columns.duplicated()]}):
        raise InputError(f"The places have the column '{twice[0]}' twice.", code="duplicate_column")
    there = [column for column in map(str, frame.columns) if not frame[column].isna().all()]
    frame = frame.rename(
        columns={old: new for new, old in fitted.by_input({name: name for name in there}).items()}
    )
    for name in map(str, frame.columns):
        if name not in names and not isinstance(at, pd.DataFrame):
            raise unknown("input", name, names)
    if missing := [
        name
        for name in names
        if name not in frame or (isinstance(at, pd.DataFrame) and frame[name].isna().all())
    ]:
        raise InputError(
            f"The law needs a value for {missing[0]}.",
            code="missing_input",
            hint=f"Its inputs are {', '.join(names)}: --at {missing[0]}=VALUE.",
        )
    for name in names:
        if any(isinstance(value, bool | np.bool_) for value in frame[name]):
            raise InputError(f"'{name}' must be a number, not True or False.", code="bad_value")
    columns = {name: numbers(frame[name], name, "the places").to_numpy(float) for name in names}
    for name, values in columns.items():
        if (bad := ~(np.isfinite(values) & (values > 0))).any():
            raise InputError(f"'{name}' must be a positive number, not {values[bad][0]:g}.", code="bad_value")
    return columns


def _check_count(count: int) -> None:
    if not 0 < count <= MAX_PLACES:
        raise InputError(f"There are {count} places; use between 1 and {MAX_PLACES:,}.", code="bad_value")


def _interval(
    fitted: FittedLaw,
    kind: str,
    level: float,
    inputs: Mapping[str, np.ndarray],
    warnings: list[tuple[str, str]],
) -> tuple[np.ndarray, np.ndarray] | None:
    try:
        low, high = fitted.band(kind, level, **inputs)
    except NoAnswer as error:
        warnings.append(("no_intervals", f"{error.message} {error.hint}".strip()))
        return None
    return np.atleast_1d(low), np.atleast_1d(high)


def _extrapolation(values: np.ndarray, measured: tuple[float, float]) -> np.ndarray:
    """value / nearest measured value outside the measured range, 1 inside it."""
    low, high = measured
    return np.where(values > high, values / high, np.where(values < low, values / low, 1.0))
