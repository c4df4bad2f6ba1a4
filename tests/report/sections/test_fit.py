"""Every page of every kind of report: nothing leaves the page, nothing overlaps, nothing is too small or empty."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text

from scalelaw.report.render.page import Page
from scalelaw.report.style import TINY
from scalelaw.report.text.measure import text_width
from scalelaw.table.schema import COLUMNS

CATEGORIES = [name.replace("_", " ") for name, (kind, _, _) in COLUMNS.items() if kind == "text"]


def test_no_text_leaves_its_page(pages: list[Page], shown_texts: Callable[..., Any]) -> None:
    for number, page in enumerate(pages, 1):
        wide, tall = page.figure.bbox.width, page.figure.bbox.height
        for text, _, box in shown_texts(page.figure):
            inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= wide and box.y1 <= tall
            assert inside, f"'{text}' leaves page {number}: {box}"


def test_no_two_texts_overlap(pages: list[Page], shown_texts: Callable[..., Any]) -> None:
    for number, page in enumerate(pages, 1):
        texts = [shown for shown in shown_texts(page.figure) if not _on_surface(shown[1].axes)]
        for (one, _, a), (two, _, b) in itertools.combinations(texts, 2):
            wide, tall = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
            assert wide <= 1 or tall <= 2.5, f"'{one}' and '{two}' overlap on page {number}"


def _on_surface(axes: Axes | None) -> bool:
    """Whether the panel is a surface: the labels on its lines are turned, their boxes say little."""
    return axes is not None and axes.get_title(loc="left").startswith("Predicted")


def test_labels_on_a_surface_keep_apart(pages: list[Page], shown_texts: Callable[..., Any]) -> None:
    for number, page in enumerate(pages, 1):
        turned = [(one, text) for one, text, _ in shown_texts(page.figure) if _on_surface(text.axes)
                  and text.get_transform() == text.axes.transData]  # fmt: skip
        for (one, a), (two, b) in itertools.combinations([(t, _line(text)) for t, text in turned], 2):
            least = np.linalg.norm(a[:, None] - b[None], axis=2).min() * 72 / page.figure.dpi
            assert least >= TINY, f"'{one}' and '{two}' overlap on page {number}"


def _line(text: Text) -> np.ndarray:
    """Points along the middle of a turned text, in pixels."""
    figure, axes = text.get_figure(root=True), text.axes
    assert figure is not None
    assert axes is not None
    half = text_width(text.get_text(), TINY, str(text.get_fontweight())) * figure.dpi / 2
    turn = np.deg2rad(text.get_rotation())
    way = np.array([np.cos(turn), np.sin(turn)])
    return np.asarray(
        axes.transData.transform(text.get_position()) + np.linspace(-half, half, 15)[:, None] * way
    )


def test_nothing_is_set_smaller_than_eight_points(pages: list[Page], shown_texts: Callable[..., Any]) -> None:
    sizes = {text.get_size() for page in pages for _, text, _ in shown_texts(page.figure)}
    assert min(sizes) >= TINY == 8.0


def test_every_panel_says_how_many_points_it_shows(pages: list[Page]) -> None:
    for page in pages:
        for axes in page.figure.axes:
            if axes.get_label() == "<colorbar>":
                continue
            lines = [text.get_text() for text in axes.texts]
            assert any("n = " in t or " draws" in t or " configuration" in t for t in lines), lines


def test_every_axis_has_a_unit(pages: list[Page]) -> None:
    for page in pages:
        for axes in page.figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                if (
                    axis.get_gid() != "categories"
                    and axis.get_major_ticks()
                    and axes.get_title(loc="left") != "Interval widths"
                ):
                    label = axis.get_label().get_text()
                    named = axes.get_label() == "<colorbar>" and not label
                    assert label.endswith(")") or label in CATEGORIES or named, label


def test_each_row_of_intervals_has_room_for_its_letters(pages: list[Page]) -> None:
    rows = [
        axes.bbox.height / axes.figure.dpi * 72 / abs(np.ptp(axes.get_ylim()))
        for page in pages
        for axes in page.figure.axes
        if axes.get_title(loc="left") == "Interval widths"
    ]
    assert min(rows, default=99.0) >= 1.4 * TINY


def test_no_page_is_empty_and_each_is_numbered(pages: list[Page], words_of: Callable[[Page], str]) -> None:
    for number, page in enumerate(pages, 1):
        words = words_of(page)
        assert f"{number} / {len(pages)}" in words
        assert len(words) > 150 or page.figure.axes


def test_the_legend_keeps_clear_of_the_panels(pages: list[Page]) -> None:
    for page in pages:
        for axes in page.figure.axes:
            legend = axes.get_legend()
            if legend is not None:
                box = legend.get_window_extent()
                for other in page.figure.axes:
                    assert not box.overlaps(other.get_window_extent()), other.get_title(loc="left")
