"""A report's folder: only names that a report makes are replaced or removed, whatever a manifest there lists."""

import hashlib
import json
from pathlib import Path

import pytest

from scalelaw.errors import InputError
from scalelaw.report.manifest import MANIFEST, OwnedFolder


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_foreign_manifest_removes_no_file_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    files = {"notes.txt": _digest("mine"), "01_old.csv": _digest("old")}
    (tmp_path / "01_old.csv").write_text("old")
    (tmp_path / MANIFEST).write_text(json.dumps({"schema": "scalelaw.report_manifest/1", "files": files}))
    folder = OwnedFolder(tmp_path, {"02_new.csv": b"new"})
    folder.check()
    folder.write()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["02_new.csv", MANIFEST, "notes.txt"]


def test_a_folder_of_an_earlier_version_gives_up_figures_only(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    figures = ["01_old.csv", "notes.txt"]
    answer = {"schema": "scalelaw.report_contents/1", "data": {"pages": [{"figures": figures}]}}
    (tmp_path / "report.json").write_text(json.dumps(answer))
    (tmp_path / "01_old.csv").write_text("old")
    with pytest.raises(InputError) as caught:
        OwnedFolder(tmp_path, {"notes.txt": b"new"}).check()
    assert caught.value.code == "not_ours"
    folder = OwnedFolder(tmp_path, {"report.json": b"{}"})
    folder.check()
    folder.write()
    assert sorted(path.name for path in tmp_path.iterdir()) == [MANIFEST, "notes.txt", "report.json"]
