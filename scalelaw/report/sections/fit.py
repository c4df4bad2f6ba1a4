"""The pages on one fit, one plan: the fit, residuals, the surface, the uncertainty of the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scalelaw.fit import FittedLaw
from scalelaw.report.figures import cloud, curves, front, intervals, parity, profile, residuals, surface
from scalelaw.report.figures._contract import Plugin
from scalelaw.report.figures._prepare import size_cost
from scalelaw.report.render.pdf import Page
from scalelaw.report.study import Study, source_of
from scalelaw.report.style import MARGIN
from scalelaw.report.text import format as fmt
from scalelaw.report.text.formula import typeset
from scalelaw.report.text.sentences import explained_symbols
from scalelaw.report.values import axes_of, bars

LEFT, GAP, TOP = MARGIN + 0.62, 0.85, 1.8
"""Where a page's panels begin, in inches, and how far apart two are."""
WIDE = 11.69 - MARGIN - LEFT
"""The width of a panel across the page."""
_ROW, _UNDER, _LOWEST = 0.17, 0.87, 7.08
"""Inches: a row of the intervals at least, what lies between a row of panels and the next, the lowest frame's end."""


def fit_page(fitted: FittedLaw, best: Mapping[str, Any] | None, tag: str = "") -> Page:
    """Error along each of the two inputs, curves and bands; one wide panel for a law of one input."""
    along, by = axes_of(fitted)
    page = Page(f"The fitted {fmt.named(fmt.target_of(fitted))}{tag}", law_line(fitted))
    room = 11.69 - 2 * MARGIN
    page.top = page.formula(MARGIN, page.top + 0.04, typeset(fitted.formula, fitted.params), room, size=12)
    page.texts.append(("formula", typeset(fitted.formula, fitted.params)))
    if by is None:
        page.plot("fit", (LEFT, TOP, WIDE, 4.5), curves, curves.slices(fitted, along, None, best))
        return page
    width = (WIDE - GAP) / 2
    panels = curves.slices(fitted, along, by, best), curves.slices(fitted, by, along, best)
    extent = min(p.extent[0] for p in panels), max(p.extent[1] for p in panels)
    for place, data in enumerate(replace(panel, limits=extent) for panel in panels):
        left = LEFT + place * (width + GAP)
        page.plot(f"fit_along_{data.along}", (left, TOP, width, 4.4), curves, data)
    return page


def residual_page(fitted: FittedLaw, tag: str = "") -> Page:
    """Measured against predicted, and residuals along each of at most two inputs."""
    page = Page(
        f"Residuals{tag}",
        f"Residual = measured − predicted. Grey band: ± the root mean square error, {fmt.short(fitted.rmse)}.",
    )
    study, width = Study(fitted), (WIDE - GAP) / 2
    page.plot("parity", (LEFT, TOP, width, 4.6), parity, parity.prepare(study))
    panels = residuals.along(study)
    height = 4.6 if len(panels) == 1 else 1.8
    for row, data in enumerate(panels):
        place = (LEFT + width + GAP, TOP + row * (height + 1.0), width, height)
        page.plot(f"residuals_along_{data.against}", place, residuals, data)
    return page


def surface_page(study: Study, tag: str = "") -> Page:
    """The surface with lines of equal cost and the optimum's path; beside it the least error for each cost."""
    assert study.fitted is not None
    along, by = axes_of(study.fitted)
    assert by is not None
    data = surface.surface(study.fitted, along, by, study.optima)
    fronts = [o for o in study.optima if len(o.get("pareto") or ()) > 1]
    page = Page(f"The surface of the {fmt.named(fmt.target_of(study.fitted))}{tag}", _surface_line(study))
    width = 5.6 if fronts else WIDE
    page.plot("surface", (LEFT, TOP, width, 4.3), surface, data)
    if fronts:
        left = LEFT + width + GAP
        place = (left, TOP, 11.69 - MARGIN - left, 4.3)
        page.plot("front", place, front, front.front(fronts, study.fitted))
    return page


def front_page(study: Study, tag: str = "") -> Page:
    """The least error for each cost, for optima whose fit is not at hand."""
    page = Page(
        f"Least {fmt.named(fmt.target_of_plan(study.optima[0]))} by budget{tag}",
        f"A query of {fmt.workload(study.optima[0])}. {fmt.costing(study.optima[0]['cost'])}.",
    )
    page.plot("front", (LEFT, TOP, WIDE, 4.3), front, front.front(study.optima, None))
    return page


def belief_page(fitted: FittedLaw, tag: str = "") -> Page | None:
    """Profiles of the parameters, the bootstrap draws pair by pair, the intervals: what is determined and what is
    not. None where the fit has neither, and for an average of laws, which has no parameters of its own."""
    if fmt.is_average(fitted.law):
        return None
    clouds, profiles, numbers = cloud.clouds(fitted), profile.profiles(fitted)[:4], bars(fitted)
    if not clouds and not profiles:
        return None
    texts = [
        *(
            ["Above: profiles, the increase of the objective with one parameter fixed; intervals are shaded."]
            * bool(profiles)
        ),
        *(["Dots: refits to resampled measurements; star: the fit."] * bool(clouds)),
        *([_two_kinds(fitted)] * bool(profiles and clouds)),
    ]
    page = Page(f"Uncertainty of the parameters{tag}", " ".join(texts))
    top = page.top + 0.6
    rows = bool(profiles) + bool(clouds)
    room = (_LOWEST - top - _ROW * len(numbers)) / rows - _UNDER
    height = min(1.35, max(room, 0.8)) if clouds else 4.2
    profiled: list[tuple[str, Plugin, Any]] = [(f"profile_{data.name}", profile, data) for data in profiles]
    drawn: list[tuple[str, Plugin, Any]] = [(f"cloud_{c.x_name}_{c.y_name}", cloud, c) for c in clouds]
    for panels in (profiled, drawn):
        width = (WIDE - 0.95 * (len(panels) - 1)) / max(len(panels), 1)
        for place, (name, figure, data) in enumerate(panels):
            page.plot(name, (LEFT + place * (width + 0.95), top, width, height), figure, data)
        top += height + _UNDER if panels else 0.0
    if numbers and clouds:
        height = min(0.24 * len(numbers), _LOWEST - top)
        data_bars = intervals.Intervals(tuple(numbers), fitted.n_points)
        page.plot("intervals", (LEFT + 1.2, top, WIDE - 3.25, height), intervals, data_bars)
    return page


def figure_page(name: str, figure: Plugin, data: Any, tag: str = "") -> Page:
    """A page with one figure, as high as it is where it stands alone."""
    page = Page(f"{figure.TITLE}{tag}")
    left, right, height = figure.margins(data, WIDE)
    page.plot(name, (MARGIN + left, TOP, 11.69 - 2 * MARGIN - left - right, min(height, 4.5)), figure, data)
    return page


def _two_kinds(fitted: FittedLaw) -> str:
    """Which interval is shown where, and why the two may differ."""
    method = str(fitted.interval["method"]).partition(",")[0]
    if method.startswith("profile"):
        return "Intervals below, on page one and in the files are by profile too."
    return (
        f"Below, on page one and in the files: intervals by refits ({method}). They differ from profiles where noise "
        "is unequal or a parameter lies on its bound, as a profile assumes equal noise: use the wider interval."
    )


def law_line(fitted: FittedLaw) -> str:
    """The law by its name, what it was fitted to, and what its symbols stand for."""
    source = source_of(fitted)
    fitted_to = f", fitted to {fmt.count(fitted.n_points, 'point')}" + (f" of {source}" if source else "")
    return f"{fmt.capital(fmt.kind_of_law(fitted.law))}{fitted_to}. {explained_symbols(fitted)}"


def _surface_line(study: Study) -> str:
    if not study.optima:
        return "The law evaluated everywhere. Framed: measured."
    first = study.optima[0]
    dashed = "" if first["cost"] == size_cost() else " Dashed lines: 2 N (Q + V + G), not this cost."
    return f"A query of {fmt.workload(first)}. {fmt.costing(first['cost'])}. Framed: measured.{dashed}"
