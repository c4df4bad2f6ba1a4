"""save_figure: every figure in every format, the same bytes twice, and sentences for what cannot be drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from scalelaw.errors import InputError
from scalelaw.fit import fit_law
from scalelaw.report import save_figure
from scalelaw.report.render.figure import COMPOSED

BEGINS = {".pdf": b"%PDF-", ".svg": b"<?xml", ".png": b"\x89PNG"}


@pytest.mark.parametrize("name", [*COMPOSED, "curves", "surface", "parity", "front"])
def test_every_figure_can_be_saved(name: str, fitted: Any, optimum: Any, tmp_path: Path) -> None:
    path = save_figure(name, [fitted, optimum], tmp_path / f"{name}.svg")
    panels = path.read_text(encoding="utf-8").count('id="axes_')
    assert panels == (2 if name == "overview" else 1)


def test_a_figure_that_needs_no_fit_is_drawn_from_a_table(tmp_path: Path) -> None:
    assert save_figure("coverage", "vlm_reasoning", tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-")


def test_every_figure_has_the_size_that_is_given(fitted: Any, optimum: Any, tmp_path: Path) -> None:
    for name, size in (("curves", (5.0, 4.0)), ("choices", (6.0, 2.5)), ("overview", (8.0, 4.0))):
        path = save_figure(name, [fitted, optimum], tmp_path / f"{name}.png", dpi=100, size=size)
        with Image.open(path) as image:
            assert image.size == pytest.approx([100 * side for side in size], abs=3)


@pytest.mark.parametrize("suffix", list(BEGINS))
def test_every_format_is_the_same_twice(suffix: str, fitted: Any, optimum: Any, tmp_path: Path) -> None:
    a = save_figure("overview", [fitted, optimum], tmp_path / f"a{suffix}", dpi=50)
    b = save_figure("overview", [fitted, optimum], tmp_path / f"b{suffix}", dpi=50)
    assert a.read_bytes() == b.read_bytes()
    assert a.read_bytes().startswith(BEGINS[suffix])


def test_a_png_has_the_size_asked_for(fitted: Any, optimum: Any, tmp_path: Path) -> None:
    with Image.open(save_figure("overview", [fitted, optimum], tmp_path / "a.png", dpi=50)) as image:
        assert image.size == (600, 260)


@pytest.mark.parametrize(
    ("name", "file", "code"),
    [("overviev", "a.png", "unknown_figure"), ("overview", "a.gif", "unknown_figure_format"),
     ("front", "a.png", "nothing_to_draw")],
)  # fmt: skip
def test_what_cannot_be_drawn_gets_a_sentence(
    name: str, file: str, code: str, fitted: Any, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        save_figure(name, fitted, tmp_path / file)
    assert caught.value.code == code
    assert not list(tmp_path.iterdir())


def test_a_table_is_no_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        save_figure("overview", "vlm_reasoning", tmp_path / "a.png")
    assert caught.value.code == "nothing_to_draw"


def test_families_stand_side_by_side_on_one_scale(tmp_path: Path) -> None:
    fits = [fit_law(name, bootstrap=0) for name in ("vlm_reasoning", "vlm_ocr")]
    text = save_figure("families", fits, tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text.count('id="axes_') == 2
    assert (
        save_figure("families", [*fits, *fits], tmp_path / "b.svg")
        .read_text(encoding="utf-8")
        .count('id="axes_')
        == 3
    )
