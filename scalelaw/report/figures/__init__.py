"""The figures of a report. One function = one figure: it takes Axes and prepared data, and only draws.

Every panel carries its number of points and, on its axes, its units; what lies beyond the measured range is
hatched. Curves differ in colour, marker and line style at once.
"""

from scalelaw.report.figures.choices import draw_choices
from scalelaw.report.figures.coverage import draw_coverage
from scalelaw.report.figures.curves import draw_curves
from scalelaw.report.figures.front import draw_front
from scalelaw.report.figures.lines import draw_lines, draw_profile
from scalelaw.report.figures.parameters import draw_cloud, draw_intervals
from scalelaw.report.figures.residuals import draw_parity, draw_residuals
from scalelaw.report.figures.rows import draw_rows
from scalelaw.report.figures.shares import draw_shares
from scalelaw.report.figures.surface import draw_surface

__all__ = [
    "draw_choices",
    "draw_cloud",
    "draw_coverage",
    "draw_curves",
    "draw_front",
    "draw_intervals",
    "draw_lines",
    "draw_parity",
    "draw_profile",
    "draw_residuals",
    "draw_rows",
    "draw_shares",
    "draw_surface",
]
