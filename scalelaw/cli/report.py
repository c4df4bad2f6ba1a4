"""The command that convinces: report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from scalelaw.cli.face import Json, app, give


@app.command("report")
def report(
    items: Annotated[
        list[str], typer.Argument(metavar="FIT.json|OPTIMUM.json|TABLE", help="What to report on.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The PDF to write.")] = Path("report.pdf"),
    title: Annotated[str | None, typer.Option(help="The title on page one.")] = None,
    as_json: Json = False,
) -> None:
    """Draw one PDF from fits, optima and tables.

    Example: scalelaw report fit.json optimum.json -o report.pdf
    """
    from scalelaw.report import write_report

    written = write_report(list(items), output, title=title)
    give("report", {"report": written, "items": items}, as_json=as_json)
    print(f"The report is {written}.", file=sys.stderr)
