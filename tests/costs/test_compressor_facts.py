"""data/compressors.yaml is what the compressors' own code says; no plug-in is named outside its own file."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import scalelaw
from scalelaw import plugins
from scalelaw.costs import _compressor
from scalelaw.files.paths import bundled

PACKAGE = Path(scalelaw.__file__).parent


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    path = PACKAGE.parent / "docs" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate_facts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_facts_are_those_of_the_code(generate: ModuleType) -> None:
    assert bundled("compressors.yaml").read_text(encoding="utf-8") == generate.compressors(), "run: make docs"
    assert list(_compressor.bundled_facts()) == generate.bundled_compressors()


def test_a_wrong_fact_is_noticed(generate: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    real = _compressor.closed_form
    monkeypatch.setattr(_compressor, "closed_form", lambda *a: real(*a) * 1.01)
    with pytest.raises(StopIteration):
        generate.compressor_facts("token_packer")


@pytest.mark.parametrize("folder", ["plan", "costs"])
def test_no_compressor_is_named_in_code(folder: str) -> None:
    names = set(plugins.names("compressors")) - {"none"}
    computed = [
        f"{path.name}:{node.lineno}: {node.value}"
        for path in sorted((PACKAGE / folder).glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    ]
    assert computed == []


@pytest.mark.parametrize("plugin", ["laws", "compressors", "costs"])
def test_no_plugin_is_named_in_the_code_of_plan(plugin: str) -> None:
    """The FLOP accountings are defaults, plan computes with `memory` and `latency`, and `power` is a need too."""
    names = set(plugins.names(plugin)) - {"none", "power", "linear_flops", "layer_flops", "latency", "memory"}
    for path in sorted((PACKAGE / "plan").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert not constants & names, path.name
