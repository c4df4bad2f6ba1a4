"""What a fit of a table warns of or refuses, for the commands that show a table without fitting it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scalelaw.errors import InputError, Note
from scalelaw.table.points import points
from scalelaw.table.read import Where

INPUTS = ("n_params", "visual_tokens", "train_tokens", "train_samples", "train_flops", "frames")
"""Inputs of laws that a table may have."""
OF_ONE_LAW = ("mixed_", "pooled_", "empty_cells", "repeated_rows")
"""Beginnings of the codes about the points of one law, which a table with several kinds of rows does not share."""
NO_TARGET = ("missing_column", "empty_selection")
"""Codes of the refusals of tables that nothing can be fitted to."""


def point_warnings(
    table: pd.DataFrame,
    where: Where = None,
    *,
    inputs: Mapping[str, str | float] | None = None,
    target: str = "error",
    score: Mapping[str, float] | None = None,
    scale: Mapping[str, float] | None = None,
) -> tuple[Note, ...]:
    """The (code, message) pairs that a fit of the table by its inputs gives; a refusal is one of them.

    Args: as of `points`; inputs are read from the columns of their names unless they are mapped to others.
    """
    columns = {name: column for name, column in (inputs or {}).items() if isinstance(column, str) and column}
    there = [name for name in INPUTS if name in table and table[name].notna().any()]
    # of these two a law is fitted unless another is named
    default = [name for name in there if name in INPUTS[:2]] if INPUTS[1] in there else there
    # an input that is a number has no unit to check
    mapping = {name: name for name in default if name not in (inputs or {})} | columns
    if not mapping:
        return ()
    options: dict[str, Any] = {"score": score, "scale": scale}
    try:
        notes = points(table, mapping, target, where, **options).warnings
    except InputError as error:
        if error.code in NO_TARGET and not error.hint.startswith("Add "):
            return ()
        return ((error.code, " ".join(filter(None, (error.message, error.hint)))),)
    return tuple(note for note in notes if not note[0].startswith(OF_ONE_LAW))
