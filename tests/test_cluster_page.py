"""The page on clusters: the hours and dollars of the published grid are what the cost model says today."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"


def test_the_hours_of_the_published_grid_are_those_of_the_cost_model(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runpy.run_path(str(DOCS / "cluster_hours.py"))["main"]()
    page = (DOCS / "cluster.md").read_text(encoding="utf-8")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("|", "All"))]
    assert len(lines) > 10
    assert [line for line in lines if line not in page] == []
