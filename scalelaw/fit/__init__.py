"""From points and a law to a fitted law, and what of it may be believed.

law: a law file as the engine sees it; objective: what is minimised; engine: the optimum, for many rows at once;
smallsolve: the small linear systems in it; verdict: what the points determine; uncertainty: bootstrap intervals;
holdout: predicting what was left out; fitted: the result and its JSON; fitting: all of it, called `fit_law`.
"""

from scalelaw.fit.fitted import FittedLaw, load_fit
from scalelaw.fit.fitting import fit_law

__all__ = ["FittedLaw", "fit_law", "load_fit"]
