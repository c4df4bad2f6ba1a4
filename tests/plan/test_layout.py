"""How plan is built: no import cycle, type-checking imports included, and no cost or compressor by name."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import scalelaw
from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.plan import find_cost, find_optimum
from scalelaw.plan.budget import kinds

PACKAGE = Path(scalelaw.__file__).parent


def imports_of(path: Path, package: str) -> set[str]:
    """The modules of a package that a file imports at module level, also for type checking."""
    imported: set[str] = set()
    inside = [
        node
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    ]
    lines = {node.lineno for node in inside if isinstance(node, ast.ImportFrom)}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.lineno in lines or not node.module:
            continue
        if node.module.startswith(f"{package}."):
            imported.add(node.module.rsplit(".", 1)[1])
        elif node.module == package:
            imported |= {alias.name for alias in node.names}
    return imported


def test_modules_of_plan_do_not_import_each_other_in_a_circle() -> None:
    files = {path.stem: path for path in (PACKAGE / "plan").glob("*.py") if path.stem != "__init__"}
    graph = {name: imports_of(path, "scalelaw.plan") & set(files) for name, path in files.items()}
    assert graph["p_best"]
    assert graph["warnings"]
    while leaves := [name for name, targets in graph.items() if not targets]:
        graph = {name: targets - set(leaves) for name, targets in graph.items() if name not in leaves}
    assert graph == {}


def test_plan_names_no_kind_of_cost_that_a_cost_could_say_itself() -> None:
    """Kinds stand in the cost files; the memory of a device is the one limit that no budget needs to name."""
    named: dict[str, set[str]] = {}
    for path in (PACKAGE / "plan").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in kinds():
                named.setdefault(node.value, set()).add(path.stem)
    named.pop("flops")
    assert named.pop("memory_gb") <= {"cost_breakdown", "make_problem", "hardware"}  # there a field of a card
    assert set(named) <= {"latency_ms", "ttft_ms", "ms_per_token"}
    assert {file for files in named.values() for file in files} <= {"calibrate", "stage_fit", "timings"}


CARBON = """'''Counts the carbon of the energy; leaves out everything else.'''
from scalelaw.costs import energy

kinds = {"carbon_g": "grams of CO2 per query"}
needs = ("shape", "device", "power")


def parts(n_params, shape, visual_tokens, workload):
    stages = energy.parts(n_params, shape, visual_tokens, workload)
    return {stage: 0.4 / 3600 * joules for stage, joules in stages.items()}
"""


def test_a_cost_on_energy_is_one_file(reasoning: Any, tmp_path: Path) -> None:
    (tmp_path / "carbon.py").write_text(CARBON)
    options: dict[str, Any] = {
        "models": "qwen1.5",
        "cost": str(tmp_path / "carbon.py"),
        "visual_tokens": "16",
    }
    plan = find_optimum(reasoning, {"carbon_g": 0.01}, hardware="h100", **options)
    model, costs = plan.best["model"], plan.best["costs"]
    assert costs["carbon_g"] == pytest.approx(0.4 / 3600 * costs["energy_j"], rel=1e-12)
    assert costs["energy_j"] == pytest.approx(
        find_cost(model, 16, hardware="h100").costs["energy_j"], rel=1e-12
    )
    for hardware, lacking in (("tpu-v5e", "power"), (None, "hardware")):
        with pytest.raises(InputError, match=lacking) as refusal:
            find_optimum(reasoning, {"carbon_g": 0.01}, hardware=hardware, **options)
        assert refusal.value.code == "cost_needs_more"
    unused = find_optimum(reasoning, {"flops": 8e12}, hardware="tpu-v5e", **options)
    assert "carbon_g" not in unused.best["costs"]


def test_an_unknown_need_is_refused(reasoning: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CARBON.replace('"power"', '"water"'))
    with pytest.raises(InputError) as refusal:
        find_optimum(reasoning, 8e11, models="qwen1.5", cost=str(tmp_path / "mine.py"))
    assert refusal.value.code == "unknown_need"


def test_needs_are_named_in_the_cost_files() -> None:
    assert plugins.load("costs", "energy").needs == ("shape", "device", "power")
    assert plugins.load("costs", "latency").kind_needs == {"ms_per_token": ("answer",)}
