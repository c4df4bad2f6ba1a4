"""Residuals: what the law predicts against what was measured, and what is left along each input."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from scalelaw.report.figures.parts import legend_below, no_error_beyond, panel_heading
from scalelaw.report.series import Residuals
from scalelaw.report.style import INK, MUTED, PAPER, look
from scalelaw.report.text import format as fmt
from scalelaw.report.ticks import log_input, plain_target


def draw_parity(axes: Axes, data: Residuals) -> None:
    """Measured against predicted; a perfect law puts every point on the diagonal."""
    both = np.concatenate([data.measured, data.predicted])
    low, high = float(both.min()), float(both.max())
    name = fmt.named(data.target)
    plain_target(axes, "x", low, high, f"predicted {name} ({fmt.unit(data.target)})")
    plain_target(axes, "y", low, high, f"measured {name} ({fmt.unit(data.target)})")
    no_error_beyond(axes, "x", data.target)
    axes.plot(axes.get_xlim(), axes.get_xlim(), color=MUTED, linewidth=1, zorder=1.5)
    handles = _scatter(axes, data, data.predicted, data.measured)
    panel_heading(axes, "Measured against predicted", f"n = {len(data.measured)}")
    if data.by:
        legend_below(axes, handles, fmt.capital(fmt.named(data.by)))


def draw_residuals(axes: Axes, data: Residuals) -> None:
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
    _scatter(axes, data, at, data.residual)
    panel_heading(axes, f"Residuals along {fmt.named(against)}", f"n = {len(at)}")


def _scatter(axes: Axes, data: Residuals, x: np.ndarray, y: np.ndarray) -> list[Line2D]:
    handles = []
    for index, (label, mine) in enumerate(data.levels.items()):
        colour, marker, _ = look(index)
        handles += axes.plot(
            x[mine], y[mine], linestyle="none", marker=marker, color=colour, markeredgecolor=PAPER,
            markeredgewidth=0.7, markersize=6.5, label=label, zorder=3,
        )  # fmt: skip
    return handles
