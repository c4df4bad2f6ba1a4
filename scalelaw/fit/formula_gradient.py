"""Derivatives of a typed formula by its parameters, in one pass over its tree."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np

from scalelaw.fit.formula_functions import FUNCTIONS, SLOPES
from scalelaw.fit.formula_tree import COMPARISONS, OPERATORS

Columns = dict[str, Any]


def value_and_slopes(node: ast.expr, values: Mapping[str, Any], names: frozenset[str]) -> tuple[Any, Columns]:
    """The value of the expression, and its derivative by each of `names` that it uses.

    A derivative that overflows while the value does not is zero.
    """
    with np.errstate(all="ignore"):
        value, columns = _forward(node, values, names)
        finite = np.isfinite(value)
        return value, {
            name: np.where(np.isnan(column) & finite, 0.0, column) for name, column in columns.items()
        }


def _forward(node: ast.expr, values: Mapping[str, Any], names: frozenset[str]) -> tuple[Any, Columns]:
    if isinstance(node, ast.Name):
        return values[node.id], {node.id: 1.0} if node.id in names else {}
    if isinstance(node, ast.UnaryOp):
        value, columns = _forward(node.operand, values, names)
        if isinstance(node.op, ast.UAdd):
            return value, columns
        return -value, {name: -column for name, column in columns.items()}
    if isinstance(node, ast.BinOp):
        return _operation(node, values, names)
    if isinstance(node, ast.Compare):
        left, right = (_forward(part, values, names)[0] for part in (node.left, node.comparators[0]))
        return COMPARISONS[type(node.ops[0])](left, right), {}
    if isinstance(node, ast.Call):
        parts = [_forward(argument, values, names) for argument in node.args]
        arguments = [value for value, _ in parts]
        value = FUNCTIONS[node.func.id](*arguments)  # type: ignore[attr-defined]
        if not any(columns for _, columns in parts):
            return value, {}
        slopes = SLOPES[node.func.id](value, *arguments)  # type: ignore[attr-defined]
        return value, _combined([columns for _, columns in parts], slopes)
    return np.float64(node.value), {}  # type: ignore[attr-defined]


def _operation(node: ast.BinOp, values: Mapping[str, Any], names: frozenset[str]) -> tuple[Any, Columns]:
    (a, left), (b, right) = _forward(node.left, values, names), _forward(node.right, values, names)
    value = OPERATORS[type(node.op)](a, b)
    if isinstance(node.op, ast.Add | ast.Sub):
        return value, _combined([left, right], (1.0, 1.0 if isinstance(node.op, ast.Add) else -1.0))
    if isinstance(node.op, ast.Mult):
        return value, _combined([left, right], (b, a))
    if isinstance(node.op, ast.Div):
        return value, _combined([left, right], (1.0 / b, -value / b if right else 0.0))
    by_base = np.where(a == 0, b * a ** (b - 1.0), value * b / np.where(a == 0, 1.0, a)) if left else 0.0
    by_exponent = np.where(value == 0, 0.0, value * np.log(np.where(value == 0, 1.0, a))) if right else 0.0
    return value, _combined([left, right], (by_base, by_exponent))


def _combined(parts: list[Columns], slopes: tuple[Any, ...]) -> Columns:
    """The chain rule: the sum over arguments of their columns times the derivative by the argument."""
    out: Columns = {}
    for columns, slope in zip(parts, slopes, strict=True):
        for name, column in columns.items():
            term = slope * column
            out[name] = out[name] + term if name in out else term
    return out
