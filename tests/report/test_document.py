"""write_report: what the first page says, what the file is, and what it refuses."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.report import write_report
from scalelaw.report.blocks import figures_of, split
from scalelaw.report.collect import gather
from scalelaw.report.document import blocks_of
from scalelaw.report.render.page import Page
from scalelaw.report.text import format as fmt

PAGE_ONE = "no other section"


@pytest.fixture(scope="module")
def answer(fitted: Any, optimum: Any, drawn: Callable[..., Any]) -> list[Page]:
    """The pages on one fit and one optimum."""
    pages: list[Page] = drawn([fitted, optimum])
    return pages


@pytest.fixture(scope="module")
def sections(fitted: Any, optimum: Any, sections_of: Callable[..., Any]) -> list[list[tuple[str, str]]]:
    """The text of each section on one fit and one optimum."""
    texts: list[list[tuple[str, str]]] = sections_of([fitted, optimum])
    return texts


def test_the_first_page_answers(answer: list[Page], words_of: Callable[..., str]) -> None:
    page = words_of(answer[0])
    assert "Under 800 GFLOPs per query with 50 text tokens:" in page
    assert "Qwen-1.5 7B with 7 visual tokens" in page
    assert "Predicted error 0.4997 (95% interval 0.4" in page
    assert "best in more than 99% of refits to redrawn data." in page
    assert "Runner-up: Qwen-1.5 4B with 50 visual tokens, predicted error 0.5047" in page
    assert "Status: at bound." in page
    assert (
        "What would change it: a budget below 756 GFLOPs per query (5.5% less): then Qwen-1.5 4B with 44"
        in page
    )
    assert "optimal_visual_tokens" not in page


def test_warnings_stand_in_words_on_the_first_page_and_in_the_checklist(
    fitted: Any, optimum: Any, answer: list[Page], words_of: Callable[..., str]
) -> None:
    first = " ".join(words_of(answer[0]).split())
    last = " ".join(" ".join(words_of(page).split()) for page in answer if "Checklist" in words_of(page))
    for message in [m for _, m in fitted.warnings] + [m for _, m in optimum.warnings]:
        assert fmt.symbolic(message) in first
        assert fmt.symbolic(message) in last


def test_warnings_without_room_on_the_first_page_are_counted_there_and_listed_in_the_checklist(
    fitted: Any, optimum: Any, drawn: Callable[..., Any], words_of: Callable[..., str]
) -> None:
    notes = [
        (f"n{i}", f"Something that one should know and that takes some room, number {i}.") for i in range(40)
    ]
    made = drawn([fitted, dataclasses.replace(optimum, warnings=notes)], "Checklist")
    assert re.search(r"\d+ more warnings on the checklist pages\.", words_of(made[0]))
    checklist = " ".join(" ".join(words_of(page).split()) for page in made if "Checklist" in words_of(page))
    assert all(message in checklist for _, message in notes)


def test_an_optimum_goes_to_the_fit_that_predicts_it(fitted: Any, ocr: Any, optimum: Any) -> None:
    studies = gather([optimum, ocr, fitted]).studies
    assert [len(s.optima) for s in studies] == [0, 1]
    assert studies[1].fitted is fitted
    assert gather([optimum, ocr]).studies[1].fitted is None


@pytest.fixture(scope="module")
def report(written: Path) -> bytes:
    """The bytes of the report on one fit and one optimum."""
    return (written / "report.pdf").read_bytes()


def test_the_file_is_a4_landscape_vector_with_truetype_fonts(report: bytes) -> None:
    assert report.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b(?!s)", report)) == 9
    assert set(re.findall(rb"/MediaBox \[ ([\d. ]+) \]", report)) == {b"0 0 841.68 595.44"}
    assert b"/FontFile2" in report
    assert b"/Type3" not in report
    assert b"/Subtype /Image" not in report
    assert b"(Which model?)" in report
    assert b"/Keywords" in report
    assert b"Date" not in report


def test_json_files_in_another_process_give_the_same_bytes(
    fitted: Any, optimum: Any, report: bytes, wording: dict[str, str], tmp_path: Path
) -> None:
    names = [tmp_path / "FIT.json", tmp_path / "OPTIMUM.json", tmp_path / "report.pdf"]
    names[0].write_text(fitted.to_json())
    names[1].write_text(optimum.to_json())
    code = (
        f"import sys; from scalelaw.report import write_report as w; w(sys.argv[1:3], sys.argv[3], **{wording!r});"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    folder = Path(sl.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code, *map(str, names)], check=True, env=environment, cwd=folder)
    assert names[2].read_bytes() == report


def test_settings_of_the_user_and_durations_of_the_fit_change_nothing(
    fitted: Any, optimum: Any, report: bytes, wording: dict[str, str], tmp_path: Path
) -> None:
    slower = dataclasses.replace(fitted, certificate={**fitted.certificate, "seconds": 123.4})
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.grid": False, "pdf.fonttype": 3}):
        before = dict(mpl.rcParams)
        assert write_report([slower, optimum], tmp_path / "a.pdf", **wording).read_bytes() == report
        assert dict(mpl.rcParams) == before


def test_dollar_signs_and_other_alphabets_in_names_are_written_as_they_are(
    fitted: Any, drawn: Callable[..., Any], words_of: Callable[..., str]
) -> None:
    optimum = sl.find_optimum(fitted, 8e11, models={"a$b_c$d ≥ µ": 7e9}, cost="linear_flops")
    assert "a$b_c$d ≥ µ with 7 visual tokens" in words_of(drawn([fitted, optimum], PAGE_ONE)[0])


@pytest.mark.parametrize(
    ("items", "code"),
    [
        ([], "nothing_to_report"),
        (3.14, "unknown_item"),
        ([None], "unknown_item"),
        ([{"error": 1}], "unknown_item"),
        ("no_such_table", "no_such_table"),
        ("gone.json", "no_such_file"),
        ("gone.csv", "no_such_file"),
        (pd.DataFrame({"x": [1.0], "y": [2.0]}), "missing_column"),
    ],
)
def test_what_cannot_be_reported_on_gets_a_sentence(items: Any, code: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_report(items, tmp_path / "report.pdf")
    assert caught.value.code == code
    assert caught.value.message.endswith((".", "?"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no json", "unreadable_json"),
        ("[1, 2]", "unreadable_json"),
        ('{"schema": "other/1"}', "wrong_schema"),
    ],
)
def test_a_json_of_another_kind_gets_a_sentence(text: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "X.json").write_text(text)
    with pytest.raises(InputError) as caught:
        write_report(tmp_path / "X.json", tmp_path / "report.pdf")
    assert caught.value.code == code


def test_a_path_that_cannot_be_written_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "report.pdf", tmp_path / "folder"):
        with pytest.raises(InputError) as caught:
            write_report("vlm_reasoning", path)
        assert caught.value.code == "cannot_write"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_an_average_of_laws_is_described_by_its_members(sections_of: Callable[..., Any]) -> None:
    fitted = sl.fit_law("scenes", law="auto", where={"benchmark": "scenes_digits"}, bootstrap=20, seed=0)
    assert fitted.law.startswith("average:")
    printed = [text for part in sections_of(fitted) for _, text in part]
    assert any("it predicts and has no parameters of its own" in text for text in printed)
    assert not [text for text in printed if "@" in text or "average:" in text or "sumof" in text]
    assert not [text for text in printed if "determine every number" in text or "may be believed" in text]
    assert [text for text in printed if text.startswith("error = ") and " fits of " in text]


def test_tables_without_a_fit_are_counted_with_their_warnings(
    drawn: Callable[..., list[Page]], words_of: Callable[..., str]
) -> None:
    made = drawn(["vlm_reasoning", "vlm_ocr"])
    assert len(made) == 4
    first = words_of(made[0])
    assert "56 measurements" in first
    assert "The cell 7B at V=576 equals 4B at V=576 to ten digits" in " ".join(first.split())


def test_warnings_follow_the_grid_and_a_fit_alone_has_its_grid_too(
    ocr: Any, drawn: Callable[..., list[Page]], words_of: Callable[..., str]
) -> None:
    for items in (ocr, [ocr, "vlm_ocr"]):
        covered = [
            page for page in drawn(items, "What was measured") if "What was measured" in words_of(page)
        ]
        names = [figure.name for part in split(blocks_of(gather(items))) for figure in figures_of(part)]
        assert [name for name in names if name.startswith("coverage")] == ["coverage_1"]
        text = " ".join(words_of(covered[0]).split())
        assert "Limitations of these numbers" in text
        assert "The cell 7B at V=576 equals 4B at V=576 to ten digits" in text


def test_rows_that_are_not_believed_are_no_measurements(
    drawn: Callable[..., list[Page]], words_of: Callable[..., str]
) -> None:
    table = sl.read_table("vlm_ocr")
    table.loc[3, "status"] = "partial"
    table.attrs.clear()
    (page,) = (page for page in drawn(table) if page.figure.axes)
    text = words_of(page)
    assert "n = 27 · 1 cell not measured" in text
    assert "1 row of status 'partial'" in text
    assert "Nothing was measured twice" in text


def test_cells_that_average_another_mix_of_benchmarks_are_marked_and_counted(
    drawn: Callable[..., list[Page]], words_of: Callable[..., str], sections_of: Callable[..., Any]
) -> None:
    made = drawn("scenes")
    (page,) = (page for page in made if "Mean error: reasoning" in words_of(page))
    words = words_of(page)
    assert "every cell measured · 4 uneven cells *" in words
    assert words.count("*\n× 6") == 4
    note = (
        "* 4 cells of 16 with another mix of benchmarks (in scenes knowledge, whose rows of status 'plateau'"
    )
    assert note in " ".join(words.split())
    assert [text for part in sections_of("scenes") for _, text in part if text.startswith(note)]
    for even in ("vlm_reasoning", "superclass_data_scaling"):
        assert not [page for page in drawn(even) if "*" in words_of(page)]


def test_what_each_configuration_costs_stands_under_the_bars_of_a_plan(
    sections: list[list[tuple[str, str]]],
) -> None:
    (part,) = (part for part in sections if ("title", "Cost by part") in part)
    rows = [text.split("\t") for kind, text in part if kind == "row"]
    assert rows[0] == ["", "predicted error", "interval", "LLM best in", "compute per query"]
    assert rows[1][:2] + rows[1][3:] == ["Qwen-1.5 7B, 7 visual tokens", "0.4997", "> 99%", "798 GFLOPs"]
    assert len(rows) == 5


def test_the_words_of_page_one_are_explained_at_the_end(
    answer: list[Page], sections: list[list[tuple[str, str]]], words_of: Callable[..., str]
) -> None:
    assert "error = 1 − score, 0 is perfect; terms are explained at the end" in words_of(answer[0])
    assert "Terms" in words_of(answer[-1])
    named = " ".join(text.partition("\t")[0] for kind, text in sections[-1] if kind == "row")
    for word in ("error", "visual tokens", "FLOPs", "refits", "interval", "at bound", "root mean square"):
        assert word in named


def test_where_two_kinds_of_interval_stand_both_are_explained(sections: list[list[tuple[str, str]]]) -> None:
    (part,) = (part for part in sections if ("title", "Uncertainty of the parameters") in part)
    text = part[1][1]
    assert "on page one and in the files: intervals by refits (wild bootstrap)" in text
    assert "a profile assumes equal noise" in text


def test_a_near_tie_does_not_contradict_how_often_the_pick_is_best(
    fitted: Any, drawn: Callable[..., Any], words_of: Callable[..., str]
) -> None:
    optimum = sl.find_optimum(fitted, {"flops": 8e11}, text_tokens=50, cost="linear_flops", tie=0.006)
    first = " ".join(words_of(drawn([fitted, optimum], PAGE_ONE)[0]).split())
    assert "best in more than 99% of refits" in first
    assert "Nearly as good, and costs no more: Qwen-1.5 4B with" in first
    assert "but the difference is small." in first
    spread = {**optimum.best, "p_best": 0.42}
    first = " ".join(
        words_of(drawn([fitted, dataclasses.replace(optimum, best=spread)], PAGE_ONE)[0]).split()
    )
    assert (
        "best in more than 99% of refits to redrawn data, with this number of visual tokens in 42%." in first
    )
