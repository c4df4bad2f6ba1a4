"""Checks of predictions: inputs in a different unit from the measured ones, and errors outside 0 to 1."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from scalelaw.errors import InputError, PredictionWarning

FACTORS = {1e9: "billions", 1e6: "millions", 1e3: "thousands"}
_APART = 1e3
"""Factor beyond the measured range from which an input may be in another unit."""
_LARGE = 1e6
"""Inputs below this size are not written in thousands."""


_checked: ContextVar[bool] = ContextVar("scalelaw_checked_by_caller", default=False)


@contextmanager
def checked_by_caller() -> Iterator[None]:
    """Inside the block predictions are not checked: a plan or a report evaluates the law far from the measured points,
    checks its own inputs, and has warnings of its own."""
    token = _checked.set(True)
    try:
        yield
    finally:
        _checked.reset(token)


def check_units(
    inputs: Mapping[str, Any], measured: Mapping[str, tuple[float, float]], columns: Mapping[str, str]
) -> None:
    """Compare the inputs of a prediction with the measured range.

    Args:
        inputs: name -> values in raw units.
        measured: name -> smallest and largest measured value.
        columns: name -> the column of the table that it was read from.

    Raises:
        InputError: unit_mismatch, for a number of parameters that is far outside the measured range and near or inside
            it in billions, millions or thousands. Other large inputs get a PredictionWarning.
    """
    if _checked.get():
        return
    for name, values in inputs.items():
        low, high = measured[name]
        for value in _far(values, low, high):
            for factor, unit in FACTORS.items():
                near = value * factor if value < low else value / factor
                if max(value, low) < _LARGE or not low / 10 <= near <= 100 * high:
                    continue
                message = f"{name} = {value:g} is far outside the measured {low:g} to {high:g}."
                hint = f"{near:g} lies inside; check whether the value or the fit is in {unit}."
                if columns.get(name, name).startswith("n_params"):
                    if value < low:
                        hint = f"{name} is in parameters: {_plain(value, factor)}."
                    raise InputError(message, code="unit_mismatch", hint=hint)
                warnings.warn(f"{message} {hint}", PredictionWarning, stacklevel=4)
                break


def check_numbers(name: str, values: Any) -> None:
    """Raises InputError `bad_value` for an input of a prediction that is not a number or an array of numbers."""
    try:
        np.asarray(values, float)
        if np.asarray(values).dtype.kind in "bc":
            raise TypeError
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"'{name}' must be a number or an array of numbers.", code="bad_value") from error


def check_range(name: str, values: Any, measured: tuple[float, float], column: str) -> None:
    """Check that the values of an input can be measured.

    Args:
        measured: smallest and largest measured value.
        column: the column of the results table that the input stands for.

    Raises:
        InputError: `bad_value` for values that are not positive and finite, `unit_mismatch` for fewer visual tokens
            than 1, unless the law was fitted to such values.
    """
    if _checked.get():
        return
    numbers = np.asarray(values, float).reshape(-1)
    if (bad := ~(np.isfinite(numbers) & (numbers > 0))).any():
        raise InputError(f"'{name}' must be a positive number, not {numbers[bad][0]:g}.", code="bad_value")
    if column == "visual_tokens" and (few := numbers < min(1.0, measured[0])).any():
        raise InputError(
            f"'{name}' must be at least 1, not {numbers[few][0]:g}: it is a number of visual tokens.",
            code="unit_mismatch",
            hint="Multiply a share of the tokens by their full number, 576 for example.",
        )


def check_errors(values: np.ndarray, target: str, measured: Any) -> None:
    """A PredictionWarning for predicted errors outside 0 to 1, where every measured error lies inside."""
    if _checked.get():
        return
    seen = np.asarray(measured, float)
    if target != "error" or not ((seen >= 0) & (seen <= 1)).all():
        return
    if bad := int(((values < 0) | (values > 1)).sum()):
        warnings.warn(
            f"{bad} of {values.size} predicted errors lie outside 0 to 1, where the law is not valid.",
            PredictionWarning,
            stacklevel=4,
        )


def _far(values: Any, low: float, high: float) -> list[float]:
    """The smallest and the largest value, where they are positive and far outside the measured range."""
    numbers = np.asarray(values, float)
    numbers = numbers[np.isfinite(numbers) & (numbers > 0)]
    if not numbers.size:
        return []
    least, most = float(numbers.min()), float(numbers.max())
    return [v for v, far in ((least, least * _APART <= low), (most, most >= _APART * high)) if far]


def _plain(value: float, factor: float) -> str:
    return f"{value:g}e{round(np.log10(factor))}"
