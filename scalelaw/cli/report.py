"""The command that convinces: report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from scalelaw.cli.app import Json, LawFiles, app, give, need_files
from scalelaw.cli.help import Sectioned
from scalelaw.files.safe_text import say

_NAMES = {("page", "pdf"): "report.pdf", ("page", "html"): "report.html"}


@app.command("report", cls=Sectioned)
def report(
    items: Annotated[
        list[str],
        typer.Argument(
            metavar="FIT.json|OPTIMUM.json|TABLE",
            help="Answers of fit, optimize, compare or cost, and tables: by path or bundled name.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The file (for paper: the folder) to write. [default: report.pdf]",
            metavar="FILE",
            rich_help_panel="Output",
        ),
    ] = None,
    law_files: LawFiles = None,
    title: Annotated[
        str | None, typer.Option(help="The title on page one.", metavar="TEXT", rich_help_panel="Output")
    ] = None,
    style: Annotated[
        str,
        typer.Option(
            help="page: one document; paper: figures in column width, LaTeX tables, BibTeX.",
            metavar="NAME",
            rich_help_panel="Output",
        ),
    ] = "page",
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="pdf or html. [default: by the output's suffix]",
            metavar="NAME",
            rich_help_panel="Output",
        ),
    ] = None,
    figures: Annotated[
        str | None,
        typer.Option(
            help="With --style paper, write only these figures and no tables: parity,surface. [default: all]",
            metavar="NAME,...",
            rich_help_panel="Output",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a report on fits, optima and tables, and its numbers as JSON and csv.

    Example: scalelaw report fit.json optimum.json vlm_reasoning -o report.pdf
    """
    from scalelaw.report import write_report

    need_files(law_files or [])
    target = output or Path(_NAMES.get((style, form or "pdf"), "paper"))
    typed = ["report", *items, *(["-o", str(output)] if output else [])]
    typed += [word for file in law_files or [] for word in ("--law", file)]
    typed += ["--title", title] if title else []
    typed += ["--style", style] if style != "page" else []
    typed += ["--format", form] if form else []
    typed += ["--figures", figures] if figures else []
    command = f"scalelaw {shlex.join(typed)}"
    written = write_report(
        list(items),
        target,
        title=title,
        style=style,
        form=form,
        command=command,
        law=law_files or (),
        figures=[name for part in (figures or "").split(",") if (name := part.strip())],
    )
    give("report", {"report": written, "items": items}, as_json=as_json)
    say(f"The report is {written}.", sys.stderr)
