"""README.md and CONTRIBUTING.md: generated parts are current, commands run, the law can be fitted."""

import importlib.util
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from scalelaw import cli

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "part", ["commands", "fit_output", "optimize_output", "tokens_output", "serve_output"]
)
def test_a_generated_part_is_current(generate: ModuleType, part: str) -> None:
    assert getattr(generate, part)() in README, "run: make docs"


@pytest.mark.parametrize("part", ["tree", "plugin_packages"])
def test_a_generated_part_of_the_contributing_page_is_current(generate: ModuleType, part: str) -> None:
    assert getattr(generate, part)() in CONTRIBUTING, "run: make docs"


def test_the_python_lines_print_what_the_readme_says(generate: ModuleType, tmp_path: Path) -> None:
    assert generate.printed(README, tmp_path) in README, "run: make docs"
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert len([line for line in generate.python_lines(README).splitlines() if line.strip()]) <= 8


def test_every_module_has_a_caption(generate: ModuleType) -> None:
    for path in (ROOT / "scalelaw").rglob("*.py"):
        if path.parent != ROOT / "scalelaw" or path.name != "__init__.py":
            assert len(generate.caption(path)) > 10, path


def test_the_commands_of_the_readme_run_as_they_stand(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(r"```csv (\S+)\n(.*?)```", README, re.DOTALL):
        Path(name).write_text(text)
    lines = [
        line for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) for line in block.splitlines()
    ]
    typed = [shlex.split(line)[1:] for line in lines if line.startswith("scalelaw ")]
    assert len(typed) >= 3
    for arguments in typed:
        assert cli.main(arguments) == 0, (arguments, capsys.readouterr().err)


def test_the_law_of_the_contributing_page_is_fitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    law = tmp_path / "my_law.py"
    law.write_text(re.findall(r"```python\n(.*?)```", CONTRIBUTING, re.DOTALL)[0])
    assert cli.main(["fit", "vlm_reasoning", "--law", str(law), "--bootstrap", "0", "--json"]) == 0
    assert '"status": "identified"' in capsys.readouterr().out


def test_every_picture_and_page_linked_is_there() -> None:
    linked = re.findall(r"\[.*?\]\((.*?)\)", README)
    assert len(linked) >= 4
    for path in linked:
        assert (ROOT / path).is_file(), path


def test_the_make_targets_named_are_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= named <= targets
