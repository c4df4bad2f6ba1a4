"""What every figure defines, and what its margins are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from scalelaw import plugins
from scalelaw.report.study import Study
from scalelaw.report.style import SMALL
from scalelaw.report.text.measure import text_width


class Margins(NamedTuple):
    """Inches at the left and right of the axes, the height of the axes, and what lies below them: ticks, label, legend.

    fills: whether the axes may be as high as their page has room; else a row has the height of its letters.
    """

    left: float
    right: float
    height: float
    below: float = 0.6
    fills: bool = False


class Plugin(Protocol):
    """A figure: the module of one file of this folder, or of an installed package."""

    @property
    def TITLE(self) -> str:
        """The heading of the figure."""

    def prepare(self, study: Study) -> Any | None:
        """The data of the figure, frozen; None where the study has nothing to draw."""

    def draw(self, axes: Axes, data: Any) -> None:
        """Draw the data."""

    def frame(self, data: Any) -> pd.DataFrame:
        """The numbers that the figure shows, a row each."""

    def margins(self, data: Any, width: float) -> Margins:
        """The margins of the figure where it stands alone and is `width` inches wide."""


def legend_height(labels: Sequence[str], width: float, title: bool = False) -> float:
    """Inches below axes `width` inches wide, for their ticks, label and a legend of these labels."""
    rows = math.ceil(len(labels) / legend_columns(labels, width))
    return 0.62 + 0.2 * (rows + title)


def legend_columns(labels: Sequence[str], width: float) -> int:
    """The most columns of a legend of these labels in `width` inches."""
    widths = np.array([text_width(label, SMALL) + 0.66 for label in labels])
    fits = (k for k in range(len(labels), 1, -1) if sum(w.max() for w in np.array_split(widths, k)) <= width)
    return next(fits, 1)


def plain_margins(width: float, labels: Sequence[str] = (), title: bool = False) -> Margins:
    """The margins of axes with a labeled scale at the left, and a legend of these labels below."""
    below = legend_height(labels, width - 0.75, title) if labels else 0.6
    return Margins(0.62, 0.13, 0.62 * (width - 0.75), below, fills=True)


def load(name: str) -> Plugin:
    """The figure of this name. Raises InputError for an unknown one."""
    figure: Plugin = plugins.load("figures", name)  # type: ignore[assignment]
    return figure


def own_pages() -> list[str]:
    """The names of the figures that no section places."""
    return [name for name in plugins.names("figures") if not getattr(load(name), "IN_SECTION", False)]
