"""Match the arguments of a law's functions by name with its inputs and parameters.

The solver calls every function of a law with positional arguments, the inputs and then the parameters. A function with
these names in another order is called in its own order; a name on one side only is an error.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scalelaw.errors import InputError

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class Ordered:
    """A function that takes its arguments in the order of the law: the inputs, then the parameters."""

    function: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def bad_law(name: str, why: str, hint: str = "") -> InputError:
    """The error for an invalid law."""
    return InputError(
        f"The law '{name}' {why}.",
        code="bad_law",
        hint=hint or "A law file has formula, units, bounds, linear and predict(inputs..., parameters...).",
    )


def matched(function: Callable[..., Any], names: Sequence[str], law: str, role: str) -> Ordered:
    """The function, to be called with `names` in this order.

    Args:
        function: takes the names in any order, by position or by keyword, or the last ones as **keywords.
        names: the arguments' names in the order of the law.
        law: the law's name, for messages.
        role: what the function is in the law: predict, gradient, search.

    Raises:
        InputError: bad_law, for a name on one side only, or names that cannot be read (*args, builtins).
    """
    if isinstance(function, Ordered):
        return function
    if not callable(function):
        raise bad_law(law, f"has a `{role}` that is not a function")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise bad_law(
            law,
            f"has a `{role}` whose argument names cannot be read",
            f"Write a function that names its arguments: {role}({', '.join(names)}).",
        ) from error
    bound = function.keywords if isinstance(function, functools.partial) else {}
    open_ = [p for p in signature.parameters.values() if p.name not in bound]
    if any(p.kind is p.VAR_POSITIONAL for p in open_):
        raise bad_law(
            law,
            f"has a `{role}` with *arguments, which have no names to match",
            f"Name every argument, {role}({', '.join(names)}), or take the last ones as **keywords.",
        )
    taken = [p.name for p in open_ if p.kind is not p.VAR_KEYWORD]
    takes_more = any(p.kind is p.VAR_KEYWORD for p in open_)
    missing = [] if takes_more else [n for n in names if n not in taken]
    extra = [n for n in taken if n not in names]
    if missing or extra:
        where = "`units`" if role == "search" else "`units` and `bounds`"
        raise bad_law(
            law,
            f"has {where} that name {', '.join(names)}, and a `{role}` that takes {', '.join(taken) or 'nothing'}",
            f"Only one side has {', '.join([*missing, *extra])}: use the same names on both.",
        )
    placed = [p.name for p in open_ if p.kind in _BY_PLACE]
    if placed == list(names):
        return Ordered(function)
    index = {name: i for i, name in enumerate(names)}
    order = [index[name] for name in placed]
    keywords = {name: i for name, i in index.items() if name not in placed}

    def arranged(*arguments: Any) -> Any:
        named = {name: arguments[i] for name, i in keywords.items()}
        return function(*(arguments[i] for i in order), **named)

    return Ordered(arranged)


def matched_gradient(
    function: Callable[..., Any], inputs: Sequence[str], parameters: Sequence[str], law: str
) -> Ordered:
    """The gradient, to be called with the inputs and parameters in this order; it returns one entry per parameter.

    The function may return a mapping by parameter name, or a sequence in the order of `parameters`.
    Raises InputError (bad_law) as `matched` does; the result raises it for a name or a length that does not fit.
    """
    if isinstance(function, Ordered):
        return function
    slopes = matched(function, [*inputs, *parameters], law, "gradient")

    def ordered(*arguments: Any) -> tuple[Any, ...]:
        values = slopes(*arguments)
        if isinstance(values, Mapping):
            if set(values) != set(parameters):
                raise bad_law(
                    law,
                    f"has a `gradient` of {', '.join(map(str, values))}, and its parameters are "
                    f"{', '.join(parameters)}",
                )
            return tuple(values[name] for name in parameters)
        columns = tuple(values)
        if len(columns) != len(parameters):
            raise bad_law(law, f"has a `gradient` of {len(columns)} entries for {len(parameters)} parameters")
        return columns

    return Ordered(ordered)
