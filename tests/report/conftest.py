"""Fits, optima and pages that the report's tests share, and how a page's texts are measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

import scalelaw as sl
from scalelaw.fit import ablate, compare
from scalelaw.plan import contrast_budgets, find_cost
from scalelaw.report.blocks import Block, split, texts_of
from scalelaw.report.collect import gather
from scalelaw.report.document import blocks_of
from scalelaw.report.render.page import Page
from scalelaw.report.render.pdf import pages_of
from scalelaw.report.style import styled
from scalelaw.results.envelope import plain
from scalelaw.table.read import describe

ONE_INPUT = '''"""one_power: a power of x with a floor."""
import numpy as np
formula = "error = A * x^-alpha + E"
source = "a test"
units = {"x": 1.0}
bounds = {"A": (0.0, np.inf), "alpha": (0.0, np.inf), "E": (0.0, np.inf)}
linear = ("A", "E")
search = {"alpha": (0.0, 3.0)}
def predict(x, A, alpha, E):
    return A * np.exp(-alpha * np.log(x)) + E
'''


@pytest.fixture(scope="session")
def fitted() -> Any:
    """The published law on the bundled reasoning table, with 200 bootstrap draws."""
    return sl.fit_law("vlm_reasoning", bootstrap=200, seed=0)


@pytest.fixture(scope="session")
def ocr() -> Any:
    """The published law on the bundled OCR table, with 60 bootstrap draws."""
    return sl.fit_law("vlm_ocr", bootstrap=60, seed=0)


WORDING = {"title": "Which model?", "command": "scalelaw report fit.json"}


@pytest.fixture(scope="session")
def wording() -> dict[str, str]:
    """Title and command of the reports in `written`."""
    return WORDING


@pytest.fixture(scope="session")
def written(fitted: Any, optimum: Any, tmp_path_factory: Any) -> Path:
    """A folder with one report on a fit and a plan: report.pdf and page.html."""
    folder: Path = tmp_path_factory.mktemp("written")
    for name in ("report.pdf", "page.html"):
        sl.write_report([fitted, optimum], folder / name, **WORDING)
    return folder


@pytest.fixture(scope="session")
def optimum(fitted: Any) -> Any:
    """The plan for 800 GFLOPs and 50 text tokens: 7B with 7 visual tokens."""
    return sl.find_optimum(fitted, {"flops": 8e11}, text_tokens=50, cost="linear_flops")


def seeded_table() -> pd.DataFrame:
    """A made-up sweep: 3 sizes with long names x 3 token counts x 2 seeds, one cell missing."""
    draw = np.random.default_rng(1)
    rows = [
        {
            "experiment": "made-up", "model": f"model-{n}-with-a-very-long-name-{'x' * 40}", "n_params": n,
            "visual_tokens": v, "seed": s, "error": 1.2 * (n / 1e3) ** -0.3 * v**-0.2 + 0.05 + draw.normal(0, 0.02),
            "error_se": 0.015, "compressor": "quecc", "task_family": "reasoning", "benchmark": "one_hop",
        }
        for n in (6500, 25000, 100000) for v in (1, 4, 16) for s in range(2) if (n, v) != (100000, 16)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def scattered_table() -> pd.DataFrame:
    """120 points that form no grid, without names of models."""
    draw = np.random.default_rng(2)
    n = np.exp(draw.uniform(np.log(5e7), np.log(1.6e10), 120))
    v = np.exp(draw.uniform(0, np.log(2000), 120)).round()
    error = 0.6 * (n / 1e9) ** -0.1 * v**-0.05 + 0.1 + draw.normal(0, 0.005, 120)
    return pd.DataFrame({"n_params": n, "visual_tokens": v, "error": error})


def one_input(folder: Path) -> Any:
    """A fit of a user's law of one input."""
    law = folder / "one_power.py"
    law.write_text(ONE_INPUT)
    x = np.geomspace(1e6, 1e10, 12)
    table = pd.DataFrame(
        {"x": x, "error": 8 * x**-0.25 + 0.05 + np.random.default_rng(0).normal(0, 0.002, 12)}
    )
    return sl.fit_law(table, law=str(law), bootstrap=60)


def single_size() -> Any:
    """A fit to one size only, which cannot be identified."""
    table = sl.read_table("vlm_reasoning")
    return sl.fit_law(table[table.n_params == 7e9], bootstrap=0, fix={"alpha": 0.07, "D": 0})


def no_draws(ocr: Any) -> list[Any]:
    """A fit without a bootstrap, and its plan for generated tokens in batches."""
    fitted = sl.fit_law("vlm_ocr", law="additive_power", bootstrap=0)
    return [fitted, sl.find_optimum(fitted, 4e11, generate=8, batch=4, cost="linear_flops")]


def long_names() -> list[Any]:
    """Long names of models, and more notes than a page can hold."""
    import dataclasses

    table = seeded_table()
    fitted = sl.fit_law(table, bootstrap=60)
    models = dict(zip(table.model.unique(), (6500, 25000, 100000), strict=True))
    optimum = sl.find_optimum(fitted, 5e6, text_tokens=8, models=models, cost="linear_flops")
    notes = [
        (f"note_{i}", f"A note that is long enough to take two lines of its column, number {i}.")
        for i in range(30)
    ]
    return [fitted, dataclasses.replace(optimum, warnings=[*optimum.warnings, *notes]), table]


def everything(fitted: Any, ocr: Any, folder: Path) -> list[Any]:
    """Families, plans with a contrast, an ablation, a comparison of laws, a bill, compressors."""
    query: dict[str, Any] = {"models": "qwen1.5", "hardware": "h100-sxm", "generate": 16}
    plan = sl.find_optimum(ocr, 8e11, **query)
    contrast = contrast_budgets(ocr, 8e11, **query)
    envelope = json.loads(fitted.to_json())
    envelope["data"]["ablation"] = plain(ablate("vlm_reasoning", bootstrap=60))
    (folder / "fit.json").write_text(json.dumps(envelope))
    bills = [find_cost("llava-1.5-7b", tokens) for tokens in (576, 64)]
    compared = compare("vlm_reasoning", ["product_power", "log_linear"])
    return [folder / "fit.json", ocr, plan, contrast, compared, *bills, "quecc_table1"]


def eight_fits() -> list[Any]:
    """More fits than page one can hold as blocks, told apart by model family, benchmark and tower."""
    facts = describe("superclass_model_scaling")
    fits = [
        sl.fit_law("superclass_model_scaling", bootstrap=20, **settings)
        for settings in (facts["fit"], *facts["more_fits"])
    ]
    kinds = ("GQA", "VQAv2", "VizWiz")
    return [*fits, *(sl.fit_law("mqt_llava", "power", {"x": "visual_tokens"}, where={"benchmark": kind}, bootstrap=20)
                     for kind in kinds), sl.fit_law("vlm_ocr", bootstrap=0)]  # fmt: skip


CASES: dict[str, Callable[[Any, Any, Any, Path], Any]] = {
    "answer": lambda fitted, optimum, ocr, folder: [fitted, optimum],
    "law alone": lambda fitted, optimum, ocr, folder: fitted,
    "no draws": lambda fitted, optimum, ocr, folder: no_draws(ocr),
    "two fits": lambda fitted, optimum, ocr, folder: [
        fitted, ocr, optimum, sl.find_optimum(ocr, 8e11, cost="linear_flops"), "vlm_ocr",
    ],
    "six budgets": lambda fitted, optimum, ocr, folder: [
        fitted, *(sl.find_optimum(fitted, 1e11 * 2**k, cost="linear_flops") for k in range(6)),
    ],
    "far from the points": lambda fitted, optimum, ocr, folder: [
        fitted, sl.find_optimum(fitted, 3.2e12, models="qwen1.5", visual_tokens="1:2048"),
    ],
    "optimum alone": lambda fitted, optimum, ocr, folder: optimum,
    "tables alone": lambda fitted, optimum, ocr, folder: ["vlm_reasoning", "vlm_ocr"],
    "one input": lambda fitted, optimum, ocr, folder: one_input(folder),
    "single size": lambda fitted, optimum, ocr, folder: single_size(),
    "long names": lambda fitted, optimum, ocr, folder: long_names(),
    "everything": lambda fitted, optimum, ocr, folder: everything(fitted, ocr, folder),
    "eight fits": lambda fitted, optimum, ocr, folder: eight_fits(),
    "no grid": lambda fitted, optimum, ocr, folder: [sl.fit_law(scattered_table(), bootstrap=60), scattered_table()],
}  # fmt: skip


@pytest.fixture(scope="session", params=list(CASES))
def blocks(
    request: pytest.FixtureRequest, fitted: Any, optimum: Any, ocr: Any, tmp_path_factory: Any
) -> list[Block]:
    """The blocks of every kind of report."""
    items = CASES[request.param](fitted, optimum, ocr, tmp_path_factory.mktemp("laws"))
    with styled():
        return blocks_of(gather(items))


@pytest.fixture(scope="session")
def pages(blocks: list[Block]) -> list[Page]:
    """The pages of every kind of report, as drawn."""
    return _laid_out(blocks)


def drawn(items: Any, *sections: str) -> list[Page]:
    """The pages of a report on `items`, laid out: all, or page one and the sections whose titles hold one of these."""
    with styled():
        first, *parts = split(blocks_of(gather(items)))
        named = [part for part in parts if not sections or any(name in _title(part) for name in sections)]
        return _laid_out([block for part in (first, *named) for block in part])


def _title(part: list[Block]) -> str:
    (_, title), *_ = texts_of(part)
    return title


def _laid_out(blocks: list[Block]) -> list[Page]:
    with styled():
        made = pages_of(blocks)
        for number, page in enumerate(made, 1):
            page.footer("scalelaw", number, len(made))
            page.figure.draw_without_rendering()
    return made


def sections_of(items: Any) -> list[list[tuple[str, str]]]:
    """The text of each section of a report on `items`: (kind, text)."""
    with styled():
        return [list(texts_of(part)) for part in split(blocks_of(gather(items)))]


def shown_texts(figure: Figure) -> list[tuple[str, Text, Bbox]]:
    """Every visible text of a drawn figure with its place in pixels."""
    result = []
    with styled():
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            if text.get_visible() and text.get_text().strip() and _drawn(text):
                result.append((text.get_text(), text, text.get_window_extent()))
    return result


def _drawn(text: Text) -> bool:
    """Whether a tick's label lies on its axis (labels of ticks beyond the limits exist but are not drawn)."""
    axes = text.axes
    if axes is None:
        return True
    for axis in (axes.xaxis, axes.yaxis):
        for tick in axis.get_major_ticks():
            if text in (tick.label1, tick.label2):
                low, high = sorted(axis.get_view_interval())
                return bool(
                    axis.get_visible()
                    and low - 1e-12 <= tick.get_loc() <= high + 1e-12
                    and text is tick.label1
                )
    return True


def words_of(page: Page) -> str:
    """All that is written on a page, line after line."""
    return "\n".join(text for text, _, _ in shown_texts(page.figure))


@pytest.fixture(scope="session", name="shown_texts")
def _shown_texts() -> Callable[[Figure], list[tuple[str, Text, Bbox]]]:
    """`shown_texts`, for tests."""
    return shown_texts


@pytest.fixture(scope="session", name="words_of")
def _words_of() -> Callable[[Page], str]:
    """`words_of`, for tests."""
    return words_of


@pytest.fixture(scope="session", name="drawn")
def _drawn_pages() -> Callable[..., list[Page]]:
    """`drawn`, for tests."""
    return drawn


@pytest.fixture(scope="session", name="sections_of")
def _sections_of() -> Callable[[Any], list[list[tuple[str, str]]]]:
    """`sections_of`, for tests."""
    return sections_of
