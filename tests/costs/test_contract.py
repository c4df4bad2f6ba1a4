"""Every cost keeps its contract; a new file in the package is tested without a change here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalelaw import plugins
from scalelaw.costs._workload import Device, Workload
from scalelaw.model_shapes import LLMShape, TowerShape

SHAPE = LLMShape("small", 4, 256, 4, 2, 64, 512, 1000)
DEVICE = Device("card", 1e14, 1e12, 24e9, 300.0)
TOWER = TowerShape("tower", 2, 64, 128, 14, 336)
WORK = Workload(text_tokens=50, generate=8, batch=4, tower=TOWER, device=DEVICE, price_per_hour=2.0)
COUNTS = np.array([1.0, 4, 16, 64, 576])

costs = pytest.mark.parametrize("name", plugins.names("costs"))


def totals(cost: Any, visual_tokens: Any, work: Workload = WORK) -> dict[str, Any]:
    parts = cost.parts(float(SHAPE.n_params), SHAPE, visual_tokens, work)
    if hasattr(cost, "totals"):
        return cost.totals(parts, work)
    (kind,) = cost.kinds
    return {kind: sum(parts.values())}


@costs
def test_it_says_what_it_counts_and_what_it_leaves_out(name: str) -> None:
    cost = plugins.load("costs", name)
    assert "counts" in cost.__doc__.lower()
    assert "leaves out" in cost.__doc__.lower()
    assert set(cost.needs) <= {"shape", "device", "price", "power", "answer"}
    assert set(getattr(cost, "kind_needs", {})) <= set(cost.kinds)
    assert cost.kinds
    assert all(unit for unit in cost.kinds.values())


@costs
def test_parts_are_positive_and_broadcast(name: str) -> None:
    cost = plugins.load("costs", name)
    parts = cost.parts(float(SHAPE.n_params), SHAPE, COUNTS, WORK)
    for part, values in parts.items():
        assert part == part.lower()
        assert np.all(np.broadcast_to(values, COUNTS.shape) >= 0)
        assert np.all(np.isfinite(values))
    assert set(totals(cost, COUNTS)) == set(cost.kinds)


@costs
def test_more_tokens_never_cost_less(name: str) -> None:
    cost = plugins.load("costs", name)
    for values in totals(cost, COUNTS).values():
        values = np.broadcast_to(values, COUNTS.shape)
        assert np.all(np.diff(values) >= 0)
        assert values[-1] > 0


@costs
def test_a_vector_gives_what_its_elements_give(name: str) -> None:
    cost = plugins.load("costs", name)
    for kind, values in totals(cost, COUNTS).items():
        one_by_one = [float(np.squeeze(totals(cost, v)[kind])) for v in COUNTS]
        assert np.broadcast_to(values, COUNTS.shape).tolist() == pytest.approx(one_by_one, rel=1e-14)


def test_costs_load_no_torch() -> None:
    code = (
        "import sys; from scalelaw import plugins; [plugins.load('costs', n) for n in plugins.names('costs')];"
        "import scalelaw.plan; assert not {'torch', 'transformers', 'pydantic', 'pandas'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_cost_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "my_cost.py"
    file.write_text(
        '"""Counts tokens; leaves out all else."""\nkinds = {"flops": "tokens"}\nneeds = ()\n'
        "def parts(n_params, shape, visual_tokens, workload):\n    return {'all': visual_tokens + 0 * n_params}\n"
    )
    cost = plugins.load("costs", str(file))
    assert totals(cost, COUNTS)["flops"].tolist() == COUNTS.tolist()
