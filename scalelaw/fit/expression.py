"""A law typed as a formula, `E + A*N**-alpha`: parsed into a small tree and evaluated with numpy, never with eval.

Allowed: + - * / **, parentheses, numbers, names, and exp, log, log10, log2, sqrt, tanh, log1p, expm1. A name that is
a column of the results table is an input, and so are N (n_params), V (visual_tokens) and x; every other name is a
parameter, bounded to be positive unless told otherwise. Inputs are in raw units.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from scalelaw.columns import COLUMNS
from scalelaw.errors import InputError, unknown

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
_INPUTS = {"N": "n_params", "V": "visual_tokens", "x": "x"}
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
            told = error.msg if isinstance(error, SyntaxError) else "it holds something that is no text"
            raise _bad(f"'{self.text}' cannot be read: {told}") from error
        except RecursionError as error:
            raise _bad("is nested too deep") from error

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The value, with `values` for the names. Numpy rules: an overflow is inf, log of a negative is nan."""
        with np.errstate(all="ignore"):
            return _value(self._root, values)


def _names(node: ast.expr) -> Iterable[str]:
    """The names used, in order; the check that nothing else is there."""
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
        raise _bad("holds a number too large to calculate with")
    elif not (isinstance(node, ast.Constant) and type(node.value) in (int, float)):
        raise _bad(
            f"holds '{ast.unparse(node)[:40]}'",
            "Only arithmetic, names, numbers and " + ", ".join(FUNCTIONS) + " may stand in it.",
        )


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.UnaryOp):
        inner = _value(node.operand, values)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id](_value(node.args[0], values))  # type: ignore[attr-defined]
    if isinstance(node, ast.Name):
        held = values[node.id]
        return np.float64(held) if isinstance(held, int | float) else held
    return np.float64(node.value)  # type: ignore[attr-defined]


def is_expression(name: str, inputs: Iterable[str] = ()) -> bool:
    """Whether a law's name is a formula rather than a name or a path; words joined by `-` are, if one is an input."""
    words = name.split("-")
    if len(words) > 1 and all(word.isidentifier() for word in words):
        return bool({*COLUMNS, *_INPUTS, *inputs}.intersection(words))
    a_path = name.endswith(".py") or name.startswith(("./", "../", "/", "~"))
    return not a_path and any(c in name for c in "+-*/()= ")


def law_names(text: str, inputs: Iterable[str] = ()) -> dict[str, Any]:
    """The names of a law file for a formula; `inputs` are further names that are inputs.

    Raises InputError for a formula that cannot be read, or without an input or a parameter.
    """
    right = text.partition("=")[2] if "=" in text else text
    expression = Expression(right)
    known = {*COLUMNS, *_INPUTS, *inputs}
    given = [n for n in expression.names if n in known]
    parameters = [n for n in expression.names if n not in known]
    if not given or not parameters:
        raise _bad(
            "has no input" if not given else "has no parameter",
            "Inputs are N (n_params), V (visual_tokens), "
            "x and the columns of the table; other names are parameters, as in E + A*N**-alpha.",
        )

    def predict(*arguments: Any) -> Any:
        """The formula's value."""
        return expression(dict(zip([*given, *parameters], arguments, strict=True)))

    return {
        "formula": text.strip(),
        "source": "typed",
        "units": dict.fromkeys(given, 1.0),
        "bounds": dict.fromkeys(parameters, (0.0, np.inf)),
        "linear": _linear(expression, given, parameters),
        "predict": predict,
    }


def column_of(name: str) -> str:
    """The column that an input of a formula is read from by default: N is n_params, V is visual_tokens."""
    return _INPUTS.get(name, name)


def _linear(expression: Expression, inputs: list[str], parameters: list[str]) -> tuple[str, ...]:
    """Parameters in which the formula is linear together: second differences vanish at random places."""
    draw = np.random.default_rng(11)
    place = {name: np.exp(draw.uniform(-0.5, 0.5, 40)) for name in inputs}
    place |= {name: draw.uniform(0.3, 1.2, 40) for name in parameters}

    def difference(a: str, b: str) -> bool:
        def at(da: float, db: float) -> Any:
            moved = dict(place)
            moved[a] = moved[a] + da
            moved[b] = moved[b] + db
            return np.asarray(expression(moved)) * np.ones(40)

        corners = at(0, 0), at(0.37, 0), at(0, 0.41), at(0.37, 0.41)
        with np.errstate(all="ignore"):
            second = corners[3] - corners[2] - corners[1] + corners[0]
            size = np.max(np.abs(corners), axis=0)
        good = np.isfinite(second) & np.isfinite(size)
        return bool(good.any() and (np.abs(second[good]) <= 1e-10 * size[good].max()).all())

    chosen: list[str] = []
    for name in parameters:
        if all(difference(name, other) for other in [*chosen, name]):
            chosen.append(name)
    return tuple(chosen)


def _bad(why: str, hint: str = "Write a law like E + A*N**-alpha.") -> InputError:
    return InputError(f"The formula {why}.", code="bad_expression", hint=hint)
