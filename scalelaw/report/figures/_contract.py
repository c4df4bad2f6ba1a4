"""What every figure defines, and what its margins are."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import pandas as pd
from matplotlib.axes import Axes

from scalelaw import plugins
from scalelaw.report.study import Study


class Margins(NamedTuple):
    """Inches at the left and right of the axes, and the height of the axes."""

    left: float
    right: float
    height: float


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


def plain_margins(width: float) -> Margins:
    """The margins of axes with a labeled scale at the left."""
    return Margins(0.62, 0.13, 0.62 * (width - 0.75))


def load(name: str) -> Plugin:
    """The figure of this name. Raises InputError for an unknown one."""
    figure: Plugin = plugins.load("figures", name)  # type: ignore[assignment]
    return figure


def own_pages() -> list[str]:
    """The names of the figures that no section places."""
    return [name for name in plugins.names("figures") if not getattr(load(name), "IN_SECTION", False)]
