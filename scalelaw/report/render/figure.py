"""One figure to a file: PDF, SVG or PNG, for a README, a paper or a slide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scalelaw.errors import InputError, typed, unknown
from scalelaw.files.paths import atomic
from scalelaw.report import series, surfaces
from scalelaw.report.collect import gather
from scalelaw.report.figures import draw_curves, draw_front, draw_parity, draw_surface
from scalelaw.report.sections.fit import axes_of
from scalelaw.report.study import Study
from scalelaw.report.style import styled
from scalelaw.report.text import format as fmt
from scalelaw.report.text.glyphs import make_drawable

_DATES: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None, "ModDate": None},
    ".svg": {"Date": None},
    ".png": {"Software": "scalelaw"},
}


@typed(
    name=("str",), path=("str", "Path"), dpi=("int",), size=("None", "pairs of numbers"),
    law=("str", "Path", "paths"),
)  # fmt: skip
def save_figure(
    name: str,
    items: Any,
    path: str | Path,
    *,
    dpi: int = 160,
    size: tuple[float, float] | None = None,
    law: str | Path | Sequence[str | Path] = (),
) -> Path:
    """Draw one figure of a report and write it to `path`; its suffix (.pdf, .svg, .png) is the format.

    name: overview (error against visual tokens, beside it the surface with the optimum's path), curves, surface,
    parity, front; families (the curves of up to three fits side by side). items: as for `write_report`; the first fit,
    with its optima, is drawn. dpi: for .png only. size: (width, height) in inches, None: the figure's own. law: the
    files of your own laws.
    Raises InputError for an unknown figure or format, where there is no fit, and as `write_report` does.
    """
    target = Path(path)
    if name not in FIGURES:
        raise unknown("figure", name, FIGURES)
    if target.suffix not in _DATES:
        raise unknown("figure format", target.suffix or target.name, _DATES)
    if not (1 <= dpi <= 2400 and all(0.1 <= side <= 100 for side in size or ())):
        raise InputError(
            f"A figure of {size or 'its own size'} at {dpi} dpi cannot be drawn.",
            code="bad_value",
            hint="dpi lies between 1 and 2400, width and height between 0.1 and 100 inches.",
        )
    studies = [study for study in gather(items, law).studies if study.fitted is not None]
    if not studies:
        raise InputError(
            "There is no fit to draw.", code="nothing_to_draw", hint="Give a FittedLaw or a FIT.json."
        )
    with styled(), atomic(target, by_user=True) as part:
        figure = _families(studies[:3]) if name == "families" else FIGURES[name](studies[0])
        if size is not None:
            figure.set_size_inches(size)
        make_drawable(figure)
        kind = target.suffix[1:]
        figure.savefig(part, format=kind, dpi=dpi, metadata=_DATES[target.suffix], facecolor="white")
    return target


def _sheet(wide: float, tall: float) -> Figure:
    figure = Figure(figsize=(wide, tall))
    FigureCanvasAgg(figure)
    return figure


def _overview(study: Study) -> Figure:
    figure = _sheet(12.0, 5.2)
    _draw_curves(study, figure, (0.062, 0.265, 0.41, 0.65))
    _draw_surface(study, figure, (0.56, 0.265, 0.425, 0.65))
    return figure


def _curves(study: Study) -> Figure:
    figure = _sheet(6.4, 5.4)
    _draw_curves(study, figure, (0.12, 0.32, 0.86, 0.6))
    return figure


def _families(studies: list[Study]) -> Figure:
    """One scale of errors for all, so that they can be compared."""
    figure = _sheet(0.6 + 5.6 * len(studies), 5.2)
    drawn = [series.slices(study.fitted, *axes_of(study.fitted), None) for study in studies if study.fitted]
    extent = (min(data.extent[0] for data in drawn), max(data.extent[1] for data in drawn))
    wide = 1 / len(studies)
    for index, (study, data) in enumerate(zip(studies, drawn, strict=True)):
        axes = figure.add_axes((wide * (index + 0.13), 0.265, 0.83 * wide, 0.65))
        assert study.fitted is not None
        where = study.fitted.checklist["where"]
        name = where.get("benchmark", study.name) if isinstance(where, dict) else study.name
        draw_curves(axes, data, extent, heading=fmt.capital(fmt.named(name)))
    return figure


def _surface(study: Study) -> Figure:
    figure = _sheet(6.4, 5.4)
    _draw_surface(study, figure, (0.12, 0.32, 0.86, 0.6))
    return figure


def _parity(study: Study) -> Figure:
    assert study.fitted is not None
    figure = _sheet(5.4, 5.6)
    draw_parity(
        figure.add_axes((0.14, 0.26, 0.83, 0.66)), series.residuals(study.fitted, axes_of(study.fitted)[1])
    )
    return figure


def _front(study: Study) -> Figure:
    if not study.optima:
        raise InputError("A front needs an optimum beside the fit.", code="nothing_to_draw")
    figure = _sheet(6.4, 5.0)
    draw_front(figure.add_axes((0.12, 0.3, 0.86, 0.62)), surfaces.front(study.optima, study.fitted))
    return figure


def _draw_curves(study: Study, figure: Figure, place: tuple[float, float, float, float]) -> None:
    assert study.fitted is not None
    along, by = axes_of(study.fitted)
    best = study.optima[0]["best"] if study.optima else None
    draw_curves(figure.add_axes(place), series.slices(study.fitted, along, by, best))


def _draw_surface(study: Study, figure: Figure, place: tuple[float, float, float, float]) -> None:
    assert study.fitted is not None
    along, by = axes_of(study.fitted)
    if by is None:
        raise InputError(f"The law '{study.fitted.law}' has no surface: it was measured along one input only.",
                         code="nothing_to_draw")  # fmt: skip
    draw_surface(figure.add_axes(place), surfaces.surface(study.fitted, along, by, study.optima))


FIGURES: dict[str, Callable[[Study], Figure]] = {
    "overview": _overview,
    "curves": _curves,
    "families": lambda study: _families([study]),
    "surface": _surface,
    "parity": _parity,
    "front": _front,
}
"""The figures that can be drawn alone, by name."""

SUMMARIES = {
    "overview": "error against visual tokens, beside it the surface with the path of the optimum",
    "curves": "error against visual tokens, a curve for each model size",
    "families": "the curves of up to three fits side by side",
    "surface": "error over model size and visual tokens",
    "parity": "predicted against measured error",
    "front": "the least error at each cost (needs an optimum)",
}
"""One line on each figure."""
