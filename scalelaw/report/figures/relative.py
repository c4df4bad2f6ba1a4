"""What more of an input gives each of several fits: the error as a share of its first value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scalelaw.report.figures._lines import Line, Lines, draw, frame, margins
from scalelaw.report.study import Study
from scalelaw.report.text import format as fmt
from scalelaw.report.values import axes_of, column_of, parameter_draws, predicted, with_medians

__all__ = ["IN_SECTION", "TITLE", "draw", "frame", "margins", "prepare", "relative"]
TITLE = "What more of an input gives"
IN_SECTION = True


def prepare(study: Study) -> Lines | None:
    """The fits of one law beside each other, along their first input; None where there is one alone."""
    if study.fitted is None or len(study.peers) < 2 or len(study.fitted.inputs) < 2:
        return None
    return relative(study.peers, axes_of(study.fitted)[0])


def relative(studies: Sequence[Study], along: str) -> Lines:
    """The error along one input as a multiple of its value at the smallest measured one, other inputs at their
    median: what more of it buys each family of tasks."""
    lines, counts = [], []
    for study in studies:
        fitted = study.fitted
        assert fitted is not None
        values = np.unique(fitted.points["inputs"][along])
        mean, _, _ = predicted(fitted, with_medians(fitted, {along: values}))
        low = high = None
        if parameter_draws(fitted):
            drawn = np.asarray(fitted.predict_draws(**with_medians(fitted, {along: values})))
            tail = (1 - float(fitted.interval["level"])) / 2
            with np.errstate(invalid="ignore"):  # between two infinite draws
                low, high = np.nanquantile(drawn / drawn[:, :1], (tail, 1 - tail), axis=0)
        lines.append(Line(fmt.capital(study.name), values, mean / mean[0], low, high))
        counts.append(str(fitted.n_points))
    first = studies[0].fitted
    name, target = (column_of(first, along), fmt.target_of(first)) if first else (along, "error")
    return Lines(
        f"What more {fmt.named(name)} buy" if name.endswith("tokens") else f"What a larger {fmt.named(name)} buys",
        name, f"{fmt.named(target)} (share of the first)",
        f"n = {', '.join(dict.fromkeys(counts))}", tuple(lines),
    )  # fmt: skip
