"""Compare the latency cost, as it comes, with published measurements of served dense models.

    pip download --no-deps aiconfigurator-core==0.12.0
    python experiments/latency/evaluate.py aiconfigurator_core-0.12.0-*.whl

The measurements (`silicon_sample.csv`) are the test set only: no constant is read from them. Llama-3.1-8B and 70B and
Qwen3-32B on H100, H200 and B200, in one closed loop each; end to end is TTFT + (OSL - 1) x TPOT. `compared` are the 996
rows of the figures of 0.1 and of AIConfigurator (without block-scaled fp8 and one single row).
"""

from __future__ import annotations

import argparse
import io
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from scalelaw.costs import latency
from scalelaw.costs._workload import Device, Workload
from scalelaw.model_shapes import LLMShape
from scalelaw.plan.hardware import find_device

SHAPES = {
    "Llama-3.1-8B": LLMShape("llama-3.1-8b", 32, 4096, 32, 8, 128, 14336, 128256),
    "Llama-3.1-70B": LLMShape("llama-3.1-70b", 80, 8192, 64, 8, 128, 28672, 128256),
    "Qwen3-32B": LLMShape("qwen3-32b", 64, 5120, 64, 8, 128, 25600, 151936, qk_norm=True),
}
CARDS = {"h100_sxm": "h100-sxm", "h200_sxm": "h200-sxm", "b200_sxm": "b200"}
TYPES = {"fp8": "fp8", "fp8_block": "fp8", "nvfp4": "nvfp4"}
SAMPLE = "aiconfigurator_core/systems/silicon_sample.csv"
OLD = {"end to end": 32.6, "tau": 0.78, "per token": 58.0, "first token": "80-467", "broken per token": 72.0,
       "broken end to end": 51.0, "pairs": 56.0, "cards": "19 / 19 / 34 / 59"}  # fmt: skip
AIC = {"end to end": 11.6, "tau": 0.90, "per token": 12.7, "first token": 45.0, "broken per token": 5.0,
       "broken end to end": 9.0, "pairs": 91.0, "cards": "11 / 10 / 12 / 13"}  # fmt: skip
"""The figures of version 0.1 and of AIConfigurator 0.12 on the same rows, in percent."""


def read_rows(path: Path) -> pd.DataFrame:
    """The served dense rows of a wheel, or of its unpacked csv."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            rows = pd.read_csv(io.BytesIO(wheel.read(SAMPLE)))
    else:
        rows = pd.read_csv(path)
    pattern = "|".join(SHAPES)
    kept = rows[
        (rows["mode"] == "agg") & rows.model_path.str.contains(pattern) & rows.system.isin(CARDS)
    ].copy()
    kept["model"] = kept.model_path.str.extract(f"({pattern})")[0]
    kept["dtype"] = kept.gemm_quant_mode.map(TYPES).fillna("bf16")
    kept["e2e"] = kept.silicon_ttft_ms + (kept.osl - 1) * kept.silicon_tpot_ms
    kept["compared"] = (kept.gemm_quant_mode != "fp8_block") & (kept.model_path != "nvidia/Qwen3-32B-NVFP4")
    return kept.reset_index(drop=True)


def workload(row: Any, device: Device | None = None, serving: str = "closed") -> Workload:
    """The workload of a row."""
    card = device or find_device(CARDS[row.system])
    assert card is not None
    return Workload(
        text_tokens=float(row.isl), generate=float(row.osl - 1), batch=float(row.batch_size), images=0,
        weight_type=row.dtype, cache_bytes=1.0 if row.dtype != "bf16" and FP8_CACHE else 2.0,
        weight_bytes=2.0, device=replace(card, count=int(row.tp_size)), serving=serving,
    )  # fmt: skip


FP8_CACHE = True
"""Served with narrow weights, the caches are fp8, as in those engines' recipes and in AIConfigurator's predictions."""


def predict(rows: pd.DataFrame, serving: str = "closed") -> pd.DataFrame:
    """The rows with what the cost says: `pred_e2e`, `pred_tpot`, `pred_ttft`."""
    totals = []
    for row in rows.itertuples():
        work = workload(row, serving=serving)
        shape = SHAPES[row.model]
        answer = latency.totals(latency.parts(shape.n_params, shape, 0.0, work), work)
        totals.append([float(answer[kind]) for kind in ("latency_ms", "ms_per_token", "ttft_ms")])
    e2e, tpot, ttft = np.array(totals).T
    return rows.assign(pred_e2e=e2e, pred_tpot=tpot, pred_ttft=ttft)


def error(predicted: Any, measured: Any) -> float:
    """The median absolute error in percent."""
    return float(100 * np.median(np.abs(predicted / measured - 1)))


def broken(rows: pd.DataFrame, kind: str, measured: str) -> float:
    """Of decisions for the most tokens a second and card under a limit, the percent that break it by more than 5%.

    One decision for each model, card, engine, type, lengths and each of 8 limits over the range that was measured;
    it chooses the number of cards and the concurrency.
    """
    bad = total = 0
    for _, group in rows.groupby(["model", "system", "backend", "dtype", "isl", "osl"]):
        if len(group) < 3:
            continue
        speed = group.batch_size * (group.osl - 1) / group.pred_e2e / group.tp_size
        for share in np.linspace(0.1, 0.9, 8):
            limit = group[measured].quantile(share)
            fits = group[group[kind] <= limit]
            if len(fits):
                pick = speed[fits.index].idxmax()
                total += 1
                bad += group.loc[pick, measured] > 1.05 * limit
    return 100 * bad / max(total, 1)


def pairs(rows: pd.DataFrame) -> float:
    """Percent of pairs of (parallelism, type, engine) at equal load whose order by tokens/s a card is right.

    Pairs of one setting on two engines, which the cost does not tell apart, are left out.
    """
    right = total = 0
    for _, group in rows.groupby(["model", "system", "isl", "osl", "batch_size"]):
        true = np.log((1 / group.e2e / group.tp_size).to_numpy())
        ordered = np.log((1 / group.pred_e2e / group.tp_size).to_numpy())
        i, j = np.triu_indices(len(group), 1)
        apart = np.abs(ordered[i] - ordered[j]) > 1e-9
        right += int(np.sum((np.sign(true[i] - true[j]) == np.sign(ordered[i] - ordered[j]))[apart]))
        total += int(apart.sum())
    return 100 * right / max(total, 1)


def figures(rows: pd.DataFrame) -> dict[str, Any]:
    """The figures of the table, in percent."""
    return {
        "end to end": error(rows.pred_e2e, rows.e2e),
        "tau": float(kendalltau(rows.pred_e2e, rows.e2e).statistic),
        "per token": error(rows.pred_tpot, rows.silicon_tpot_ms),
        "first token": error(rows.pred_ttft, rows.silicon_ttft_ms),
        "broken per token": broken(rows, "pred_tpot", "silicon_tpot_ms"),
        "broken end to end": broken(rows, "pred_e2e", "e2e"),
        "pairs": pairs(rows),
        "cards": " / ".join(
            f"{error(part.pred_e2e, part.e2e):.0f}" for _, part in rows.groupby("tp_size") if len(part) > 20
        ),
    }


def coverage(rows: pd.DataFrame) -> list[str]:
    """Of each kind the 5% and 95% quantiles of log(measured / computed) on half of the rows, and what they hold of the
    other half; the halves are drawn with seed 0.
    """
    first = np.zeros(len(rows), dtype=bool)
    first[np.random.default_rng(0).permutation(len(rows))[: len(rows) // 2]] = True
    lines = []
    for predicted, measured in (
        ("pred_e2e", "e2e"),
        ("pred_tpot", "silicon_tpot_ms"),
        ("pred_ttft", "silicon_ttft_ms"),
    ):
        logs = np.log(rows[measured] / rows[predicted]).to_numpy()
        low, high = np.quantile(logs[first], [0.05, 0.95])
        inside = np.mean((logs[~first] >= low) & (logs[~first] <= high))
        lines.append(
            f"{measured:<18} range {low:+.3f} to {high:+.3f}, of the other half {100 * inside:.1f}% inside"
        )
    return lines


def table(rows: pd.DataFrame) -> str:
    """The figures of 0.1, of this version and of AIConfigurator, in one table."""
    compared, every = figures(rows[rows.compared]), figures(rows)
    lines = [
        f"{'median error, %':<20}{'0.1':>18}{'now':>18}{'AIConfigurator':>18}{f'now, {len(rows)} rows':>18}"
    ]
    for name, value in compared.items():
        cells = [OLD[name], value, AIC[name], every[name]]
        lines.append(
            f"{name:<20}" + "".join(f"{c if isinstance(c, str) else format(c, '.3g'):>18}" for c in cells)
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("measurements", type=Path, help="the wheel, or silicon_sample.csv")
    options = parser.parse_args()
    rows = predict(read_rows(options.measurements))
    print(f"{int(rows.compared.sum())} rows compared")
    print(table(rows))
    print("\n".join(coverage(rows[rows.compared])))


if __name__ == "__main__":
    main()
