"""Is p_best honest? Of decisions that are given a certainty of .7 to .9, how many are truly best?

    python experiments/p_best_reliability.py [--tables 1000] [--out experiments/p_best_reliability.csv]

Tables are made from product laws whose parameters are jittered (alpha in .05-.12, alpha/beta in 2-8, A about .59,
noise sd .0037 as in the reasoning table), with D = 0 and with D in .02-.15, on the published 4 x 7 design and on 12
points (4 sizes x V in {1, 36, 576}). Each is fitted with 300 bootstrap draws; then 60 random budgets are decided at
each of Q = 10, 50, 150 under linear FLOPs over six sizes (0.5 to 32 B) and every V from 1 to 576: the error falls with
V, so of each size only the most tokens that it can pay for stand against the others'. A decision is right where the
pick is also the pick of the true law. Most decisions are clear, so that few of a table fall between .7 and .9; those of
one table go together, and the standard errors are over tables. Writes a row a bin of p_best, and a curve beside it.

The constructions: `plan` is what plans do (`certainty.spread`); `wild`, `residual` take the draws as the fit has them;
`t` makes their distance from the fit longer by t / z at .975, as intervals do; `HC2` makes it shorter, by
sqrt((n - p) / n) for residuals and by what plans take for wild draws.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

import scalelaw as sl
from scalelaw.plan import p_best

SIZES = [0.5e9, 1.8e9, 4e9, 7e9]
CATALOGUE = np.array([*SIZES, 14e9, 32e9])
DESIGNS = {28: [1, 4, 16, 36, 64, 144, 576], 12: [1, 36, 576]}
NOISE = 0.0037
TEXTS = (10.0, 50.0, 150.0)
BUDGETS = 60
BINS = [0.0, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0 + 1e-9]
Decisions = tuple[np.ndarray, np.ndarray]


def make_truth(floor: bool, rng: np.random.Generator) -> Any:
    """A jittered product law as a function of n_params and visual_tokens."""
    alpha = rng.uniform(0.05, 0.12)
    beta = alpha / rng.uniform(2, 8)
    A, D = 0.59 * np.exp(rng.normal(0, 0.1)), rng.uniform(0.02, 0.15) if floor else 0.0
    return lambda n, v: A * (np.asarray(n) / 1e9) ** -alpha * np.asarray(v, dtype=float) ** -beta + D


def constructions(frame: pd.DataFrame, seed: int) -> dict[str, tuple[Any, float]]:
    """{construction: (a fit with draws, how much of their distance from the fit counts)}."""
    wild, residual = (
        sl.fit_law(frame, bootstrap=300, resample=way, seed=seed, starts=32) for way in ("wild", "residual")
    )
    left = wild.n_points - len(wild.params)
    drawn_in, longer = np.sqrt(left / wild.n_points), stdtrit(left, 0.975) / 1.959964
    as_planned = p_best.spread(wild)
    return {
        "plan": (wild, as_planned),
        "wild": (wild, 1.0),
        "wild, HC2, t": (wild, as_planned * longer),
        "residual": (residual, 1.0),
        "residual, HC2": (residual, drawn_in),
        "residual, t": (residual, longer),
    }


def decide(
    constructed: dict[str, tuple[Any, float]], truth: Any, rng: np.random.Generator
) -> dict[str, Decisions]:
    """{construction: (p_best, whether the pick is truly best)} of random budgets at every length of text."""
    text = np.repeat(TEXTS, BUDGETS)
    budget = np.exp(rng.uniform(np.log(2 * SIZES[0] * (text + 4)), np.log(6e12)))
    tokens = np.minimum(np.floor(budget[:, None] / (2 * CATALOGUE) - text[:, None]), 576.0)
    tokens = tokens[(tokens >= 1).sum(axis=1) >= 2]
    fits, tokens = tokens >= 1, np.maximum(tokens, 1.0)
    sizes = np.broadcast_to(CATALOGUE, tokens.shape)
    best = np.where(fits, truth(sizes, tokens), np.inf).argmin(axis=1)
    decisions = {}
    for name, (fitted, scale) in constructed.items():
        error = fitted.predict(n_params=sizes, visual_tokens=tokens)
        draws = np.asarray(fitted.predict_draws(n_params=sizes, visual_tokens=tokens))
        drawn = np.where(fits, error + scale * (draws - error), np.inf).argmin(axis=2)
        pick = np.where(fits, error, np.inf).argmin(axis=1)
        decisions[name] = (drawn == pick).mean(axis=0), pick == best
    return decisions


def simulate(points: int, floor: bool, tables: int, seed: int) -> dict[str, list[Decisions]]:
    """{construction: the decisions of each table}."""
    rng = np.random.default_rng(seed)
    n, v = (grid.ravel() for grid in np.meshgrid(SIZES, DESIGNS[points], indexing="ij"))
    by_name: dict[str, list[Decisions]] = {}
    for i in range(tables):
        truth = make_truth(floor, rng)
        error = truth(n, v) + rng.normal(0, NOISE, n.size)
        frame = pd.DataFrame({"n_params": n, "visual_tokens": v, "error": error})
        for name, decisions in decide(constructions(frame, i), truth, rng).items():
            by_name.setdefault(name, []).append(decisions)
    return by_name


def binned(tables: list[Decisions]) -> list[dict[str, Any]]:
    """A row a bin of p_best: decisions, their mean p_best, the share truly best and its standard error."""
    rows = []
    for low, high in itertools.pairwise(BINS):
        inside = [(p >= low) & (p < high) for p, _ in tables]
        counts = np.array([mask.sum() for mask in inside])
        right = np.array([(best & mask).sum() for (_, best), mask in zip(tables, inside, strict=True)])
        if not counts.sum():
            continue
        share = right.sum() / counts.sum()
        mean = sum(p[mask].sum() for (p, _), mask in zip(tables, inside, strict=True)) / counts.sum()
        rows.append({
            "p_from": low, "p_to": min(high, 1.0), "decisions": int(counts.sum()), "mean_p_best": mean,
            "truly_best": share,
            "standard_error": np.sqrt(np.sum((right - share * counts) ** 2)) / counts.sum(),
        })  # fmt: skip
    return rows


def main() -> None:
    """Run every design, truth and construction; write the bins and draw the curve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"))
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for points in DESIGNS:
        for floor in (False, True):
            case = {"points": points, "truth": "D > 0" if floor else "D = 0"}
            for name, tables in simulate(points, floor, arguments.tables, arguments.seed).items():
                rows += [{"construction": name, **case, **row} for row in binned(tables)]
            done = pd.DataFrame(rows)
            print(done[(done.p_from == 0.7) & (done.points == points)].to_string(index=False), flush=True)
    done.to_csv(arguments.out, index=False, float_format="%.4f")
    draw(done[done.construction == "plan"], arguments.out.with_suffix(".pdf"))


def draw(rows: pd.DataFrame, path: Path) -> None:
    """The reliability curve: the share truly best against the certainty given, with one standard error."""
    import matplotlib.pyplot as plt

    plt.rcParams["pdf.fonttype"] = 42
    figure, axes = plt.subplots(figsize=(4.2, 4.0), constrained_layout=True)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    axes.fill_between([0.7, 0.9], 0.75, 0.85, color="0.9", linewidth=0)
    for (points, truth), group in rows.groupby(["points", "truth"]):
        axes.errorbar(group.mean_p_best, group.truly_best, group.standard_error, marker="o", markersize=3, linewidth=1,
                      linestyle="-" if points == 28 else "--", label=f"{points} points, {truth}")  # fmt: skip
    axes.set(xlabel="p_best that was given", ylabel="share of decisions truly best", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, fontsize=7)
    figure.savefig(path, metadata={"CreationDate": None})


if __name__ == "__main__":
    main()
