"""Write the parts of README.md, CONTRIBUTING.md and docs/ that could drift from the code.

Run by `make docs`; the tests compare the files with what this makes. A part stands between `<!-- NAME -->` and
`<!-- /NAME -->`.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
WIDTH = "100"
"""Columns of the terminal output in README.md."""

ELSEWHERE = {
    "data/": "published tables as found and in the schema, model catalogue, hardware; each with its source",
    "experiments/": "one YAML per question, stating only its difference from the defaults; LOG.md: what was tried",
    "docs/": "guides and reference",
    "reports/": "where reports are written; only one example is committed",
    "tests/": "one folder per package; tests/benchmarks/ holds what `make bench` measures",
}


def caption(path: Path) -> str:
    """The first sentence of a module's or a package's docstring."""
    source = path / "__init__.py" if path.is_dir() else path
    doc = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    first = " ".join(doc.split("\n\n")[0].split())
    return re.split(r"(?<=[a-z)`])\. ", first)[0].rstrip(".")


def tree(root: Path = ROOT) -> str:
    """The package with a caption for each module and folder."""
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


def plugin_packages() -> str:
    """The plug-ins of each plug-in package."""
    from scalelaw import plugins

    rows = ["| package | plug-ins |", "| --- | --- |"]
    rows += [f"| `{d}` | {', '.join(f'`{n}`' for n in plugins.names(d))} |" for d in plugins.PACKAGES]
    return "\n".join(rows)


def _printed_by(*commands: list[str]) -> str:
    """What the last of some commands prints to standard output, run in an empty folder."""
    import tempfile

    from scalelaw import cli

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for command in commands:
            out, err = io.StringIO(), io.StringIO()
            with (
                mock.patch.dict(os.environ, {"COLUMNS": WIDTH}),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                code = cli.main(command)
            assert code == 0, err.getvalue()
    lines = [line.rstrip() for line in out.getvalue().strip().splitlines()]
    return "```text\n" + "\n".join(lines) + "\n```"


def optimize_output() -> str:
    """What the README's `optimize` command prints."""
    fit = ["fit", "vlm_reasoning", "-o", "fit.json"]
    return _printed_by(fit, ["optimize", "fit.json", "--budget", "8e11", "--text-tokens", "50"])


def fit_output() -> str:
    """What the README's `fit` command prints."""
    return _printed_by(["fit", "vlm_reasoning", "-o", "fit.json"])


def tokens_output() -> str:
    """What the README's `tokens` command prints."""
    return _printed_by(["tokens", "qwen3-vl", "--image", "1920x1080"])


def serve_output() -> str:
    """What the README's command for a served model prints."""
    fit = ["fit", "vlm_reasoning", "-o", "fit.json"]
    command = "optimize fit.json --models qwen3-vl --image 1920x1080 --budget ttft_ms=20 --hardware h100 --engine vllm"
    return _printed_by(fit, command.split())


def python_lines(readme: str) -> str:
    """The README's first Python block, as code."""
    blocks = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert blocks, "README.md holds no Python block"
    return blocks.group(1)


def printed(readme: str, folder: Path) -> str:
    """What the README's Python lines print, run in `folder`."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.chdir(folder):
        exec(compile(python_lines(readme), "README.md", "exec"), {})
    return "```text\n" + out.getvalue().rstrip() + "\n```"


def parts_of(path: Path, folder: Path) -> dict[str, Callable[[], str]]:
    """The generated parts of README.md or CONTRIBUTING.md."""
    if path == CONTRIBUTING:
        return {"tree": tree, "plugins": plugin_packages}
    readme = path.read_text(encoding="utf-8")
    return {
        "fit": fit_output,
        "optimize": optimize_output,
        "tokens": tokens_output,
        "serve": serve_output,
        "printed": lambda: printed(readme, folder),
        "commands": commands,
    }


def rendered(path: Path, folder: Path) -> str:
    """README.md or CONTRIBUTING.md with every generated part as it should be now."""
    text = path.read_text(encoding="utf-8")
    for name, make in parts_of(path, folder).items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        assert pattern.search(text), f"{path.name} has no part {name}"
        part = make()
        text = pattern.sub(lambda match, part=part: match.group(1) + part + "\n" + match.group(2), text)  # type: ignore[misc]
    return text


def reference() -> str:
    """docs/commands.md: every command's help, as the terminal prints it at 100 columns."""
    import typer

    from scalelaw import cli

    group = typer.main.get_command(cli.app)
    parts = ["# Commands", "", "Made by `make docs` from the commands' own help."]
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
            command.main(["--help"], prog_name=f"scalelaw {name}", standalone_mode=False, terminal_width=100)
        text = "\n".join(line.rstrip() for line in out.getvalue().strip().splitlines())
        parts += ["", f"## {name}", "", "```text", text, "```"]
    return "\n".join(parts) + "\n"


def api() -> str:
    """The public names of the package: signature, source and docstring."""
    import inspect

    import scalelaw as sl

    parts = []
    for name in sl.__all__:
        public = getattr(sl, name)
        if not callable(public):
            continue
        file = Path(inspect.getsourcefile(inspect.unwrap(public)) or "").resolve().relative_to(ROOT)
        lines = [f"## {name}", "", f"Source: [{file.as_posix()}](../{file.as_posix()})", "", "```text"]
        if inspect.isclass(public):
            parts.append("\n".join([*lines, _described(public, f"class {name}", bare=True), "```"]))
            members = [(m, v) for m, v in vars(public).items() if not m.startswith("_")]
            for member, value in members:
                function = value.fget if isinstance(value, property) else value
                if inspect.isfunction(function):
                    text = _described(function, f"{name}.{member}", bare=isinstance(value, property))
                    parts.append(f"### {name}.{member}\n\n```text\n{text}\n```")
        else:
            parts.append("\n".join([*lines, _described(public, name), "```"]))
    return "\n\n".join(parts)


def _described(public: Any, name: str, bare: bool = False) -> str:
    """The signature (unless `bare`) and the docstring."""
    import inspect

    doc = inspect.getdoc(public) or ""
    if bare:
        return f"{name}\n\n{doc}".rstrip()
    signature = inspect.signature(public)
    names = [
        str(value.replace(annotation=_plain(value.annotation))) for value in signature.parameters.values()
    ]
    kinds = [value.kind for value in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        names.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    end = (
        "" if signature.return_annotation is inspect.Parameter.empty else f" -> {signature.return_annotation}"
    )
    line = f"{name}({', '.join(names)}){end}"
    if len(line) > 100:
        line = "\n".join([f"{name}(", *(f"    {each}," for each in names), f"){end}"])
    return f"{line}\n\n{doc}".rstrip()


def _plain(annotation: Any) -> Any:
    """An annotation without the quotes of its text."""
    import inspect

    if not isinstance(annotation, str) or annotation is inspect.Parameter.empty:
        return annotation
    return type(annotation.strip("'"), (), {"__module__": "builtins"})


def costs() -> str:
    """Each cost's own page: what it counts, its formula, its source."""
    files = sorted((ROOT / "scalelaw" / "costs").glob("[!_]*.py"))
    docs = {path.stem: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "" for path in files}
    return "\n\n".join(f"## {name}\n\n```text\n{doc}\n```" for name, doc in docs.items())


def tokens() -> str:
    """Visual tokens of a few sizes in every family, and its knobs."""
    from scalelaw.errors import InputError
    from scalelaw.tokens.count import count_one
    from scalelaw.tokens.images import Size
    from scalelaw.tokens.models import all_families, find_vision_model

    sizes = [
        Size(*size)
        for size in ((336, 336), (640, 480), (1280, 720), (1920, 1080), (1080, 1920), (3840, 2160))
    ]
    rows = [
        "| family | " + " | ".join(f"{size.width}x{size.height}" for size in sizes) + " | video | knobs |",
        "| --- |" + " ---: |" * len(sizes) + " --- | --- |",
    ]
    for name, rules in all_families():
        model, cells = find_vision_model(name), []
        for size in sizes:
            try:
                cells.append(f"{count_one(model, size, model.settings).visual_tokens:,}")
            except InputError:
                cells.append("-")
        knobs = ", ".join(f"`{setting.name}`" for setting in rules.SETTINGS if setting.knob) or "none"
        video = "yes" if hasattr(rules, "count_video") else ""
        rows.append(f"| `{name}` | {' | '.join(cells)} | {video} | {knobs} |")
    return "\n".join(rows)


def engines() -> str:
    """Each engine's own page: what it sets, its memory rule, and the options and fields that it may write."""
    from scalelaw import plugins

    parts = []
    for name in plugins.names("engines"):
        rules = plugins.load("engines", name)
        rows = [f"### {name}", "", f"Version {rules.VERSION}, compared on {rules.CHECKED}.", ""]
        rows += [
            "```text",
            (rules.__doc__ or "").strip(),
            "```",
            "",
            "| option or field | sets |",
            "| --- | --- |",
        ]
        tables = (rules.FLAGS, getattr(rules, "ENVIRONMENT", {}), rules.REQUEST)
        rows += [f"| `{option}` | {meaning} |" for table in tables for option, meaning in table.items()]
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def experiments() -> str:
    """Every key of an experiment file, section by section, with its default and what it is."""
    from pydantic import BaseModel

    from scalelaw import config

    parts: list[str] = []

    def section(model: type[BaseModel], title: str) -> None:
        rows = ["| key | default | what it is |", "|---|---|---|"]
        for name, field in model.model_fields.items():
            value = field.get_default(call_default_factory=True)  # type: ignore[call-arg]
            default = "**must be given**" if field.is_required() else f"`{value!r}`"
            default = "the section's own defaults" if isinstance(value, BaseModel) else default
            rows.append(f"| `{name}` | {default} | {(field.description or '').replace('|', '/')} |")
        parts.append(f"## {title}\n\n{model.__doc__ or ''}\n\n" + "\n".join(rows))

    section(config.Experiment, "The file")
    sections = [m for m in vars(config).values() if isinstance(m, type) and issubclass(m, BaseModel)]
    for model in sections:
        if (
            model.__module__ == config.__name__
            and model is not config.Experiment
            and model.__name__[0] != "_"
        ):
            section(model, model.__name__)
    return "\n\n".join(parts)


def refits() -> str:
    """Each bundled table's stated fits: points, status, parameters, the root mean square of what is missed."""
    import scalelaw as sl
    from scalelaw.report.text import format as fmt
    from scalelaw.table.read import bundled_tables, describe

    rows = [
        "| table | fitted to | law | points | parameters | RMSE | status |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in bundled_tables():
        facts = describe(name)
        for settings in (facts["fit"], *facts.get("more_fits", [])):
            fitted = sl.fit_law(name, bootstrap=0, **settings)
            selected = ", ".join(map(str, (settings.get("where") or {}).values())) or "every row"
            numbers = ", ".join(f"{fmt.greek(k)} {fmt.short(v)}" for k, v in fitted.params.items())
            cells = (
                f"`{name}`",
                selected,
                fitted.law,
                fitted.n_points,
                numbers,
                fmt.short(fitted.rmse, 2),
                fitted.status,
            )
            rows.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(rows)


def scenes() -> str:
    """What the bundled sweep measured, family by family: mean errors, fits, and for digits the laws compared."""
    import scalelaw as sl
    from scalelaw.fit import compare
    from scalelaw.report.text.format import short

    def span(ends: tuple[float, float]) -> str:
        return f"[{short(ends[0], 2)}, {short(ends[1], 2)}]"

    table = sl.read_table("scenes")
    parts, tokens = [], sorted(table["visual_tokens"].unique())
    heads = ("family", "law", "points", "left out", "alpha", "beta", "alpha - beta", "RMSE",
             "of the largest LLM, predicted", "its runs scatter by")  # fmt: skip
    fits = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for (family, benchmark), rows in table.groupby(["task_family", "benchmark"], sort=False):
        name = benchmark.removeprefix("scenes_")
        head = "".join(f" V = {v:.0f} |" for v in tokens)
        lines = [f"**{name}** ({family})", "", f"| LLM, parameters |{head}", "|---" * (len(tokens) + 1) + "|"]
        for (size, model), group in rows.groupby(["n_params", "model"]):
            cells = []
            for v in tokens:
                there = group[group["visual_tokens"] == v]
                flagged = int((there["status"] != "ok").sum())
                cells.append(f" {there['error'].mean():.3f}{f' ({flagged} flagged)' if flagged else ''} |")
            lines.append(f"| {model}, {size:,.0f} |{''.join(cells)}")
        parts.append("\n".join(lines))
        if family == "perception":  # a check that the image is seen; no law is asked of it
            continue
        for law in ("product_power", "additive_power")[: 2 if name == "digits" else 1]:
            fitted = sl.fit_law(table, law, where={"benchmark": benchmark}, holdout="largest")
            group, difference = fitted.holdout, fitted.derived.get("alpha_minus_beta")
            cells = [
                name, law, fitted.n_points, len(rows) - fitted.n_points,
                *(f"{short(fitted.params[p], 2)} {span(fitted.intervals[p])}" for p in ("alpha", "beta")),
                f"{short(difference['value'], 2)} {span(difference['interval'])}" if difference else "",
                *(short(value, 2) for value in (fitted.rmse, group["rmse"], group["repeat_sd"])),
            ]  # fmt: skip
            fits.append("| " + " | ".join(map(str, cells)) + " |")
    compared = ["| law | AICc | score | weight |", "|---|---|---|---|"]
    for law in compare(table, where={"benchmark": "scenes_digits"}).laws:
        compared.append(
            f"| {law['law']} | {short(law['aicc'])} | {short(law['score'])} | {short(law['weight'], 2)} |"
        )
    head = "Mean error over the seeds:"
    return "\n\n".join(
        [
            head,
            *parts,
            "Laws, family by family:",
            "\n".join(fits),
            "Laws for digits:",
            "\n".join(compared),
        ]
    )


def compressors() -> str:
    """data/compressors.yaml: what a plan needs of each bundled compressor without loading torch, read off its code."""
    import yaml

    rows = {name: compressor_facts(name) for name in bundled_compressors()}
    head = "# Generated from scalelaw/compressors by `make docs`; see `Facts` in scalelaw/costs/_compressor.py.\n"
    return head + yaml.safe_dump({"compressors": rows}, sort_keys=False)


def bundled_compressors() -> list[str]:
    """The names of the files in scalelaw/compressors."""
    return sorted(path.stem for path in (ROOT / "scalelaw" / "compressors").glob("[!_]*.py"))


def compressor_facts(name: str) -> dict[str, object]:
    """The facts of one compressor: the rule that gives its numbers of tokens on every grid, and the closed form that
    gives its FLOPs. Raises StopIteration where no rule or no form does.
    """
    import numpy as np
    import torch

    from scalelaw import plugins
    from scalelaw.costs import _compressor
    from scalelaw.model_shapes import TowerShape

    plugin, width, text = plugins.load("compressors", name), 64, 48
    sides = (1, 2, 3, 4, 6, 12, 16, 24, 27, 40)
    most = max(plugin.allowed_tokens((64, 64)))
    rules = [("windows", None), ("all", None), ("any", None), ("any", most)]

    def follows(tokens: str, limit: int | None) -> bool:
        rule = _compressor.Facts(reads_question=False, tokens=tokens, flops="zero", most=limit)
        return all(
            _compressor.tokens_by_rule(rule, side).tolist() == sorted(plugin.allowed_tokens((side, side)))
            for side in sides
        )

    tokens, limit = next(rule for rule in rules if follows(*rule))
    counted, smaller = [], False
    with torch.device("meta"):
        for side in (2, 6, 12):
            for count in plugin.allowed_tokens((side, side)):
                module = plugin.Compressor((side, side), width, _compressor.MULTI * width, count, text)
                smaller |= count < side * side and hasattr(module, "image_grid")
                tower = TowerShape("", 1, width, 4 * width, 1, side)
                counted.append((tower, np.float64(count), module.flops()))
    form = next(
        form
        for form in _compressor.CLOSED_FORM
        if all(
            float(_compressor.closed_form(form, tower, count, text)) == flops
            for tower, count, flops in counted
        )
    )
    facts: dict[str, object] = {
        "reads_question": bool(plugin.Compressor.reads_question), "tokens": tokens, "flops": form,
    }  # fmt: skip
    return facts | ({"most": limit} if limit else {}) | ({"patches": "tokens"} if smaller else {})


PAGES: dict[str, Callable[[], str]] = {
    "api": api,
    "costs": costs,
    "experiments": experiments,
    "refits": refits,
    "scenes": scenes,
    "engines": engines,
    "tokens": tokens,
}
"""Pages of docs/ that hold a generated part of their own name."""


def page(name: str) -> str:
    """A page of docs/ with its generated part as it should be now."""
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    head, mark, rest = text.partition(f"<!-- {name} -->\n")
    assert mark, f"docs/{name}.md has no part {name}"
    return head + mark + PAGES[name]() + "\n" + rest[rest.index(f"<!-- /{name} -->") :]


def draw(path: Path) -> None:
    """The README's figure and the example report: the grid of arXiv 2411.03312, planned for 800 GFLOPs per query."""
    import scalelaw as sl
    from scalelaw.report import save_figure

    fitted = sl.fit_law("vlm_reasoning", bootstrap=1000, seed=0)
    optimum = sl.find_optimum(fitted, budget={"flops": 8e11}, text_tokens=50)
    save_figure("overview", [fitted, optimum], path, dpi=110)
    sl.write_report([fitted, optimum], ROOT / "reports" / "example.pdf")


if __name__ == "__main__":
    import tempfile

    draw(ROOT / "docs" / "figures" / "vlm_reasoning.png")
    (ROOT / "docs" / "commands.md").write_text(reference(), encoding="utf-8")
    (ROOT / "data" / "compressors.yaml").write_text(compressors(), encoding="utf-8")
    for name in PAGES:
        (ROOT / "docs" / f"{name}.md").write_text(page(name), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for written in (README, CONTRIBUTING):
            written.write_text(rendered(written, Path(folder)), encoding="utf-8")
    print("README.md, CONTRIBUTING.md and docs/ are up to date.", file=sys.stderr)
