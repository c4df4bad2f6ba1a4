"""Aims at tables: CSV, parquet, the standard input, fits of them, and a sweep's folder."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import mutations as by
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from scalelaw.config import parse_experiment
from scalelaw.errors import InputError
from scalelaw.files.paths import SweepFolder
from scalelaw.fit import fit_law
from scalelaw.results.envelope import answer, dumps
from scalelaw.sweep import grid, sweep_status
from scalelaw.table.points import points
from scalelaw.table.read import read_table
from scalelaw.table.schema import COLUMNS

from .shared import Chance, Target, _either, _frame
from .yaml_files import EXPERIMENT, _written

CSV = _frame().to_csv(index=False)
COLUMN_WORDS = [*COLUMNS, "ok", "partial"]


def _table(text: str | bytes, folder: Path) -> None:
    file = folder / "table.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    _reduced(lambda: read_table(file))


def _stdin(text: str, folder: Path) -> None:
    _reduced(lambda: read_table(io.StringIO(text)))


def _reduced(read: Callable[[], pd.DataFrame]) -> None:
    frame = read()
    assert list(frame.columns[: len(COLUMNS)]) == list(COLUMNS)
    points(frame, ["n_params", "visual_tokens"])


def _csv(chance: Chance) -> str:
    return by.csv(chance, CSV, COLUMN_WORDS)


def _csv_bytes(chance: Chance) -> bytes:
    return by.binary(chance, CSV.encode())


@cache
def _parquets() -> list[bytes]:
    """The table as this package writes it, and as pandas and others would: nested, indexed, compressed otherwise."""
    frame, made = _frame(), []
    for compression in ("zstd", "snappy", None):
        file = io.BytesIO()
        frame.astype(object).infer_objects().to_parquet(file, compression=compression)
        made.append(file.getvalue())
    narrow = frame[["model", "n_params", "visual_tokens", "error"]]
    for other in (narrow.set_index("model"), narrow.assign(n_params=narrow["n_params"].astype("int32")),
                  narrow.assign(error=narrow["error"].astype("float32"), model=narrow["model"].astype("category")),
                  narrow.assign(error=[[0.5]] * len(narrow))):  # fmt: skip
        file = io.BytesIO()
        other.to_parquet(file)
        made.append(file.getvalue())
    return made


def _parquet_bytes(chance: Chance) -> bytes:
    return by.binary(chance, chance.choice(_parquets()), near_the_end=True)


KINDS_OF_COLUMN = (
    pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(),
    pa.large_string(),
    pa.binary(), pa.null(), pa.date32(), pa.timestamp("ns"), pa.timestamp("us", "UTC"),
    pa.duration("s"), pa.time64("us"),
    pa.decimal128(38, 2), pa.list_(pa.float64()), pa.struct([("a", pa.int64())]), pa.dictionary(pa.int8(), pa.string()),
    pa.map_(pa.string(), pa.int64()), pa.list_(pa.float32(), 2),
)  # fmt: skip
CONTENTS: tuple[Any, ...] = (
    0,
    1,
    16,
    5e8,
    0.5,
    -1,
    True,
    "a",
    "0.5",
    "é",
    b"\xff",
    None,
    float("nan"),
    2**62,
    [1.0],
    [],
    {"a": 1},
)


NEEDED = ("n_params", "visual_tokens", "error")


def _one(value: Any, kind: pa.DataType) -> pa.Array:
    """A value in a column of that kind, nearly always something."""
    for tried in (value, 1, "a", [0.5], [0.5, 0.5], {"a": 1}):
        with contextlib.suppress(pa.ArrowException, TypeError, ValueError, OverflowError):
            return pa.array([tried], kind)
    return pa.nulls(1, kind)


def _parquet_shape(chance: Chance) -> bytes:
    """A whole parquet file with columns of any kind under the names of the table's."""
    count, columns = chance.choice((0, 1, 3, 3, 3)), {}
    for name in [*chance.sample([*COLUMNS, "other", ""], chance.randrange(1, 6)), *NEEDED]:
        kind = chance.choice(KINDS_OF_COLUMN) if chance.random() < 0.4 else pa.float64()
        odd = chance.choice((0.0, 0.0, 0.5, 1.0))
        values = [
            chance.choice(CONTENTS) if chance.random() < odd else chance.choice((1, 0.5, "a"))
            for _ in range(count)
        ]
        columns[name] = (
            pa.concat_arrays([_one(value, kind) for value in values]) if values else pa.nulls(0, kind)
        )
    table, file = pa.table(columns), io.BytesIO()
    if chance.random() < 0.2:
        table = table.replace_schema_metadata(
            {b"pandas": by.word(chance, ["{}", '{"index_columns": ["n_params"]}']).encode("utf-8", "replace")}
        )
    try:
        pq.write_table(table, file)
    except (pa.ArrowException, OverflowError):
        return b""
    return by.binary(chance, file.getvalue(), near_the_end=True) if chance.random() < 0.1 else file.getvalue()


def _read_parquet(content: bytes, folder: Path) -> None:
    file = folder / "table.parquet"
    file.write_bytes(content)
    _reduced(lambda: read_table(file))
    _reduced(lambda: read_table(file, where=["status=ok", "n_params=5e8"]))


def _fit_csv(chance: Chance) -> tuple[str, str]:
    text = "n_params,visual_tokens,error\n"
    for _ in range(chance.randrange(1, 12)):
        odd = chance.random() < 0.15
        row = [by.number(chance) if odd else f"{10 ** chance.uniform(-2, 12):.6g}" for _ in range(2)]
        text += (
            ",".join([*row, by.number(chance) if chance.random() < 0.05 else f"{chance.random():.4g}"]) + "\n"
        )
    return text, chance.choice(
        ("product_power", "additive_power", "log_linear", "total_token_power", "E + A*N**-alpha")
    )


def _fit(case: tuple[str, str], folder: Path) -> None:
    text, law = case
    fitted = fit_law(read_table(io.StringIO(text)), law, bootstrap=0)
    dumps(answer("fit", fitted.to_dict()))


def _manifest(chance: Chance) -> dict[str, Any]:
    valid = {"experiment": "x", "cells": ["0123456789ab", "ba9876543210"]}
    return {
        "manifest": by.tree(chance, valid, ["cells", "experiment", "../../x", "/etc/passwd"]),
        "part": by.binary(chance, _parquets()[0], near_the_end=True) if chance.random() < 0.5 else _parquets()[0],
        "failure": by.tree(chance, {"reason": "r", "code": "c", "started_at": "t", "traceback": ""}),
        "experiment": by.tree(chance, EXPERIMENT),
    }  # fmt: skip


def _sweep_folder(case: dict[str, Any], folder: Path) -> None:
    from scalelaw.sweep.cell import run_one

    sweep = SweepFolder(folder / "sweep")
    shutil.rmtree(sweep.root, ignore_errors=True)
    config = parse_experiment(EXPERIMENT)
    first = grid.cells(config)[0].name
    for path in (sweep.cells, sweep.failure(first).parent):
        path.mkdir(parents=True)
    text = json.dumps(case["manifest"]).replace("0123456789ab", first)
    sweep.manifest.write_text(text)
    sweep.cell(first).write_bytes(case["part"])
    sweep.failure(first).write_text(json.dumps(case["failure"]))
    sweep.experiment.write_text(yaml.safe_dump(_written(case["experiment"])))
    sweep_status(config, sweep.root)
    _either(lambda: run_one(sweep.root, "1", train=None if len(text) > 9000 else _Never()))
    _reduced(lambda: read_table(sweep.root))


class _Never:
    """A trainer that trains nothing."""

    def __getattr__(self, name: str) -> Any:
        raise InputError("Nothing is trained here.", code="stub")


TARGETS = [
    Target("parquet", _parquet_bytes, _read_parquet, 5),
    Target("csv", _csv, _table, 2.5),
    Target("csv bytes", _csv_bytes, _table, 3),
    Target("stdin", _csv, _stdin, 1.5),
    Target("parquet of any kind", _parquet_shape, _read_parquet, 3),
    Target("fit of a table", _fit_csv, _fit, 1),
    Target("sweep's folder", _manifest, _sweep_folder, 0.7),
]
