"""A law as the solver uses it: a law file, checked once, with its Jacobian.

Shapes: n points, B rows (starts, or bootstrap refits), p parameters in the order of `bounds`.
Inputs are [n], already divided by their units; parameters are [p, B].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from scalelaw.errors import InputError
from scalelaw.fit.formula_starts import Form
from scalelaw.fit.law_checks import MAGNITUDES, TINY, check, is_analytic, probe
from scalelaw.fit.signature import bad_law, matched, matched_gradient

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Law:
    """A law. `linear` parameters enter linearly; `search` is the box in which the others are searched.

    signed: derived quantities that may be negative although no parameter may.
    implied: derived quantity -> (another one, a decreasing function of that); where the quantity is infinite, its
    interval comes from the other's.
    form: the tree of a law that was typed as a formula.
    The arguments of its functions are matched by name with `units` and `bounds` (see `signature`).
    Raises InputError (bad_law) for a function with other arguments.
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
    implied: Mapping[str, tuple[str, Callable[[float], float]]] = field(default_factory=dict)
    form: Form | None = None

    def __post_init__(self) -> None:
        names = (*self.units, *self.bounds)
        object.__setattr__(self, "predict", matched(self.predict, names, self.name, "predict"))
        if self.gradient is not None:
            slopes = matched_gradient(self.gradient, tuple(self.units), tuple(self.bounds), self.name)
            object.__setattr__(self, "gradient", slopes)
        if callable(self.search):
            object.__setattr__(self, "search", matched(self.search, tuple(self.units), self.name, "search"))

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
        if not self.has_offset:
            linear = self.linear_index
            with np.errstate(all="ignore"):
                total: Array = parameters[linear[0], :, None] * jacobian[:, linear[0]]
                for j in linear[1:]:
                    total += parameters[j, :, None] * jacobian[:, j]
            return total
        return self.value(inputs, parameters)

    def moved_value(self, value: Array, old: Array, new: Array, jacobian: Array) -> Array:
        """[B, n] the law's value after its linear parameters changed from `old` to `new` [p, B]."""
        if not self.has_offset:
            return self.value_from((), new, jacobian)
        moved = value.copy()
        for j in self.linear_index:
            moved += (new[j] - old[j])[:, None] * jacobian[:, j]
        return moved

    @cached_property
    def has_offset(self) -> bool:
        """Whether the law is nonzero when its linear parameters are zero, for inputs of any size."""
        if not self.linear:
            return True
        if self.source == "typed":
            return self.form is None or not self.form.vanishes(self.linear)
        for magnitude in MAGNITUDES:
            inputs, parameters = probe(self, magnitude)
            rest = self.value(inputs, np.where(self.is_linear[:, None], 0.0, parameters))
            if np.any(rest != 0.0):
                return True
        return False

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
        column: Array = self.value(inputs, unit) - offset
        return column

    def _slope(self, inputs: Sequence[Array], parameters: Array, j: int) -> Array:
        if self._analytic:
            moved: Array = parameters.astype(complex)
            moved[j] += 1j * TINY
            return np.asarray(np.imag(self.value(inputs, moved)) / TINY)
        size = np.abs(parameters[j])
        step = np.cbrt(np.finfo(float).eps) * np.where(size == 0, 1e-3, size)
        up, down = parameters.copy(), parameters.copy()
        up[j], down[j] = up[j] + step, down[j] - step
        rise = self.value(inputs, up) - self.value(inputs, down)
        return np.asarray(rise / (up[j] - down[j])[:, None])

    @cached_property
    def _analytic(self) -> bool:
        """Whether complex steps give the derivatives."""
        return is_analytic(self)

    def searched(self, inputs: Sequence[Array]) -> Mapping[str, tuple[float, float]]:
        """The law's own `search` for these inputs. Raises InputError (bad_law) for a name that is no parameter."""
        box = self.search(*inputs) if callable(self.search) else self.search
        if stray := sorted(set(box) - set(self.bounds)):
            raise bad_law(self.name, f"has '{stray[0]}' in `search`, which is not a parameter")
        return box

    def search_box(self, inputs: Sequence[Array], lower: Array, upper: Array) -> tuple[Array, Array]:
        """([p], [p]) the search box of the nonlinear parameters: the law's `search`, inside the bounds."""
        searched = self.searched(inputs)
        low, high = lower.copy(), upper.copy()
        for j, name in enumerate(self.bounds):
            span = searched.get(name, (-1e3 if lower[j] < 0 else 0.0, 1e3))
            low[j] = max(lower[j], span[0]) if span[0] < upper[j] else lower[j]
            high[j] = min(upper[j], span[1]) if span[1] > low[j] else upper[j]
            if not np.isfinite(low[j]):
                low[j] = high[j] - 1e3
            if not np.isfinite(high[j]):
                high[j] = low[j] + 1e3 * max(1.0, abs(low[j]))
        return low, high


FIELDS = tuple(f.name for f in fields(Law) if f.name not in ("name", "form"))
"""The names that a law file may define."""


def make_law(name: str, names: Mapping[str, Any]) -> Law:
    """A law from the names of a law file, checked. Raises InputError (bad_law) for an invalid law."""
    if missing := [n for n in ("formula", "units", "bounds", "linear", "predict") if n not in names]:
        raise bad_law(name, f"lacks the name '{missing[0]}'")
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
            implied=names.get("implied", {}),
            form=names.get("form"),
        )
    except InputError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise bad_law(name, f"has invalid units or bounds: {error}") from error
    if not law.units or not law.bounds:
        raise bad_law(name, "has no inputs or no parameters")
    if any(not 0 < unit < np.inf for unit in law.units.values()):
        raise bad_law(name, "has a unit that is not a positive number")
    if any(not low <= high for low, high in law.bounds.values()):
        raise bad_law(name, "has a lower bound above its upper bound")
    check(law)
    return law
