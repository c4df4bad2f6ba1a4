"""The face for a terminal: each command reads, calls one function, writes; it computes nothing.

With --json a command prints exactly one object on stdout (see `scalelaw.answers`); words and progress go to
stderr. Exit codes: see `scalelaw.errors`. Libraries are imported inside the commands, so that help is quick.
"""

from scalelaw.cli import fit, optimize, predict, report, sweep, tables, tokens, upkeep
from scalelaw.cli.face import app, commands, main

__all__ = [
    "app",
    "commands",
    "fit",
    "main",
    "optimize",
    "predict",
    "report",
    "sweep",
    "tables",
    "tokens",
    "upkeep",
]
