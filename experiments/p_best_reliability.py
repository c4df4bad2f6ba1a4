"""Is p_best honest? Of decisions that are given a certainty of .7 to .9, how many are truly best?

    python experiments/p_best_reliability.py [--tables 700] [--out experiments/p_best_reliability.csv]

Tables are made from product laws whose parameters are jittered (alpha in .05-.12, alpha/beta in 2-8, A about .59,
noise sd .0037 as in the reasoning table), with D = 0 and with D in .02-.15, on the published 4 x 7 design and on 12
points (4 sizes x V in {1, 36, 576}). Each is fitted with 300 bootstrap draws; then 4 random budgets are planned at
each of Q = 10, 50, 150 under linear FLOPs over six sizes (0.5 to 32 B) and every V from 1 to 576. A decision is right
where the pick is also the pick of the true law. Writes one row a bin of p_best, and a curve beside it (PDF).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import scalelaw as sl
from scalelaw.plan import certainty
from scalelaw.plan.grid import predict
from scalelaw.plan.rule import Rule
from scalelaw.plan.search import ranked
from scalelaw.plan.setting import make_setting

SIZES = [0.5e9, 1.8e9, 4e9, 7e9]
CATALOGUE = [*SIZES, 14e9, 32e9]
DESIGNS = {12: [1, 36, 576], 28: [1, 4, 16, 36, 64, 144, 576]}
NOISE = 0.0037
TEXTS = (10.0, 50.0, 150.0)
BUDGETS = 4
BINS = [0.0, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0 + 1e-9]


def make_truth(floor: bool, rng: np.random.Generator) -> Any:
    """A jittered product law as a function of n_params and visual_tokens."""
    alpha = rng.uniform(0.05, 0.12)
    beta = alpha / rng.uniform(2, 8)
    A, D = 0.59 * np.exp(rng.normal(0, 0.1)), rng.uniform(0.02, 0.15) if floor else 0.0
    return lambda n, v: A * (np.asarray(n) / 1e9) ** -alpha * np.asarray(v, dtype=float) ** -beta + D


def decisions(points: int, floor: bool, resample: str, tables: int, seed: int) -> list[tuple[float, bool]]:
    """(p_best, whether the pick is truly best) of every decision."""
    rng = np.random.default_rng(seed)
    n, v = (grid.ravel() for grid in np.meshgrid(SIZES, DESIGNS[points], indexing="ij"))
    found = []
    for i in range(tables):
        truth = make_truth(floor, rng)
        frame = pd.DataFrame(
            {"n_params": n, "visual_tokens": v, "error": truth(n, v) + rng.normal(0, NOISE, n.size)}
        )
        fitted = sl.fit_law(frame, bootstrap=300, resample=resample, seed=i, starts=32)
        if any(len(draws) for draws in fitted.draws.values()):
            for text in TEXTS:
                found += decide(fitted, truth, text, rng)
    return found


def decide(fitted: Any, truth: Any, text: float, rng: np.random.Generator) -> list[tuple[float, bool]]:
    """Some budgets at one length of text."""
    setting = make_setting(fitted, 1e12, CATALOGUE, "1:576", text_tokens=text)
    true_error = truth(np.array(CATALOGUE)[:, None], setting.counts[None, :])
    found = []
    for budget in np.exp(rng.uniform(np.log(2 * SIZES[0] * (text + 4)), np.log(6e12), BUDGETS)):
        grid = setting.grid({"flops": budget})
        places = ranked(grid, Rule())
        if len(places) < 2:
            continue
        columns = sorted({column for _, column in places})  # the error falls with V: no other count can win
        part = replace(grid, visual_tokens=grid.visual_tokens[columns], fits=grid.fits[:, columns],
                       error=grid.error[:, columns], spend=grid.spend[:, columns])  # fmt: skip
        draws = predict(
            fitted, grid.n_params[:, None], part.visual_tokens[None, :], setting.query.work, draws=True
        )
        draws = part.error + certainty.spread(fitted) * (draws - part.error)
        shares, _ = certainty.shares_of_best(
            lambda rows, columns, held=draws: held[:, rows, columns], len(draws), [part], Rule()
        )
        row, column = places[0]
        right = ranked(replace(grid, error=true_error), Rule())[0] == places[0]
        found.append((float(shares[row, columns.index(column)]), right))
    return found


def main() -> None:
    """Run every design, truth and resampling; write the bins and draw the curve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=int, default=700)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resample", nargs="+", default=["wild"])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"))
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for resample in asked.resample:
        for points in DESIGNS:
            for floor in (False, True):
                held = np.array(decisions(points, floor, resample, asked.tables, asked.seed))
                which = np.digitize(held[:, 0], BINS) - 1
                for b in range(len(BINS) - 1):
                    inside = held[which == b]
                    if len(inside):
                        rows.append({
                            "resample": resample, "points": points, "truth": "D > 0" if floor else "D = 0",
                            "p_from": BINS[b], "p_to": min(BINS[b + 1], 1.0), "decisions": len(inside),
                            "mean_p_best": inside[:, 0].mean(), "truly_best": inside[:, 1].mean(),
                        })  # fmt: skip
                print(pd.DataFrame(rows[-5:]).to_string(index=False), flush=True)
                pd.DataFrame(rows).to_csv(asked.out, index=False, float_format="%.4f")
    draw(pd.DataFrame(rows), asked.out.with_suffix(".pdf"))


def draw(rows: pd.DataFrame, path: Path) -> None:
    """The reliability curve: the share truly best against the certainty given."""
    import matplotlib.pyplot as plt

    plt.rcParams["pdf.fonttype"] = 42
    figure, axes = plt.subplots(figsize=(4.2, 4.0), constrained_layout=True)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    for (resample, points, truth), held in rows.groupby(["resample", "points", "truth"]):
        style = "-" if points == 28 else "--"
        axes.plot(held.mean_p_best, held.truly_best, style, marker="o", markersize=3, linewidth=1,
                  label=f"{resample}, {points} points, {truth}")  # fmt: skip
    axes.set(xlabel="p_best that was given", ylabel="share of decisions truly best", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, fontsize=7)
    figure.savefig(path, metadata={"CreationDate": None})


if __name__ == "__main__":
    main()
