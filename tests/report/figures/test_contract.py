"""The promises of a figure, run for every figure in the folder: a new file is found and tested by itself."""

from __future__ import annotations

import io
import sys
from dataclasses import FrozenInstanceError, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import scalelaw as sl
from scalelaw import plugins
from scalelaw.fit import ablate, compare
from scalelaw.plan import contrast_budgets, find_cost
from scalelaw.report import save_figure, write_report
from scalelaw.report.blocks import Figure, flat
from scalelaw.report.collect import drawable, gather
from scalelaw.report.document import blocks_of
from scalelaw.report.figures._contract import load
from scalelaw.report.render.single import alone
from scalelaw.report.study import Study
from scalelaw.report.style import TINY, styled
from scalelaw.results.envelope import plain

FIGURES = plugins.names("figures")
NOTES = ("n = ", " draws", " configuration")
WIDTHS = (3.4, 5.4)
HISTOGRAM = '''"""A histogram of the residuals of a fit."""
import numpy as np
import pandas as pd
from scalelaw.report.figures._contract import plain_margins

TITLE = "Histogram of the residuals"


def prepare(study):
    if study.fitted is None:
        return None
    fitted = study.fitted
    return np.asarray(fitted.points["target"]) - np.asarray(fitted.predict(None, **fitted.points["inputs"]))


def draw(axes, data):
    axes.hist(data)
    axes.set_xlabel("residual (fraction)")
    axes.set_ylabel("points (count)")
    axes.text(0.9, 0.9, f"n = {len(data)}", transform=axes.transAxes)


def frame(data):
    return pd.DataFrame({"residual": data})


def margins(data, width):
    return plain_margins(width)
'''


@pytest.fixture(scope="module")
def studies(fitted: Any, ocr: Any, optimum: Any) -> list[Study]:
    """Studies that together have something for every figure, and some that have nothing."""
    query: dict[str, Any] = {"models": "qwen1.5", "hardware": "h100-sxm", "generate": 16}
    plan, contrast = sl.find_optimum(ocr, 8e11, **query), contrast_budgets(ocr, 8e11, **query)
    bills = [find_cost("llava-1.5-7b", tokens) for tokens in (576, 64)]
    compared = compare("vlm_reasoning", ["product_power", "log_linear"])
    contents = gather([fitted, optimum, ocr, plan, contrast, compared, *bills, "quecc_table1", "scenes"])
    contents.studies[0].ablation = plain(ablate("vlm_reasoning", bootstrap=0))
    return drawable(contents)


def _panels(name: str, studies: list[Study]) -> list[Figure]:
    figure = load(name)
    return [Figure(name, figure, data) for study in studies if (data := figure.prepare(study)) is not None]


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_states_its_heading_and_returns_none_where_it_has_nothing(name: str) -> None:
    figure = load(name)
    assert figure.TITLE
    assert figure.TITLE[0].isupper()
    assert figure.prepare(Study(None)) is None


@pytest.mark.parametrize("name", FIGURES)
def test_the_data_of_a_figure_are_frozen(name: str, studies: list[Study]) -> None:
    panels = _panels(name, studies)
    assert panels, f"no study has data for {name}"
    for panel in panels:
        assert is_dataclass(panel.data)
        with pytest.raises(FrozenInstanceError):
            setattr(panel.data, next(iter(panel.data.__dataclass_fields__)), None)


@pytest.mark.parametrize("name", FIGURES)
def test_the_numbers_of_a_figure_are_a_table(name: str, studies: list[Study]) -> None:
    for panel in _panels(name, studies):
        table = panel.figure.frame(panel.data)
        assert isinstance(table, pd.DataFrame)
        assert len(table) > 0
        assert table.notna().any(axis=None)
        assert len(set(table.columns)) == len(table.columns)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_fits_its_width_with_type_that_can_be_read(name: str, studies: list[Study]) -> None:
    for panel in _panels(name, studies):
        for width in WIDTHS:
            margins = panel.figure.margins(panel.data, width)
            assert np.isfinite(margins[:4]).all()
            assert 0 < margins.height < 12
            assert margins.left + margins.right < width - 0.4
            with styled():
                figure, box = alone(panel, width)
                sizes = [
                    t.get_size() for t in figure.findobj(Text) if isinstance(t, Text) and t.get_text().strip()
                ]
            assert box.width == pytest.approx(width, abs=0.05)
            assert min(sizes) >= TINY
            axes = figure.axes[0]
            assert any(note in text.get_text() for text in axes.texts for note in NOTES)
            assert axes.get_title(loc="left") or name == "choices"


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_twice(name: str, studies: list[Study]) -> None:
    drawings = []
    for _ in range(2):
        panel = _panels(name, studies)[0]
        with styled():
            figure, box = alone(panel, WIDTHS[1])
            out = io.BytesIO()
            figure.savefig(out, format="svg", bbox_inches=box, metadata={"Date": None})
        drawings.append(out.getvalue())
    assert drawings[0] == drawings[1]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package that adds the figure `histogram_of_residuals`, installed beside this one."""
    site = tmp_path / "site"
    facts = site / "histogram_figure-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / "histogram_figure.py").write_text(HISTOGRAM)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: histogram-figure\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[scalelaw.figures]\nhistogram_of_residuals = histogram_figure\n")
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    return "histogram_of_residuals"


def test_a_new_figure_is_one_file(installed: str, ocr: Any, tmp_path: Path) -> None:
    assert installed in plugins.names("figures")
    assert save_figure(installed, ocr, tmp_path / "a.svg").read_text(encoding="utf-8").count('id="axes_') == 1
    with styled():
        assert installed in [
            figure.name for figure in flat(blocks_of(gather(ocr))) if isinstance(figure, Figure)
        ]
    write_report(ocr, tmp_path / "paper", style="paper", figures=[installed])
    (table,) = (tmp_path / "paper" / "report.data").glob(f"*_{installed}.csv")
    assert len(pd.read_csv(table)) == ocr.n_points
    assert [p.stem[3:] for p in (tmp_path / "paper").glob("*.svg")] == [installed]


def test_a_figure_of_the_user_is_drawn_by_its_path(ocr: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HISTOGRAM)
    path = save_figure(str(tmp_path / "mine.py"), ocr, tmp_path / "a.png")
    assert path.read_bytes().startswith(b"\x89PNG")
