"""A law as the engine sees it: a law file, checked once, with its Jacobian.

Shapes: n points, B rows (starts, or bootstrap refits), p parameters in the order of `bounds`.
Inputs are [n], already divided by their units; parameters are [p, B].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from scalelaw.errors import InputError

Array = np.ndarray
_TINY = 1e-100  # complex step: exact to rounding for an analytic function


@dataclass(frozen=True, eq=False)
class Law:
    """A checked law. `linear` parameters enter linearly; `search` is where the others are looked for.

    signed: the derived quantities that may be negative although no parameter may.
    """

    name: str
    formula: str
    source: str
    units: Mapping[str, float]
    bounds: Mapping[str, tuple[float, float]]
    linear: tuple[str, ...]
    predict: Callable[..., Any]
    gradient: Callable[..., Any] | None = None
    derived: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    search: Mapping[str, tuple[float, float]] | Callable[..., Mapping[str, tuple[float, float]]] = field(
        default_factory=dict
    )
    notes: Mapping[str, str] = field(default_factory=dict)
    signed: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs' names in order."""
        return tuple(self.units)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters' names in order."""
        return tuple(self.bounds)

    @cached_property
    def is_linear(self) -> Array:
        """[p] True where the parameter enters linearly."""
        return np.array([name in self.linear for name in self.bounds])

    @cached_property
    def linear_index(self) -> Array:
        """Indices of the linear parameters."""
        return np.flatnonzero(self.is_linear)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The order of elimination: the linear parameters first."""
        return tuple(int(j) for j in np.argsort(~self.is_linear, kind="stable"))

    @cached_property
    def lower(self) -> Array:
        """[p] lower bounds."""
        return np.array([low for low, _ in self.bounds.values()])

    @cached_property
    def upper(self) -> Array:
        """[p] upper bounds."""
        return np.array([high for _, high in self.bounds.values()])

    def scale(self, inputs: Mapping[str, Any]) -> tuple[Array, ...]:
        """The inputs in raw units, as the law's own units, in order."""
        return tuple(np.asarray(inputs[name], float) / unit for name, unit in self.units.items())

    def value(self, inputs: Sequence[Array], parameters: Array) -> Array:
        """[B, n] the law's value."""
        with np.errstate(all="ignore"):
            value = self.predict(*inputs, *parameters[:, :, None])
        shape = (parameters.shape[1], len(inputs[0]))
        return value if np.shape(value) == shape else np.array(np.broadcast_to(value, shape))

    def value_from(self, inputs: Sequence[Array], parameters: Array, jacobian: Array) -> Array:
        """[B, n] the law's value, from its Jacobian where every term is linear in a parameter."""
        if not self._has_offset:
            chosen = self.linear_index
            with np.errstate(all="ignore"):
                total: Array = parameters[chosen[0], :, None] * jacobian[:, chosen[0]]
                for j in chosen[1:]:
                    total += parameters[j, :, None] * jacobian[:, j]
            return total
        return self.value(inputs, parameters)

    def moved_value(self, value: Array, old: Array, new: Array, jacobian: Array) -> Array:
        """[B, n] the law's value after only its linear parameters moved from `old` to `new` [p, B]."""
        if not self._has_offset:
            return self.value_from((), new, jacobian)
        moved = value.copy()
        for j in self.linear_index:
            moved += (new[j] - old[j])[:, None] * jacobian[:, j]
        return moved

    @cached_property
    def _has_offset(self) -> bool:
        """Whether something is left of the law when its linear parameters are zero."""
        if not self.linear:
            return True
        inputs, parameters = _probe(self)
        rest = self.value(inputs, np.where(self.is_linear[:, None], 0.0, parameters))
        return bool(np.any(rest != 0.0))

    def jacobian(self, inputs: Sequence[Array], parameters: Array) -> Array:
        """[B, p, n] derivatives by the parameters: the law's own, or by unit vectors and complex steps."""
        p, rows = parameters.shape
        out = np.empty((rows, p, len(inputs[0])))
        with np.errstate(all="ignore"):
            if self.gradient is not None:
                for j, column in enumerate(self.gradient(*inputs, *parameters[:, :, None])):
                    out[:, j] = column
                return out
            offset = self.value(inputs, np.where(self.is_linear[:, None], 0.0, parameters))
            for j in range(p):
                out[:, j] = (
                    self._linear_column(inputs, parameters, j, offset)
                    if self.is_linear[j]
                    else (self._slope(inputs, parameters, j))
                )
        return out

    def _linear_column(self, inputs: Sequence[Array], parameters: Array, j: int, offset: Array) -> Array:
        unit = np.where(self.is_linear[:, None], 0.0, parameters)
        unit[j] = 1.0
        return self.value(inputs, unit) - offset

    def _slope(self, inputs: Sequence[Array], parameters: Array, j: int) -> Array:
        if self._analytic:
            moved: Array = parameters.astype(complex)
            moved[j] += 1j * _TINY
            return np.imag(self.value(inputs, moved)) / _TINY
        step = np.cbrt(np.finfo(float).eps) * np.maximum(np.abs(parameters[j]), 1e-3)
        up, down = parameters.copy(), parameters.copy()
        up[j], down[j] = up[j] + step, down[j] - step
        return (self.value(inputs, up) - self.value(inputs, down)) / (up[j] - down[j])[:, None]

    @cached_property
    def _analytic(self) -> bool:
        """Whether complex steps agree with finite differences at random places."""
        inputs, parameters = _probe(self)
        try:
            for j in np.flatnonzero(~self.is_linear):
                moved = parameters.astype(complex)
                moved[j] += 1j * _TINY
                slope = np.imag(np.asarray(self.value(inputs, moved))) / _TINY
                step = 1e-6 * np.abs(parameters[j])
                up, down = parameters.copy(), parameters.copy()
                up[j], down[j] = up[j] + step, down[j] - step
                finite = (self.value(inputs, up) - self.value(inputs, down)) / (2 * step)[:, None]
                good = np.isfinite(finite)
                if not np.allclose(slope[good], finite[good], rtol=1e-3, atol=1e-6 * _largest(finite)):
                    return False
        except (TypeError, ValueError):
            return False
        return True

    def search_box(self, inputs: Sequence[Array], lower: Array, upper: Array) -> tuple[Array, Array]:
        """([p], [p]) where the nonlinear parameters are looked for: the law's `search`, inside the bounds."""
        given = self.search(*inputs) if callable(self.search) else self.search
        low, high = lower.copy(), upper.copy()
        for j, name in enumerate(self.bounds):
            wish = given.get(name, (-1e3 if lower[j] < 0 else 0.0, 1e3))
            low[j] = max(lower[j], wish[0]) if wish[0] < upper[j] else lower[j]
            high[j] = min(upper[j], wish[1]) if wish[1] > low[j] else upper[j]
            if not np.isfinite(low[j]):
                low[j] = high[j] - 1e3
            if not np.isfinite(high[j]):
                high[j] = low[j] + 1e3 * max(1.0, abs(low[j]))
        return low, high


def _largest(values: Array) -> float:
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def _probe(law: Law) -> tuple[tuple[Array, ...], Array]:
    """A few inputs around one and parameters inside the bounds, for checks."""
    draw = np.random.default_rng(7)
    inputs = tuple(np.exp(draw.uniform(-0.7, 0.7, 6)) for _ in law.inputs)
    low, high = law.search_box(inputs, law.lower, law.upper)
    near_low, near_high = np.maximum(low, -2.0), np.minimum(high, 2.0)
    near_high = np.where(near_high > near_low, near_high, near_low + 0.1 * (high - low))
    share = draw.uniform(0.2, 0.8, (len(low), 4))
    return inputs, near_low[:, None] + share * (near_high - near_low)[:, None]


def make_law(name: str, names: Mapping[str, Any]) -> Law:
    """A law from the plain names of a law file, checked. Raises InputError (code bad_law) with what is wrong."""
    if missing := [n for n in ("formula", "units", "bounds", "linear", "predict") if n not in names]:
        raise _bad(name, f"lacks the name '{missing[0]}'")
    units, bounds = names["units"], names["bounds"]
    try:
        law = Law(
            name=name,
            formula=str(names["formula"]),
            source=str(names.get("source", "")),
            units={str(k): float(v) for k, v in units.items()},
            bounds={str(k): (float(low), float(high)) for k, (low, high) in bounds.items()},
            linear=tuple(map(str, names["linear"])),
            predict=names["predict"],
            gradient=names.get("gradient"),
            derived=names.get("derived"),
            search=names.get("search", {}),
            notes=names.get("notes", {}),
            signed=tuple(map(str, names.get("signed", ()))),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise _bad(name, f"has units or bounds of another shape: {error}") from error
    if not law.units or not law.bounds:
        raise _bad(name, "has no inputs or no parameters")
    if not callable(law.predict):
        raise _bad(name, "has a `predict` that is not a function")
    if stray := set(law.linear) - set(law.bounds):
        raise _bad(name, f"calls '{sorted(stray)[0]}' linear, which is not a parameter")
    if any(not low <= high for low, high in law.bounds.values()):
        raise _bad(name, "has a lower bound above its upper bound")
    _check_values(law)
    return law


def _check_values(law: Law) -> None:
    inputs, parameters = _probe(law)
    try:
        value = law.value(inputs, parameters)
        jacobian = law.jacobian(inputs, parameters)
    except Exception as error:
        raise _bad(law.name, f"cannot be evaluated: {type(error).__name__}: {error}") from error
    if not np.isfinite(value).any():
        raise _bad(law.name, "gives no finite value anywhere inside its bounds")
    if law.linear:
        fixed = law.value(inputs, np.where(law.is_linear[:, None], 0.0, parameters))
        rebuilt = fixed + np.einsum("jb,bjn->bn", np.where(law.is_linear[:, None], parameters, 0.0), jacobian)
        good = np.isfinite(value) & np.isfinite(rebuilt)
        if not np.allclose(rebuilt[good], value[good], rtol=1e-6, atol=1e-9 * _largest(value)):
            raise _bad(law.name, f"is not linear in all of {', '.join(law.linear)}")


def _bad(name: str, why: str) -> InputError:
    return InputError(
        f"The law '{name}' {why}.",
        code="bad_law",
        hint="A law file has formula, units, bounds, linear and predict(inputs..., parameters...).",
    )
