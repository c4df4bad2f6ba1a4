"""The fit under other choices: each number of the fit, a row for each choice that was changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scalelaw.fit import FittedLaw
from scalelaw.report.figures._rows import Dots, Rows, draw, frame, known, margins, number
from scalelaw.report.study import Study
from scalelaw.report.text import format as fmt

__all__ = ["IN_SECTION", "TITLE", "changed", "draw", "frame", "margins", "prepare"]
TITLE = "Ablation of the fit"
IN_SECTION = True


def prepare(study: Study) -> Rows | None:
    """The first number of the fit; None without an ablation."""
    if study.fitted is None or sum(bool(row["params"]) for row in study.ablation) < 2:
        return None
    return next(iter(changed(study.ablation, study.fitted)), None)


def changed(ablation: Sequence[Mapping[str, Any]], fitted: FittedLaw) -> list[Rows]:
    """What each other choice does to each quantity; the band is the interval of the original fit."""
    rows = [row for row in ablation if row["params"]]
    panels = []
    for name in [*rows[0]["params"], *rows[0]["derived"]]:
        values = np.array([number({**row["params"], **row["derived"]}.get(name)) for row in rows])
        _, low, high = known(fitted, name)
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
