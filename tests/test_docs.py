"""The pages of docs/ run as they stand, and their generated parts are current; so does the notebook."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

import scalelaw as sl
from scalelaw import cli
from scalelaw.version import __version__

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
LINK = r"\]\(([^)#]+)\)"
BLOCK = re.compile(r"^```(\w+)(?: ([\w./]+))?\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_runs_as_it_stands(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A block with a file's name is that file; Python is run, and so are the terminal's lines, but for those of a
    block marked `elsewhere`: they need what is not here (a cluster)."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for language, name, text in BLOCK.findall(path.read_text(encoding="utf-8")):
        if name == "elsewhere":
            continue
        if name:
            Path(name).write_text(text, encoding="utf-8")
        elif language == "python":
            exec(compile(text, f"{path.name}: {text[:40]}", "exec"), names)
        elif language == "bash":
            for line in text.splitlines():
                if line.startswith("scalelaw "):
                    assert cli.main(shlex.split(line)[1:]) == 0, (line, capsys.readouterr().err)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_what_a_page_links_is_there(path: Path) -> None:
    for target in re.findall(LINK, path.read_text(encoding="utf-8")):
        assert (path.parent / target).is_file(), target


def test_the_index_links_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in PAGES} - {"README.md"} <= set(re.findall(LINK, index))
    assert "docs/README.md" in re.findall(LINK, (ROOT / "README.md").read_text(encoding="utf-8"))


def test_the_index_names_each_page_by_its_title() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for path in PAGES:
        title = path.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("# ")
        assert path.name == "README.md" or f"[{title}]({path.name})" in index, path.name


def test_the_api_page_describes_every_public_name() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    described = [name for name in sl.__all__ if not name.startswith("__")]
    for name in described:
        assert f"\n## {name}\n" in page, name
    assert "<object object" not in page
    assert "builtins" not in page


def test_every_figure_is_used() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in (*PAGES, ROOT / "README.md"))
    for path in (ROOT / "docs" / "figures").iterdir():
        assert f"figures/{path.name}" in texts, path.name


def test_generated_parts_are_current(generate: ModuleType) -> None:
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == generate.reference(), (
        "run: make docs"
    )
    for name in generate.PAGES:
        assert (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") == generate.page(name), (
            "run: make docs"
        )


def test_every_command_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name in cli.commands():
        assert f"\n## {name}\n" in text
        part = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert "Example: scalelaw" in part, name


def test_the_notebook_runs_and_prints_what_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((ROOT / "examples" / "decision.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    names: dict[str, Any] = {}
    ran = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile("".join(cell["source"]), "decision.ipynb", "exec"), names)
        printed = "".join("".join(output["text"]) for output in cell["outputs"])
        assert out.getvalue() == printed
        ran += 1
    assert ran >= 4
    assert (tmp_path / "report.html").is_file()


def test_the_citation_file_cites_what_the_package_is() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["cff-version"] == "1.2.0"
    assert cited["title"] == "scalelaw"
    assert str(cited["version"]) == __version__
    assert {"authors", "message", "license", "references"} <= set(cited)
