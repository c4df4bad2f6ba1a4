"""The folder of a report: only its own files are replaced, also after a run that stopped midway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.report import manifest
from scalelaw.report.manifest import OwnedFolder


def _full(path: Path) -> Any:
    raise InputError(f"{path} cannot be written: the disk is full.", code="cannot_write")


@pytest.mark.parametrize("stop_at", ["manifest.json", "01_a.csv", "02_b.csv"])
def test_a_run_that_stops_midway_leaves_only_its_own_files(
    stop_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "own.data"
    OwnedFolder(folder, {"01_a.csv": b"1", "03_old.csv": b"2"}).write()
    atomic, write_text = manifest.atomic, manifest.write_text
    monkeypatch.setattr(manifest, "atomic", lambda p: _full(p) if p.name == stop_at else atomic(p))
    monkeypatch.setattr(
        manifest, "write_text", lambda p, t: _full(p) if p.name == stop_at else write_text(p, t)
    )
    with pytest.raises(InputError):
        OwnedFolder(folder, {"01_a.csv": b"3", "02_b.csv": b"4"}).write()
    monkeypatch.undo()
    again = OwnedFolder(folder, {"01_a.csv": b"5", "02_b.csv": b"6"})
    again.check()
    again.write()
    assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == {
        "01_a.csv": b"5",
        "02_b.csv": b"6",
    }


def test_a_file_edited_after_a_stopped_run_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, atomic = tmp_path / "own.data", manifest.atomic
    monkeypatch.setattr(manifest, "atomic", lambda p: _full(p) if p.name == "02_b.csv" else atomic(p))
    with pytest.raises(InputError):
        OwnedFolder(folder, {"01_a.csv": b"3", "02_b.csv": b"4"}).write()
    (folder / "01_a.csv").write_bytes(b"mine")
    with pytest.raises(InputError) as refused:
        OwnedFolder(folder, {"01_a.csv": b"5"}).check()
    assert refused.value.code == "not_ours"


def test_only_the_named_figures_of_a_paper_are_written(tmp_path: Path, ocr: Any) -> None:
    folder = sl.write_report(ocr, tmp_path / "paper", style="paper", figures=["parity"])
    figures = {
        path.name for path in folder.iterdir() if path.suffix in (".pdf", ".svg", ".png", ".tex", ".bib")
    }
    assert figures
    assert {name.partition("_")[2].partition(".")[0] for name in figures} == {"parity"}
    assert {path.stem[3:] for path in (folder / "report.data").glob("*.csv")} == {"parity"}


@pytest.mark.parametrize(
    ("figures", "style", "code"), [(["none"], "paper", "unknown_figure"), (["parity"], "page", "usage")]
)
def test_a_figure_that_cannot_be_written_alone_is_refused(
    figures: list[str], style: str, code: str, tmp_path: Path, ocr: Any
) -> None:
    with pytest.raises(InputError) as refused:
        sl.write_report(ocr, tmp_path / "own", style=style, figures=figures)
    assert refused.value.code == code
    assert not list(tmp_path.iterdir())
