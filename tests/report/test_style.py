"""The look: colours told apart by marker and line as well, surfaces in cividis, no text set too small."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from pypdf import PdfReader

from scalelaw.report import save_figure, style


def test_ten_curves_differ_in_colour_marker_and_line() -> None:
    looks = [style.look(i) for i in range(10)]
    for part in ("colour", "marker", "line"):
        assert len({getattr(look, part) for look in looks}) == 10, part
    assert [look.colour for look in looks] == [to_hex(c) for c in mpl.color_sequences["petroff10"]]


def test_surfaces_are_drawn_in_cividis(
    fitted: Any, optimum: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    contourf = Axes.contourf

    def noted(axes: Axes, *args: Any, **options: Any) -> Any:
        made = contourf(axes, *args, **options)
        drawn.extend([] if options.get("hatches") else [made.get_cmap().name])
        return made

    monkeypatch.setattr(Axes, "contourf", noted)
    save_figure("surface", [fitted, optimum], tmp_path / "a.svg")
    assert set(drawn) == {"cividis"}


@pytest.mark.parametrize("name", ["overview", "families", "curves", "surface", "parity", "front", "choices"])
def test_no_text_of_a_paper_figure_is_under_eight_points(
    name: str, fitted: Any, optimum: Any, tmp_path: Path
) -> None:
    page = PdfReader(save_figure(name, [fitted, optimum], tmp_path / "a.pdf")).pages[0]
    sizes = [
        float(size)
        for size in re.findall(rb"/F\d+ ([\d.]+) Tf", page.get_contents().get_data())  # type: ignore[union-attr]
    ]
    assert sizes
    assert min(sizes) >= style.TINY
