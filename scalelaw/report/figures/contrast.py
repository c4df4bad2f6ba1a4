"""Kinds of budget of the same size: the visual tokens, the size and the error that each gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scalelaw.report.figures._rows import Dots, Rows, draw, frame, margins
from scalelaw.report.study import Study
from scalelaw.report.text import format as fmt

__all__ = ["IN_SECTION", "TITLE", "draw", "frame", "margins", "panels", "prepare"]
TITLE = "Kinds of budget"
IN_SECTION = True


def prepare(study: Study) -> Rows | None:
    """The visual tokens under each kind of budget, for the first plan with a contrast."""
    optimum = next((optimum for optimum in study.optima if optimum.get("contrast")), None)
    return None if optimum is None else panels(study, optimum)[0]


def panels(study: Study, optimum: Mapping[str, Any]) -> list[Rows]:
    """Visual tokens, size and error under each kind of budget of one plan with a contrast."""
    fitted = study.fitted
    target, n = (fmt.target_of(fitted), fitted.n_points) if fitted else (fmt.target_of_plan(optimum), 0)
    return contrasted(optimum["contrast"], target, n)


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
