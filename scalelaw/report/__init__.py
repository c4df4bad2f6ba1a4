"""From fits and optima to one PDF; it draws and computes nothing.

items: what was given, read and put in order; series, surfaces, grids: what the figures draw, made ready; figures:
one function, one figure; words, formula, findings: numbers, laws and answers as text; style, page, ticks: paper,
type, axes; answer, measured, pages, checklist: the pages; document: all of it, called `write_report`; single: one
figure to a file; terminal, decisions: answers for a terminal.
"""

from scalelaw.report.document import write_report
from scalelaw.report.render import matplotlib_settings  # noqa: F401 - first: it imports matplotlib, whatever the user's settings
from scalelaw.report.render.figure import save_figure

__all__ = ["save_figure", "write_report"]
