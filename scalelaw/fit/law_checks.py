"""Checks of a law at probe points: finite values, linearity of its linear parameters, correct derivatives.

Every comparison is made point by point, relative to the size of the terms at that point: a tolerance relative to the
largest value would hide an error in a small term.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from scalelaw.errors import InputError
from scalelaw.fit.signature import bad_law

Array = np.ndarray
TINY = 1e-100
"""Complex step, exact up to rounding for an analytic function."""
MAGNITUDES = (1.0, 1e-6, 1e-3, 1e3, 1e9)
"""Sizes of the inputs, in the law's units, at which a law is probed."""
_ROUNDING = 1e-12
"""Relative rounding error of a law's value."""
_WRONG = 0.1
"""Share of the points at which derivatives may differ, as a law may have kinks."""


Law = Any  # `scalelaw.fit.law.Law`, which imports this module


def probe(law: Law, magnitude: float = 1.0) -> tuple[tuple[Array, ...], Array]:
    """A few inputs around `magnitude` and parameters [p, B] inside the bounds."""
    draw = np.random.default_rng(7)
    inputs = tuple(magnitude * np.exp(draw.uniform(-0.7, 0.7, 6)) for _ in law.inputs)
    low, high = law.search_box(inputs, law.lower, law.upper)
    near_low, near_high = np.maximum(low, -2.0), np.minimum(high, 2.0)
    near_high = np.where(near_high > near_low, near_high, near_low + 0.1 * (high - low))
    share = draw.uniform(0.2, 0.8, (len(low), 4))
    return inputs, near_low[:, None] + share * (near_high - near_low)[:, None]


def check(law: Law) -> None:
    """Raises InputError (bad_law) for a law that cannot be evaluated or contradicts its declarations."""
    _check_names(law)
    inputs, parameters = probe(law)
    try:
        value = law.value(inputs, parameters)
        law.jacobian(inputs, parameters)
    except InputError:
        raise
    except Exception as error:
        raise bad_law(law.name, f"cannot be evaluated: {type(error).__name__}: {error}") from error
    # the inputs of a formula have any unit, so it is checked at the points; its linearity is proved from its form
    if law.form is None and not np.isfinite(value).any():
        raise bad_law(law.name, "has no finite value inside its bounds")
    for magnitude in MAGNITUDES if law.form is None else ():
        inputs, parameters = probe(law, magnitude)
        if law.linear and not _is_linear(law, inputs, parameters):
            raise bad_law(law.name, f"is not linear in all of {', '.join(law.linear)}")
    if law.gradient is not None and law.form is None:
        _check_gradient(law)
    _check_derived(law, probe(law)[1])


def _check_names(law: Law) -> None:
    """Raises InputError for names in `linear`, `notes` or `search` that are not parameters."""
    if both := sorted(set(law.units) & set(law.bounds)):
        raise bad_law(law.name, f"has '{both[0]}' both as an input and as a parameter")
    named = {"linear": law.linear, "notes": law.notes}
    if not callable(law.search):
        named["search"] = tuple(law.search)
    for role, names in named.items():
        if stray := sorted(set(names) - set(law.bounds)):
            raise bad_law(
                law.name,
                f"has '{stray[0]}' in `{role}`, which is not a parameter",
                f"Its parameters are {', '.join(law.bounds)}.",
            )


def _terms(law: Law, inputs: tuple[Array, ...], parameters: Array) -> Iterator[tuple[Array, Array]]:
    """Linear parameters alone, in pairs, and all: their terms [k, B, n], and the value [B, n] less the offset."""
    zero = np.where(law.is_linear[:, None], 0.0, parameters)
    offset = law.value(inputs, zero)
    unit: dict[int, Array] = {}
    for j in law.linear_index:
        moved = zero.copy()
        moved[j] = 1.0
        unit[int(j)] = law.value(inputs, moved) - offset
    sets = [(j,) for j in unit] + list(combinations(unit, 2)) + [tuple(unit)]
    for subset in sets:
        moved = zero.copy()
        for j in subset:
            moved[j] = parameters[j]
        parts = np.stack([parameters[j][:, None] * unit[j] for j in subset])
        yield parts, law.value(inputs, moved) - offset


def _is_linear(law: Law, inputs: tuple[Array, ...], parameters: Array) -> bool:
    """Whether the linear parameters' terms add up, alone, in pairs and all together, at every point."""
    with np.errstate(all="ignore"):
        offset = np.abs(law.value(inputs, np.where(law.is_linear[:, None], 0.0, parameters)))
        for parts, together in _terms(law, inputs, parameters):
            size = np.sum(np.abs(parts), axis=0) + np.abs(together)
            miss = np.abs(np.sum(parts, axis=0) - together)
            good = np.isfinite(size) & np.isfinite(miss) & np.isfinite(offset)
            if (miss > 1e-7 * size + _ROUNDING * (offset + size))[good].any():
                return False
    return True


def slopes(law: Law, inputs: tuple[Array, ...], parameters: Array, j: int) -> tuple[Array, Array]:
    """([B, n], [B, n]) the derivative by one parameter from central differences, and its rounding error."""
    step = 1e-6 * np.where(parameters[j] == 0, 1.0, np.abs(parameters[j]))
    up, down = parameters.copy(), parameters.copy()
    up[j], down[j] = up[j] + step, down[j] - step
    with np.errstate(all="ignore"):
        high, low = law.value(inputs, up), law.value(inputs, down)
        slope = (high - low) / (2 * step)[:, None]
        noise = _ROUNDING * (np.abs(high) + np.abs(low)) / step[:, None]
    return slope, noise


def is_analytic(law: Law) -> bool:
    """Whether complex steps agree with differences at every probe point."""
    try:
        for magnitude in MAGNITUDES:
            inputs, parameters = probe(law, magnitude)
            for j in np.flatnonzero(~law.is_linear):
                moved = parameters.astype(complex)
                moved[j] += 1j * TINY
                slope = np.imag(np.asarray(law.value(inputs, moved))) / TINY
                finite, noise = slopes(law, inputs, parameters, int(j))
                good = np.isfinite(finite) & np.isfinite(noise)
                if not (np.abs(slope - finite) <= 1e-3 * np.abs(finite) + noise)[good].all():
                    return False
    except InputError:
        raise
    except (TypeError, ValueError):
        return False
    return True


def falling(law: Law) -> tuple[str, ...]:
    """The inputs with which the law falls: at no probe point does its value rise with them, and at some it falls."""
    falls = dict.fromkeys(law.inputs, False)
    rises = set()
    for magnitude in MAGNITUDES:
        inputs, parameters = probe(law, magnitude)
        for i, name in enumerate(law.inputs):
            larger = tuple(1.5 * x if k == i else x for k, x in enumerate(inputs))
            with np.errstate(all="ignore"):
                low, high = law.value(inputs, parameters), law.value(larger, parameters)
                step = (high - low)[np.isfinite(low) & np.isfinite(high)]
                noise = _ROUNDING * np.abs(low[np.isfinite(low) & np.isfinite(high)])
            if (step > noise).any():
                rises.add(name)
            falls[name] |= bool((step < -noise).any())
    return tuple(name for name in law.inputs if falls[name] and name not in rises)


def _check_gradient(law: Law) -> None:
    """Raises InputError where an entry of the gradient is not the derivative of `predict` by that parameter."""
    for magnitude in MAGNITUDES:
        inputs, parameters = probe(law, magnitude)
        columns = law.jacobian(inputs, parameters)
        finite = [slopes(law, inputs, parameters, j) for j in range(len(law.parameters))]
        for j, name in enumerate(law.parameters):
            if _same(columns[:, j], *finite[j]):
                continue
            other = [law.parameters[k] for k, f in enumerate(finite) if k != j and _same(columns[:, j], *f)]
            raise bad_law(
                law.name,
                f"has a `gradient` whose entry for {name} is not the derivative of `predict` by {name}"
                + (f" but by {other[0]}" if other else ""),
                f"Return a dict by parameter, or the derivatives in the order of `bounds`: {', '.join(law.bounds)}.",
            )


def _same(column: Array, finite: Array, noise: Array) -> bool:
    good = np.isfinite(finite) & np.isfinite(noise) & np.isfinite(column)
    wrong = np.abs(column - finite) > 1e-3 * np.abs(finite) + noise
    return not good.any() or float(np.mean(wrong[good])) <= _WRONG


def _check_derived(law: Law, parameters: Array) -> None:
    """Raises InputError where `derived` reads an unknown name, or `signed` names a quantity that it does not return."""
    derived: Mapping[str, Any] = {}
    if law.derived is not None:
        try:
            derived = law.derived(dict(zip(law.parameters, parameters, strict=True)))
        except KeyError as error:
            raise bad_law(
                law.name,
                f"has a `derived` that reads {error}, which is not a parameter",
                f"Its parameters are {', '.join(law.bounds)}.",
            ) from error
        except Exception as error:
            raise bad_law(
                law.name, f"has a `derived` that cannot be evaluated: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(derived, Mapping):
            raise bad_law(law.name, "has a `derived` that does not return a dict")
        if both := sorted(set(derived) & set(law.bounds)):
            raise bad_law(law.name, f"has a `derived` that returns the parameter '{both[0]}'")
    if stray := sorted(set(law.signed) - set(derived)):
        raise bad_law(law.name, f"has '{stray[0]}' in `signed`, which `derived` does not return")
