"""Read the latency constants of each card off operator tables: data/latency_constants.yaml.

    python experiments/latency/extract_constants.py        from operators.parquet beside this file

Of each kind of operator the shares and the launch make sum |log(closed form / measured)| small (soft L1 of scale 0.1),
over all frameworks at once. The only input is `operators.parquet` (see sample_operators.py): single operators. A card
without a table of some kind has the median of the cards of its class; a class without a card has stated defaults.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy.optimize import least_squares

from scalelaw.costs._constants import NUMBER_TYPES
from scalelaw.costs._workload import Device
from scalelaw.files.paths import bundled

HERE = Path(__file__).parent
OPERATORS = HERE / "operators.parquet"
OUT = HERE.parents[1] / "data" / "latency_constants.yaml"
SOURCE = "aiconfigurator-core 0.12.0 (Apache-2.0), systems/data"
DATE = "2026-11-30"

TYPES = {
    "bfloat16": ("bf16", "bf16"),
    "fp8": ("fp8", "fp8"),
    "nvfp4": ("fp4", "nvfp4"),
    "sq": ("int8", "int8"),
    "int8_wo": ("w8a16", "w8a16"),
    "int4_wo": ("int4", "w4a16"),
}
"""Types of the product tables: the name of the constants, and the number type of the weights."""


def fit(
    form: Callable[[np.ndarray], Any], starts: Sequence[Any], measured: np.ndarray
) -> tuple[np.ndarray, float]:
    """The positive parameters of least soft-L1 log residuals, and the median absolute relative error."""

    def residual(logs: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(form(np.exp(logs)) / measured))

    fits = [least_squares(residual, np.log(start), loss="soft_l1", f_scale=0.1) for start in starts]
    best = min(fits, key=lambda one: one.cost)
    return np.exp(best.x), float(np.median(np.abs(np.expm1(residual(best.x)))))


def card_constants(card: str, rows: pd.DataFrame) -> dict[str, Any]:
    """The constants of one card from its rows."""
    device = _device(card)
    peak, band = device.peak("bf16"), device.bandwidth_bytes
    constants: dict[str, Any] = {"products": {}, "decode_attention": {}, "all_reduce": {}}
    products = rows[rows.operator == "product"]
    for table, (name, kind) in TYPES.items():
        if len(part := products[products.dtype == table]):
            constants["products"][name] = product(part, device.peak(*NUMBER_TYPES[kind].compute), band, kind)
    for table, name in (("bfloat16", "bf16"), ("fp8", "fp8")):
        part = rows[(rows.operator == "decode_attention") & (rows.dtype == table)]
        if len(part):
            constants["decode_attention"][name] = decode_attention(part, band, 1 if name == "fp8" else 2)
    for operator, causal in (("prefill_attention", 0.5), ("vision_attention", 1.0)):
        part = rows[(rows.operator == operator) & (rows.dtype == "bfloat16")]
        if len(part):
            constants[operator] = square_attention(part, peak, band, causal)
    if len(part := rows[rows.operator == "small_kernel"]):
        constants["small_kernel"] = small_kernel(part, band)
    for number, part in rows[rows.operator == "all_reduce"].groupby("devices"):
        constants["all_reduce"][int(number)] = all_reduce(part)
    constants["source"] = f"{SOURCE}: {_versions(rows)}; {DATE}"
    return constants


def _device(card: str) -> Device:
    """Peaks and bandwidth of a bundled card, without its constants."""
    row = yaml.safe_load(bundled("hardware.yaml").read_text(encoding="utf-8"))["devices"][card]
    peaks = {name: 1e12 * value for name, value in row["peaks"].items()}
    return Device(
        card, 1e12 * row["peak_tflops"], 1e12 * row["bandwidth_tb_s"], 1e9 * row["memory_gb"], peaks=peaks
    )


def product(part: pd.DataFrame, peak: float, band: float, kind: str) -> dict[str, Any]:
    """Shares and launch of products of one number type, without the quantization that the rows include."""
    m, n, k = (part[name].to_numpy(float) for name in "mnk")
    bare = np.maximum(part.milliseconds - part.quantization.fillna(0.0), 0.25 * part.milliseconds)
    measured = bare.to_numpy(float) * 1e-3
    facts = NUMBER_TYPES[kind]
    compute = 2 * m * n * k / peak
    moved = (n * k * facts.weight_bytes + m * k * facts.activation_bytes + 2 * m * n) / band
    best, error = fit(
        lambda p: np.maximum(compute / p[0], moved / p[1]) + p[2] * 1e-6,
        [(0.7, 0.7, 4), (0.4, 0.5, 10)],
        measured,
    )
    return _rate(best[0], best[1], best[2], error, len(part))


def decode_attention(part: pd.DataFrame, band: float, size: int) -> dict[str, Any]:
    """Share of the bandwidth and launch of attention that reads a cache."""
    moved = 2.0 * size * part.batch * part.tokens * part.kv_heads * part.head_size / band
    measured = part.milliseconds.to_numpy() * 1e-3
    best, error = fit(lambda p: moved.to_numpy() / p[0] + p[1] * 1e-6, [(0.7, 10)], measured)
    return _rate(1.0, best[0], best[1], error, len(part))


def square_attention(part: pd.DataFrame, peak: float, band: float, causal: float) -> dict[str, Any]:
    """Shares and launch of attention among the tokens of a sequence."""
    width = part.batch * part.head_size * part.tokens
    compute = (causal * 4.0 * width * part.heads * part.tokens / peak).to_numpy(float)
    moved = (4.0 * width * (part.heads + part.kv_heads) / band).to_numpy(float)
    measured = part.milliseconds.to_numpy() * 1e-3
    best, error = fit(lambda p: compute / p[0] + moved / p[1] + p[2] * 1e-6, [(0.5, 0.5, 10)], measured)
    return _rate(*best, error, len(part))


def small_kernel(part: pd.DataFrame, band: float) -> dict[str, Any]:
    """Share of the bandwidth and launch of a kernel that reads bf16 and writes fp8, number by number."""
    moved = (3.0 * part.m * part.k / band).to_numpy(float)
    best, error = fit(lambda p: moved / p[0] + p[1] * 1e-6, [(0.7, 2)], part.milliseconds.to_numpy() * 1e-3)
    return _rate(1.0, best[0], best[1], error, len(part))


def all_reduce(part: pd.DataFrame) -> dict[str, Any]:
    """Launch and bandwidth of an all-reduce."""
    size = part.bytes.to_numpy(float)
    best, error = fit(
        lambda p: p[0] * 1e-6 + size / (p[1] * 1e9), [(5, 100)], part.milliseconds.to_numpy() * 1e-3
    )
    return {"launch_us": _round(best[0]), "gb_s": _round(best[1]), "error": _round(error), "rows": len(part)}


def _rate(compute: float, bandwidth: float, launch_us: float, error: float, rows: int) -> dict[str, Any]:
    return {
        "compute": _round(compute),
        "bandwidth": _round(bandwidth),
        "launch_us": _round(launch_us),
        "error": _round(error),
        "rows": rows,
    }


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def _versions(rows: pd.DataFrame) -> str:
    pairs = rows[rows.operator == "product"][["framework", "version"]].drop_duplicates()
    return ", ".join(f"{framework} {version}" for framework, version in sorted(pairs.itertuples(index=False)))


def extract(operators: pd.DataFrame, cards: Sequence[str] = ()) -> dict[str, Any]:
    """{card: constants} of the cards in the rows."""
    return {
        str(card): card_constants(str(card), rows)
        for card, rows in operators.groupby("card")
        if not cards or card in cards
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("operators", type=Path, nargs="?", default=OPERATORS)
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    options = parser.parse_args()
    cards = extract(pd.read_parquet(options.operators))
    head = "# Written by experiments/latency/extract_constants.py from operators.parquet: do not edit.\n"
    options.out.write_text(
        head + yaml.safe_dump({"cards": cards}, sort_keys=False, default_flow_style=None, width=120)
    )


if __name__ == "__main__":
    main()
