"""What is fuzzed: every reader of somebody else's files and every small grammar of the command line.

A target makes an input by chance from valid ones, and runs it: an answer or a `ScalelawError` is right, all else a
fault.
"""

from . import (
    command_line,
    conversations,
    grammars,
    hostile_tables,
    importers,
    json_files,
    tables,
    workbooks,
    yaml_files,
)
from .shared import Target
from .tables import CSV
from .workbooks import _workbook

__all__ = ["CSV", "TARGETS", "Target", "_workbook"]

ORDER = (
    "expression",
    "--budget",
    "--fix, --bound, --tie",
    "--set",
    "config.json",
    "parquet",
    "xlsx",
    *(f"importer {tool}" for tool in importers.OPTIONS),
    "conversations, images",
    "models.yaml",
    "catalogue, hardware, rules",
    "experiment YAML",
    "--visual-tokens",
    "law formula",
    "fit.json, optimum.json",
    "csv",
    "csv bytes",
    "stdin",
    "parquet of any kind",
    "names of models",
    "--where",
    "fit of a table",
    "hostile tables",
    "sweep's folder",
    "command line",
)
"""The names, as they are run: what one of them imports, keeps or fills counts for those after it."""

_FILES = (
    grammars,
    tables,
    hostile_tables,
    yaml_files,
    json_files,
    importers,
    workbooks,
    conversations,
    command_line,
)
_KNOWN = [target for file in _FILES for target in file.TARGETS]
TARGETS: tuple[Target, ...] = tuple(sorted(_KNOWN, key=lambda target: ORDER.index(target.name)))
assert tuple(target.name for target in TARGETS) == ORDER, (
    "a target without its place, or a place without its target"
)
