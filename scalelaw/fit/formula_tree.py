"""The tree of a typed formula: which nodes are allowed, its value, and what its form proves."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from scalelaw.errors import InputError, unknown
from scalelaw.fit.formula_functions import COUNTS, FUNCTIONS

OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: lambda a, b: np.real(a) < np.real(b),
    ast.LtE: lambda a, b: np.real(a) <= np.real(b),
    ast.Gt: lambda a, b: np.real(a) > np.real(b),
    ast.GtE: lambda a, b: np.real(a) >= np.real(b),
}
_MOST = float(np.finfo(float).max)


def bad_expression(why: str, hint: str = "Write a law like E + A*N**-alpha.") -> InputError:
    """The error for an invalid formula."""
    return InputError(f"The formula {why}.", code="bad_expression", hint=hint)


def names(node: ast.expr, condition: bool = False) -> Iterable[str]:
    """The names used, in order. Raises InputError for anything but arithmetic.

    condition: whether the node is the first argument of `where`, which must be a comparison.
    """
    if condition and not _is_comparison(node):
        raise bad_expression(
            "has a `where` without a comparison", "Write where(N > 1e9, A, B), with one of <, <=, >, >=."
        )
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield from names(node.left)
        yield from names(node.right)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        raise bad_expression("uses ^ for a power", "Write ** for a power: N**-alpha.")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        yield from names(node.operand)
    elif condition and isinstance(node, ast.Compare):
        yield from names(node.left)
        yield from names(node.comparators[0])
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        name = node.func.id
        if name not in FUNCTIONS:
            raise unknown("function", name, FUNCTIONS, code="bad_expression")
        if len(node.args) != (count := COUNTS.get(name, 1)):
            raise bad_expression(f"calls {name} with {len(node.args)} arguments", f"{name} takes {count}.")
        for i, argument in enumerate(node.args):
            yield from names(argument, condition=name == "where" and i == 0)
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Constant) and type(node.value) is int and node.value > _MOST:
        raise bad_expression("has a number out of range")
    elif not (isinstance(node, ast.Constant) and type(node.value) in (int, float)):
        raise bad_expression(
            f"has '{ast.unparse(node)[:40]}'",
            "Only arithmetic, names, numbers and " + ", ".join(FUNCTIONS) + " are allowed.",
        )


def _is_comparison(node: ast.expr) -> bool:
    return isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS


def value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    """The value with `values` for the names."""
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](value(node.left, values), value(node.right, values))
    if isinstance(node, ast.UnaryOp):
        inner = value(node.operand, values)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Compare):
        return COMPARISONS[type(node.ops[0])](value(node.left, values), value(node.comparators[0], values))
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id](*(value(a, values) for a in node.args))  # type: ignore[attr-defined]
    if isinstance(node, ast.Name):
        number = values[node.id]
        return np.float64(number) if isinstance(number, int | float) else number
    return np.float64(node.value)  # type: ignore[attr-defined]


def is_term(node: ast.expr, name: str) -> bool:
    """Whether the name is a term by itself, as D in A*N**-a + D."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        return is_term(node.left, name) or is_term(node.right, name)
    return isinstance(node, ast.Name) and node.id == name


def affine(node: ast.expr, of: frozenset[str]) -> bool:
    """Whether the value is affine in these names together, as its form shows: no product or function of two."""
    if not of.intersection(names_of(node)):
        return True
    if isinstance(node, ast.Name):
        return True
    if isinstance(node, ast.UnaryOp):
        return affine(node.operand, of)
    if isinstance(node, ast.BinOp):
        left, right = of.intersection(names_of(node.left)), of.intersection(names_of(node.right))
        if isinstance(node.op, ast.Add | ast.Sub):
            return affine(node.left, of) and affine(node.right, of)
        if isinstance(node.op, ast.Mult):
            return not (left and right) and affine(node.left, of) and affine(node.right, of)
        return isinstance(node.op, ast.Div) and not right and affine(node.left, of)
    if isinstance(node, ast.Call) and node.func.id == "where":  # type: ignore[attr-defined]
        condition, *branches = node.args
        return not of.intersection(names_of(condition)) and all(affine(branch, of) for branch in branches)
    return False


def vanishes(node: ast.expr, zero: frozenset[str]) -> bool:
    """Whether the value is 0 wherever these names are 0, as its form shows."""
    if isinstance(node, ast.Name):
        return node.id in zero
    if isinstance(node, ast.UnaryOp):
        return vanishes(node.operand, zero)
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Add | ast.Sub):
            return vanishes(node.left, zero) and vanishes(node.right, zero)
        if isinstance(node.op, ast.Mult):
            return vanishes(node.left, zero) or vanishes(node.right, zero)
        return isinstance(node.op, ast.Div) and vanishes(node.left, zero)
    if isinstance(node, ast.Call) and node.func.id == "where":  # type: ignore[attr-defined]
        return all(vanishes(branch, zero) for branch in node.args[1:])
    return isinstance(node, ast.Constant) and node.value == 0


def names_of(node: ast.expr) -> set[str]:
    """The names used by a node that was checked, without those of functions."""
    if isinstance(node, ast.Call):
        return set().union(*(names_of(argument) for argument in node.args))
    if isinstance(node, ast.Name):
        return {node.id}
    return set().union(
        *(names_of(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))
    )
