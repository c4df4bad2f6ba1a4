"""What the tools do not know of a model: the `models` section of models.yaml, name pattern -> columns of the table.

    models:
      "*Qwen2.5-VL-3B*": {n_params: 3.09e9, visual_tokens: 358, compressor: none, model_family: qwen2.5-vl}
      "checkpoints/quecc-16*": {model: QueCC 16, n_params: 1.8e9, visual_tokens: 16, compressor: quecc, seed: 0}

A pattern (* ? [abc]) is held against the model's name, its arguments and the path of its file; the first that
matches counts. A model that no pattern matches is an error that prints the line to add.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from scalelaw.errors import InputError, Note, unknown
from scalelaw.importers._duplicates import these
from scalelaw.importers._files import count, number, text
from scalelaw.table.schema import COLUMNS

FACTS = (
    "model", "model_family", "n_params", "n_params_total", "n_params_embedding", "n_params_vision",
    "compressor", "visual_tokens", "text_tokens", "train_tokens", "train_samples", "train_flops", "seed",
    "experiment", "device",
)  # fmt: skip
"""The columns that tell one trained model from another."""
FEWEST = 1e4
"""A model with fewer parameters, and not a whole number of them, is one that was counted in billions."""


def fact(column: str, value: Any) -> Any:
    """A fact as its column holds it; None for nothing. Raises InputError for a wrong kind or an unknown column."""
    if column not in FACTS:
        raise unknown("column", column, FACTS)
    kind = COLUMNS[column][0]
    if value is None or (isinstance(value, float) and value != value) or value == "":
        return None
    read: Any = {"text": lambda v: text(str(v)), "count": count, "number": number}[kind](value)
    if column == "visual_tokens" and read is not None:
        read = nearly_whole(read) or None
    if column == "seed" and number(value) == 0:
        read = 0
    if column.startswith("n_params") and (size := number(value)) and 0 < size < FEWEST and size % 1:
        raise InputError(
            f"'{column}' is {value}: the unit is parameters, not billions.",
            code="bad_value",
            hint=f"Write {size:.12g}e9; of a csv that counts in billions: --scale {column}=1e9.",
        )
    if read is None or (kind == "number" and read < 0):
        raise InputError(
            f"'{column}' must be a positive {kind}, not {value!r}.",
            code="bad_value",
            hint=""
            if number(value) is not None
            else f"Write the number alone; of a csv: --scale {column}=1e9 for billions, --decimal . for 2,880.",
        )
    return read


def nearly_whole(value: float) -> int | float:
    """A value that is whole but for rounding (0.35 x 20) as an int; any other, such as a mean of 57.6, as it is."""
    whole = math.isfinite(value) and abs(value - round(value)) < 1e-6 * abs(value)
    return round(value) if whole else value


class Models:
    """The `models` section, read once; `facts` looks a model up and remembers those without a line."""

    def __init__(self, section: Any) -> None:
        if not isinstance(section, Mapping | None):
            raise InputError("'models' must map name patterns to columns.", code="bad_yaml")
        self.patterns: dict[str, dict[str, Any]] = {}
        for pattern, columns in (section or {}).items():
            if not isinstance(columns, Mapping):
                raise InputError(
                    f"'{pattern}' in 'models' must hold columns, {{n_params: ...}}.", code="bad_yaml"
                )
            try:
                self.patterns[str(pattern)] = {str(c): fact(str(c), v) for c, v in columns.items()}
            except InputError as error:
                message = f"'{pattern}' in 'models': {error.message}"
                raise InputError(message, code=error.code, hint=error.hint) from error
        self.unmatched: dict[str, None] = {}
        self.without: dict[str, None] = {}
        self.unused = set(self.patterns)

    def facts(self, name: str, others: Iterable[str] = (), required: bool = True) -> dict[str, Any]:
        """The columns of the first pattern that matches the name or one of the others; {} for none."""
        for pattern, columns in self.patterns.items():
            if any(candidate == pattern or fnmatchcase(candidate, pattern) for candidate in (name, *others)):
                self.unused.discard(pattern)
                return columns
        (self.unmatched if required else self.without).setdefault(name)
        return {}

    def report(self, warnings: list[Note]) -> None:
        """Add patterns that match no model, and models that no pattern matches, to `warnings`."""
        if self.unused:
            warnings.append(
                ("unused_patterns", f"No model matches {these(self.unused)} of the section 'models'.")
            )
        if self.patterns and self.without:
            warnings.append(
                (
                    "unmatched_models",
                    f"No pattern of the section 'models' matches {these(self.without)}: only what the files say of "
                    "them was used.",
                )
            )

    def check(self) -> None:
        """Raises InputError, with the lines to add, if a model was looked up that no pattern matches."""
        if not self.unmatched:
            return
        lines = "\n".join(
            f'    "{name}": {{n_params: ..., visual_tokens: ..., compressor: ...}}' for name in self.unmatched
        )
        names = ", ".join(list(self.unmatched)[:5]) + (" ..." if len(self.unmatched) > 5 else "")
        raise InputError(
            f"No pattern in 'models' matches {names}; the files do not say how large a model is.",
            code="unknown_model",
            hint=f"Add to the file given with --models:\n  models:\n{lines}",
        )
