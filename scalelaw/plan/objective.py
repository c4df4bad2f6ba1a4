"""What is asked for: the least error; the cheapest within a tolerance of it; or the cheapest that reaches a target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scalelaw.errors import InputError

if TYPE_CHECKING:
    from scalelaw.fit.fitted import FittedLaw


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


def make_rule(within: float | None, target_error: float | None) -> Rule:
    """The rule of these options. Raises InputError for both at once and for numbers that are not errors."""
    if within is not None and target_error is not None:
        raise InputError("Ask for a tolerance or for a target error, not for both.", code="bad_objective")
    for name, value in (("within", within), ("target_error", target_error)):
        if value is not None:
            check_error(name, value)
    return Rule(within or 0.0, target_error)


def check_share(name: str, value: float | None, fitted: FittedLaw) -> None:
    """Raises InputError `unit_mismatch` for a percentage where the measured errors are shares of 1."""
    if value is None or value < 1 or fitted.target != "error":
        return
    measured = np.asarray(fitted.points.get("target", []), float)
    if measured.size and ((measured >= 0) & (measured <= 1)).all():
        raise InputError(
            f"{name} is {value:g}, and the errors of the fit are shares of 1.",
            code="unit_mismatch",
            hint=f"If it is in percent, write {value / 100:g}.",
        )


def check_error(name: str, value: Any) -> None:
    """Raises InputError where a number is not an error, or a difference of errors."""
    if isinstance(value, bool) or not (isinstance(value, int | float) and 0 <= value <= 1e9):
        raise InputError(
            f"{name} must be an error of at least 0; it is {str(value)[:40]}.", code="bad_objective"
        )
