"""The sections on one fit, one plan: the fit, residuals, the surface, the uncertainty of the parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from scalelaw.fit import FittedLaw
from scalelaw.report.blocks import Block, Figure, Formula, Heading, Paragraph
from scalelaw.report.figures import cloud, curves, front, intervals, parity, profile, residuals, surface
from scalelaw.report.figures._prepare import size_cost
from scalelaw.report.study import Study, source_of
from scalelaw.report.text import format as fmt
from scalelaw.report.text.formula import typeset
from scalelaw.report.text.sentences import explained_symbols
from scalelaw.report.values import axes_of

_MOST_PROFILES = 4
_SURFACE_SHARE = 1.7
"""How much wider the surface is than the front beside it."""


def fit(study: Study) -> Iterator[Block]:
    """The law, and the error along each of its first two inputs with curves and bands."""
    fitted = study.fitted
    if fitted is None:
        return
    along, by = axes_of(fitted)
    best = study.optima[0]["best"] if study.optima else None
    yield Heading(f"The fitted {fmt.named(fmt.target_of(fitted))}{study.tag}", 1)
    yield Paragraph(_law_line(fitted))
    yield Formula(typeset(fitted.formula, fitted.params))
    if by is None:
        yield Figure("fit", curves, curves.slices(fitted, along, None, best))
        return
    panels = curves.slices(fitted, along, by, best), curves.slices(fitted, by, along, best)
    limits = min(p.extent[0] for p in panels), max(p.extent[1] for p in panels)
    for panel in panels:
        place = "row" if panel is panels[0] else "beside"
        yield Figure(f"fit_along_{panel.along}", curves, replace(panel, limits=limits), place)  # type: ignore[arg-type]


def fit_residuals(study: Study) -> Iterator[Block]:
    """Measured against predicted, and residuals along each of at most two inputs."""
    if study.fitted is None:
        return
    rmse = fmt.short(study.fitted.rmse)
    yield Heading(f"Residuals{study.tag}", 1)
    yield Paragraph(f"Residual = measured − predicted. Grey band: ± the root mean square error, {rmse}.")
    yield Figure("parity", parity, parity.prepare(study))
    for number, data in enumerate(residuals.along(study)):
        yield Figure(f"residuals_along_{data.against}", residuals, data, "under" if number else "beside")


def fit_surface(study: Study) -> Iterator[Block]:
    """The surface with lines of equal cost and the optimum's path; beside it the least error for each cost."""
    data = surface.prepare(study)
    if study.fitted is None or data is None:
        return
    yield Heading(f"The surface of the {fmt.named(fmt.target_of(study.fitted))}{study.tag}", 1)
    yield Paragraph(_surface_line(study))
    costs = front.prepare(study)
    yield Figure("surface", surface, data, share=_SURFACE_SHARE if costs else 1.0)
    if costs is not None:
        yield Figure("front", front, costs, "beside")


def plan_front(study: Study) -> Iterator[Block]:
    """The least error for each cost, for plans whose fit is not at hand."""
    data = front.prepare(study)
    if study.fitted is not None or data is None:
        return
    first = study.optima[0]
    yield Heading(f"Least {fmt.named(fmt.target_of_plan(first))} by budget{study.tag}", 1)
    yield Paragraph(f"A query of {fmt.workload(first)}. {fmt.costing(first['cost'])}.")
    yield Figure("front", front, data)


def uncertainty(study: Study) -> Iterator[Block]:
    """Profiles of the parameters, the bootstrap draws pair by pair, the intervals: what the points determine.

    Nothing where the fit has neither, and for an average of laws, which has no parameters of its own.
    """
    fitted = study.fitted
    if fitted is None or fmt.is_average(fitted.law):
        return
    clouds, profiles = cloud.clouds(fitted), profile.profiles(fitted)[:_MOST_PROFILES]
    if not clouds and not profiles:
        return
    above = "Above: profiles, the increase of the objective with one parameter fixed; intervals are shaded."
    texts = [above] if profiles else []
    texts += ["Dots: refits to resampled measurements; star: the fit."] if clouds else []
    texts += [_two_kinds(fitted)] if profiles and clouds else []
    yield Heading(f"Uncertainty of the parameters{study.tag}", 1)
    yield Paragraph(" ".join(texts))
    for number, data in enumerate(profiles):
        yield Figure(f"profile_{data.name}", profile, data, "beside" if number else "row")
    for number, pair in enumerate(clouds):
        name = f"cloud_{pair.x_name}_{pair.y_name}"
        yield Figure(name, cloud, pair, "beside" if number else "row")
    if clouds and (widths := intervals.prepare(study)) is not None:
        yield Figure("intervals", intervals, widths)


def _two_kinds(fitted: FittedLaw) -> str:
    """Which interval is shown where, and why the two may differ."""
    method = str(fitted.interval["method"]).partition(",")[0]
    if method.startswith("profile"):
        return "Intervals below, on page one and in the files are by profile too."
    return (
        f"Below, on page one and in the files: intervals by refits ({method}). They differ from profiles where noise "
        "is unequal or a parameter lies on its bound, as a profile assumes equal noise: use the wider interval."
    )


def _law_line(fitted: FittedLaw) -> str:
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
