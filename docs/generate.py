"""Write the parts of README.md that could drift: the tree, the commands, the drawers, and what the Python lines print.

Run by `make docs`; the tests hold README.md to what this makes. A part stands between `<!-- NAME -->` and
`<!-- /NAME -->`.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"

ELSEWHERE = {
    "data/": "published tables as found and in the schema, the model catalogue, hardware; each with its source",
    "experiments/": "one YAML = one question, stating only its difference from the defaults; LOG.md: what was tried",
    "docs/": "what needs more words than a docstring",
    "reports/": "where PDFs go; generated, not committed, but for one example",
    "tests/": "the mirror of scalelaw/; tests/benchmarks/ holds what `make bench` measures",
}


def caption(path: Path) -> str:
    """The first sentence of a module's or a package's docstring."""
    source = path / "__init__.py" if path.is_dir() else path
    doc = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    first = " ".join(doc.split("\n\n")[0].split())
    return re.split(r"(?<=[a-z)`])\. ", first)[0].rstrip(".")


def tree(root: Path = ROOT) -> str:
    """The house with a caption for every room, a drawer's files by name."""
    package = root / "scalelaw"
    files = [p for p in sorted(package.glob("*.py")) if not p.name.startswith("_")]
    folders = [p for p in sorted(package.iterdir()) if (p / "__init__.py").is_file()]
    lines = ["scalelaw/"]
    lines += [f"    {p.name + ('/' if p.is_dir() else ''):<15} {caption(p)}" for p in [*files, *folders]]
    lines += [f"{name:<19} {text}" for name, text in ELSEWHERE.items()]
    return "```text\n" + "\n".join(lines) + "\n```"


def commands() -> str:
    """Every command with its first line of help and its example."""
    import inspect

    from scalelaw import cli

    rows = ["| command | what it does | for example |", "| --- | --- | --- |"]
    for info in cli.app.registered_commands:
        assert info.callback is not None
        words, _, example = (inspect.getdoc(info.callback) or "").partition("Example: ")
        rows.append(
            f"| `{info.name or info.callback.__name__}` | {words.split(chr(10))[0]} | `{example.strip()}` |"
        )
    return "\n".join(rows)


def drawers() -> str:
    """What lies in each drawer."""
    from scalelaw import plugins

    rows = ["| drawer | in it |", "| --- | --- |"]
    rows += [f"| `{d}` | {', '.join(f'`{n}`' for n in plugins.names(d))} |" for d in plugins.DRAWERS]
    return "\n".join(rows)


def python_lines(readme: str) -> str:
    """The README's first Python block, as code."""
    found = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert found, "README.md holds no Python block"
    return found.group(1)


def printed(readme: str, folder: Path) -> str:
    """What the README's Python lines print, run in `folder`."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.chdir(folder):
        exec(compile(python_lines(readme), "README.md", "exec"), {})
    return "```text\n" + out.getvalue().rstrip() + "\n```"


def rendered(readme: str, folder: Path) -> str:
    """README.md with every generated part as it should be now."""
    parts: dict[str, Callable[[], str]] = {
        "tree": tree,
        "commands": commands,
        "drawers": drawers,
        "printed": lambda: printed(readme, folder),
    }
    for name, make in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        assert pattern.search(readme), f"README.md has no part {name}"
        text = make()
        readme = pattern.sub(lambda found, text=text: found.group(1) + text + "\n" + found.group(2), readme)  # type: ignore[misc]
    return readme


def draw(path: Path) -> None:
    """The README's picture and the example report: the grid of arXiv 2411.03312, planned for 800 GFLOPs a query."""
    import scalelaw as sl
    from scalelaw.report import save_figure

    fitted = sl.fit_law("vlm_reasoning", bootstrap=1000, seed=0)
    optimum = sl.find_optimum(fitted, budget={"flops": 8e11}, text_tokens=50)
    save_figure("overview", [fitted, optimum], path, dpi=110)
    sl.write_report([fitted, optimum], ROOT / "reports" / "example.pdf")


if __name__ == "__main__":
    import tempfile

    draw(ROOT / "docs" / "figures" / "vlm_reasoning.png")
    with tempfile.TemporaryDirectory() as folder:
        README.write_text(rendered(README.read_text(encoding="utf-8"), Path(folder)), encoding="utf-8")
    print(f"{README.name} is up to date.", file=sys.stderr)
