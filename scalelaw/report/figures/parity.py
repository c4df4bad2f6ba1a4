"""Measured against predicted values: a perfect law puts every point on the diagonal."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from scalelaw.report.figures._contract import Margins, plain_margins
from scalelaw.report.figures._parts import legend_below, no_error_beyond, panel_heading
from scalelaw.report.figures._residuals import Residuals, frame, residuals, scatter
from scalelaw.report.figures._ticks import plain_target
from scalelaw.report.study import Study
from scalelaw.report.style import MUTED
from scalelaw.report.text import format as fmt
from scalelaw.report.values import axes_of

__all__ = ["IN_SECTION", "TITLE", "draw", "frame", "margins", "prepare"]
TITLE = "Measured against predicted"
IN_SECTION = True


def prepare(study: Study) -> Residuals | None:
    """The residuals of the fit."""
    return None if study.fitted is None else residuals(study.fitted, axes_of(study.fitted)[1])


def draw(axes: Axes, data: Residuals) -> None:
    """Measured against predicted; a perfect law puts every point on the diagonal."""
    both = np.concatenate([data.measured, data.predicted])
    low, high = float(both.min()), float(both.max())
    name = fmt.named(data.target)
    plain_target(axes, "x", low, high, f"predicted {name} ({fmt.unit(data.target)})")
    plain_target(axes, "y", low, high, f"measured {name} ({fmt.unit(data.target)})")
    no_error_beyond(axes, "x", data.target)
    axes.plot(axes.get_xlim(), axes.get_xlim(), color=MUTED, linewidth=1, zorder=1.5)
    handles = scatter(axes, data, data.predicted, data.measured)
    panel_heading(axes, "Measured against predicted", f"n = {len(data.measured)}")
    if data.by:
        legend_below(axes, handles, fmt.capital(fmt.named(data.by)))


def margins(data: Residuals, width: float) -> Margins:
    """A scale at the left, a legend below."""
    return plain_margins(width, list(data.levels) if data.by else [], title=bool(data.by))
