"""report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


def test_an_unwritable_folder_is_a_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run("report", "vlm_reasoning", "-o", str(tmp_path / "file" / "r.pdf"))
    assert code == 2
    assert "Cannot write" in err


BAD: dict[str, tuple[list[str], int, str]] = {
    "an experiment": (
        ["report", "{bad}/good.yaml", "-o", "{bad}/r.pdf"],
        2,
        "an experiment: `scalelaw sweep`",
    ),
    "a configuration": (
        ["report", "{bad}/config.json", "-o", "{bad}/r.pdf"],
        2,
        "configuration: `scalelaw cost`",
    ),
    "nothing there": (["report", "nowhere.json", "-o", "{bad}/r.pdf"], 2, "nowhere.json"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence(refused: Callable[..., None], name: str) -> None:
    refused(*BAD[name])
