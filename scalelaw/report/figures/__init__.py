"""Figures of a report: plug-ins that draw one panel each.

A figure is one file that defines `TITLE` (its heading), `prepare(study)` (its data, or None where the study has
nothing to draw), `draw(axes, data)`, `frame(data)` (its numbers as a table) and `margins(data, width)` (inches beside
the axes, and their height, for a figure of that width). `scalelaw plot --figure NAME` and `scalelaw report` find it by
its file name; in a report it has a page of its own after those of the study, unless it defines `IN_SECTION = True`,
which says that a section places it.

`draw` computes nothing. Every panel states its number of points and, on its axes, its units; what lies beyond the
measured range is hatched. Curves differ in color, marker and line style at once.
"""
