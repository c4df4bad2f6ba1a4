from pathlib import Path

import pytest

from scalelaw.errors import InputError
from scalelaw.files.paths import atomic, bundled, write_text


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.txt"
    write_text(target, "old")
    with pytest.raises(RuntimeError, match="halfway"), atomic(target) as part:
        part.write_text("half")
        raise RuntimeError("halfway")
    assert target.read_text() == "old"
    assert [p.name for p in target.parent.iterdir()] == ["file.txt"]


def test_a_written_file_has_the_usual_permissions(tmp_path: Path) -> None:
    write_text(tmp_path / "by_us", "x")
    (tmp_path / "by_open").write_text("x")
    assert (tmp_path / "by_us").stat().st_mode == (tmp_path / "by_open").stat().st_mode


@pytest.mark.parametrize("place", ["file/inside.txt", "folder"])
def test_a_path_that_cannot_be_written_is_a_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="Cannot write") as caught:
        write_text(tmp_path / place, "x")
    assert caught.value.code == "cannot_write"


def test_bundled_data_is_there() -> None:
    assert bundled("tables", "sources.yaml").is_file()
