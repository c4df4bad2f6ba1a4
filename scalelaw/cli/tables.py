"""The commands around a table: import, show, list."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from scalelaw import plugins
from scalelaw.cli.app import Json, Table, Where, app, give, listed, names_of, numbers, pairs
from scalelaw.cli.help import Sectioned
from scalelaw.cli.table_options import AsIs, Inputs, Scales, Scores, Target, reading
from scalelaw.errors import unknown
from scalelaw.files.safe_text import one_line, say

LISTS = (*plugins.PACKAGES, "models", "towers", "hardware", "tables")


@app.command("import", cls=Sectioned)
def import_(
    form: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            autocompletion=names_of("importers"),
            help="An importer's name (scalelaw list importers).",
        ),
    ],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder to import.")],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="The table to write (parquet).", metavar="FILE", rich_help_panel="Output"
        ),
    ],
    models: Annotated[
        Path | None,
        typer.Option(
            help="YAML with what the files lack: sizes, token counts, metrics, columns.",
            metavar="FILE.yaml",
            rich_help_panel="Data",
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="A column of the table and the csv's column for it: n_params=size; repeatable.",
            metavar="COLUMN=NAME",
            rich_help_panel="Data",
        ),
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            help="Multiply a column of the table: n_params=1e9 for billions; repeatable.",
            metavar="COLUMN=FACTOR",
            rich_help_panel="Data",
        ),
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option(
            help="A column (of a long csv: a benchmark) of scores, and its maximum: GQA=100; repeatable.",
            metavar="COLUMN=MAXIMUM",
            rich_help_panel="Data",
        ),
    ] = None,
    decimal: Annotated[
        str | None,
        typer.Option(
            help="The csv's decimal mark, . or , (the other then groups thousands).",
            metavar="MARK",
            rich_help_panel="Data",
        ),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option(help="The experiment's name in the table.", metavar="NAME", rich_help_panel="Data"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Convert another tool's results or published numbers to a results table.

    Example: scalelaw import lmms_eval results/ --models models.yaml -o results.parquet
    """
    from scalelaw.config import read_mapping
    from scalelaw.files.paths import versions
    from scalelaw.table.read import write_table

    options = read_mapping(models)
    flags: dict[str, dict[str, Any]] = {
        "columns": dict(pairs(column, "--column")),
        "scale": dict(numbers(scale, "--scale")),
        "scores": dict(numbers(score, "--score")),
    }
    for name, pairs_of in flags.items():
        if pairs_of:
            options[name] = {**(options.get(name) or {}), **pairs_of}
    for name, text in (("experiment", experiment), ("decimal", decimal)):
        if text is not None:
            options[name] = text
    importer = plugins.load("importers", form)
    for name in options:
        if name not in getattr(importer, "OPTIONS", options):
            raise unknown(f"option of {form}", name, importer.OPTIONS, code="unknown_option")
    imported = importer.read(path, options)
    write_table(imported.rows, output, versions(), by_user=True)
    data = {"format": form, "table": output, **imported.to_dict()}
    give("import", data, imported.warnings, as_json=as_json)
    say(f"{len(imported.rows)} rows written to {output}.", sys.stderr)


@app.command("show", cls=Sectioned)
def show(
    table: Table,
    paired: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN=BASELINE",
            help="Compare the values of a column with a baseline, paired by cell: compressor=downsample.",
            rich_help_panel="Data",
        ),
    ] = None,
    where: Where = None,
    inputs: Inputs = None,
    target: Target = "error",
    score: Scores = None,
    scale: Scales = None,
    as_is: AsIs = False,
    as_json: Json = False,
) -> None:
    """Show what a table covers: its grid, missing cells, warnings and source; or a paired comparison.

    Example: scalelaw show vlm_reasoning
    """
    from scalelaw.table.coverage import coverage

    options = reading(inputs, target, score, scale, as_is)
    if paired is not None:
        from scalelaw.table.paired_tests import paired as compare_pairs
        from scalelaw.table.points import as_read
        from scalelaw.table.read import read_table

        ((by, baseline),) = pairs([paired], "--paired").items()
        compared = compare_pairs(as_read(read_table(table, where), where, **options), by, baseline)
        if not as_json:
            from scalelaw.cli.show.tables import show_pairs

            show_pairs(compared, by, baseline)
        give("show", {"by": by, "baseline": baseline, "rows": compared.to_dict("records")}, as_json=as_json)
        return
    covered = coverage(table, where, **options)
    if not as_json:
        from scalelaw.cli.show.tables import show_coverage

        show_coverage(covered)
    give("show", covered.to_dict(), covered.notes if as_json else (), as_json=as_json)


@app.command("list", cls=Sectioned)
def list_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            autocompletion=lambda incomplete: [n for n in LISTS if n.startswith(incomplete)],
            help="One of: " + ", ".join(LISTS) + ".",
        ),
    ],
    words: Annotated[
        str | None,
        typer.Argument(metavar="[FILTER]", help="Show only entries whose name or description contains this."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the plug-ins, models, vision encoders (towers), hardware and tables.

    Example: scalelaw list models qwen3-vl
    """
    if what not in LISTS:
        raise unknown("list", what, LISTS)
    if what == "models":
        _list_models(words, as_json)
        return
    every = listed(what)
    entries = {name: meaning for name, meaning in every.items() if _matches(words, name, meaning)}
    if words is not None and not entries:
        raise unknown(f"entry of {what}", words, every)
    if not as_json:
        width = max((len(one_line(name)) for name in entries), default=0)
        for name, meaning in entries.items():
            say(f"{one_line(name):<{width}}  {one_line(meaning)}".rstrip())
    rows = [{"name": name, "summary": meaning} for name, meaning in entries.items()]
    give("list", {what: rows}, as_json=as_json)


def _matches(words: str | None, *texts: str) -> bool:
    return words is None or any(words.lower() in text.lower() for text in texts)


def _list_models(words: str | None, as_json: bool) -> None:
    """The catalogue as a table of 80 columns."""
    from scalelaw.plan.listing import model_rows

    every = model_rows()
    rows = [row for row in every if _matches(words, row["name"], row["family"])]
    rows = rows or [row for row in every if _matches(words, row["summary"])]
    if not rows:
        raise unknown("model", str(words), [row["name"] for row in every])

    def show() -> None:
        from scalelaw.cli.show.printer import Printer
        from scalelaw.report.text import format as fmt

        cells = [
            (
                row["name"],
                fmt.parameters(row["llm_params"]),
                fmt.parameters(row["total_params"]) if row["encoder"] else "",
                row["encoder"] or "",
                _knobs(row["knobs"]),
            )
            for row in rows
        ]
        Printer().table(("model", "LLM", "total", "encoder", "knobs"), cells, left=(0, 3, 4))
        for what in dict.fromkeys(row["counted_as"] for row in rows if row["counted_as"]):
            say(f"n_params of a mixture is {what}:")
            for row in rows:
                if row["counted_as"] == what:
                    say(f"  {row['name']} {fmt.parameters(row['n_params'])}")
        if unverified := [row["name"] for row in rows if row["unverified"]]:
            say("Not confirmed by a public source (why: `unverified` with --json):")
            for name in unverified:
                say(f"  {name}")

    give("list", {"models": rows}, as_json=as_json, words=show)


def _knobs(names: list[str]) -> str:
    """The first, and how many more."""
    return f"{names[0]} (+{len(names) - 1})" if len(names) > 1 else "".join(names)
