"""One figure to a file: PDF, SVG or PNG, for a README, a paper or a slide."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Sheet
from matplotlib.transforms import Bbox

from scalelaw import plugins
from scalelaw.errors import InputError, typed, unknown
from scalelaw.files.paths import atomic
from scalelaw.report.blocks import Figure
from scalelaw.report.collect import drawable, gather
from scalelaw.report.figures import curves, surface
from scalelaw.report.figures._contract import Plugin, load
from scalelaw.report.render.single import alone
from scalelaw.report.study import Study
from scalelaw.report.style import styled
from scalelaw.report.text import format as fmt
from scalelaw.report.text.glyphs import make_drawable

_WIDTH = 6.4
"""The width of a figure in inches, unless a size is given."""
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

    name: a figure plug-in (`scalelaw list figures`) or the path of your own; overview (the curves, beside them the
    surface); families (the curves of up to three fits side by side). items: as for `write_report`; the first that the
    figure can show is drawn. dpi: for .png only. size: (width, height) in inches, None: the figure's own. law: the
    files of your own laws.
    Raises InputError for an unknown figure or format, where nothing can be drawn, and as `write_report` does.
    """
    target = Path(path)
    if target.suffix not in _DATES:
        raise unknown("figure format", target.suffix or target.name, _DATES)
    if not (1 <= dpi <= 2400 and all(0.1 <= side <= 100 for side in size or ())):
        raise InputError(
            f"A figure of {size or 'its own size'} at {dpi} dpi cannot be drawn.",
            code="bad_value",
            hint="dpi lies between 1 and 2400, width and height between 0.1 and 100 inches.",
        )
    plugin = None if name in COMPOSED else _plugin(name)
    studies = drawable(gather(items, law))
    with styled(), atomic(target, by_user=True) as part:
        figure, box = (
            _composed(name, studies, size) if plugin is None else _panel(name, plugin, studies, size)
        )
        options: dict[str, Any] = {} if box is None else {"bbox_inches": box}
        figure.savefig(
            part,
            format=target.suffix[1:],
            dpi=dpi,
            metadata=_DATES[target.suffix],
            facecolor="white",
            **options,
        )
    return target


def _plugin(name: str) -> Plugin:
    if name not in plugins.names("figures") and not name.endswith(".py"):
        raise unknown("figure", name, summaries())
    return load(name)


def _panel(
    name: str, plugin: Plugin, studies: Sequence[Study], size: tuple[float, float] | None
) -> tuple[Sheet, Bbox]:
    """The figure of the first study that has something to draw."""
    data = next((data for study in studies if (data := plugin.prepare(study)) is not None), None)
    if data is None:
        raise InputError(
            f"The items have nothing that the figure '{fmt.plain_name(name)}' shows.",
            code="nothing_to_draw",
            hint=f"It shows: {plugin.TITLE}.",
        )
    width, height = size or (_WIDTH, None)
    return alone(Figure(name, plugin, data), width, height)


def _composed(name: str, studies: Sequence[Study], size: tuple[float, float] | None) -> tuple[Sheet, None]:
    fits = [study for study in studies if study.fitted is not None]
    if not fits:
        raise InputError(
            "There is no fit to draw.", code="nothing_to_draw", hint="Give a FittedLaw or a FIT.json."
        )
    figure = COMPOSED[name](fits)
    if size is not None:
        figure.set_size_inches(size)
    make_drawable(figure)
    return figure, None


def _sheet(wide: float, tall: float) -> Sheet:
    figure = Sheet(figsize=(wide, tall))
    FigureCanvasAgg(figure)
    return figure


def _curves_of(study: Study) -> curves.Curves:
    data = curves.prepare(study)
    assert data is not None
    return data


def _overview(studies: Sequence[Study]) -> Sheet:
    """The curves of the first fit, beside them its surface."""
    study = studies[0]
    data = surface.prepare(study)
    if data is None:
        raise InputError(
            "The law has no surface: it was measured along one input only.",
            code="nothing_to_draw",
            hint="Draw the figure 'curves'.",
        )
    figure = _sheet(12.0, 5.2)
    curves.draw(figure.add_axes((0.062, 0.265, 0.41, 0.65)), _curves_of(study))
    surface.draw(figure.add_axes((0.56, 0.265, 0.425, 0.65)), data)
    return figure


def _families(studies: Sequence[Study]) -> Sheet:
    """The curves of up to three fits on one scale of errors, so that they can be compared."""
    shown = [study for study in studies[:3] if study.fitted]
    figure = _sheet(0.6 + 5.6 * len(shown), 5.2)
    drawn = [_curves_of(replace(study, optima=[])) for study in shown]
    limits = (min(data.extent[0] for data in drawn), max(data.extent[1] for data in drawn))
    wide = 1 / len(shown)
    for index, (study, data) in enumerate(zip(shown, drawn, strict=True)):
        axes = figure.add_axes((wide * (index + 0.13), 0.265, 0.83 * wide, 0.65))
        where = study.fitted.checklist["where"] if study.fitted else None
        name = where.get("benchmark", study.name) if isinstance(where, dict) else study.name
        curves.draw(axes, replace(data, limits=limits, title=fmt.capital(fmt.named(name))))
    return figure


COMPOSED: dict[str, Callable[[Sequence[Study]], Sheet]] = {"overview": _overview, "families": _families}
"""Figures of several panels, by name."""


def summaries() -> dict[str, str]:
    """The figures that can be drawn alone, by name, with one line on each."""
    composed = {
        "overview": "Error against visual tokens, beside it the surface with the path of the optimum.",
        "families": "The curves of up to three fits side by side.",
    }
    return {**composed, **{name: plugins.summary("figures", name) for name in plugins.names("figures")}}
