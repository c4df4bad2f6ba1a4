"""Draw the rows of public operator tables from which the latency constants are read.

    pip download --no-deps aiconfigurator-core==0.12.0 && unzip aiconfigurator_core-*.whl -d tables
    python experiments/latency/sample_operators.py tables/aiconfigurator_core/systems/data

Only the tables named in `TABLES` are opened: single operators, timed alone. No served request, no time to a first
token and no time per token is in any of them. The newest version of each framework is taken; of each card, framework
and number type up to `ROWS` rows, drawn with seed 0 in equal numbers from each range of the sizes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

TABLES = {
    "product": "gemm/*/*/gemm_perf.parquet",
    "prefill_attention": "attention/*/*/context_attention_perf.parquet",
    "decode_attention": "attention/*/*/generation_attention_perf.parquet",
    "vision_attention": "encoder_attention/*/*/encoder_attention_perf.parquet",
    "all_reduce": "comm/*/*/custom_allreduce_perf.parquet",
    "small_kernel": "quantize/*/*/scale_matrix_perf.parquet",
}
CARDS = {
    "a100_sxm": "a100-sxm-80",
    "h100_sxm": "h100-sxm",
    "h200_sxm": "h200-sxm",
    "b200_sxm": "b200",
    "b300_sxm": "b300",
    "gb200": "gb200",
    "gb300": "gb300",
    "l40s": "l40s",
    "rtx_pro_6000_server": "rtx-pro-6000",
    "b60": "arc-pro-b60",
}
COLUMNS = ("card", "operator", "framework", "version", "dtype", "devices", "m", "n", "k")
ROWS = 120
HERE = Path(__file__).parent


def read(systems: Path) -> pd.DataFrame:
    """The drawn rows of every card, in one schema."""
    parts = []
    for folder, card in CARDS.items():
        for operator, pattern in TABLES.items():
            for file in newest(systems / folder, pattern):
                table = _as_rows(operator, pd.read_parquet(file))
                if operator == "product":
                    table = _with_quantization(table, file)
                table = table.assign(
                    card=card, operator=operator, framework=file.parts[-3], version=file.parts[-2]
                )
                parts.append(_draw(table))
    columns = [*COLUMNS, "quantization", "heads", "kv_heads", "head_size", "batch", "tokens", "bytes"]
    return pd.concat(parts, ignore_index=True).reindex(columns=[*columns, "milliseconds"])


def _with_quantization(products: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Products with the milliseconds of `quantization` that the rows of narrow types hold.

    The fp8 rows of a framework whose scales are timed apart include the kernel that finds the scales and the one that
    applies them, fp4 rows the one that applies them (its time is that of fp8); with the static scales of released
    checkpoints they are part of the norm before.
    """
    folder = file.parents[3] / "quantize" / file.parts[-3] / file.parts[-2]
    products = products.assign(quantization=0.0)
    if not (folder / "computescale_perf.parquet").exists():
        return products
    scales, matrix = (
        pd.read_parquet(folder / f"{name}_perf.parquet") for name in ("computescale", "scale_matrix")
    )
    if scales.latency.max() <= 0:
        return products
    places = pd.MultiIndex.from_frame(products[["m", "k"]])
    applied = pd.Series(places.map(matrix.groupby(["m", "k"]).latency.mean())).fillna(0.0).to_numpy()
    searched = pd.Series(places.map(scales.groupby(["m", "k"]).latency.mean())).fillna(0.0).to_numpy()
    narrow = products.dtype.isin(["fp8", "nvfp4"])
    quantization = np.where(narrow, applied, 0.0) + np.where(products.dtype == "fp8", searched, 0.0)
    return products.assign(quantization=quantization)


def newest(card: Path, pattern: str) -> Iterator[Path]:
    """Of each framework the file of the newest version."""
    latest: dict[str, Path] = {}
    for file in sorted(card.glob(pattern), key=lambda path: _version(path.parts[-2])):
        latest[file.parts[-3]] = file
    yield from latest.values()


def _version(name: str) -> tuple[int, ...]:
    digits = "".join(c if c.isdigit() else " " for c in name)
    return tuple(int(part) for part in digits.split())


def _as_rows(operator: str, table: pd.DataFrame) -> pd.DataFrame:
    table = table.rename(columns={"latency": "milliseconds"})
    table = table[table.milliseconds > 0]
    if operator == "product":
        weights = table.n * table.k
        table = table[
            (weights >= 2e6) & (weights <= 6e8) & (table.m <= 16384) & (table[["n", "k"]].min(axis=1) >= 256)
        ]
        return table.rename(columns={"gemm_dtype": "dtype"})[["dtype", "m", "n", "k", "milliseconds"]]
    if operator == "all_reduce":
        if "backend" in table:
            table = table[~table.backend.astype(str).str.contains("eager")]
        # messages of decode steps (4 tokens of 4,096 numbers) to prefill chunks (8,192 tokens)
        table = table[table.num_gpus.isin([2, 4, 8]) & table.message_size.between(2**15, 2**26)]
        names = {"num_gpus": "devices", "message_size": "bytes", "allreduce_dtype": "dtype"}
        return table.rename(columns=names)[["dtype", "devices", "bytes", "milliseconds"]]
    if operator == "small_kernel":
        table = table[table.m.between(1, 16384) & table.k.between(1024, 16384)]
        return table.rename(columns={"quant_dtype": "dtype"})[["dtype", "m", "k", "milliseconds"]]
    kept = table[table.head_dim.isin([128] if operator != "vision_attention" else [64, 72, 80])]
    if "window_size" in kept:
        kept = kept[kept.window_size == 0]
    if operator == "decode_attention":
        tokens = kept.isl + kept.step
        reads = kept.batch_size * tokens * kept.num_key_value_heads
        group = kept.num_heads / kept.num_key_value_heads
        usual = group.between(1, 16) & (kept.num_heads >= 4)
        kept = kept.assign(tokens=tokens)[(tokens >= 128) & (reads >= 256) & usual]
    elif operator == "prefill_attention":
        kept = kept.assign(tokens=kept.isl)
        usual = (kept.num_heads >= 4) & (kept.num_key_value_heads <= 16)
        kept = kept[(kept.isl >= 16) & (kept.batch_size <= 8) & usual]
    else:
        kept = kept.assign(tokens=kept.isl)
        kept = kept[(kept.isl >= 64) & (kept.num_heads >= 8)]
    names = {
        "num_heads": "heads",
        "num_key_value_heads": "kv_heads",
        "head_dim": "head_size",
        "batch_size": "batch",
    }
    kept = kept.rename(columns=names)
    if "kv_heads" not in kept:
        kept = kept.assign(kv_heads=kept.heads)
    kept = kept.assign(dtype=kept["kv_cache_dtype"] if "kv_cache_dtype" in kept else kept["attn_dtype"])
    return kept[["dtype", "heads", "kv_heads", "head_size", "batch", "tokens", "milliseconds"]]


def _draw(table: pd.DataFrame) -> pd.DataFrame:
    """Up to `ROWS` rows of each type (and number of devices), in equal numbers from 12 ranges of the time's rank."""
    size = next(name for name in ("m", "tokens", "bytes") if name in table)
    groups = [name for name in ("dtype", "devices") if name in table]
    drawn = []
    for _, group in table.groupby(groups, sort=True):
        bins = pd.qcut(np.log(group[size]).rank(method="first"), min(12, len(group)), labels=False)
        for _, part in group.groupby(bins):
            drawn.append(part.sample(min(len(part), ROWS // 12), random_state=0))
    return pd.concat(drawn) if drawn else table.head(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", type=Path, help="the folder systems/data of the unpacked wheel")
    parser.add_argument("-o", "--out", type=Path, default=HERE / "operators.parquet")
    options = parser.parse_args()
    rows = read(options.systems)
    rows.to_parquet(options.out, compression="zstd", index=False)
    print(f"{len(rows)} rows of {rows.card.nunique()} cards: {options.out}")


if __name__ == "__main__":
    main()
