"""The blocks of a report: one list, whose text and figures every renderer prints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from scalelaw.errors import InputError
from scalelaw.report.blocks import (
    Block,
    Columns,
    Figure,
    Heading,
    Paragraph,
    Recap,
    figures_of,
    flat,
    split,
    texts_of,
)
from scalelaw.report.collect import gather
from scalelaw.report.document import SECTIONS, blocks_of
from scalelaw.report.export import selected
from scalelaw.report.study import Study
from scalelaw.report.style import styled


@pytest.fixture(scope="module")
def blocks(fitted: Any, optimum: Any, wording: dict[str, str]) -> list[Block]:
    """The blocks on one fit and one plan."""
    with styled():
        return blocks_of(gather([fitted, optimum]), **wording)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_a_section_of_a_study_without_anything_is_empty(section: Callable[..., Any]) -> None:
    assert list(section(Study(None))) == []


def test_blocks_cannot_be_changed(blocks: list[Block]) -> None:
    for block in flat(blocks):
        with pytest.raises(AttributeError):
            block.text = ""  # type: ignore[union-attr, misc]


def test_columns_and_recaps_are_read_in_order() -> None:
    one, two, three = Paragraph("one"), Paragraph("two"), Paragraph("three")
    assert list(flat([Columns((one,), (Recap((two,)),)), three])) == [one, two, three]
    assert split([Heading("a", 1), one, Heading("b", 1)]) == [[Heading("a", 1), one], [Heading("b", 1)]]


def test_every_renderer_prints_the_same_text(blocks: list[Block], written: Path) -> None:
    record = json.loads((written / "report.data" / "report.json").read_text())["data"]
    parts = split(blocks)
    assert [[(t["kind"], t["text"]) for t in page["said"]] for page in record["pages"]][:-1] == [
        list(texts_of(part)) for part in parts
    ][:-1]
    assert [len(page["figures"]) for page in record["pages"]] == [len(figures_of(part)) for part in parts]
    page = _letters(unescape(re.sub("<[^>]*>", "", (written / "page.html").read_text())))
    paper = _letters("".join(sheet.extract_text() for sheet in PdfReader(written / "report.pdf").pages))
    for part in parts[:-1]:
        for kind, text in texts_of(part):
            if kind in ("title", "heading", "paragraph") and "$" not in text:
                assert _letters(text) in page, text
                assert _letters(text) in paper or len(text) > 60, text


def _letters(text: str) -> str:
    return re.sub(r"\W", "", text).lower()


def test_figures_are_selected_by_name_number_and_plug_in(blocks: list[Block]) -> None:
    assert [name for name, _ in selected(blocks, ["parity"])] == ["04_parity"]
    assert [name for name, _ in selected(blocks, ["04_parity"])] == ["04_parity"]
    names = [name for name, _ in selected(blocks, ["curves"])]
    assert names == ["03_fit_along_visual_tokens", "03_fit_along_n_params"]
    assert len(selected(blocks, [])) == sum(isinstance(block, Figure) for block in flat(blocks))
    with pytest.raises(InputError) as refusal:
        selected(blocks, ["none"])
    assert refusal.value.code == "unknown_figure"
