"""Data of the figures: numbers from a fit's `predict` and `predict_draws`, and from an optimum's fields.

Nothing is estimated here: curves and surfaces are the law evaluated on a grid, bands are quantiles of its draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.fit import FittedLaw
from scalelaw.report.text import format as fmt
from scalelaw.report.text.format import level

MOST_CURVES = 7
"""Where an input has more levels than these, so many of them are drawn."""
GRID = 81
"""Places at which a curve is evaluated, and along each side of a surface."""


@dataclass(frozen=True)
class Curve:
    """The law along one input at one value of the others. x, mean: [m]; low, high: [m] or None; points: [k] each."""

    label: str
    level: float
    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    at: np.ndarray
    measured: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Curves:
    """Error against one input, a curve per level of another."""

    along: str
    by: str
    target: str
    n: int
    curves: tuple[Curve, ...]
    measured_range: tuple[float, float]
    measured_values: tuple[float, ...]
    interval: float | None
    nearest: bool = False
    mark: Mapping[str, Any] | None = None

    @property
    def extent(self) -> tuple[float, float]:
        """The smallest and largest target shown: all curves and points, and of the bands what lies near them.

        A band that leaves the measured range may go anywhere; it must not press what was measured into a line.
        """
        values = np.concatenate([v for c in self.curves for v in (c.mean, c.measured)])
        values = values[np.isfinite(values)]
        least, most = float(values.min()), float(values.max())
        room = 0.5 * (most - least)
        bands = np.concatenate([values, *(v for c in self.curves for v in (c.low, c.high) if v is not None)])
        bands = np.clip(
            bands[np.isfinite(bands)], least - room if least > 2 * room else 0.5 * least, most + room
        )
        return float(bands.min()), float(bands.max())


@dataclass(frozen=True)
class Residuals:
    """Measured minus predicted, point by point; level is the place of each point's curve."""

    target: str
    inputs: Mapping[str, np.ndarray]
    measured: np.ndarray
    predicted: np.ndarray
    levels: Mapping[str, np.ndarray]
    by: str
    rmse: float
    against: str = ""

    @property
    def residual(self) -> np.ndarray:
        """Measured minus predicted."""
        return np.asarray(self.measured - self.predicted)


@dataclass(frozen=True)
class Cloud:
    """Bootstrap draws of two parameters [m], and the fitted pair."""

    x_name: str
    y_name: str
    x: np.ndarray
    y: np.ndarray
    best: tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """Fitted and derived numbers with their intervals, and of how many points."""

    bars: tuple[Bar, ...]
    n: int


@dataclass(frozen=True)
class Choices:
    """Configurations as an optimum lists them, the best first; n: points of the fit, 0 where it is not at hand."""

    choices: tuple[Mapping[str, Any], ...]
    target: str
    n: int


def slices(fitted: FittedLaw, along: str, by: str | None, mark: Mapping[str, Any] | None = None) -> Curves:
    """Error against `along`, a curve per value of `by` (at most seven); other inputs at their median."""
    inputs, target = fitted.points["inputs"], np.asarray(fitted.points["target"])
    spread = _spread(fitted, len(target))
    x = np.asarray(inputs[along])
    span = (float(x.min()), float(x.max()))
    low, high = wider(span, 1.6, *([mark[along]] if mark and along in mark else []))
    grid = np.geomspace(low, high, GRID)
    values = np.unique(inputs[by]) if by else np.array([np.nan])
    levels = values if len(values) <= MOST_CURVES else _spaced(values, MOST_CURVES)
    owner = _nearest(np.asarray(inputs[by]), levels) if by else np.zeros(len(x), int)
    shown, shown_by = column(fitted, along), column(fitted, by) if by else ""
    if mark is not None and along in mark:
        mark = {**mark, shown: mark[along]}
    curves = []
    for index, value in enumerate([*levels, *_unmeasured(mark, by, levels)]):
        mean, below, above = predicted(
            fitted, with_medians(fitted, {along: grid, **({by: value} if by else {})})
        )
        mine = owner == index
        label = _label(shown_by, value) + ("" if index < len(levels) else ", not measured")
        curves.append(
            Curve(label, float(value), grid, mean, below, above, x[mine], target[mine], spread[mine])
        )
    interval = None if curves[0].low is None else float(fitted.interval["level"])
    return Curves(
        shown, shown_by, fmt.target_of(fitted), len(x), tuple(curves), span, tuple(np.unique(x)), interval,
        nearest=len(values) > MOST_CURVES, mark=mark,
    )  # fmt: skip


def residuals(fitted: FittedLaw, by: str | None) -> Residuals:
    """Measured and predicted values of every point, coloured by `by`."""
    inputs = {name: np.asarray(values) for name, values in fitted.points["inputs"].items()}
    values = np.unique(inputs[by]) if by else np.array([0.0])
    nearest = values if len(values) <= MOST_CURVES else _spaced(values, MOST_CURVES)
    owner = _nearest(inputs[by], nearest) if by else np.zeros(len(fitted.points["target"]), int)
    levels = {
        _label(column(fitted, by) if by else "", v): np.flatnonzero(owner == i) for i, v in enumerate(nearest)
    }
    return Residuals(
        fmt.target_of(fitted), {column(fitted, n): v for n, v in inputs.items()}, np.asarray(fitted.points["target"]),
        predicted(fitted, inputs)[0], levels, column(fitted, by) if by else "", float(fitted.rmse),
    )  # fmt: skip


def column(fitted: FittedLaw, name: str) -> str:
    """The table's column that an input of the law was read from: what its axis is about."""
    column_name = fitted.checklist.get("columns", {}).get(name, name)
    return str(column_name).partition("=")[0]


def predicted(
    fitted: FittedLaw, inputs: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """The law at `inputs`, and its interval from the draws (None, None without draws)."""
    mean = np.asarray(fitted.predict(None, **inputs))
    if not parameter_draws(fitted):
        return mean, None, None
    tail = (1 - float(fitted.interval["level"])) / 2
    with np.errstate(invalid="ignore"):  # between two infinite draws
        low, high = np.nanquantile(np.asarray(fitted.predict_draws(**inputs)), (tail, 1 - tail), axis=0)
    return mean, low, high


def _unmeasured(mark: Mapping[str, Any] | None, by: str | None, levels: np.ndarray) -> list[float]:
    """The level of the chosen configuration, where none of the curves has it."""
    if mark is None or by is None or np.isclose(levels, mark[by], rtol=1e-9).any():
        return []
    return [float(mark[by])]


def with_medians(fitted: FittedLaw, values: Mapping[str, Any]) -> dict[str, Any]:
    """All inputs of the law: the values, and the median for the others."""
    others = {n: float(np.median(v)) for n, v in fitted.points["inputs"].items() if n not in values}
    return {name: {**others, **values}[name] for name in fitted.inputs}


def _spread(fitted: FittedLaw, n: int) -> np.ndarray:
    return np.broadcast_to(np.asarray(fitted.points["target_se"], float), n)


def wider(span: tuple[float, float], factor: float, *others: float) -> tuple[float, float]:
    """A span that holds the others as well, widened by a factor on each side."""
    low, high = min(span[0], *others) if others else span[0], max(span[1], *others) if others else span[1]
    return (low / 2, high * 2) if low == high else (low / factor, high * factor)


def _spaced(values: np.ndarray, count: int) -> np.ndarray:
    return np.unique(values[np.linspace(0, len(values) - 1, count).round().astype(int)])


def _nearest(values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(np.log(values[:, None]) - np.log(levels[None, :])).argmin(axis=1))


def _label(by: str, value: float) -> str:
    return level(by, float(value)) if by else "the law"


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
