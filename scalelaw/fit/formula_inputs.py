"""Which names of a typed formula are inputs: one rule for every command, applied to the formula and its table.

For each name, the first rule that applies:

1. `--input NAME=COLUMN` (or a number) makes it an input, and `--input NAME=` a parameter.
2. A column of numbers of the table with exactly this name is an input.
3. N is n_params, V is visual_tokens, and D is train_tokens where the table has that column (D as a term by itself, as
   in A*N**-a + D, stays a parameter).
4. N, V, x and the names of the results table's columns are inputs that this table lacks: an error.
5. A name that is nearly that of a column of numbers which the formula does not use is an error: another spelling, a
   part of its name, its plural or singular, or a common word for it (tokens, resolution, size).
6. A name whose power, with parameters in the exponent, has no input is an error: the power is a constant.
7. Every other name is a parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scalelaw.errors import LONGEST_NAME, InputError, unknown
from scalelaw.fit.formula_law import SHORTHAND, Expression, left_side, right_side
from scalelaw.fit.near_names import nearest
from scalelaw.table.schema import COLUMNS

Inputs = Mapping[str, str | float]
_INPUT_LETTERS = ("N", "V", "x")


@dataclass(frozen=True)
class Resolved:
    """The inputs of a formula, name -> column or number, and warnings about names read as columns."""

    inputs: dict[str, str | float]
    warnings: tuple[tuple[str, str], ...]


def resolve(text: str, frame: pd.DataFrame, inputs: Inputs | None, target: str) -> Resolved:
    """The inputs of a formula in this table, by the rule of this module.

    Args:
        text: the formula.
        frame: the table.
        inputs: name -> column or number; an empty column keeps the name a parameter.
        target: the column that the formula explains.

    Raises:
        InputError: for an invalid formula, an input that the table lacks, a column of text, the target column in the
            formula, and an entry of `inputs` that the formula does not use.
    """
    expression = right_side(text)
    mapping = _by_name(expression.names, inputs or {})
    resolved: dict[str, str | float] = {}
    surprising, parameters = [], []
    for name in expression.names:
        long = SHORTHAND.get(name, name)
        if name in mapping:
            if mapping[name] not in ("", None):
                resolved[name] = mapping[name]
        elif name == target and name in frame:
            raise InputError(
                f"The formula uses its own target column '{name}'.",
                code="target_in_formula",
                hint=f"Rename it in the formula, or --input {name}= makes it a parameter.",
            )
        elif name in frame and frame[name].notna().any():
            if not _is_numeric(frame[name]):
                raise InputError(
                    f"'{name}' in the formula is a column of text.",
                    code="not_a_number",
                    hint=f"--input {name}= makes it a parameter, --input {name}=COLUMN reads another column.",
                )
            resolved[name] = name
            if name not in COLUMNS and name not in _INPUT_LETTERS:
                surprising.append((name, name))
        elif long != name and _has(frame, long) and (name != "D" or not expression.is_term(name)):
            resolved[name] = long
            if name == "D":
                surprising.append((name, long))
        elif name in _INPUT_LETTERS or name in COLUMNS:
            lacking = f"'{name}'" if long == name else f"'{name}' or '{long}'"
            columns = [str(c) for c in frame.columns if _is_numeric(frame[c]) and str(c) != target]
            raise InputError(
                f"'{name}' is an input of the formula, and the table has no column {lacking}.",
                code="missing_column",
                hint=f"--input {name}=COLUMN reads it from one of {', '.join(columns[:12]) or 'its columns'}; "
                f"--input {name}= makes it a parameter.",
            )
        else:
            parameters.append(name)
    used = {*expression.names, *map(str, resolved.values()), target}
    _check_letters([name for name in parameters if expression.is_base(name)], frame, used)
    _check_spelling(parameters, frame, used)
    _check_constants(expression, parameters, resolved, frame, target)
    return Resolved(resolved, tuple(_warning(name, column) for name, column in surprising))


def check_left_side(text: str, frame: pd.DataFrame, target: str) -> None:
    """Check that a formula's left side, if it has one, is its target; one letter that is no column stands for it.

    Args:
        text: the formula.
        frame: the table.
        target: the column that the formula explains, `error` with a score.

    Raises:
        InputError: `other_target` for another name, `bad_expression` for anything but a name.
    """
    left = left_side(text)
    used = {*right_side(text).names, *(SHORTHAND.get(name, name) for name in right_side(text).names)}
    taken = {*map(str, frame.columns), *used, *COLUMNS, *_INPUT_LETTERS, *SHORTHAND}
    if left in ("", target) or (len(left) == 1 and left not in taken):
        return
    there = left in frame and bool(frame[left].notna().any()) and left not in used
    raise InputError(
        f"The left side of the formula is '{left}', and the target is '{target}'.",
        code="other_target",
        hint=f"Write {target} = ..."
        + (f", or --target {left}." if there else ", or leave the left side out."),
    )


def _check_letters(bases: Iterable[str], frame: pd.DataFrame, used: set[str]) -> None:
    """Raises InputError for the lower case of N, V or D in a power, where the formula does not use its column."""
    for name in bases:
        letter = name.upper()
        column = SHORTHAND.get(letter, "")
        if name != letter and column and _has(frame, column) and not used & {letter, column}:
            raise InputError(
                f"'{name}' in the formula is a parameter, and the table has the column '{column}', which {letter} "
                "stands for.",
                code="misspelled_column",
                hint=f"Write {letter} to read it; --input {name}= makes '{name}' a parameter.",
            )


def _check_spelling(parameters: Iterable[str], frame: pd.DataFrame, used: set[str]) -> None:
    """Raises InputError for a parameter whose name is nearly that of a column which the formula does not use."""
    sizes = (name for name, (kind, _, _) in COLUMNS.items() if kind != "text")
    columns = [str(c) for c in frame.columns if c not in COLUMNS and _has(frame, c)] + list(sizes)
    columns = [c for c in columns if c not in used and not c.endswith("_se") and len(c) <= 2 * LONGEST_NAME]
    present = [c for c in columns if _has(frame, c)]
    for name in parameters:
        if near := nearest(name, columns, present):
            there = near in frame and bool(frame[near].notna().any())
            raise InputError(
                f"'{name}' in the formula is close to the column '{near}'"
                + (" of the table." if there else ", which the table does not have."),
                code="misspelled_column",
                hint=(f"Write {near}, or --input {name}={near}, to read it; " if there else "")
                + f"--input {name}= makes '{name}' a parameter.",
            )


def _check_constants(
    expression: Expression, parameters: list[str], inputs: Mapping[str, Any], frame: pd.DataFrame, target: str
) -> None:
    """Raises InputError for a parameter in a power of parameters alone, which is a constant whatever its exponent."""
    for name in parameters:
        if expression.is_constant_power(name, parameters):
            taken = {target, *map(str, inputs.values())}
            columns = [str(c) for c in frame.columns if str(c) not in taken and _has(frame, str(c))]
            raise InputError(
                f"'{name}' in the formula is the base of a power without an input, and the table has no such column.",
                code="misspelled_column",
                hint=f"--input {name}=COLUMN reads it from one of {', '.join(columns[:12]) or 'its columns'}; "
                f"--input {name}= makes it a parameter.",
            )


def _by_name(names: tuple[str, ...], inputs: Inputs) -> dict[str, Any]:
    """The user's mapping by the formula's own names: n_params=size is N=size where the formula writes N."""
    letters = {column: letter for letter, column in SHORTHAND.items() if letter in names}
    by_name: dict[str, Any] = {}
    for name, column in inputs.items():
        own = name if name in names else letters.get(name)
        if own is None:
            raise unknown("input", name, names)
        by_name[own] = column
    return by_name


def _has(frame: pd.DataFrame, column: str) -> bool:
    return column in frame and bool(frame[column].notna().any()) and _is_numeric(frame[column])


def _is_numeric(values: Any) -> bool:
    """Whether all non-empty cells are numbers."""
    if not isinstance(values, pd.Series) or pd.api.types.is_bool_dtype(values):
        return False
    if pd.api.types.is_numeric_dtype(values):
        return True
    there = values.dropna()
    return bool(len(there)) and bool(pd.to_numeric(there, errors="coerce").notna().all())


def _warning(name: str, column: str) -> tuple[str, str]:
    return (
        "formula_input",
        f"'{name}' in the formula is read from the column '{column}' of the table. "
        f"--input {name}= makes it a parameter.",
    )
