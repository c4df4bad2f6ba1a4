"""The pages after the first: the fit, residuals, the surface, what may be believed, coverage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.fit import FittedLaw
from scalelaw.report import grids, series, surfaces, words
from scalelaw.report.figures import (
    draw_cloud,
    draw_coverage,
    draw_curves,
    draw_front,
    draw_intervals,
    draw_parity,
    draw_residuals,
    draw_surface,
)
from scalelaw.report.formula import typeset
from scalelaw.report.items import Study
from scalelaw.report.page import Page
from scalelaw.report.style import MARGIN
from scalelaw.table import bundled_tables, describe

_LEFT, _GAP, _TOP = MARGIN + 0.62, 0.85, 1.8
_WIDE = 11.69 - MARGIN - _LEFT


def axes_of(fitted: FittedLaw) -> tuple[str, str | None]:
    """The input along which curves run, and the one that tells them apart (None for a law of one input)."""
    varied = [name for name in fitted.inputs if len(np.unique(fitted.points["inputs"][name])) > 1]
    names = varied or list(fitted.inputs)
    along = "visual_tokens" if "visual_tokens" in names else names[-1]
    others = [name for name in names if name != along]
    return along, ("n_params" if "n_params" in others else others[0]) if others else None


def fit_page(fitted: FittedLaw, best: Mapping[str, Any] | None, tag: str = "") -> Page:
    """Error along each of the two inputs, curves and bands; one wide panel for a law of one input."""
    along, by = axes_of(fitted)
    page = Page(f"How the {words.named(fitted.target)} falls{tag}", law_line(fitted))
    room = 11.69 - 2 * MARGIN
    page.top = page.formula(MARGIN, page.top + 0.04, typeset(fitted.formula, fitted.params), room, size=12)
    if by is None:
        draw_curves(page.panel(_LEFT, _TOP, _WIDE, 4.5), series.slices(fitted, along, None, best))
        return page
    width = (_WIDE - _GAP) / 2
    panels = series.slices(fitted, along, by, best), series.slices(fitted, by, along, best)
    extent = min(p.extent[0] for p in panels), max(p.extent[1] for p in panels)
    for place, data in enumerate(panels):
        draw_curves(page.panel(_LEFT + place * (width + _GAP), _TOP, width, 4.4), data, extent)
    return page


def residual_page(fitted: FittedLaw, tag: str = "") -> Page:
    """Measured against predicted, and residuals along each of at most two inputs."""
    along, by = axes_of(fitted)
    page = Page(
        f"What the law leaves unexplained{tag}",
        f"Residual = measured − predicted. Grey band: ± the root mean square error, {words.short(fitted.rmse)}.",
    )
    data = series.residuals(fitted, by)
    width = (_WIDE - _GAP) / 2
    draw_parity(page.panel(_LEFT, _TOP, width, 4.6), data)
    names = [along] if by is None else [along, by]
    height = 4.6 if by is None else 1.8
    for row, name in enumerate(names):
        draw_residuals(
            page.panel(_LEFT + width + _GAP, _TOP + row * (height + 1.0), width, height), data, name
        )
    return page


def surface_page(study: Study, tag: str = "") -> Page:
    """The surface with lines of equal cost and the optimum's path; beside it the least error for each cost."""
    assert study.fitted is not None
    along, by = axes_of(study.fitted)
    assert by is not None
    data = surfaces.surface(study.fitted, along, by, study.optima)
    fronts = [o for o in study.optima if len(o.get("pareto") or ()) > 1]
    page = Page(f"Where the {words.named(study.fitted.target)} is least{tag}", _surface_line(study))
    width = 5.6 if fronts else _WIDE
    draw_surface(page.panel(_LEFT, _TOP, width, 4.3), data)
    if fronts:
        left = _LEFT + width + _GAP
        draw_front(page.panel(left, _TOP, 11.69 - MARGIN - left, 4.3), surfaces.front(fronts, study.fitted))
    return page


def front_page(study: Study) -> Page:
    """The least error for each cost, for optima whose fit is not at hand."""
    page = Page(
        "What each budget buys",
        f"A query of {words.workload(study.optima[0])}. {words.costing(study.optima[0]['cost'])}.",
    )
    draw_front(page.panel(_LEFT, _TOP, _WIDE, 4.3), surfaces.front(study.optima, None))
    return page


def belief_page(fitted: FittedLaw, tag: str = "") -> Page | None:
    """The bootstrap draws of the parameters, pair by pair: what is determined and what is not. None without draws."""
    draws = series.parameter_draws(fitted)
    names = [name for name, held in draws.items() if np.ptp(held) > 0]
    if len(names) < 2:
        return None
    pairs = _pairs(names)
    page = Page(f"What may be believed{tag}", "Each dot is one refit to resampled data; the star is the fit.")
    width = (_WIDE - 0.95 * (len(pairs) - 1)) / len(pairs)
    for index, (x, y) in enumerate(pairs):
        best = (fitted.params[x], fitted.params[y])
        draw_cloud(
            page.panel(_LEFT + index * (width + 0.95), _TOP, width, 2.3), x, y, draws[x], draws[y], best
        )
    bars = series.bars(fitted)
    if bars:
        height = min(0.36 * len(bars), 1.8)
        draw_intervals(page.panel(_LEFT + 1.2, _TOP + 3.3, _WIDE - 3.1, height), bars, fitted.n_points)
    return page


def coverage_pages(name: str, frame: pd.DataFrame) -> Iterator[Page]:
    """The grid of what was measured, a panel per family of tasks and compressor, two to a page."""
    panels = grids.coverage(frame)
    line = about(name, frame)
    for first in range(0, len(panels), 2):
        page = Page("What was measured", line if first == 0 else "")
        shown = panels[first : first + 2]
        height = 4.6 if len(shown) == 1 else 2.05
        for row, data in enumerate(shown):
            top = max(page.top + 0.55, _TOP) + row * (height + 0.95)
            width = _WIDE - 0.3 - (0 if data.is_grid else 0.55)
            draw_coverage(page.panel(_LEFT + 0.3, top, width, height), data)
        yield page


def law_line(fitted: FittedLaw) -> str:
    """The law by its name, and what its symbols stand for."""
    return f"Law {words.law(fitted.law)}. {words.symbols(fitted.units)}."


def _surface_line(study: Study) -> str:
    if not study.optima:
        return "The law evaluated everywhere. Framed: measured."
    first = study.optima[0]
    dashed = "" if first["cost"] == surfaces.EQUAL_COST else " Dashed lines: 2 N (Q + V + G), not this cost."
    return f"A query of {words.workload(first)}. {words.costing(first['cost'])}. Framed: measured.{dashed}"


def facts_of(name: str) -> dict[str, Any]:
    """Title, citation and doubts of a bundled table; nothing for others."""
    return describe(name) if name in bundled_tables() else {}


def about(name: str, frame: pd.DataFrame) -> str:
    """What a table is, in a line: its title, how much it holds, and where it comes from."""
    facts = facts_of(name)
    title = facts.get("title") or (f"Table {Path(name).name}" if name else "A table of results")
    models = int(frame["model"].nunique())
    held = [words.count(len(frame), "row"), *([words.count(models, "model")] if models else [])]
    source = f" {facts['citation']}." if facts.get("citation") else ""
    return f"{title}: {', '.join(held)}.{source}"


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    wanted = [("alpha", "beta"), ("D", "alpha"), ("D", "beta")]
    pairs = [p for p in wanted if p[0] in names and p[1] in names]
    return (pairs or [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]])[:3]
