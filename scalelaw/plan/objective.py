"""What is asked for: the least error; the cheapest within a tolerance of it; or the cheapest that reaches a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.errors import InputError


@dataclass(frozen=True)
class Rule:
    """within: how much error (absolute) above the least is as good. target: an error that is good enough."""

    within: float = 0.0
    target: float | None = None

    def good(self, least: Any) -> Any:
        """The error that a pick may have, where `least` is the least that fits."""
        return least + self.within if self.target is None else np.full(np.shape(least), self.target)

    @property
    def least(self) -> bool:
        """Whether only the least error will do."""
        return self.target is None and self.within == 0


def make_rule(within: float | None, target_error: float | None, fitted: Any) -> Rule:
    """The rule of these options, for a plan with this fit or these fits.

    Raises InputError: `bad_objective` for both at once and for numbers that are not errors, `unit_mismatch` for a
    percentage where the errors are shares of 1.
    """
    if within is not None and target_error is not None:
        raise InputError("Ask for a tolerance or for a target error, not for both.", code="bad_objective")
    for name, value in (("within", within), ("target_error", target_error)):
        if value is None:
            continue
        check_error(name, value)
        if value >= 1 and _has_shares(fitted):
            raise InputError(
                f"{name} is {value:g}, and the errors of the fit are shares of 1.",
                code="unit_mismatch",
                hint=f"If it is in percent, write {value / 100:g}.",
            )
    return Rule(within or 0.0, target_error)


def _has_shares(fitted: Any) -> bool:
    """Whether all errors that a fit, or every fit of a blend, was fitted to are shares of 1."""
    for fit in getattr(fitted, "counted", {"": fitted}).values():
        measured = np.asarray(getattr(fit, "points", {}).get("target", []), float)
        if getattr(fit, "target_kind", "") != "error" or not measured.size or measured.max() > 1:
            return False
    return True


def check_error(name: str, value: Any) -> None:
    """Raises InputError where a number is not an error, or a difference of errors."""
    if isinstance(value, bool) or not (isinstance(value, int | float) and 0 <= value <= 1e9):
        raise InputError(
            f"{name} must be an error of at least 0; it is {str(value)[:40]}.", code="bad_objective"
        )
