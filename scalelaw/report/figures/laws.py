"""Laws compared by extrapolation: how far each misses the points that it was fitted without."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scalelaw.report.figures._rows import Dots, Rows, draw, frame, margins, number
from scalelaw.report.study import Study, selection_of
from scalelaw.report.text import format as fmt

__all__ = ["IN_SECTION", "TITLE", "draw", "extrapolated", "frame", "margins", "prepare"]
TITLE = "Laws compared by extrapolation"
IN_SECTION = True


def prepare(study: Study) -> Rows | None:
    """The study's comparison of laws, or the one by which the law of its fit was selected."""
    comparison = study.comparison or selection_of(study)
    return None if comparison is None else extrapolated(comparison)


def extrapolated(comparison: Mapping[str, Any]) -> Rows | None:
    """Laws by how far they miss what was left out: one point, and the largest of each input."""
    laws = [law for law in comparison["laws"] if law.get("leave_largest_out")]
    if not laws:
        return None
    measures = [Dots("one point left out", np.array([number(law.get("leave_one_out")) for law in laws]))]
    for name in comparison["inputs"]:
        scores = [(law["leave_largest_out"].get(name) or {}).get("score") for law in laws]
        if any(value is not None for value in scores):
            measures.append(
                Dots(f"largest {fmt.named(name)} left out", np.array([number(v) for v in scores]))
            )
    unit = fmt.unit(comparison["target"]) if comparison["residual"] == "linear" else "log units"
    return Rows(
        "Laws by what they miss", f"root mean square of what is missed ({unit})", f"n = {comparison['n_points']}",
        tuple(fmt.capital(fmt.law(law["law"])) for law in laws), tuple(measures),
        side=tuple("" if law.get("weight") is None else f"weight {fmt.share(law['weight'])}" for law in laws),
    )  # fmt: skip
