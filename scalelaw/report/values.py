"""Values of a fit that texts and figures show: its numbers with intervals, predictions with bands, the axes to draw.

Nothing is estimated here: predictions are the law's, bands are quantiles of its draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.fit import FittedLaw
from scalelaw.fit.input_checks import checked_by_caller
from scalelaw.report.text import format as fmt


def axes_of(fitted: FittedLaw) -> tuple[str, str | None]:
    """The input along which curves run, and the one that tells them apart (None for a law of one input)."""
    varied = [name for name in fitted.inputs if len(np.unique(fitted.points["inputs"][name])) > 1]
    names = varied or list(fitted.inputs)
    along = "visual_tokens" if "visual_tokens" in names else names[-1]
    others = [name for name in names if name != along]
    return along, ("n_params" if "n_params" in others else others[0]) if others else None


def column_of(fitted: FittedLaw, name: str) -> str:
    """The table's column that an input of the law was read from: what its axis is about."""
    column_name = fitted.checklist.get("columns", {}).get(name, name)
    return str(column_name).partition("=")[0]


def predicted(
    fitted: FittedLaw, inputs: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """The law at `inputs`, and its interval from the draws (None, None without draws)."""
    # axes reach beyond the measured values
    with checked_by_caller():
        mean = np.asarray(fitted.predict(None, **inputs))
    if not parameter_draws(fitted):
        return mean, None, None
    tail = (1 - float(fitted.interval["level"])) / 2
    with checked_by_caller(), np.errstate(invalid="ignore"):  # between two infinite draws
        low, high = np.nanquantile(np.asarray(fitted.predict_draws(**inputs)), (tail, 1 - tail), axis=0)
    return mean, low, high


def with_medians(fitted: FittedLaw, values: Mapping[str, Any]) -> dict[str, Any]:
    """All inputs of the law: the values, and the median for the others."""
    others = {n: float(np.median(v)) for n, v in fitted.points["inputs"].items() if n not in values}
    return {name: {**others, **values}[name] for name in fitted.inputs}


def parameter_draws(fitted: FittedLaw) -> dict[str, np.ndarray]:
    """The bootstrap draws of every parameter, {name: [draws]}; empty without a bootstrap."""
    draws = {name: np.asarray(column, float) for name, column in fitted.draws.items()}
    return draws if draws and all(column.size for column in draws.values()) else {}


@dataclass(frozen=True)
class Bar:
    """A fitted or derived number with its interval; infinite where there is no limit, NaN where nothing is known."""

    name: str
    value: float
    low: float
    high: float


def numbers(fitted: FittedLaw) -> list[Bar]:
    """Every parameter and derived number, as the fit reports them; of an average of laws the weights alone."""
    entries = {
        name: (value, fitted.intervals.get(name))
        for name, value in fitted.params.items()
        if name.startswith("weight.") or not fmt.is_average(fitted.law)
    }
    entries |= {name: (entry["value"], entry.get("interval")) for name, entry in fitted.derived.items()}
    return [
        Bar(name, _known(value, np.inf), *(_known(end, np.nan) for end in ends or (None, None)))
        for name, (value, ends) in entries.items()
    ]


def bars(fitted: FittedLaw) -> list[Bar]:
    """Those numbers whose value and interval are finite."""
    return [bar for bar in numbers(fitted) if np.isfinite([bar.value, bar.low, bar.high]).all()]


def _known(value: Any, absent: float) -> float:
    return absent if value is None else float(value)
