"""Fits at their limits, hostile names and text without end: a report each, in every format."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.report.blocks import Figure, Heading, flat, split, texts_of
from scalelaw.report.collect import gather
from scalelaw.report.document import blocks_of
from scalelaw.report.export import csv_text, selected
from scalelaw.report.figures import parity
from scalelaw.report.render.latex import paper_files
from scalelaw.report.render.page import Page
from scalelaw.report.render.pdf import pages_of
from scalelaw.report.render.pdf_outline import add_outline
from scalelaw.report.study import Study
from scalelaw.report.style import PAGE, styled
from scalelaw.report.text.glyphs import drawable
from scalelaw.report.text.sentences import grounds

HOSTILE = (
    "[/]", "[link=file:///x]a[/link]", "a\x1b[31mred\x1b[0m", "b\x1b]8;;http://x\x07l\x1b]8;;\x07",
    "c\u202eevil\x9b31m",
    "$\\frac{$", "$x^$", "$", "千问-7B", "نموذج", "🤖", "</script><img src=x>", "=cmd()", "a" * 500, "x\ny\tz\r",
)  # fmt: skip
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
RATIO = "alpha_over_beta"


def _small(fitted: Any, ratio: Any = 1.0, interval: Any = None, **params: float) -> Any:
    derived = {**fitted.derived, RATIO: {"value": ratio, "interval": interval}}
    return replace(fitted, params={**fitted.params, **params}, derived=derived)


LIMITS: dict[str, Callable[[Any], Any]] = {
    "ratio 0": lambda f: _small(f, 0.0, alpha=0.0),
    "ratio next to 0": lambda f: _small(f, 1e-300, [0.0, 1e300]),
    "ratio huge": lambda f: _small(f, 1746.0),
    "ratio infinite": lambda f: _small(f, math.inf, [1.0, math.inf], beta=0.0),
    "ratio not a number": lambda f: _small(f, math.nan, [math.nan, math.nan]),
    "ratio unknown": lambda f: _small(f, None, [None, None]),
    "ratio negative": lambda f: _small(f, -3.0),
    "huge exponents": lambda f: _small(f, 1.0, alpha=500.0, beta=500.0),
    "zero width": lambda f: replace(f, intervals={n: (v, v) for n, v in f.params.items()}, draws={}),
    "no intervals": lambda f: replace(f, intervals=dict.fromkeys(f.params, (None, None)), draws={}),
    "infinite intervals": lambda f: replace(
        f, intervals=dict.fromkeys(f.params, (-math.inf, math.inf)), draws={}
    ),
    "not a number": lambda f: replace(f, r2=math.nan, aicc=math.nan, rmse=0.0, draws={}),
    "many warnings": lambda f: replace(
        f, warnings=[(f"w{i}", f"Warning {i} " + "word " * 60) for i in range(200)]
    ),
    "a long warning": lambda f: replace(f, warnings=[("w", "x" * 20_000)]),
}


def _flat() -> Any:
    rows = [(n, v, 0.5 - 0.01 * np.log(v)) for n in (1e9, 4e9, 7e9) for v in (1, 4, 16)]
    return pd.DataFrame(rows, columns=["n_params", "visual_tokens", "error"])


TABLES: dict[str, Callable[[], Any]] = {
    "alpha 0": _flat,
    "beta 0": lambda: _flat().assign(error=lambda t: 0.5 * (t.n_params / 1e9) ** -0.1),
    "nothing matters": lambda: _flat().assign(error=0.5),
    "error 0": lambda: _flat().assign(error=0.0),
    "error 1": lambda: _flat().assign(error=1.0),
    "one size": lambda: _flat().query("n_params == 1e9"),
    "one count": lambda: _flat().query("visual_tokens == 4"),
}


@pytest.fixture(scope="module")
def plain(fitted: Any) -> Any:
    """The fit of the bundled table with few draws, and without profiles, which refit."""
    draws = {name: values[:40] for name, values in fitted.draws.items()}
    return replace(fitted, draws=draws, checklist={**fitted.checklist, "weights": "some"})


def _pages(items: Any) -> list[Page]:
    with styled():
        return pages_of(blocks_of(gather(items)))


def _texts(items: Any) -> list[list[str]]:
    with styled():
        return [[text for _, text in texts_of(part)] for part in split(blocks_of(gather(items)))]


def _on_paper(pages: list[Page]) -> None:
    """Every panel and text begins on its page, and no panel is smaller than nothing."""
    for page in pages:
        for axes in page.figure.axes:
            box = axes.get_position()
            assert box.width > 0
            assert box.height > 0
        for text in page.figure.texts:
            assert 0 <= text.get_position()[1] <= 1


@pytest.mark.parametrize("name", LIMITS)
def test_a_fit_at_a_limit_has_a_report(plain: Any, name: str) -> None:
    fitted = LIMITS[name](plain)
    assert all(isinstance(sentence, str) for sentence in grounds(Study(fitted)))
    _on_paper(_pages(fitted))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_leaves_a_law_at_a_limit_has_a_report(name: str) -> None:
    try:
        fitted = sl.fit_law(TABLES[name](), bootstrap=20)
    except InputError:
        return  # refused with a code: there is nothing to report
    _on_paper(_pages([fitted, sl.find_optimum(fitted, 1e12, visual_tokens="1:16", cost="linear_flops")]))


def test_warnings_stand_before_the_pick(fitted: Any, optimum: Any) -> None:
    named = replace(optimum, warnings=[("assumed_encoder", "The encoder is assumed.")])
    printed = _texts([fitted, named])[0]
    pick = next(place for place, text in enumerate(printed) if text.endswith("with 7 visual tokens"))
    assert printed.index("The encoder is assumed.") < pick


def test_each_amount_of_a_pick_has_its_unit_and_meaning(fitted: Any, optimum: Any) -> None:
    costs = {"flops": 8e11, "ms_per_token": 0.207, "ttft_ms": 112.0, "usd_per_million": 21.7, "carbon_g": 3.0}
    units = {"carbon_g": "grams of CO2 per query"}
    searched = {**optimum.searched, "units": units, "hardware": "h100-sxm", "usd_per_hour": 2.5, "images": 3}
    plan = replace(optimum, budget=dict(costs), best={**optimum.best, "costs": costs}, searched=searched)
    printed = " ".join(_texts([fitted, plan])[0])
    for amount in ("0.207 ms per generated token", "112 ms to the first token", "$21.7 per million queries",
                   "3 grams of CO2 per query", "800 GFLOPs per query"):  # fmt: skip
        assert f"{amount} (limit" in printed
    for fact in ("h100-sxm", "$2.5 per hour", "bf16", "3 images", "encoder"):
        assert fact in printed


def test_text_without_end_goes_to_following_pages(ocr: Any) -> None:
    table = pd.concat([_flat().assign(benchmark=f"bench-{i}", model="m" * 300) for i in range(40)])
    pages = _pages(table.assign(error=table.error + np.linspace(0, 0.1, len(table))))
    _on_paper(pages)
    figure = Figure("parity", parity, parity.prepare(Study(ocr)))
    with styled():
        drawn = pages_of([Heading("One", 1), Heading("Many figures", 1), *[figure] * 9])
    assert len(drawn) > 2
    assert sum(len(page.figure.axes) for page in drawn) == 9
    _on_paper(drawn)
    assert min(axes.get_position().height * PAGE[1] for page in drawn for axes in page.figure.axes) >= 0.79


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_drawn_as_text(name: str) -> None:
    drawn = drawable(name)
    assert not UNSAFE.search(drawn)
    assert "\t" not in drawn


def test_letters_that_the_face_lacks_are_spelled() -> None:
    assert drawable("カ한") == "kahan"
    assert drawable("千") == "\\u5343"
    assert drawable("🤖") == ":robot face:"
    assert drawable("é Ω я") == "é Ω я"
    for name in HOSTILE:
        assert drawable(drawable(name)) == drawable(name)


@pytest.fixture(scope="module")
def hostile() -> pd.DataFrame:
    """A table whose models, benchmarks and compressors have hostile names."""
    rows = [
        {"model": name, "n_params": 1e9 * 2 ** (i % 4), "visual_tokens": v, "benchmark": HOSTILE[i % 3],
         "compressor": HOSTILE[5 + i % 4], "error": 0.6 * 2 ** (-0.2 * (i % 4)) * v**-0.05 + 0.001 * np.sin(7 * i + v)}
        for i, name in enumerate(HOSTILE) for v in (1, 4, 16)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def hostile_items(hostile: pd.DataFrame) -> list[Any]:
    """A fit to that table, its plan and the table."""
    fitted = sl.fit_law(hostile, bootstrap=10)
    sizes = {name: 1e9 * (1 + place) for place, name in enumerate(HOSTILE[:8])}
    return [
        fitted, sl.find_optimum(fitted, 8e11, models=sizes, visual_tokens="1:16", cost="linear_flops"), hostile,
    ]  # fmt: skip


def test_hostile_names_end_no_paper(hostile_items: list[Any]) -> None:
    """The figures are those of the page, in other sizes; `test_contract.py` draws every one in every size."""
    contents = gather(hostile_items)
    with styled():
        figures = selected(blocks_of(contents), ["curves", "choices"])
        files = paper_files(figures, contents, True)
    assert {"tables.tex", "references.bib"} < set(files)
    for name, content in files.items():
        if name.endswith((".tex", ".bib", ".svg")):
            assert not UNSAFE.search(content.decode().replace("\n", "")), name


@pytest.mark.parametrize("form", ["pdf", "html"])
def test_hostile_names_end_no_report(hostile_items: list[Any], form: str, tmp_path: Path) -> None:
    target = tmp_path / f"own.{form}"
    sl.write_report(hostile_items, target)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".html", ".tex", ".csv", ".json", ".svg"):
            assert not UNSAFE.search(path.read_text(encoding="utf-8").replace("\n", "")), path.name
    if form == "html":
        text = target.read_text(encoding="utf-8")
        assert "<img" not in text
        assert "千问-7B" in text


def test_cells_that_begin_like_formulas_are_quoted() -> None:
    frame = pd.DataFrame(
        {"name": ["=1+1", "+a", "-b", "@c", "\td", "plain"], "value": [-1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    )
    lines = csv_text(frame).splitlines()
    assert [line[0] for line in lines[1:]] == ["'"] * 5 + ["p"]
    assert lines[1].endswith(",-1.0")


def test_only_what_a_report_made_is_removed_or_replaced(tmp_path: Path) -> None:
    beside = tmp_path / "own.data"
    beside.mkdir()
    own = beside / "01_mine.csv"
    own.write_text("mine")
    sl.write_report("vlm_ocr", tmp_path / "own.pdf")
    assert own.read_text() == "mine"
    made = json.loads((beside / "manifest.json").read_text())["files"]
    assert own.name not in made
    assert {path.name for path in beside.iterdir()} == {*made, own.name, "manifest.json"}
    changed = beside / next(name for name in made if name.endswith(".csv"))
    changed.write_text("edited")
    with pytest.raises(InputError) as refused:
        sl.write_report("vlm_ocr", tmp_path / "own.pdf")
    assert refused.value.code == "not_ours"
    assert changed.read_text() == "edited"


def test_the_folder_of_an_earlier_version_is_taken_over(tmp_path: Path) -> None:
    sl.write_report(["vlm_ocr", "vlm_reasoning"], tmp_path / "own.pdf")
    figures = sorted(path.name for path in (tmp_path / "own.data").glob("*.csv"))
    assert len(figures) == 2
    (tmp_path / "own.data" / "manifest.json").unlink()
    sl.write_report("vlm_ocr", tmp_path / "own.pdf")
    assert [path.name for path in (tmp_path / "own.data").glob("*.csv")] == figures[:1]


def test_a_loss_is_no_share_of_one(plain: Any) -> None:
    labels = {**plain.points["labels"], "direction": ["loss"] * plain.n_points}
    points = {**plain.points, "labels": labels, "target": [3.0 + v for v in plain.points["target"]]}
    fitted = replace(plain, points=points, params={**plain.params, "D": 3.0})
    pages = _pages(fitted)
    printed = "\n".join(text for part in _texts(fitted) for text in part)
    drawn = "\n".join(
        t.get_text() for page in pages for t in page.figure.findobj(match=lambda a: isinstance(a, Text))
    )
    for wrong in ("1 − score", "error (fraction)", "no error", "fraction"):
        assert wrong not in printed + drawn
    assert "loss" in printed


def test_many_fits_have_a_summary_an_outline_and_a_word_on_what_is_left_out(ocr: Any, tmp_path: Path) -> None:
    fits = [replace(ocr, checklist={**ocr.checklist, "table": f"table-{i}"}, draws={}) for i in range(40)]
    with styled():
        contents = gather(fits)
        from scalelaw.report.collect import detailed, left_out

        assert len(detailed(contents).studies) == 12
        assert "28 of 40" in left_out(contents)
        from scalelaw.report.sections.summary import summary

        rows = sum(kind == "row" and "table-" in text for kind, text in texts_of(summary(contents, None)))
    assert rows == 40


def test_five_hundred_groups_are_summarized_and_bounded(ocr: Any) -> None:
    notes = [("w", f"Something about one group alone, number {place}.") for place in range(500)]
    groups = {
        f"group {place}": replace(
            ocr, draws={}, warnings=[notes[place], ("all", "Something about every group.")]
        )
        for place in range(500)
    }
    with styled():
        blocks = blocks_of(gather(sl.fit.GroupedFit("benchmark", groups, {}, [])))
        pages = pages_of(split(blocks)[0])
    first = list(texts_of(split(blocks)[0]))
    assert sum(kind == "row" for kind, _ in first) == 101
    assert sum(kind == "item" for kind, _ in first) < 60
    shown = " ".join(text for _, text in first)
    assert "500 fits: 500 identified" in shown or "500 fits: 500 at bound" in shown
    assert "first 100 of 500 answers" in shown
    assert "462 more warnings" in shown or "461 more warnings" in shown
    assert "488 of 500 fits and plans" in " ".join(
        text for part in split(blocks) for _, text in texts_of(part)
    )
    assert len(pages) < 10
    assert len(split(blocks)) < 90
    assert sum(isinstance(block, Figure) for block in flat(blocks)) < 200


def test_a_pdf_has_an_outline(written: Path, tmp_path: Path) -> None:
    data = (written / "report.pdf").read_bytes()
    assert b"/Outlines" in data
    assert data.count(b"/Dest [") > 3
    last = int(re.findall(rb"startxref\s+(\d+)", data)[-1])
    assert data[last:].startswith(b"xref")
    (tmp_path / "none.pdf").write_bytes(b"not a pdf")
    add_outline(tmp_path / "none.pdf", ["a"])
    assert (tmp_path / "none.pdf").read_bytes() == b"not a pdf"


def test_a_plan_of_a_loss_without_its_fit_says_loss(plain: Any) -> None:
    points = {**plain.points, "target": [3.0 + v for v in plain.points["target"]]}
    fitted = replace(plain, points=points, params={**plain.params, "D": 3.0}, target_kind="loss")
    optimum = sl.find_optimum(fitted, 1e12, text_tokens=50, models="qwen1.5")
    assert optimum.searched["target_kind"] == optimum.searched["target"] == "loss"
    words = "\n".join(_texts(optimum)[0])
    assert "Predicted loss" in words
    assert "1 − score" not in words
