"""A law typed as a formula, `E + A*N**-alpha`: parsed into a small tree and evaluated with numpy, never with eval.

Allowed: + - * / **, parentheses, numbers, names, and exp, log, log10, log2, sqrt, tanh, log1p, expm1. The table decides
which names are inputs (see `formula_inputs`); every other name is a parameter, positive unless bounded otherwise.
Inputs are in raw units.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from scalelaw.errors import InputError, unknown
from scalelaw.fit.signature import Ordered
from scalelaw.table.schema import COLUMNS

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "log1p": np.log1p,
    "expm1": np.expm1,
}
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}
SHORTHAND = {"N": "n_params", "V": "visual_tokens", "D": "train_tokens"}
"""Letters used in publications -> columns of the results table."""
_LONGEST = 1000
_MOST = float(np.finfo(float).max)


class Expression:
    """A parsed formula: its names in the order of their first use, and its value for numbers or arrays of them."""

    def __init__(self, text: str) -> None:
        """Parse. Raises InputError (bad_expression) for anything but arithmetic."""
        self.text = text.strip()
        if len(self.text) > _LONGEST:
            raise _bad(f"is longer than {_LONGEST} characters")
        try:
            self._root = ast.parse(self.text, mode="eval").body
            self.names: tuple[str, ...] = tuple(dict.fromkeys(_names(self._root)))
        except (SyntaxError, ValueError) as error:  # ValueError: a zero byte, half of a surrogate pair
            reason = error.msg if isinstance(error, SyntaxError) else "it is not valid text"
            raise _bad(f"'{self.text}' cannot be read: {reason}") from error
        except RecursionError as error:
            raise _bad("is nested too deep") from error

    def linear(self, parameters: Sequence[str]) -> tuple[str, ...]:
        """A largest set of parameters in which the expression is affine together, proved from its form."""
        best: list[str] = []
        for first in parameters:
            candidate: list[str] = []
            for name in (first, *parameters):
                if name not in candidate and _affine(self._root, frozenset([*candidate, name])):
                    candidate.append(name)
            best = candidate if len(candidate) > len(best) else best
        return tuple(name for name in parameters if name in best)

    def is_term(self, name: str) -> bool:
        """Whether the name is a term by itself, as D in A*N**-a + D."""
        return _is_term(self._root, name)

    def is_base(self, name: str) -> bool:
        """Whether a power of the name is taken, as of N in A*(N/1e9)**-a."""
        powers = (n for n in ast.walk(self._root) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow))
        return any(name in _names(power.left) for power in powers)

    def is_constant_power(self, name: str, parameters: Sequence[str]) -> bool:
        """Whether the name is in the base of a power of parameters alone, with one in the exponent: K in A*K**-a."""
        for node in ast.walk(self._root):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and name in _names(node.left):
                exponent = set(_names(node.right))
                if exponent and {*_names(node.left), *exponent} <= {*parameters}:
                    return True
        return False

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The value, with `values` for the names. Numpy rules: an overflow is inf, log of a negative is nan."""
        with np.errstate(all="ignore"):
            return _value(self._root, values)


def _names(node: ast.expr) -> Iterable[str]:
    """The names used, in order. Raises InputError for anything but arithmetic."""
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield from _names(node.left)
        yield from _names(node.right)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitXor):
        raise _bad("uses ^ for a power", "Write ** for a power: N**-alpha.")
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        yield from _names(node.operand)
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and len(node.args) == 1
        and not node.keywords
    ):
        if node.func.id not in FUNCTIONS:
            raise unknown("function", node.func.id, FUNCTIONS, code="bad_expression")
        yield from _names(node.args[0])
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Constant) and type(node.value) is int and node.value > _MOST:
        raise _bad("has a number out of range")
    elif not (isinstance(node, ast.Constant) and type(node.value) in (int, float)):
        raise _bad(
            f"has '{ast.unparse(node)[:40]}'",
            "Only arithmetic, names, numbers and " + ", ".join(FUNCTIONS) + " are allowed.",
        )


def _is_term(node: ast.expr, name: str) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        return _is_term(node.left, name) or _is_term(node.right, name)
    return isinstance(node, ast.Name) and node.id == name


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.UnaryOp):
        inner = _value(node.operand, values)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id](_value(node.args[0], values))  # type: ignore[attr-defined]
    if isinstance(node, ast.Name):
        value = values[node.id]
        return np.float64(value) if isinstance(value, int | float) else value
    return np.float64(node.value)  # type: ignore[attr-defined]


def is_expression(name: str, inputs: Iterable[str] = ()) -> bool:
    """Whether a law's name is a formula rather than a name or a path; words joined by `-` are, if one is an input."""
    words = name.split("-")
    if len(words) > 1 and all(word.isidentifier() for word in words):
        return bool({*COLUMNS, "N", "V", "x", *inputs}.intersection(words))
    a_path = name.endswith(".py") or name.startswith(("./", "../", "/", "~"))
    return not a_path and any(c in name for c in "+-*/()= ")


def law_names(text: str, inputs: Iterable[str] = ()) -> dict[str, Any]:
    """The names of a law file for a formula.

    inputs: exactly the inputs of the law, as `formula_inputs.resolve` reads them from a table or as stored in a fit; a
    letter whose column is among them (N where n_params is) is that input. Without any, N, V, x and the columns of
    the results table are inputs.

    Raises InputError for a formula that cannot be read, or without an input or a parameter.
    """
    expression = right_side(text)
    known = set(inputs) or {*COLUMNS, "N", "V", "x"}
    names = {n: n for n in expression.names}
    for letter, column in SHORTHAND.items():
        if letter not in known and column in known and not (letter == "D" and expression.is_term("D")):
            names |= {letter: column} if letter in names else {}
    parameters = [n for n, name in names.items() if name not in known]
    units = dict.fromkeys((name for name in names.values() if name in known), 1.0)
    if not units or not parameters:
        raise _bad(
            "has no input" if not units else "has no parameter",
            "Inputs are N (n_params), V (visual_tokens), "
            "x and the columns of the table; other names are parameters, as in E + A*N**-alpha.",
        )

    def predict(*arguments: Any) -> Any:
        """The formula's value."""
        values = dict(zip((*units, *parameters), arguments, strict=True))
        return expression({n: values[name] for n, name in names.items()})

    return {
        "formula": text.strip(),
        "source": "typed",
        "units": units,
        "bounds": dict.fromkeys(parameters, (0.0, np.inf)),
        "linear": expression.linear(parameters),
        "predict": Ordered(predict),
    }


def right_side(text: str) -> Expression:
    """The expression of a formula, without the `error =` before it."""
    return Expression(text.partition("=")[2] if "=" in text else text)


def rename(text: str, names: Mapping[str, str]) -> str:
    """The formula with other names for some of its names."""
    pattern = r"\b(" + "|".join(map(re.escape, names)) + r")\b"
    left, equals, right = text.rpartition("=")
    return left + equals + re.sub(pattern, lambda match: names[match[0]], right)


def _affine(node: ast.expr, names: frozenset[str]) -> bool:
    """Whether the value is affine in these names together, as its form shows: no product or function of two."""
    if not names.intersection(_names(node)):
        return True
    if isinstance(node, ast.Name):
        return True
    if isinstance(node, ast.UnaryOp):
        return _affine(node.operand, names)
    if isinstance(node, ast.BinOp):
        left, right = names.intersection(_names(node.left)), names.intersection(_names(node.right))
        if isinstance(node.op, ast.Add | ast.Sub):
            return _affine(node.left, names) and _affine(node.right, names)
        if isinstance(node.op, ast.Mult):
            return not (left and right) and _affine(node.left, names) and _affine(node.right, names)
        return isinstance(node.op, ast.Div) and not right and _affine(node.left, names)
    return False


def _bad(why: str, hint: str = "Write a law like E + A*N**-alpha.") -> InputError:
    return InputError(f"The formula {why}.", code="bad_expression", hint=hint)
