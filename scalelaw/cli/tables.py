"""The commands around a table: import, show, list."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from scalelaw import plugins
from scalelaw.cli.app import Json, Table, Where, app, give, listed, names_of, numbers, pairs
from scalelaw.cli.help import Sectioned
from scalelaw.errors import unknown
from scalelaw.files.safe_text import one_line, say

LISTS = (*plugins.DRAWERS, "models", "towers", "hardware", "tables", "figures")


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
    output: Annotated[Path, typer.Option("-o", "--output", help="The table to write (parquet).")],
    models: Annotated[
        Path | None,
        typer.Option(help="YAML with what the files do not say: sizes, token counts, metrics, columns."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="A column of the table, and of the csv the one that holds it: n_params=size; repeatable."
        ),
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(help="Multiply a column of the table: n_params=1e9 for billions; repeatable."),
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option(
            help="A column (of a long csv: a benchmark) of scores, and its maximum: GQA=100; repeatable."
        ),
    ] = None,
    decimal: Annotated[
        str | None, typer.Option(help="The csv's decimal mark, . or , (the other then groups thousands).")
    ] = None,
    experiment: Annotated[str | None, typer.Option(help="What the table calls the experiment.")] = None,
    as_json: Json = False,
) -> None:
    """Turn another tool's results or published numbers into a results table.

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
    for name, given in flags.items():
        if given:
            options[name] = {**(options.get(name) or {}), **given}
    for name, said in (("experiment", experiment), ("decimal", decimal)):
        if said is not None:
            options[name] = said
    importer = plugins.load("importers", form)
    for name in options:
        if name not in getattr(importer, "OPTIONS", options):
            raise unknown(f"option of {form}", name, importer.OPTIONS, code="unknown_option")
    found = importer.read(path, options)
    write_table(found.rows, output, versions(), by_user=True)
    data = {"format": form, "table": output, **found.to_dict()}
    give("import", data, found.warnings, as_json=as_json)
    say(f"{len(found.rows)} rows written to {output}.", sys.stderr)


@app.command("show", cls=Sectioned)
def show(
    table: Table,
    paired: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN=BASELINE",
            help="Compare a column's values with one of them, pair by pair: compressor=downsample.",
        ),
    ] = None,
    where: Where = None,
    as_json: Json = False,
) -> None:
    """Show what a table covers: its grid, what is missing, what is doubted, and its source; or a paired comparison.

    Example: scalelaw show vlm_reasoning
    """
    from scalelaw.table.coverage import coverage

    if paired is not None:
        from scalelaw.table.paired_tests import paired as compare_pairs
        from scalelaw.table.points import choose
        from scalelaw.table.read import read_table

        ((by, baseline),) = pairs([paired], "--paired").items()
        compared = compare_pairs(choose(read_table(table, where), where), by, baseline)
        if not as_json:
            from scalelaw.cli.show.fit import show_pairs

            show_pairs(compared, by, baseline)
        give("show", {"by": by, "baseline": baseline, "rows": compared.to_dict("records")}, as_json=as_json)
        return
    found = coverage(table, where)
    if not as_json:
        from scalelaw.cli.show.fit import show_coverage

        show_coverage(found)
    give("show", found.to_dict(), as_json=as_json)


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
    as_json: Json = False,
) -> None:
    """List what there is: plug-ins, models, towers, hardware, tables.

    Example: scalelaw list laws
    """
    if what not in LISTS:
        raise unknown("list", what, LISTS)
    entries = listed(what)
    if not as_json:
        width = max((len(one_line(name)) for name in entries), default=0)
        for name, meaning in entries.items():
            say(f"{one_line(name):<{width}}  {one_line(meaning)}".rstrip())
    told = [{"name": name, "summary": meaning} for name, meaning in entries.items()]
    give("list", {what: told}, as_json=as_json)
