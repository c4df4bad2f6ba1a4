"""From points and a law to a fitted law: the minimum, its intervals, its status, and laws compared.

law, formula_law, law_average, load_law, parameters: what is fitted, and which of its parameters are free;
problem, objective, weights, options: data, loss and options; varpro, huber, batched_solve, starts, multistart: the
minimum; identifiability, bootstrap, profile, intervals, lmfit_bridge: what the points determine, and how well;
prediction_bands, predictions: the law at new places; holdout, groups, shared_parameters, ablation: other points and
other options; law_selection, law_scores, candidates, holdout_windows: laws compared; fitted, load_fit, stored_numbers,
diagnostics, pipeline, fit_law: the result, read back and checked, and `fit_law`, which puts all of it together.

What a fit of one law does not need is imported when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scalelaw.fit.fit_law import fit_law
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.load_fit import load_fit

if TYPE_CHECKING:
    from scalelaw.fit.ablation import ablate, influence
    from scalelaw.fit.groups import GroupedFit, fit_groups
    from scalelaw.fit.law_scores import Comparison
    from scalelaw.fit.law_selection import compare
    from scalelaw.fit.lmfit_bridge import lmfit_result
    from scalelaw.fit.predictions import Predictions, predict_places

_MODULES = {
    "Comparison": "law_scores",
    "GroupedFit": "groups",
    "Predictions": "predictions",
    "ablate": "ablation",
    "compare": "law_selection",
    "fit_groups": "groups",
    "influence": "ablation",
    "lmfit_result": "lmfit_bridge",
    "predict_places": "predictions",
}

__all__ = [
    "Comparison",
    "FittedLaw",
    "GroupedFit",
    "Predictions",
    "ablate",
    "compare",
    "fit_groups",
    "fit_law",
    "influence",
    "lmfit_result",
    "load_fit",
    "predict_places",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"scalelaw.fit.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'scalelaw.fit' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
