"""Fits of one law side by side: each parameter and derived number, a row for each fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scalelaw.fit import FittedLaw
from scalelaw.report.figures._rows import Dots, Rows, draw, frame, known, margins
from scalelaw.report.study import Study
from scalelaw.report.text import format as fmt
from scalelaw.report.values import numbers

__all__ = ["IN_SECTION", "TITLE", "beside", "draw", "frame", "margins", "prepare"]
TITLE = "Fits side by side"
IN_SECTION = True


def prepare(study: Study) -> Rows | None:
    """The first parameter of the fits of one law; None where there is one alone."""
    return next(iter(beside(study.peers)), None) if len(study.peers) > 1 else None


def beside(studies: Sequence[Study]) -> list[Rows]:
    """Each parameter and derived quantity of fits of one law, a row per fit."""
    fits = [s.fitted for s in studies if s.fitted is not None]
    first = fits[0]
    panels = []
    for name in [bar.name for bar in numbers(first)]:
        numbers_of = np.array([known(fitted, name) for fitted in fits], dtype=float)
        if np.isfinite(numbers_of[:, 0]).all():
            title = fmt.greek(name)
            panels.append(
                Rows(title, f"{title} (no unit)", _counts(fits), tuple(fmt.capital(s.name) for s in studies),
                     (Dots(name, *numbers_of.T),))
            )  # fmt: skip
    return panels


def _counts(fits: Sequence[FittedLaw]) -> str:
    counts = list(dict.fromkeys(fitted.n_points for fitted in fits))
    return "n = " + ", ".join(map(str, counts if len(counts) == 1 else [fitted.n_points for fitted in fits]))
