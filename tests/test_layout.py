"""Rules of the layout that hold for every file of the package: no plug-in by name, no tricks with namespaces."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import scalelaw
from scalelaw import plugins

PACKAGE = Path(scalelaw.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

OTHER_MEANINGS = {
    "none": "no value, in matplotlib, YAML and statuses",
    "local": "this machine",
    "memory": "of a device",
    "power": "of a device; a power function",
    "clip": "a type of encoder in a config.json",
    "ray": "the package, an extra",
    "slurm": "the scheduler; a folder of logs",
}
"""Plug-ins whose name is a common word: only an import of them counts. So it is for families, whose names are model
types of a config.json."""

DEFAULT = "a default, which a user may change"
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("config.py", "scenes"): DEFAULT,
    ("config.py", "superclass"): DEFAULT,
    ("config.py", "quecc"): DEFAULT,
    ("table/paired_tests.py", "downsample"): DEFAULT,
    ("plan/make_problem.py", "layer_flops"): "the two counts of FLOPs that every plan chooses between",
    ("plan/make_problem.py", "linear_flops"): "the two counts of FLOPs that every plan chooses between",
    ("plan/cost_breakdown.py", "layer_flops"): "the exact count, of which conventions take parts",
    ("plan/flop_conventions.py", "layer_flops"): "the exact count, of which conventions take parts",
    ("plan/cost_breakdown.py", "memory"): "the largest batch that a card has room for",
    ("plan/budget_kinds.py", "latency"): "tokens are free while they cost no time",
    ("plan/stage_fit.py", "latency"): "a calibration fits the parameters of this cost",
    ("benchmarks/optimum_benchmark.py", "latency"): "a key of the tool's files",
    ("report/text/format.py", "quecc"): "published spelling",
    ("report/text/format.py", "token_packer"): "published spelling",
    ("report/text/format.py", "dollars"): "the currency",
    ("cli/doctor.py", "ray"): "whether its cluster can be reached",
    ("vlm/cost_estimate.py", "llava_json"): "a fine-tuning stage of LLaVA is trained on its records",
    ("vlm/finetune.py", "llava_json"): "a fine-tuning stage of LLaVA is trained on its records",
    ("vlm/recipe_data.py", "llava_json"): "a fine-tuning stage of LLaVA is trained on its records",
    ("vlm/answering.py", "llava_json"): "a fine-tuned model answers questions in the format of its records",
    ("vlm/convert.py", "quecc"): "the compressor of the checkpoints of the QueCC repository",
    ("vlm/checkpoint_layouts.py", "quecc"): "the compressor of the checkpoints of the QueCC repository",
    ("vlm/probe.py", "clip"): "the probe measures an image-text similarity",
}
"""(file, plug-in) -> why the file may name it."""


def plug_ins() -> dict[tuple[str, str], Path]:
    return {
        (package, path.stem): path
        for package in plugins.PACKAGES
        for path in (PACKAGE / package).glob("*.py")
        if not path.stem.startswith("_")
    }


def documentation(tree: ast.AST) -> set[int]:
    """The docstrings of a file, by the id of their nodes."""
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }


def named(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(package or "", name) of what a file imports or writes as text that may be a plug-in."""
    texts = documentation(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            yield "", node.value
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scalelaw."):
            parts = (node.module or "").split(".")[1:]
            if len(parts) > 1:
                yield parts[0], parts[1]
            yield from ((parts[0], alias.name) for alias in node.names if len(parts) == 1)


def test_a_plug_in_is_named_only_in_its_own_package() -> None:
    """Plug-ins of a package may build on each other; whatever else names one has to change with it."""
    known, used = plug_ins(), set()
    packages = {name: package for package, name in known}
    for file in FILES:
        place = file.relative_to(PACKAGE)
        for package, name in named(ast.parse(file.read_text(encoding="utf-8"))):
            if package and (package, name) not in known:
                continue
            if not package and (packages.get(name, "families") == "families" or name in OTHER_MEANINGS):
                continue
            own = package or packages[name]
            # a cost may use a cost, and the model that a compressor is part of may name it
            if place.parts[0] == own or name in place.parts:
                continue
            used.add((place.as_posix(), name))
    assert used - set(EXCEPTIONS) == set()
    assert set(EXCEPTIONS) - used == set(), "these exceptions are no longer needed"
    assert set(OTHER_MEANINGS) <= set(packages)


@pytest.mark.parametrize(
    "code", ["from scalelaw.costs import latency", "kind = 'quecc'", "from scalelaw.costs.memory import x"]
)
def test_a_name_is_noticed(code: str) -> None:
    assert {("costs", "latency"), ("", "quecc"), ("costs", "memory")} & set(named(ast.parse(code)))


def test_no_file_reads_or_writes_a_namespace() -> None:
    """`locals()`, `globals()`, and attributes of a frozen dataclass set after it is made."""
    wrong = []
    for file in FILES:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        allowed = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and node.name == "__post_init__"
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or id(node) in allowed:
                continue
            if ast.unparse(node.func) in ("locals", "globals", "object.__setattr__"):
                wrong.append(f"{file.relative_to(PACKAGE)}:{node.lineno}")
    assert wrong == []
