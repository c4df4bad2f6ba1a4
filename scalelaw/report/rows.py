"""Data of the row figures: fits side by side, laws, kinds of budget, choices of the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.fit import FittedLaw
from scalelaw.report import series
from scalelaw.report.study import Study
from scalelaw.report.text import format as fmt


@dataclass(frozen=True)
class Dots:
    """One series of a figure in rows: values [k], and the ends of their intervals [k] where there are any."""

    name: str
    values: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass(frozen=True)
class Rows:
    """Values in rows. column: the input whose axis this is, else `axis` is the label of a plain one; band: what the
    values are compared with; marked: rows to be seen; side: a text at the right of each row."""

    title: str
    axis: str
    note: str
    labels: tuple[str, ...]
    series: tuple[Dots, ...]
    column: str = ""
    band: tuple[float, float] | None = None
    marked: tuple[bool, ...] = ()
    side: tuple[str, ...] = ()


def beside(studies: Sequence[Study]) -> list[Rows]:
    """Each parameter and derived quantity of fits of one law, a row per fit."""
    fits = [s.fitted for s in studies if s.fitted is not None]
    first = fits[0]
    panels = []
    for name in [bar.name for bar in series.numbers(first)]:
        numbers_of = np.array([_known(fitted, name) for fitted in fits], dtype=float)
        if np.isfinite(numbers_of[:, 0]).all():
            title = fmt.greek(name)
            panels.append(
                Rows(title, f"{title} (no unit)", _counts(fits), tuple(fmt.capital(s.name) for s in studies),
                     (Dots(name, *numbers_of.T),))
            )  # fmt: skip
    return panels


def changed(ablation: Sequence[Mapping[str, Any]], fitted: FittedLaw) -> list[Rows]:
    """What each other choice does to each quantity; the band is the interval of the original fit."""
    rows = [row for row in ablation if row["params"]]
    panels = []
    for name in [*rows[0]["params"], *rows[0]["derived"]]:
        values = np.array([_number({**row["params"], **row["derived"]}.get(name)) for row in rows])
        _, low, high = _known(fitted, name)
        if np.isfinite(values).sum() < 2:
            continue
        title = fmt.greek(name)
        panels.append(
            Rows(
                title, f"{title} (no unit)", f"n = {fitted.n_points}", tuple(str(r["change"]) for r in rows),
                (Dots(name, values),), band=(low, high) if np.isfinite([low, high]).all() else None,
                marked=tuple(name in (r.get("moved") or ()) for r in rows),
            )
        )  # fmt: skip
    return panels


def extrapolated(comparison: Mapping[str, Any]) -> Rows | None:
    """Laws by how far they miss what was left out: one point, and the largest of each input."""
    laws = [law for law in comparison["laws"] if law.get("leave_largest_out")]
    if not laws:
        return None
    measures = [Dots("one point left out", np.array([_number(law.get("leave_one_out")) for law in laws]))]
    for name in comparison["inputs"]:
        scores = [(law["leave_largest_out"].get(name) or {}).get("score") for law in laws]
        if any(value is not None for value in scores):
            measures.append(
                Dots(f"largest {fmt.named(name)} left out", np.array([_number(v) for v in scores]))
            )
    unit = fmt.unit(comparison["target"]) if comparison["residual"] == "linear" else "log units"
    return Rows(
        "Laws by what they miss", f"root mean square of what is missed ({unit})", f"n = {comparison['n_points']}",
        tuple(fmt.capital(fmt.law(law["law"])) for law in laws), tuple(measures),
        side=tuple("" if law.get("weight") is None else f"weight {fmt.share(law['weight'])}" for law in laws),
    )  # fmt: skip


def contrasted(contrast: Mapping[str, Any], target: str, n: int) -> list[Rows]:
    """What each kind of budget of the same size picks: the tokens, the size, the predicted error."""
    rows = contrast["rows"]
    base = rows[0]["best"]
    labels = tuple(f"{fmt.kind(row['kind'])}: {fmt.cost(row['kind'], row['limit'])}" for row in rows)
    other = tuple(any(row["best"][k] != base[k] for k in ("model", "visual_tokens")) for row in rows)
    note = f"n = {n}" if n else fmt.count(len(rows), "configuration")
    picks = [row["best"] for row in rows]
    panels = [
        Rows(fmt.capital(fmt.named(name)), "", note, labels,
             (Dots("pick", np.array([float(p[name]) for p in picks])),), column=name, marked=other)
        for name in ("visual_tokens", "n_params")
    ]  # fmt: skip
    errors = Dots("pick", np.array([float(p["error"]) for p in picks]))
    title = fmt.capital(f"predicted {fmt.named(target)}")
    return [*panels, Rows(title, f"predicted {fmt.axis(target)}", note, labels, (errors,), marked=other)]


def _known(fitted: FittedLaw, name: str) -> tuple[float, float, float]:
    """A parameter or derived quantity and its interval; NaN where nothing is known."""
    if name in fitted.params:
        low, high = fitted.intervals.get(name, (None, None))
        return fitted.params[name], _number(low), _number(high)
    entry = fitted.derived.get(name, {"value": None, "interval": None})
    low, high = entry["interval"] or (None, None)
    return _number(entry["value"]), _number(low), _number(high)


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)


def _counts(fits: Sequence[FittedLaw]) -> str:
    counts = list(dict.fromkeys(fitted.n_points for fitted in fits))
    return "n = " + ", ".join(map(str, counts if len(counts) == 1 else [fitted.n_points for fitted in fits]))
