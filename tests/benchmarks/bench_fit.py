"""How fast fits are, in process, beside what is customary: `make bench`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import optimize

from scalelaw.fit.load_law import load_law
from scalelaw.fit.multistart import minimize
from scalelaw.fit.objective import Objective, make_objective
from scalelaw.fit.options import FitOptions
from scalelaw.fit.pipeline import fit_points
from scalelaw.fit.problem import read_points
from scalelaw.fit.varpro import Problem, descend
from scalelaw.table.read import read_table

Benchmark = Callable[..., Any]


def reasoning() -> Problem:
    """The 28 published points under product_power, squared loss."""
    law = load_law("product_power")
    points = read_points(read_table("vlm_reasoning"), law, None, "error", None)
    return Problem(
        law, law.scale(points.inputs), points.target[None], Objective(), None, law.lower, law.upper
    )


def chinchilla(n: int = 240) -> Problem:
    """n runs with the constants of arXiv 2404.10102 and heavy-tailed noise; Huber loss 1e-3 of log residuals."""
    draw = np.random.default_rng(0)
    size = np.exp(draw.uniform(np.log(5e7), np.log(1e10), n))
    tokens = np.exp(draw.uniform(np.log(1e9), np.log(5e11), n))
    loss = (1.8172 + 482.01 * size**-0.3478 + 2085.43 * tokens**-0.3658) * np.exp(
        0.005 * draw.standard_t(3, n)
    )
    law = load_law("chinchilla")
    objective = make_objective("huber", 1e-3, "log")
    return Problem(law, (size, tokens), loss[None], objective, None, law.lower, law.upper)


def refits(problem: Problem, draws: int) -> tuple[Problem, np.ndarray]:
    """The problem of `draws` residual bootstrap tables, and where each starts."""
    optimum = minimize(problem).parameters
    value = problem.law.value(problem.inputs, optimum[:, None])
    residual = problem.objective.residuals(value, problem.target)[0]
    noise = np.random.default_rng(0).choice(residual, (draws, len(residual)))
    target = value * np.exp(noise) if problem.objective.residual == "log" else value + noise
    return replace(problem, target=target), np.repeat(optimum[:, None], draws, axis=1)


def test_one_certified_fit_of_28_points(benchmark: Benchmark) -> None:
    assert benchmark(minimize, reasoning()).gap < 1e-9


def test_fit_law_of_28_points_with_1000_refits(benchmark: Benchmark) -> None:
    law = load_law("product_power")
    points = read_points(read_table("vlm_reasoning"), law, None, "error", None)
    assert benchmark(fit_points, points, law, FitOptions()).n_points == 28


def test_4000_refits_of_28_points(benchmark: Benchmark) -> None:
    assert benchmark(descend, *refits(reasoning(), 4000), 1e-9, 60).converged.mean() > 0.99


def test_one_certified_huber_chinchilla_fit_of_240_points(benchmark: Benchmark) -> None:
    assert benchmark(minimize, chinchilla()).gap < 1e-9


def test_4000_huber_refits_of_chinchilla(benchmark: Benchmark) -> None:
    problem, start = refits(chinchilla(), 4000)
    assert benchmark.pedantic(descend, (problem, start, 1e-9, 60), rounds=2).converged.mean() > 0.99


@pytest.mark.parametrize("n", [1_000, 10_000, 100_000, 1_000_000])
def test_cost_grows_with_points(benchmark: Benchmark, n: int) -> None:
    assert benchmark.pedantic(minimize, (chinchilla(n),), rounds=1).converged


@pytest.mark.parametrize("draws", [1_000, 4_000, 16_000, 64_000])
def test_cost_grows_with_draws(benchmark: Benchmark, draws: int) -> None:
    benchmark.pedantic(descend, (*refits(reasoning(), draws), 1e-9, 60), rounds=1)


def test_peer_customary_lbfgs_from_one_of_4500_starts(benchmark: Benchmark) -> None:
    """One start of the customary grid (finite differences, log-sum-exp form): times 4,500 is what a fit costs so."""
    problem = chinchilla()
    log_n, log_d = (np.log(x) for x in problem.inputs)
    log_y = np.log(problem.target[0])

    def huber(p: np.ndarray) -> float:
        terms = [p[0] - p[3] * log_n, p[1] - p[4] * log_d, np.full_like(log_y, p[2])]
        size = np.abs(np.logaddexp(np.logaddexp(terms[0], terms[1]), terms[2]) - log_y)
        inside = np.minimum(size, 1e-3)
        return float(np.sum(inside * (size - 0.5 * inside)))

    benchmark.pedantic(
        lambda: optimize.minimize(huber, [10.0, 10.0, 0.5, 0.5, 0.5], method="L-BFGS-B"), rounds=3
    )


def test_peer_scipy_least_squares_multistart(benchmark: Benchmark) -> None:
    """scipy's trust region from 12 starts on the 28 points: no bound on the gap, no refits."""
    from scipy.optimize import least_squares

    problem = reasoning()
    starts = np.random.default_rng(0).uniform([0.1, 0.0, 0.0, 0.0], [1.0, 0.5, 0.5, 0.3], (12, 4))

    def residuals(p: np.ndarray) -> np.ndarray:
        return problem.law.value(problem.inputs, p[:, None])[0] - problem.target[0]

    benchmark.pedantic(
        lambda: min(least_squares(residuals, s, bounds=(0, np.inf)).cost for s in starts), rounds=3
    )


def test_peer_lmfit_from_one_start(benchmark: Benchmark) -> None:
    import lmfit

    problem = reasoning()
    parameters = lmfit.Parameters()
    for name, value in {"A": 0.5, "alpha": 0.1, "beta": 0.05, "D": 0.1}.items():
        parameters.add(name, value=value, min=0)

    def residuals(p: Any) -> np.ndarray:
        values = np.array([[p[name].value] for name in problem.law.parameters])
        return problem.law.value(problem.inputs, values)[0] - problem.target[0]

    benchmark.pedantic(lambda: lmfit.minimize(residuals, parameters), rounds=3)


def test_peer_chinchilla_package_from_32_starts(
    benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package `chinchilla` (BFGS from a grid, one process) without its drawing: 4,500 starts cost 140 times it."""
    peer = pytest.importorskip("chinchilla", reason="needs the package chinchilla: pip install chinchilla")
    from chinchilla._metrics import log_huber

    monkeypatch.setenv("MPLBACKEND", "Agg")
    problem = chinchilla()
    grid = {"e": [0.0, 1.0], "a": [5.0, 10.0], "b": [5.0, 10.0], "alpha": [0.3, 0.6], "beta": [0.3, 0.6]}
    model = peer.Chinchilla(
        str(tmp_path),
        param_grid=grid,
        loss_fn=lambda y, predicted: log_huber(y, predicted, delta=1e-3),
        log_level=40,
    )
    monkeypatch.setattr(model.visualizer, "optim", lambda *_args, **_more: None)
    for size, tokens, loss in zip(*problem.inputs, problem.target[0], strict=True):
        model.database.append(N=size, D=tokens, loss=loss)
    benchmark.pedantic(lambda: model.fit(parallel=False), rounds=1)
