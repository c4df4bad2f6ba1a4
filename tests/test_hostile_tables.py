"""Tables that nobody meant to be read: every type, name and text, through each reader and in a DataFrame."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scalelaw.cli.app import main
from scalelaw.errors import InputError, ScalelawError
from scalelaw.files import safe_load
from scalelaw.fit import compare, fit_law
from scalelaw.table import csv_reader
from scalelaw.table.coverage import coverage
from scalelaw.table.read import read_table

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))
from targets.hostile_tables import make_frame, run_frame

GOOD = pd.DataFrame({"n_params": [1e9, 2e9, 4e9], "visual_tokens": [1, 16, 64], "error": [0.6, 0.5, 0.4]})
ERROR = [0.6, 0.5, 0.4]
SOUND: dict[str, Any] = {
    "decimal": [Decimal("0.6"), Decimal("0.5"), Decimal("0.4")],
    "half": np.array(ERROR, np.float16),
    "Float64": pd.array(ERROR, "Float64"),
    "category": pd.Categorical(ERROR),
    "texts": ["0.6", " .5", "4e-1"],
    "category of texts": pd.Categorical(["0.6", "0.5", "0.4"]),
    "string[pyarrow]": pd.array(["0.6", "0.5", "0.4"], "string[pyarrow]"),
    "arrow double": pd.array(ERROR, pd.ArrowDtype(pa.float64())),
    "arrow decimal": pd.Series(
        [Decimal("0.6"), Decimal("0.5"), Decimal("0.4")], dtype=pd.ArrowDtype(pa.decimal128(5, 3))
    ),
    "arrow dictionary": pd.Series(pd.arrays.ArrowExtensionArray(pa.array(["0.6", "0.5", "0.4"]).dictionary_encode())),
    "sparse": pd.arrays.SparseArray(ERROR),
    "mixed": [0.6, "0.5", Decimal("0.4")],
}  # fmt: skip
UNSOUND: dict[str, Any] = {
    "complex": np.array(ERROR, complex),
    "lists": [[0.6], [0.5], [0.4]],
    "mappings": [{"a": 1}] * 3,
    "bytes": [b"0.6", b"0.5", b"0.4"],
    "dates": pd.to_datetime(["2020-01-01"] * 3, utc=True),
    "times": pd.to_timedelta([1, 2, 3], "s"),
    "periods": pd.period_range("2020", periods=3, freq="D"),
    "arrow lists": pd.Series([[0.6]] * 3, dtype=pd.ArrowDtype(pa.list_(pa.float64()))),
    "arrow duration": pd.Series([1, 2, 3], dtype=pd.ArrowDtype(pa.duration("s"))),
    "huge": [10**400, 1, 2],
    "objects": [object()] * 3,
}  # fmt: skip


@pytest.mark.parametrize("kind", SOUND)
def test_a_column_of_numbers_is_read_whatever_its_type(kind: str) -> None:
    read = read_table(GOOD.assign(error=SOUND[kind]))
    assert read["error"].dtype == np.float64
    np.testing.assert_allclose(read["error"], ERROR, rtol=1e-3)


@pytest.mark.parametrize("kind", UNSOUND)
def test_a_column_that_holds_no_numbers_is_refused_by_name(kind: str) -> None:
    with pytest.raises(InputError) as caught:
        read_table(GOOD.assign(error=UNSOUND[kind]))
    assert caught.value.code == "bad_value"
    assert "'error'" in caught.value.message


@pytest.mark.parametrize("kind", [*SOUND, *UNSOUND])
def test_a_column_that_is_not_used_ends_nothing(kind: str) -> None:
    frame = GOOD.assign(mine=(SOUND | UNSOUND)[kind])
    assert "mine" in read_table(frame)
    assert coverage(frame).n_rows == 3
    assert fit_law(frame, "power", inputs={"x": "visual_tokens"}, bootstrap=0).n_points == 3


TYPES = [
    pa.float16(), pa.decimal128(20, 4), pa.decimal256(40, 4), pa.binary(), pa.large_binary(), pa.null(), pa.bool_(),
    pa.date32(), pa.time64("us"), pa.duration("ns"), pa.timestamp("us", "Europe/Berlin"), pa.string(), pa.uint64(),
    pa.dictionary(pa.int8(), pa.string()), pa.list_(pa.float64()), pa.struct([("a", pa.int64())]),
    pa.map_(pa.string(), pa.int64()),
]  # fmt: skip


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("column", ["error", "model", "mine"])
def test_a_parquet_column_of_any_type_is_read_or_refused(
    tmp_path: Path, kind: pa.DataType, column: str
) -> None:
    rows = pa.Table.from_pandas(GOOD)
    values = pa.nulls(3, kind)
    if kind == pa.float16():
        values = pa.array(np.array(ERROR, np.float16))
    elif pa.types.is_decimal(kind):
        values = pa.array([Decimal("0.6"), Decimal("0.5"), None], kind)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        values = pa.array([b"\xff", b"a", None], kind)
    if column in rows.column_names:
        rows = rows.set_column(rows.column_names.index(column), column, values)
    else:
        rows = rows.append_column(column, values)
    pq.write_table(rows, tmp_path / "t.parquet")
    for read in (lambda: read_table(tmp_path / "t.parquet"), lambda: coverage(str(tmp_path / "t.parquet"))):
        refused = None
        try:
            read()
        except InputError as error:
            refused = error
        assert refused is None or column in refused.message or refused.code == "missing_column"


@pytest.mark.parametrize(
    "columns",
    [["n_params", "error", "error"], ["n_params", "error", " error"], ["n_params", "error", "\ufefferror"]],
)
def test_two_columns_of_one_name_are_refused(tmp_path: Path, columns: list[str]) -> None:
    frame = pd.DataFrame([[1e9, 0.5, 0.6]], columns=columns)
    (tmp_path / "t.csv").write_text(frame.to_csv(index=False))
    for source in (frame, tmp_path / "t.csv", io.StringIO(frame.to_csv(index=False))):
        with pytest.raises(InputError) as caught:
            read_table(source)
        assert caught.value.code == "duplicate_column"


def test_names_of_columns_are_text() -> None:
    frame = GOOD.assign(x=1.0).rename(columns={"x": 7})
    assert "7" in read_table(frame)
    levels = pd.DataFrame([[1e9, 0.5]], columns=pd.MultiIndex.from_tuples([("n", "params"), ("error", "")]))
    assert read_table(levels)["n_params"].tolist() == [1e9]
    assert read_table(pa.Table.from_pandas(GOOD))["error"].tolist() == ERROR


@pytest.mark.parametrize("source", [None, 7, {"n_params": [1]}, [1, 2], b"n_params", io.BytesIO(b"\0")])
def test_what_is_no_table_is_refused(source: Any) -> None:
    for ask in (read_table, coverage, fit_law, compare):
        with pytest.raises(ScalelawError) as caught:
            ask(source)
        assert caught.value.exit_code == 2


def read_csv(text: str) -> pd.DataFrame:
    return read_table(io.StringIO(text))


def test_a_hash_is_a_character_like_any_other() -> None:
    read = read_csv("# made by hand\n\nn_params,error,model,status\n7e9,0.90,run#2,partial\n1e9,.5,#1,ok\n")
    assert read["model"].tolist() == ["run#2", "#1"]
    assert read["status"].tolist() == ["partial", "ok"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("n_params,error\n1e9,0.5\n# a note\n", "unreadable_table"),
        ("# n_params,error\n1e9,0.5\n", "unreadable_table"),
        ("n_params,error,status\n1e9,0.5\n", "unreadable_table"),
        ("n_params,error\n1e9,0.5,3\n", "unreadable_table"),
        ('n_params,error,model\n1e9,0.5,"a\n2e9,.4,b\n', "unreadable_table"),
        ('n_params,error,model\n1e9,"0.5,a\n2e9,.4,b\n', "unreadable_table"),
        ("n_params,error\n1e9,0\x005\n", "unreadable_table"),
        ("n_params,error\n\n  \n", "empty_table"),
    ],
)
def test_a_csv_whose_rows_are_not_plain_is_refused(text: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        read_csv(text)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "cell",
    [
        "7B",
        "1_000",
        "0x10",
        "61.5%",
        '"1,000"',
        "0 5",
        "٣",
        "1e",
        "e9",
        "1e9x",
        "--1",
        "1.2.3",
        "True",
        "1'000",
        "1+2j",
    ],
)
def test_a_text_that_is_nearly_a_number_is_refused_with_its_row(cell: str) -> None:
    for read in (
        lambda: read_csv(f"model,n_params\na,1e9\nb,{cell}\n"),
        lambda: read_table(pd.DataFrame({"n_params": ["1e9", cell.strip('"')]})),
        lambda: read_table(pd.DataFrame({"n_params": pd.array(["1e9", cell.strip('"')], "string[pyarrow]")})),
        lambda: read_table(pd.DataFrame({"n_params": [1e9, cell.strip('"')]})),
    ):
        with pytest.raises(InputError) as caught:
            read()
        assert caught.value.code == "bad_value"
        assert "data row 2 " in caught.value.message


@pytest.mark.parametrize("cell", ["", "NA", "N/A", "nan", "NaN", "-", "null", "None", " "])
def test_an_empty_cell_is_empty_in_every_source(cell: str) -> None:
    for read in (
        read_csv(f"model,n_params\na,1e9\nb,{cell}\n"),
        read_table(pd.DataFrame({"n_params": ["1e9", cell]})),
        read_table(pd.DataFrame({"n_params": [1e9, cell]})),
    ):
        assert np.isnan(read["n_params"][1])


def test_the_way_out_of_a_suffix_is_typed_out() -> None:
    with pytest.raises(InputError) as caught:
        read_csv("n_params\n7B\n")
    assert "7e9" in caught.value.hint


def test_a_csv_is_bounded_in_bytes_and_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sparse = tmp_path / "sparse.csv"
    with sparse.open("wb") as file:
        file.write(b"n_params,error\n")
        file.truncate(700 * 2**20)
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        read_table(sparse)
    assert caught.value.code == "too_large"
    assert time.monotonic() - start < 2
    monkeypatch.setattr(csv_reader, "MOST_CELLS", 100)
    with pytest.raises(InputError) as caught:
        read_csv("a,b,c\n" + ",,\n" * 100)
    assert caught.value.code == "too_large"
    monkeypatch.setattr(csv_reader, "MOST_BYTES", 100)
    with pytest.raises(InputError) as caught:
        read_csv("a,b,c\n" + "1,2,3\n" * 100)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("command", ["show", "fit", "compare"])
def test_a_special_file_is_refused_by_every_command(tmp_path: Path, command: str, capsys: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", str(tmp_path / "pipe"), "/dev/null"):
        start = time.monotonic()
        assert main([command, path, "--json"]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "special_file"
        assert time.monotonic() - start < 5


@pytest.mark.skipif(not Path("/bin/bash").exists(), reason="needs bash")
def test_the_shells_pipe_is_read_by_fit_and_its_options(tmp_path: Path) -> None:
    GOOD.to_csv(tmp_path / "t.csv", index=False)
    command = f"{sys.executable} -m scalelaw.cli fit"
    line = f"{command} <(cat {tmp_path}/t.csv) --law log_linear --bootstrap 0 --ablate --json"
    done = subprocess.run(["/bin/bash", "-c", line], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["n_points"] == 3


def test_a_pipe_that_gives_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_load, "IDLE_SECONDS", 0.05)
    ours, theirs = os.pipe()
    try:
        with pytest.raises(InputError) as caught:
            read_table(f"/dev/fd/{ours}")
        assert caught.value.code == "input_timeout"
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("seed", range(250))
def test_hostile_tables_end_in_an_answer_or_a_sentence(seed: int, tmp_path: Path) -> None:
    import random

    run_frame(make_frame(random.Random(seed)), tmp_path)


def test_a_table_of_many_sizes_is_shown(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"n_params": rng.uniform(1e9, 2e9, 20_000), "visual_tokens": rng.integers(1, 577, 20_000),
         "error": rng.uniform(0.1, 0.9, 20_000)}
    )  # fmt: skip
    start = time.process_time()
    covered = coverage(frame)
    assert time.process_time() - start < 5
    assert (covered.n_row_values, covered.n_along_values) == (20_000, 576)
    assert len(covered.row_values) <= 300
    assert covered.n_rows == 20_000


def test_copies_are_counted_in_one_sentence_and_shares_of_a_test_are_none() -> None:
    rng = np.random.default_rng(0)
    error = np.repeat(rng.uniform(0.2, 0.8, 40), 2)
    frame = pd.DataFrame(
        {"n_params": np.arange(1, 81) * 1e9, "visual_tokens": 4, "benchmark": "a", "error": error}
    )
    copies = [words for words in coverage(frame).warnings if "copies" in words]
    assert len(copies) == 1
    assert copies[0].startswith("40 errors ")
    shares = frame.assign(error=np.repeat(rng.integers(500, 4000, 40), 2) / 4999)
    assert not [words for words in coverage(shares).warnings if "cop" in words]


def test_several_metrics_in_one_place_are_not_called_single_measurements() -> None:
    frame = pd.concat([GOOD.assign(metric=m, benchmark="pope") for m in ("acc", "f1")], ignore_index=True)
    text = " ".join(coverage(frame).warnings)
    assert "2 metrics" in text
    assert "Nothing was measured twice" not in text
