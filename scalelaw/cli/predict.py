"""The commands that read numbers and figures off a fit: predict and plot."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from scalelaw.cli.app import Json, LawFiles, Output, Where, app, give, names_of, need_files, number, pairs
from scalelaw.cli.help import Sectioned
from scalelaw.cli.table_options import AsIs, Inputs, Scales, Scores, Target, reading
from scalelaw.errors import InputError
from scalelaw.files.safe_text import say


@app.command("predict", cls=Sectioned)
def predict(
    fit_file: Annotated[
        Path, typer.Argument(metavar="FIT.json", help="What `scalelaw fit TABLE -o FIT.json` wrote.")
    ],
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE|FILE.csv",
            help="An input and its value, or several values: visual_tokens=64,144; repeatable, every combination is "
            "predicted. Or a csv with a column for each input.",
            rich_help_panel="Data",
        ),
    ] = None,
    level: Annotated[
        float,
        typer.Option(
            help="Level of the intervals, between 0 and 1.", metavar="NUMBER", rich_help_panel="Uncertainty"
        ),
    ] = 0.95,
    law_files: LawFiles = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Predict the error at given inputs, with intervals for the law and for a new run.

    Example: scalelaw predict fit.json --at n_params=72e9 --at visual_tokens=1024
    """
    from scalelaw.fit import load_fit
    from scalelaw.fit.predictions import predict_places

    need_files(law_files or [])
    predictions = predict_places(load_fit(fit_file, law_files or []), _places(at), level)

    def show() -> None:
        from scalelaw.cli.show.fit import show_predictions

        show_predictions(predictions)

    give("predict", predictions.to_dict(), predictions.warnings, as_json=as_json, output=output, words=show)


def _places(terms: list[str] | None) -> Any:
    if not terms:
        raise InputError(
            "predict needs a place.",
            code="usage",
            hint="--at n_params=7e9 --at visual_tokens=144, or --at FILE.csv.",
        )
    files = [term for term in terms if "=" not in term]
    if not files:
        return {
            name: [number(value, f"--at {name}") for value in values.split(",")]
            for name, values in pairs(terms, "--at").items()
        }
    if len(terms) > 1:
        raise InputError(
            "--at takes either one csv or terms NAME=VALUE, not both.",
            code="usage",
            hint="Put every input into the csv as a column.",
        )
    from scalelaw.table.read import read_table

    return read_table(files[0])


@app.command("plot", cls=Sectioned)
def plot(
    items: Annotated[
        list[str],
        typer.Argument(
            metavar="FIT.json|OPTIMUM.json|TABLE", help="Answers of fit, optimize or compare, and tables."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="The figure to write; .pdf, .svg or .png is the format.",
            metavar="FILE",
            rich_help_panel="Output",
        ),
    ],
    figure: Annotated[
        str,
        typer.Option(
            autocompletion=names_of("figures"),
            help="The figure's name (scalelaw list figures).",
            metavar="NAME",
            rich_help_panel="Output",
        ),
    ] = "overview",
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHxHEIGHT",
            help="Size in inches: 6.4x4.8. [default: the figure's own]",
            rich_help_panel="Output",
        ),
    ] = None,
    dpi: Annotated[
        int, typer.Option(min=30, help="Dots per inch of a .png.", metavar="NUMBER", rich_help_panel="Output")
    ] = 160,
    law_files: LawFiles = None,
    where: Where = None,
    inputs: Inputs = None,
    target: Target = "error",
    score: Scores = None,
    scale: Scales = None,
    as_is: AsIs = False,
    as_json: Json = False,
) -> None:
    """Write one figure to a PDF, SVG or PNG file.

    Example: scalelaw plot fit.json --figure curves -o curves.pdf
    """
    from scalelaw.report import save_figure

    need_files(law_files or [])
    options = reading(inputs, target, score, scale, as_is)
    tables = _tables(items, where, options)
    written = save_figure(figure, tables, output, dpi=dpi, size=_size(size), law=law_files or ())
    give("plot", {"figure": figure, "path": written, "items": items}, as_json=as_json)
    say(f"The figure is {written}.", sys.stderr)


def _tables(items: list[str], where: list[str] | None, options: dict[str, Any]) -> list[Any]:
    """The items, with the tables among them read by the options for tables."""
    if not where and not any(
        value for name, value in options.items() if name != "target" or value != "error"
    ):
        return list(items)
    from scalelaw.table.points import as_read
    from scalelaw.table.read import read_table

    is_table = [not item.endswith(".json") for item in items]
    if not any(is_table):
        raise InputError(
            "--where, --input, --target, --score, --scale and --as-is need a table.", code="usage"
        )
    return [
        as_read(read_table(item, where), where, **options) if table else item
        for item, table in zip(items, is_table, strict=True)
    ]


def _size(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    sides = tuple(number(side, "--size") for side in text.lower().split("x"))
    if len(sides) != 2 or not all(0.5 <= side <= 50 for side in sides):
        raise InputError(
            "--size takes WIDTHxHEIGHT, each 0.5 to 50 inches.", code="usage", hint="--size 6.4x4.8"
        )
    return sides[0], sides[1]
