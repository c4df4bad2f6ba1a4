"""From points and a law to a fitted law, and what of it may be believed.

law, expression, average, loading, parameters: what is fitted, and which of its parameters are free;
objective, weights, options, task: what is asked; smallsolve, engine, cover, optimum: the optimum, certified;
verdict, uncertainty, profile, intervals, classical: what the points determine, and how well; bands: where new points
may lie; holdout, groups, sharing, ablation, pairs: other points and other choices; selection, weighing, members,
extrapolation: laws compared; fitted, reading, statement, fitting, asking: the result, read back, the words that go
with it, and `fit_law`, which puts all of it together.
"""

from scalelaw.fit.ablation import ablate, influence
from scalelaw.fit.fit_law import fit_law
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.groups import GroupedFit, fit_groups
from scalelaw.fit.law_scores import Comparison
from scalelaw.fit.law_selection import compare
from scalelaw.fit.lmfit_bridge import lmfit_result
from scalelaw.fit.load_fit import load_fit
from scalelaw.fit.predictions import Predictions, predict_places

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
