"""Standard errors of plain least squares from the Jacobian, and the fit as an lmfit MinimizerResult.

They apply to squared loss away from bounds; bootstrap and profile intervals apply more widely.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalelaw.errors import InputError
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.law_average import PREFIX
from scalelaw.fit.objective import make_objective
from scalelaw.fit.varpro import Problem, State

Array = np.ndarray


def standard_errors(problem: Problem, fitted: Array) -> Array:
    """[p] s sqrt(diag((J' W J)^-1)) with s^2 = objective / (n - p); nan for fixed parameters and those on a bound."""
    free = ~problem.fixed & (fitted > problem.lower) & (fitted < problem.upper)
    state = State.at(problem, fitted[:, None])
    columns = state.jacobian[0][free] * (1.0 if problem.weight is None else np.sqrt(problem.weight[0]))
    if problem.objective.residual == "log":
        columns = columns / state.value[0]
    size = np.sqrt(np.sum(columns**2, axis=1))
    inverse = np.linalg.inv(np.linalg.qr((columns / size[:, None]).T, mode="r"))
    degrees = problem.target.shape[1] - int(free.sum())
    errors = np.full(len(fitted), np.nan)
    if degrees > 0:
        errors[free] = np.sqrt(state.total[0] / degrees * np.sum(inverse**2, axis=1)) / size
    return errors


def lmfit_result(fitted: FittedLaw) -> Any:
    """An lmfit MinimizerResult at the fitted parameters, for use with lmfit (reports, confidence plots).

    It has the fit's weights, ties, fixed and bounded parameters and residual space; a parameter on its bound is
    fixed there, as it has no standard error. Standard errors are those of `standard_errors`.
    Raises InputError for a robust or expectile loss, for which lmfit's covariance and F-test profile do not hold, and
    for an average of laws.
    """
    import lmfit

    if fitted.loss["kind"] != "squared":
        raise InputError(
            f"lmfit's errors and profiles hold for squared loss, and this fit has loss '{fitted.loss['kind']}'.",
            code="robust_loss",
            hint="Use the bootstrap intervals, or interval='profile'.",
        )
    if fitted.law.startswith(PREFIX):
        raise InputError(
            "An average of laws has no parameters that lmfit could fit.",
            code="average_of_laws",
            hint="Fit one law by its name.",
        )
    law, objective = fitted.the_law(), make_objective("squared", None, fitted.loss["residual"])
    scaled, target = law.scale(fitted.points["inputs"]), np.asarray(fitted.points["target"])
    weight = fitted.points["weight"]
    root = 1.0 if weight is None else np.sqrt(np.asarray(weight))
    parameters = lmfit.Parameters()
    for name in sorted(fitted.params, key=lambda n: n in fitted.ties):
        value, (low, high) = fitted.params[name], fitted.bounds[name]
        if name in fitted.ties:
            parameters.add(name, expr=fitted.ties[name])
        elif value in (low, high):
            parameters.add(name, value=value, vary=False)
        else:
            parameters.add(name, value=value, min=low, max=high)

    def residuals(p: Any) -> Array:
        values = np.array([[p[name].value] for name in law.parameters])
        return root * objective.residuals(law.value(scaled, values)[0], target)

    return lmfit.minimize(residuals, parameters, method="leastsq", ftol=1e-15, xtol=1e-15, gtol=1e-15)
