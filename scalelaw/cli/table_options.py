"""Options that say how a table is read, shared by the commands that take them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scalelaw.cli.app import numbers, pairs

Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        help="Read a law's input from another column: n_params=size. NAME= keeps a name of a formula a parameter; "
        "repeatable.",
        metavar="INPUT=COLUMN",
        rich_help_panel="Data",
    ),
]
Target = Annotated[
    str, typer.Option(help="The column that the law explains.", metavar="COLUMN", rich_help_panel="Data")
]
Scores = Annotated[
    list[str] | None,
    typer.Option(
        "--score",
        help="Explain 1 - COLUMN/MAX in place of --target: acc=100.",
        metavar="COLUMN=MAXIMUM",
        rich_help_panel="Data",
    ),
]
Scales = Annotated[
    list[str] | None,
    typer.Option(
        "--scale",
        help="Multiply a column of the table: n_params=1e9 for billions; repeatable.",
        metavar="COLUMN=FACTOR",
        rich_help_panel="Data",
    ),
]

AsIs = Annotated[
    bool,
    typer.Option(
        "--as-is",
        help="Read a target that looks like a score, and values whose unit looks wrong, unchanged.",
        rich_help_panel="Data",
    ),
]


def input_columns(terms: list[str] | None) -> dict[str, str | float]:
    """Columns by input; a number is the input's value for all rows."""
    inputs: dict[str, str | float] = {}
    for name, value in pairs(terms, "--input", empty=True).items():
        try:
            inputs[name] = float(value)
        except ValueError:
            inputs[name] = value
    return inputs


def reading(
    inputs: list[str] | None, target: str, scores: list[str] | None, scale: list[str] | None, as_is: bool
) -> dict[str, Any]:
    """How a table is read, as `as_read` and `coverage` take it."""
    return {
        "inputs": input_columns(inputs),
        "target": target,
        "score": numbers(scores, "--score"),
        "scale": numbers(scale, "--scale"),
        "as_is": as_is,
    }
