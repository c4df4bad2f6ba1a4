"""What is left of each measured value along one input, with the band of the root mean square error."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from scalelaw.report.figures._contract import Margins, plain_margins
from scalelaw.report.figures._parts import panel_heading
from scalelaw.report.figures._residuals import Residuals, frame, residuals, scatter
from scalelaw.report.figures._ticks import log_input, plain_target
from scalelaw.report.study import Study
from scalelaw.report.style import INK
from scalelaw.report.text import format as fmt
from scalelaw.report.values import axes_of

__all__ = ["IN_SECTION", "TITLE", "along", "draw", "frame", "margins", "prepare"]
TITLE = "Residuals"
IN_SECTION = True


def prepare(study: Study) -> Residuals | None:
    """The residuals of the fit along its first input."""
    return next(iter(along(study)), None)


def along(study: Study) -> list[Residuals]:
    """The residuals along each of at most two inputs."""
    if study.fitted is None:
        return []
    first, second = axes_of(study.fitted)
    return [residuals(study.fitted, second, name) for name in (first, second) if name is not None]


def draw(axes: Axes, data: Residuals) -> None:
    """Residuals along one input; the grey band is plus and minus one root mean square error."""
    against = data.against
    at = data.inputs[against]
    low, high = float(at.min()), float(at.max())
    pad = (high / low) ** 0.06 if high > low else 1.5
    log_input(axes, "x", against, low / pad, high * pad, tuple(np.unique(at)))
    reach = 1.1 * max(float(np.abs(data.residual).max()), 1.2 * data.rmse) or 1.0
    plain_target(axes, "y", -reach, reach, f"residual ({fmt.unit(data.target)})")
    axes.axhspan(-data.rmse, data.rmse, color="#eef0f2", linewidth=0, zorder=0.5)
    axes.axhline(0, color=INK, linewidth=0.8, zorder=1.5)
    scatter(axes, data, at, data.residual)
    panel_heading(axes, f"Residuals along {fmt.named(against)}", f"n = {len(at)}")


def margins(data: Residuals, width: float) -> Margins:
    """A scale at the left."""
    return plain_margins(width)
