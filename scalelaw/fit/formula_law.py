"""A law typed as a formula, `E + A*N**-alpha`: parsed into a small tree and evaluated with numpy, never with eval.

Allowed: + - * / **, parentheses, numbers, names, the functions of one number exp, log, log10, log2, sqrt, tanh, log1p,
expm1, abs, sigmoid and softplus, and min(a, b), max(a, b) and where(a > b, c, d). The table decides which names are
inputs (see `formula_inputs`); every other name is a parameter, positive unless bounded otherwise. Inputs are in raw
units.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from scalelaw.errors import InputError
from scalelaw.fit.formula_functions import FUNCTIONS as FUNCTIONS
from scalelaw.fit.formula_gradient import value_and_slopes
from scalelaw.fit.formula_starts import Form
from scalelaw.fit.formula_tree import affine, bad_expression, is_term, names, names_of, value
from scalelaw.fit.signature import Ordered
from scalelaw.table.schema import COLUMNS

SHORTHAND = {"N": "n_params", "V": "visual_tokens", "D": "train_tokens"}
"""Letters used in publications -> columns of the results table."""
_LONGEST = 1000
_EQUALS = r"(?<![<>=!])=(?!=)"
"""The sign between the two sides of a formula, unlike that of a comparison."""


class Expression:
    """A parsed formula: its names in the order of their first use, and its value for numbers or arrays of them."""

    def __init__(self, text: str) -> None:
        """Parse. Raises InputError (bad_expression) for anything but arithmetic."""
        self.text = text.strip()
        if len(self.text) > _LONGEST:
            raise bad_expression(f"is longer than {_LONGEST} characters")
        if "#" in self.text:
            raise bad_expression(
                f"'{self.text}' has a #", "A formula has no comments; remove the rest of the line."
            )
        try:
            self._root = ast.parse(self.text, mode="eval").body
            self.names: tuple[str, ...] = tuple(dict.fromkeys(names(self._root)))
        except InputError:
            raise
        except (SyntaxError, ValueError) as error:  # ValueError: a zero byte, half of a surrogate pair
            reason = error.msg if isinstance(error, SyntaxError) else "it is not valid text"
            raise bad_expression(f"'{self.text}' cannot be read: {reason}") from error
        except RecursionError as error:
            raise bad_expression("is nested too deep") from error

    def linear(self, parameters: Sequence[str]) -> tuple[str, ...]:
        """A largest set of parameters in which the expression is affine together, proved from its form."""
        best: list[str] = []
        for first in parameters:
            candidate: list[str] = []
            for name in (first, *parameters):
                if name not in candidate and affine(self._root, frozenset([*candidate, name])):
                    candidate.append(name)
            best = candidate if len(candidate) > len(best) else best
        return tuple(name for name in parameters if name in best)

    def is_term(self, name: str) -> bool:
        """Whether the name is a term by itself, as D in A*N**-a + D."""
        return is_term(self._root, name)

    def is_base(self, name: str) -> bool:
        """Whether a power of the name is taken, as of N in A*(N/1e9)**-a."""
        powers = (n for n in ast.walk(self._root) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow))
        return any(name in names_of(power.left) for power in powers)

    def slopes(self, values: Mapping[str, Any], parameters: Sequence[str]) -> tuple[Any, ...]:
        """The derivatives by these parameters, in order."""
        columns = value_and_slopes(self._root, values, frozenset(parameters))[1]
        return tuple(columns.get(name, 0.0) for name in parameters)

    def form(self, names: Mapping[str, str], inputs: Iterable[str], parameters: Sequence[str]) -> Form:
        """The form for a law; `names`: name in the formula -> input or parameter of the law."""
        letters = {i: tuple(n for n, name in names.items() if name == i) for i in inputs}
        return Form(self._root, letters, tuple(parameters))

    def is_constant_power(self, name: str, parameters: Sequence[str]) -> bool:
        """Whether the name is in the base of a power of parameters alone, with one in the exponent: K in A*K**-a."""
        for node in ast.walk(self._root):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and name in names_of(node.left):
                exponent = set(names_of(node.right))
                if exponent and {*names_of(node.left), *exponent} <= {*parameters}:
                    return True
        return False

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The value, with `values` for the names. Numpy rules: an overflow is inf, log of a negative is nan."""
        with np.errstate(all="ignore"):
            return value(self._root, values)


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
        raise bad_expression(
            "has no input" if not units else "has no parameter",
            "Inputs are N (n_params), V (visual_tokens), "
            "x and the columns of the table; other names are parameters, as in E + A*N**-alpha.",
        )

    def predict(*arguments: Any) -> Any:
        """The formula's value."""
        values = dict(zip((*units, *parameters), arguments, strict=True))
        return expression({n: values[name] for n, name in names.items()})

    def gradient(*arguments: Any) -> Any:
        """The formula's derivatives by its parameters."""
        values = dict(zip((*units, *parameters), arguments, strict=True))
        return expression.slopes({n: values[name] for n, name in names.items()}, parameters)

    return {
        "formula": text.strip(),
        "source": "typed",
        "units": units,
        "bounds": dict.fromkeys(parameters, (0.0, np.inf)),
        "linear": expression.linear(parameters),
        "predict": Ordered(predict),
        "gradient": Ordered(gradient),
        "form": expression.form(names, units, parameters),
    }


def right_side(text: str) -> Expression:
    """The expression of a formula, without the `error =` before it."""
    sides = re.split(_EQUALS, text, maxsplit=1)
    return Expression(sides[-1])


def left_side(text: str) -> str:
    """The name before the `=` of a formula, without arguments as in L(N, D); "" without one.

    Raises InputError `bad_expression` for anything but a name.
    """
    sides = re.split(_EQUALS, text, maxsplit=1)
    if len(sides) == 1:
        return ""
    matched = re.fullmatch(r"\s*(\w+)\s*(\([\w\s,]*\))?\s*", sides[0])
    if matched is None or not matched[1].isidentifier():
        raise bad_expression(
            f"has '{sides[0].strip()[:40]}' before the =", "Write the name of the target there, or nothing."
        )
    return matched[1]


def rename(text: str, names: Mapping[str, str]) -> str:
    """The formula with other names for some of its names."""
    pattern = r"\b(" + "|".join(map(re.escape, names)) + r")\b"
    sides = re.split(_EQUALS, text, maxsplit=1)
    renamed = re.sub(pattern, lambda match: names[match[0]], sides[-1])
    return "=".join([*sides[:-1], renamed])
