"""Aims at tables of any type and text: a DataFrame, a csv and a parquet file, over commands and the Python API."""

from __future__ import annotations

import contextlib
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from scalelaw.cli.app import main
from scalelaw.errors import ScalelawError
from scalelaw.fit import compare, fit_law
from scalelaw.table.coverage import coverage
from scalelaw.table.read import read_table

from .shared import Chance, Target

NAMES = ("model", "n_params", "visual_tokens", "error", "compressor", "benchmark", "metric", "seed", "status", "judge",
         "train_tokens", "error_se", "direction", "mine", "acc", "", 7, None, "[/bold]", "\x1b[31m")  # fmt: skip
TEXTS = ("a", "[/]", "[bold]x", "\x1b[31mred", "x" * 5000, "run#2", '"', "'", "a,b", "a\nb", "7B", "1_000", "0x10",
         "nan", "inf", "-", "", "1e9", "1e400", "٣", "é", "模型", "\ud800", "$\\frac{$", "=1+1", "ok", "partial",
         "loss")  # fmt: skip
VALUES: tuple[Any, ...] = (0, 1, -1, 0.5, 26.0, 1e9, 7e9, 1e300, float("inf"), float("nan"), None, pd.NA, pd.NaT, True,
                           10**400, Decimal("0.5"), Decimal("NaN"), 1 + 2j, b"\xff", b"a", [1.0], [], {"a": 1}, (1,),
                           np.float16(0.5), np.array(0.5), np.array([1.0]), pd.Timestamp("2020"), pd.Timedelta(1), {1},
                           float, *TEXTS)  # fmt: skip
DTYPES = ("object", "Float64", "Int64", "boolean", "string[pyarrow]", "string", "category", "float16", "complex128",
          "datetime64[ns, UTC]", "timedelta64[ns]", "Sparse[float]", "double[pyarrow]", "bool[pyarrow]",
          pd.ArrowDtype(pa.decimal128(38, 3)), pd.ArrowDtype(pa.list_(pa.float64())), pd.ArrowDtype(pa.null()),
          pd.ArrowDtype(pa.duration("s")), pd.ArrowDtype(pa.binary()))  # fmt: skip


def make_frame(chance: Chance) -> dict[str, Any]:
    """A table that is right, with a few columns that are not, and what is asked of it."""
    count = chance.choice((1, 2, 6, 6, 12))
    frame = pd.DataFrame({
        "n_params": [chance.choice((5e8, 1.8e9, 7e9, 72e9)) for _ in range(count)],
        "visual_tokens": [chance.choice((1, 16, 64, 576)) for _ in range(count)],
        "error": [chance.random() for _ in range(count)],
    })  # fmt: skip
    for _ in range(chance.randrange(1, 4)):
        name = chance.choice(NAMES)
        odd = chance.choice((0.1, 0.5, 1.0))
        cells = [
            chance.choice(VALUES) if chance.random() < odd else chance.choice((1, 0.5, "a"))
            for _ in range(count)
        ]
        if chance.random() < 0.3:
            cells = [chance.choice(cells)] * count
        column = pd.Series(cells, dtype=object)
        if chance.random() < 0.4:
            with contextlib.suppress(Exception):
                column = column.astype(chance.choice(DTYPES))
        if chance.random() < 0.1:
            frame = pd.concat([frame, column.rename(name)], axis=1)
        else:
            frame[name] = column
    if chance.random() < 0.1:
        frame.columns = pd.MultiIndex.from_tuples(
            [(name, chance.choice(("", "x"))) for name in frame.columns]
        )
    if chance.random() < 0.1:
        frame.index = [chance.choice((0, 1, "a", None)) for _ in range(count)]
    return {
        "frame": frame,
        "how": chance.choice(("frame", "frame", "csv", "parquet", "arrow")),
        "ask": chance.choice(
            ("read", "show", "fit", "compare", "by", "score", "command show", "command fit")
        ),
    }


def run_frame(made: dict[str, Any], folder: Path) -> None:
    """Ask it: an answer or a ScalelawError is right; of a command, an exit code other than 1."""
    with contextlib.suppress(ScalelawError):
        _run(made, folder)


def _run(made: dict[str, Any], folder: Path) -> None:
    frame, ask = made["frame"], made["ask"]
    source: Any = frame
    how = "csv" if ask.startswith("command") and made["how"] in ("frame", "arrow") else made["how"]
    try:
        if how == "csv":
            source = folder / "hostile.csv"
            source.write_bytes(frame.to_csv(index=False).encode("utf-8", "surrogatepass"))
        elif how == "parquet":
            source = folder / "hostile.parquet"
            frame.to_parquet(source)
        elif how == "arrow":
            source = pa.Table.from_pandas(frame)
    except Exception:  # noqa: BLE001 - another library cannot write it
        return
    if ask == "read":
        again = read_table(source)
        pd.testing.assert_frame_equal(read_table(again), again)
    elif ask == "show":
        coverage(source)
    elif ask == "compare":
        compare(source, ["product_power", "log_linear"])
    elif ask.startswith("command"):
        words = ["fit", str(source), "--bootstrap", "0"] if ask == "command fit" else ["show", str(source)]
        out = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()) as errors:
            code = main(words)
        assert code in (0, 2, 3), f"exit code {code}: {errors.getvalue()[-500:]}"
        out.flush()
    else:
        more: dict[str, Any] = {"score": {"error": 100}} if ask == "score" else {}
        law = "log_linear" if ask == "by" else "E + A*N**-alpha"
        fit_law(source, law, bootstrap=0, starts=4, **more).to_json()


TARGETS = [Target("hostile tables", make_frame, run_frame, 1)]
