"""How well `law="auto"` extrapolates, against every single law: learning curves, and the two-input published tables.

Question: does choosing and averaging by windows predict what was hidden better than any one law fitted plainly?

    python experiments/law_selection.py            prints the figures (a few minutes on one core)
    python experiments/law_selection.py --write    also writes them into docs/choosing_a_law.md
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import scalelaw as sl

ROOT = Path(__file__).resolve().parent.parent
CURVES = ROOT / "data" / "published" / "revisiting_neural_scaling_laws" / "curves.csv"
DOC = ROOT / "docs" / "choosing_a_law.md"
ONE_INPUT = ("power", "power_offset", "m4", "bnsl", "bnsl:2", "auto")
TWO_INPUTS = ("product_power", "additive_power", "additive_interaction", "log_linear", "auto")


def curves() -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """(points to fit, points to predict) of each curve."""
    for _, curve in pd.read_csv(CURVES).groupby(["Domain", "Task", "Model"]):
        yield curve[curve["Training"] == 1], curve[curve["Training"] == 0]


def rmsle(law: str, fit: pd.DataFrame, ask: pd.DataFrame) -> float:
    """Root mean squared log error of the predicted points; log residuals throughout."""
    fitted = sl.fit_law(
        fit, law=law, inputs={"x": "Seen Examples"}, target="Loss", residual="log", bootstrap=0
    )
    predicted = fitted.predict(x=ask["Seen Examples"].to_numpy())
    return float(np.sqrt(np.mean(np.log(predicted / ask["Loss"].to_numpy()) ** 2)))


def cut(fit: pd.DataFrame, horizon: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training points up to the largest x over `horizon`, and those after it: nothing of the test is seen."""
    x = fit["Seen Examples"]
    return fit[x <= x.max() / horizon], fit[x > x.max() / horizon]


def on_curves(horizon: float | None = None) -> pd.DataFrame:
    """RMSLE [curve, law]."""
    pairs = [(f, a) if horizon is None else cut(f, horizon) for f, a in curves()]
    return pd.DataFrame(
        [{law: rmsle(law, f, a) for law in ONE_INPUT} for f, a in pairs if len(a) and len(f) > 3]
    )


def summary(errors: pd.DataFrame) -> str:
    """One row a law: mean and median RMSLE, and the share of curves on which it beats power_offset."""
    rows = ["| law | mean | median | worst | beats power_offset on |", "| --- | --- | --- | --- | --- |"]
    for law in errors:
        won = np.mean(errors[law] < errors["power_offset"])
        share = "" if law == "power_offset" else f"{100 * won:.0f}%"
        rows.append(
            f"| {law} | {errors[law].mean():.4f} | {errors[law].median():.4f} | {errors[law].max():.3f} | {share} |"
        )
    return "\n".join(rows)


def on_tables() -> str:
    """RMSE on the largest value of each input, left out, by law."""
    head = " | ".join(TWO_INPUTS)
    rows = [f"| left out | {head} | auto / best |", "| --- " * (len(TWO_INPUTS) + 2) + "|"]
    for table in ("vlm_reasoning", "vlm_ocr"):
        for name in ("n_params", "visual_tokens"):
            rows = {
                law: sl.fit_law(table, law=law, holdout=f"largest:{name}", bootstrap=0).holdout["rmse"]
                for law in TWO_INPUTS
            }
            best = min(error for law, error in rows.items() if law != "auto")
            cells = " | ".join(f"{error:.4f}" for error in rows.values())
            rows.append(f"| {table}, largest {name} | {cells} | {rows['auto'] / best:.2f} |")
    return "\n".join(rows)


def figures() -> str:
    """All figures as markdown."""
    began = time.perf_counter()
    parts = ["Learning curves, the published split (RMSLE of the predicted points, log residuals):", ""]
    errors = on_curves()
    parts += [f"{summary(errors)}", "", f"{len(errors)} curves.", ""]
    for horizon in (2.0, 4.0):
        shorter = on_curves(horizon)
        parts += [f"The same laws and rule on shorter training windows (points after x_max / {horizon:g} of the "
                  f"training points hidden; {len(shorter)} curves):", "", summary(shorter), ""]  # fmt: skip
    parts += ["Two inputs (RMSE on what was left out):", "", on_tables()]
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    return "\n".join(parts)


def main() -> None:
    """Print the figures; with --write put them into the docs page."""
    text = figures()
    print(text)
    if "--write" in sys.argv:
        page = DOC.read_text(encoding="utf-8")
        block = f"<!-- figures -->\n{text}\n<!-- /figures -->"
        DOC.write_text(
            re.sub(r"<!-- figures -->.*<!-- /figures -->", lambda _: block, page, flags=re.S),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
