"""Starting points of a typed formula, in the scale of its inputs as its form shows it.

A point of the unit box becomes parameters, from the leaves of the formula up. A factor of a product makes the product
of its natural size: x0 in exp(-x/x0) is of the size of x, s in exp(-s*N**q) of that of N**-q, whatever q is. A term
beside others is of their size (c in 1 + x/c) or within their range (m in (x - m)**2). An exponent is of the size of 1
over the spread of the logarithm of its base. Rescaling an input moves every point with it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.fit.formula_functions import FUNCTIONS
from scalelaw.fit.formula_tree import names_of, value, vanishes

Array = np.ndarray
DECADES = 1.5
"""Decades to each side of its natural size within which a parameter is searched."""
_ONE = np.float64(1.0)
Chain = list[tuple[ast.expr, bool]]


@dataclass(frozen=True)
class Form:
    """A formula's tree, with its names as inputs and parameters of a law: input or parameter -> name in the formula."""

    root: ast.expr
    inputs: Mapping[str, tuple[str, ...]]
    parameters: tuple[str, ...]

    def vanishes(self, linear: Sequence[str]) -> bool:
        """Whether the value is 0 wherever these parameters are 0."""
        return vanishes(self.root, frozenset(linear))

    def place(
        self, inputs: Sequence[Array], unit: Array, preset: Mapping[str, Any], bounds: Sequence[Array]
    ) -> Array:
        """[p, B] parameters for points of the unit box.

        Args:
            inputs: values [n] of each input.
            unit: [p, B] points of the unit box.
            preset: parameters that are not placed: the linear ones and fixed ones -> their value.
            bounds: lower and upper bounds [p].
        """
        values: dict[str, Any] = {
            name: x for names, x in zip(self.inputs.values(), inputs, strict=True) for name in names
        }
        rows = {name: u[:, None] for name, u in zip(self.parameters, unit, strict=True)}
        ends = dict(zip(self.parameters, zip(*bounds, strict=True), strict=True))
        layout = _Layout(values | dict(preset), rows, ends)
        layout.place(self.root, _ONE)
        placed = [layout.values[name] for name in self.parameters]
        return np.stack([np.broadcast_to(v, (unit.shape[1], 1))[:, 0] for v in placed]).astype(float)


@dataclass
class _Layout:
    """Places points [B] of the unit box; `values` has the inputs [n] and, once placed, the parameters [B, 1]."""

    values: dict[str, Any]
    unit: Mapping[str, Array]
    bounds: Mapping[str, tuple[float, float]]

    def place(self, node: ast.expr, size: Any) -> None:
        """Place the parameters of a node whose value has the given size [B, 1]."""
        if not self._open(node):
            return
        if isinstance(node, ast.Name):
            low, high = self.bounds[node.id]
            unit = self.unit[node.id]
            share = (2 * unit) % 1.0 if low < 0 or np.isfinite(high) else unit
            self._set(node.id, size * 10.0 ** (DECADES * (2 * share - 1)))
        elif isinstance(node, ast.UnaryOp):
            self.place(node.operand, size)
        elif isinstance(node, ast.Call):
            self._call(node, size)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            self._power(node, size)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            self._product(_factors(node), size)
        elif isinstance(node, ast.BinOp):
            self._sum(_terms(node), size)
        else:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self.place(child, _ONE)

    def _call(self, node: ast.Call, size: Any) -> None:
        function = node.func.id  # type: ignore[attr-defined]
        if function == "where":
            condition, *branches = node.args
            self._sum([(condition.left, False), (condition.comparators[0], True)], _ONE)  # type: ignore[attr-defined]
            for branch in branches:
                self.place(branch, size)
        elif function in ("min", "max"):
            self._sum([(node.args[0], False), (node.args[1], True)], size)
        elif function in ("abs", "softplus"):
            self.place(node.args[0], size)
        elif function == "exp" and isinstance(node.args[0], ast.BinOp) and _is_sum(node.args[0]):
            self._sum(_terms(node.args[0]), _ONE, level=np.log(size))
        else:
            self.place(node.args[0], size**2 if function == "sqrt" else _ONE)

    def _power(self, node: ast.BinOp, size: Any) -> None:
        base, exponent = node.left, node.right
        if not self._open(base):
            with np.errstate(all="ignore"):
                logs = np.log(np.abs(self._value(base)))
            spread = np.nanstd(np.where(np.isfinite(logs), logs, np.nan), axis=-1, keepdims=True)
            self.place(exponent, 1.0 / np.where(spread > 0, spread, 1.0))
            return
        self.place(exponent, _ONE)
        with np.errstate(all="ignore"):
            root = size ** (1.0 / self._typical(exponent, signed=True))
        self.place(base, np.where(np.isfinite(root) & (root > 0), root, 1.0))

    def _product(self, factors: Chain, size: Any) -> None:
        """The first factor that a parameter scales brings the product to its size: a name, a power or an exp."""
        scaling = [f for f in factors if self._open(f[0]) and self._adjusts(f[0])]
        leaves = sorted(scaling, key=lambda f: 2 * _is_exp(f[0]) + (not isinstance(f[0], ast.Name)))
        inner = [f for f in factors if f not in leaves]
        last = leaves[:1]
        for node, _ in leaves[1:]:
            self.place(node, _ONE)
        for node, _ in inner:
            self.place(node, _ONE)
        for node, divides in last:
            rest: Any = _ONE
            with np.errstate(all="ignore"):
                for other, below in factors:
                    if other is not node:
                        typical = self._typical(other)
                        rest = rest / typical if below else rest * typical
                needed = rest / size if divides else size / rest
            self.place(node, np.where(np.isfinite(needed) & (needed > 0), needed, 1.0))

    def _sum(self, terms: Chain, size: Any, level: Any = None) -> None:
        """Terms without a factor of their own set the size of the others, and the range of names alone.

        level: the natural logarithm that the sum is near, for a sum that is the argument of exp.
        """
        free = [t for t in terms if self._open(t[0]) and self._adjusts(t[0])]
        fixed = [t for t in terms if t not in free]
        for node, _ in fixed:
            self.place(node, _ONE)
        if fixed:
            total = self._total(fixed)
            typical = np.sqrt(np.mean(total**2, axis=-1, keepdims=True))
            size = np.where(np.isfinite(typical) & (typical > 0), typical, size)
        alone = [t for t in free if isinstance(t[0], ast.Name)]
        for node, _ in free:
            if not isinstance(node, ast.Name):
                self.place(node, size)
        for node, negative in alone:
            name = node.id  # type: ignore[attr-defined]
            others = self._total([t for t in terms if not self._open(t[0])])
            if fixed and np.any(np.ptp(others, axis=-1) > 0):
                others = others if negative else -others
                low, high = others.min(axis=-1, keepdims=True), others.max(axis=-1, keepdims=True)
                at = low + (1.5 * self.unit[name] - 0.25) * (high - low)
                self._set(name, at, otherwise=high - low)
            elif level is not None and node is alone[-1][0]:
                at = level - np.mean(others, axis=-1, keepdims=True) + 4 * (self.unit[name] - 0.5)
                self._set(name, -at if negative else at, otherwise=_ONE)
            else:
                self.place(node, size)

    def _adjusts(self, node: ast.expr) -> bool:
        """Whether a parameter that is not placed yet scales the whole term."""
        if isinstance(node, ast.UnaryOp):
            return self._adjusts(node.operand)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            return any(self._adjusts(factor) for factor, _ in _factors(node))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            return self._adjusts(node.left)
        if isinstance(node, ast.BinOp):
            return all(self._adjusts(term) for term, _ in _terms(node))
        if isinstance(node, ast.Call) and node.func.id == "exp":  # type: ignore[attr-defined]
            return any(isinstance(term, ast.Name) and self._open(term) for term, _ in _terms(node.args[0]))
        return isinstance(node, ast.Name) and self._open(node)

    def _open(self, node: ast.expr) -> bool:
        """Whether the node has a parameter that is not placed yet."""
        return any(name not in self.values for name in names_of(node))

    def _value(self, node: ast.expr) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(np.atleast_2d(value(node, self.values)), float)

    def _total(self, terms: Chain) -> Array:
        total = np.zeros((1, 1))
        for node, negative in terms:
            total = total - self._value(node) if negative else total + self._value(node)
        return np.asarray(np.nan_to_num(total, posinf=0.0, neginf=0.0))

    def _typical(self, node: ast.expr, signed: bool = False) -> Array:
        """The geometric mean of the size of a node's value over the points; `signed`: with the sign of the first."""
        values = self._value(node)
        with np.errstate(all="ignore"):
            logs = np.log(np.abs(values))
            finite = np.isfinite(logs)
            mean = np.sum(np.where(finite, logs, 0.0), axis=-1, keepdims=True) / np.maximum(
                finite.sum(axis=-1, keepdims=True), 1
            )
            size = np.exp(mean)
        return np.asarray(np.sign(values[:, :1]) * size if signed else size)

    def _set(self, name: str, at: Any, otherwise: Any = None) -> None:
        """Set a parameter, inside its bounds; where `at` is outside them, to a share of the size `otherwise`.

        A range between two bounds is covered as well, and negative values where they are allowed.
        """
        low, high = self.bounds[name]
        unit = self.unit[name]
        if otherwise is not None:
            spare = otherwise * 10.0 ** (DECADES * (2 * unit - 1))
            at = np.where((at >= low) & (at <= high), at, spare)
        elif low < 0:
            at = np.where(unit < 0.5, -at, at)
        if np.isfinite([low, high]).all():
            share = (2 * unit) % 1.0
            at = np.where(unit < 0.5, at, low + share * (high - low))
        self.values[name] = np.clip(at, low, high)


def _factors(node: ast.expr, divides: bool = False) -> Chain:
    """The factors of a product, and whether each divides."""
    if isinstance(node, ast.UnaryOp):
        return _factors(node.operand, divides)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        below = divides != isinstance(node.op, ast.Div)
        return [*_factors(node.left, divides), *_factors(node.right, below)]
    return [(node, divides)]


def _terms(node: ast.expr, negative: bool = False) -> Chain:
    """The terms of a sum, and whether each is subtracted."""
    if isinstance(node, ast.UnaryOp):
        return _terms(node.operand, negative != isinstance(node.op, ast.USub))
    if isinstance(node, ast.BinOp) and _is_sum(node):
        right = negative != isinstance(node.op, ast.Sub)
        return [*_terms(node.left, negative), *_terms(node.right, right)]
    return [(node, negative)]


def _is_sum(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)


def _is_exp(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and node.func.id == "exp" and "exp" in FUNCTIONS  # type: ignore[attr-defined]
