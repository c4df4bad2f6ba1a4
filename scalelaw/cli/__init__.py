"""The face for a terminal: each command reads, calls one function, writes; it computes nothing.

With --json a command prints exactly one object on stdout (see `scalelaw.results.envelope`); words and progress go to
stderr. Exit codes: see `scalelaw.errors`. Libraries are imported inside the commands, so that help is quick.
"""

# Commands are listed in the order in which their modules are imported.
# isort: off
from scalelaw.cli import fit, optimize, cost, measure, predict, tokens, report, sweep, convert, tables, meta

# isort: on
from scalelaw.cli.app import app, commands, main

__all__ = [
    "app",
    "commands",
    "convert",
    "cost",
    "fit",
    "main",
    "measure",
    "meta",
    "optimize",
    "predict",
    "report",
    "sweep",
    "tables",
    "tokens",
]
