"""Coverage of 95% intervals: simulated tables on the published design, with the published noise.

    python experiments/coverage.py [TABLES] [DRAWS] > docs/coverage.md

Each table: the 4 sizes x 7 token counts of `vlm_reasoning` (n = 28), or 4 x 3 of them (n = 12), error from
product_power with D = .08 or D = 0, and normal noise with a standard deviation of .0037, alike at all points or
falling from 1.5 to .5 times that as V rises. Counted: intervals of alpha/beta, V*(Q = 50) and alpha.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from scalelaw.fit.bootstrap import bootstrap, percentile
from scalelaw.fit.load_law import load_law
from scalelaw.fit.objective import Objective, make_objective
from scalelaw.fit.profile import profile_derived, profile_parameters
from scalelaw.fit.varpro import Problem, descend

Array = np.ndarray
LAW = load_law("product_power")
TRUTHS = {".08": np.array([0.5167, 0.0830, 0.0177, 0.08]), "0": np.array([0.59077, 0.07094, 0.01510, 0.0])}
NOISE = 0.0037
QUANTITIES = ("alpha/beta", "V*(50)", "alpha")


def design(n: int) -> tuple[Array, Array]:
    """Sizes (billions) and token counts of the points."""
    tokens = [1.0, 4, 16, 36, 64, 144, 576] if n == 28 else [1.0, 36, 576]
    return np.repeat([0.5, 1.8, 4, 7], len(tokens)), np.tile(tokens, 4)


def quantities(parameters: Array) -> Array:
    """[3, ...] alpha/beta, V*(Q = 50), alpha of parameters [4, ...]."""
    _, alpha, beta, _ = parameters
    with np.errstate(all="ignore"):
        return np.stack([alpha / beta, np.where(alpha > beta, 50 * beta / (alpha - beta), np.inf), alpha])


def intervals(problem: Problem, fitted: Array, method: str, draws: int, rng: np.random.Generator) -> Array:
    """[3, 2] the interval of each quantity."""
    n = problem.target.shape[1]
    if method == "profile":
        ratio = profile_derived(problem, fitted, lambda p: p[1] / p[2], 0.95, 4)
        optimal = [50 / (r - 1) if r > 1 else np.inf for r in ratio][::-1]
        return np.array([ratio, optimal, profile_parameters(problem, fitted, 0.95, 4)["alpha"]])
    drawn = quantities(bootstrap(problem, fitted, draws, method, rng).parameters)
    values = quantities(fitted)
    return np.array([percentile(d, float(v), 0.95, n - 4) for d, v in zip(drawn, values, strict=True)])


def coverage(
    n: int, truth: str, unequal: bool, objective: Objective, method: str, tables: int, draws: int, seed: int
) -> Array:
    """[3] the share of tables (%) whose interval holds the truth."""
    rng = np.random.default_rng(seed)
    inputs, parameters = design(n), TRUTHS[truth]
    size = np.interp(np.log(inputs[1]), [0, np.log(576)], [1.5, 0.5]) if unequal else np.ones(n)
    target = LAW.value(inputs, parameters[:, None]) + rng.normal(size=(tables, n)) * NOISE * size
    problem = Problem(LAW, inputs, target, Objective(), None, LAW.lower, LAW.upper)
    fitted = descend(problem, np.repeat(parameters[:, None], tables, axis=1), 1e-11, 100).parameters
    problem = replace(problem, objective=objective)
    fitted = descend(problem, fitted, 1e-11, 100).parameters
    true = quantities(parameters)[:, None]
    covered = np.zeros(3)
    for t in range(tables):
        ends = intervals(problem.rows(np.array([t])), fitted[:, t], method, draws, rng)
        covered += ((ends[:, :1] <= true) & (true <= ends[:, 1:]))[:, 0]
    return 100 * covered / tables


def lines(tables: int, draws: int) -> Iterator[str]:
    """The page, line by line."""
    error = 100 * np.sqrt(0.95 * 0.05 / tables)
    yield "# Coverage of 95% intervals\n"
    yield (
        f"Result of `python experiments/coverage.py {tables} {draws}`: {tables} simulated tables per row and {draws} "
        f"refits per interval, so the Monte Carlo error of each figure is {error:.1f} points. The head of that file "
        "describes the design, the noise and the true parameters. `wild` is the default for squared loss, `neighbour` "
        "for Huber loss (delta 1e-3).\n"
    )
    yield (
        "The default intervals of alpha/beta and V* contain the true value in 94% to 97% of the tables, with equal and "
        "unequal noise, for 28 and 12 points. The exponent alpha alone is harder: with D = 0.08 the constraint D >= 0 "
        "truncates its lower end and only one tail can miss, so its intervals cover more than 95%, most of all with 12 "
        "points. `residual` and `case` come close under equal noise; `residual` falls to 93% under unequal noise. BCa "
        "covers alpha in about 85% at D = 0.08 and is available for comparison only.\n"
    )
    yield "| loss | n | noise | D | method | " + " | ".join(QUANTITIES) + " |"
    yield "|---|---|---|---|---|---|---|---|"
    plans = [("squared", ("wild", "residual", "case")), ("huber", ("neighbour",))]
    for loss, methods in plans:
        objective = make_objective(loss)
        for n in (28, 12):
            for unequal in (False, True):
                for truth in TRUTHS:
                    for method in methods:
                        rows = coverage(n, truth, unequal, objective, method, tables, draws, seed=1)
                        noise = "unequal" if unequal else "equal"
                        yield (
                            f"| {loss} | {n} | {noise} | {truth} | {method} | "
                            + " | ".join(f"{v:.1f}" for v in rows)
                            + " |"
                        )


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:]] or [1000, 400]
    for line in lines(*numbers):
        print(line, flush=True)
