"""Fixed, bounded and tied parameters, as in lmfit's Parameters.

`fix` {name: value}, `bounds` {name: (low, high)}, `tie` {name: formula of other parameters}; or an lmfit.Parameters
with `vary`, `min`, `max` and `expr`. A tied parameter is eliminated from the law before the fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalelaw.errors import InputError, unknown
from scalelaw.fit.formula_law import Expression
from scalelaw.fit.law import Law
from scalelaw.fit.signature import Ordered

Array = np.ndarray
_TINY = 1e-100


@dataclass(frozen=True)
class Freedom:
    """The law to fit (without tied parameters), its bounds [q], and the mapping back to all parameters."""

    law: Law
    lower: Array
    upper: Array
    whole: Law
    ties: Mapping[str, Expression]

    def expand(self, parameters: Array) -> Array:
        """[p, B] all parameters of the whole law, from the fitted [q, B]."""
        return _expand(self.whole, self.law, self.ties, parameters)


def freedom(
    law: Law,
    fix: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    tie: Mapping[str, str] | None = None,
    parameters: Any = None,
) -> Freedom:
    """Combine fixed, bounded and tied parameters. `parameters` is an lmfit.Parameters, which is applied first.

    Raises InputError for an unknown parameter, empty bounds, a fixed value that is not finite, and a circular tie.
    """
    fixed, ends, tied = _from_lmfit(parameters)
    fixed, ends, tied = fixed | dict(fix or {}), ends | dict(bounds or {}), tied | dict(tie or {})
    for name, (low, high) in dict(bounds or {}).items():
        if name in fixed and not low <= fixed[name] <= high:
            raise InputError(
                f"{name} is fixed at {fixed[name]:g}, outside its bounds {low:g} to {high:g}.",
                code="bad_bounds",
            )
    for name in (*fixed, *ends, *tied):
        if name not in law.parameters:
            raise unknown("parameter", name, law.parameters)
    expressions = {name: Expression(str(text)) for name, text in tied.items()}
    for name, expression in expressions.items():
        for other in expression.names:
            if other not in law.parameters:
                raise unknown("parameter", other, law.parameters)
            if other in expressions:
                raise InputError(
                    f"{name} is tied to {other}, which is tied as well.",
                    code="bad_tie",
                    hint="Tie both to the same free parameter.",
                )
        if name in fixed or name in ends:
            raise InputError(f"{name} is tied, so it cannot be fixed or bounded.", code="bad_tie")
    reduced = _eliminate(law, expressions) if expressions else law
    lower, upper = reduced.lower.copy(), reduced.upper.copy()
    for name, (low, high) in ends.items():
        if not float(low) <= float(high) or float(low) == np.inf or float(high) == -np.inf:
            raise InputError(
                f"The bounds of {name} are empty: {low:g} to {high:g}.",
                code="bad_bounds",
                hint="Give the lower end first.",
            )
        j = reduced.parameters.index(name)
        lower[j], upper[j] = float(low), float(high)
    for name, value in fixed.items():
        if not np.isfinite(value):
            raise InputError(f"{name} cannot be fixed at {value}.", code="bad_value")
        j = reduced.parameters.index(name)
        lower[j] = upper[j] = float(value)
    return Freedom(reduced, lower, upper, law, expressions)


def _from_lmfit(parameters: Any) -> tuple[dict[str, float], dict[str, tuple[float, float]], dict[str, str]]:
    fixed, ends, tied = {}, {}, {}
    for name, parameter in (parameters or {}).items():
        if parameter.expr:
            tied[name] = parameter.expr
        elif not parameter.vary:
            fixed[name] = float(parameter.value)
        else:
            ends[name] = (float(parameter.min), float(parameter.max))
    return fixed, ends, tied


def _expand(law: Law, reduced: Law, ties: Mapping[str, Expression], parameters: Array) -> Array:
    named: dict[str, Any] = dict(zip(reduced.parameters, parameters, strict=True))
    full = [ties[name](named) if name in ties else named[name] for name in law.parameters]
    return np.stack([np.broadcast_to(v, parameters.shape[1:]) for v in full])


def _eliminate(law: Law, ties: Mapping[str, Expression]) -> Law:
    """The law of the untied parameters only."""
    kept = tuple(name for name in law.parameters if name not in ties)
    used = {other for expression in ties.values() for other in expression.names}
    inputs = len(law.inputs)

    def predict(*arguments: Any) -> Any:
        named = dict(zip(kept, arguments[inputs:], strict=True))
        full = [ties[n](named) if n in ties else named[n] for n in law.parameters]
        return law.predict(*arguments[:inputs], *full)

    def gradient(*arguments: Any) -> tuple[Any, ...]:
        named = dict(zip(kept, arguments[inputs:], strict=True))
        full = {n: ties[n](named) if n in ties else named[n] for n in law.parameters}
        columns = dict(zip(law.parameters, law.gradient(*arguments[:inputs], *full.values()), strict=True))  # type: ignore[misc]
        total = {n: columns[n] for n in kept}
        for tied, expression in ties.items():
            for name in expression.names:
                slope = np.imag(expression({**named, name: named[name] + 1j * _TINY})) / _TINY
                total[name] = total[name] + columns[tied] * slope
        return tuple(total.values())

    def search(*inputs: Any) -> Mapping[str, tuple[float, float]]:
        box = law.search(*inputs) if callable(law.search) else law.search
        return {name: ends for name, ends in box.items() if name not in ties}

    return replace(
        law,
        bounds={name: law.bounds[name] for name in kept},
        linear=tuple(name for name in law.linear if name in kept and name not in used),
        predict=Ordered(predict),
        gradient=None if law.gradient is None else Ordered(gradient),
        derived=None,
        search=Ordered(search),
        form=None,
    )
