"""The commands around a table: import, list."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from scalelaw import __version__, plugins
from scalelaw.cli.face import Json, app, give
from scalelaw.errors import unknown

LISTS = (*plugins.DRAWERS, "models", "hardware", "tables")


@app.command("import")
def import_(
    form: Annotated[
        str, typer.Argument(metavar="FORMAT", help="An importer's name (scalelaw list importers).")
    ],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder to import.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The table to write (parquet).")],
    models: Annotated[
        Path | None, typer.Option(help="YAML with what the files do not say (sizes, token counts, columns).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn another tool's results or published numbers into a results table.

    Example: scalelaw import published_table numbers.csv --models columns.yaml -o numbers.parquet
    """
    from scalelaw.config import read_mapping
    from scalelaw.table import write_table

    rows = plugins.load("importers", form).read(path, read_mapping(models))
    write_table(rows, output, {"scalelaw.version": __version__})
    give("import", {"format": form, "rows": len(rows), "table": output}, as_json=as_json)
    print(f"{len(rows)} rows written to {output}.", file=sys.stderr)


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(metavar="|".join(LISTS), help="Which drawer or catalogue.")],
    as_json: Json = False,
) -> None:
    """List what there is: plug-ins, models, hardware, tables.

    Example: scalelaw list laws
    """
    if what not in LISTS:
        raise unknown("list", what, LISTS)
    if what in plugins.DRAWERS:
        entries = {name: plugins.summary(what, name) for name in plugins.names(what)}
    elif what == "tables":
        from scalelaw.table import bundled_tables, describe

        entries = {name: str(describe(name).get("title", "")) for name in bundled_tables()}
    else:
        from scalelaw import plan

        entries = plan.list_models() if what == "models" else plan.list_hardware()
    if not as_json:
        width = max(map(len, entries), default=0)
        for name, meaning in entries.items():
            print(f"{name:<{width}}  {meaning}".rstrip())
    listed = [{"name": name, "summary": meaning} for name, meaning in entries.items()]
    give("list", {what: listed}, as_json=as_json)
