"""How long a report takes: from a fit and an optimum to a PDF, and one figure to a PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import scalelaw as sl
from scalelaw.report import save_figure, write_report


@pytest.fixture(scope="module")
def items() -> list[Any]:
    """The published law on the bundled table with 1,000 draws, and one plan."""
    fitted = sl.fit_law("vlm_reasoning", bootstrap=1000, seed=0)
    return [fitted, sl.find_optimum(fitted, {"flops": 8e11}, text_tokens=50)]


def bench_report(benchmark: Any, items: list[Any], tmp_path: Path) -> None:
    """One PDF of six pages."""
    path = benchmark.pedantic(write_report, (items, tmp_path / "report.pdf"), rounds=3, iterations=1)
    assert path.stat().st_size > 50_000


def bench_figure(benchmark: Any, items: list[Any], tmp_path: Path) -> None:
    """The overview as a PNG."""
    path = benchmark.pedantic(
        save_figure, ("overview", items, tmp_path / "overview.png"), rounds=3, iterations=1
    )
    assert path.stat().st_size > 10_000
