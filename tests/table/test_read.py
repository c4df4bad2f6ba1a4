import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.files.paths import bundled
from scalelaw.table.parquet import FEW_VALUES, readable_columns
from scalelaw.table.points import points
from scalelaw.table.read import bundled_tables, describe, read_table, write_table
from scalelaw.table.schema import COLUMNS, schema

ROW: dict[str, Any] = {"n_params": 5e8, "visual_tokens": 4, "error": 0.5, "task_family": "reasoning"}


@pytest.mark.parametrize("name", sorted(bundled_tables()))
def test_every_bundled_table_is_in_the_schema_with_its_source(name: str) -> None:
    table = read_table(name)
    assert list(table.columns) == list(COLUMNS)
    assert table["error"].between(0, 1).all()
    sizes = table["n_params"].fillna(table["n_params_vision"])
    assert (sizes > (1e4 if "measured" in describe(name) else 1e6)).all()
    assert not table.duplicated(["cell", "benchmark"] if "measured" in describe(name) else ["cell"]).any()
    assert {"title", "citation", "licence", "limitations", "fit"} <= set(describe(name))


@pytest.mark.parametrize("name", sorted(bundled_tables()))
def test_a_bundled_table_says_how_it_is_fitted(name: str) -> None:
    facts = describe(name)
    for config in [facts["fit"], *facts.get("more_fits", [])]:
        selected = points(read_table(name), config["inputs"], config["target"], config.get("where"))
        assert len(selected) >= 3
        assert all(np.unique(values).size >= 2 for values in selected.inputs.values())


@pytest.mark.parametrize("name", [n for n in sorted(bundled_tables()) if "raw" in describe(n)])
def test_a_bundled_table_is_what_its_importer_makes_of_the_numbers_as_found(name: str) -> None:
    facts = describe(name)
    made = pd.DataFrame(plugins.load("importers", facts["importer"]).read(bundled(facts["raw"]), facts).rows)
    pd.testing.assert_frame_equal(read_table(name), read_table(made), check_dtype=False)


def test_vlm_reasoning_holds_the_published_numbers() -> None:
    table = read_table("vlm_reasoning")
    assert len(table) == 28
    assert sorted(table["n_params"].unique()) == [5e8, 1.8e9, 4e9, 7e9]
    assert sorted(table["visual_tokens"].unique()) == [1, 4, 16, 36, 64, 144, 576]
    cell = table[(table["n_params"] == 7e9) & (table["visual_tokens"] == 576)]
    assert cell["error"].item() == 0.4646


texts = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
counts = st.none() | st.integers(0, 2**53)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
rows = st.fixed_dictionaries({}, optional={
    name: {"text": texts, "count": counts, "number": numbers}[kind] for name, (kind, _, _) in COLUMNS.items()
})  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows, min_size=1, max_size=5))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, written: list[dict[str, Any]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.parquet"
    write_table(written, path, {"git": "abc"})
    assert pq.read_schema(path).equals(schema())
    assert pq.read_schema(path).metadata[b"git"] == b"abc"
    back = read_table(path).to_dict("records")
    for row, again in zip(written, back, strict=True):
        for name, value in row.items():
            column = again[name]
            assert column == value or (value is None and (column is None or np.isnan(column)))


def test_a_value_that_its_column_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'n_params' must hold a count"):
        write_table([{**ROW, "n_params": 1.5}], tmp_path / "t.parquet")
    with pytest.raises(InputError, match="Did you mean 'error'"):
        write_table([{"eror": 0.5}], tmp_path / "t.parquet")
    assert not list(tmp_path.iterdir())


def test_parts_with_whole_and_with_mean_token_counts_are_one_table(tmp_path: Path) -> None:
    """Older files hold visual_tokens as int64; both kinds are read alone, together, and by a choice of rows."""
    whole = pa.table({"visual_tokens": pa.array([64, 16], pa.int64()), "error": [0.3, 0.4]})
    pq.write_table(whole, tmp_path / "a.parquet")
    write_table([{"visual_tokens": 57.6, "error": 0.5}], tmp_path / "b.parquet")
    assert list(read_table(tmp_path)["visual_tokens"]) == [64, 16, 57.6]
    for name, value in (("a", "64"), ("b", "57.6")):
        assert len(read_table(tmp_path / f"{name}.parquet", where=f"visual_tokens={value}")) == 1


def test_a_users_csv_keeps_its_own_columns_behind_the_schema() -> None:
    table = read_table(io.StringIO("my_n,visual_tokens,error\n5e8,4,0.5\n"))
    assert [*COLUMNS, "my_n"] == list(table.columns)
    assert points(table, {"n_params": "my_n", "visual_tokens": "visual_tokens"}).inputs["n_params"] == [5e8]


BAD_FILES = {
    "empty.csv": (b"", "cannot be read as csv"),
    "header.csv": (b"n_params,error\n", "has no rows"),
    "binary.csv": (b"\xff\xfe\x00\x01", "cannot be read as csv"),
    "ragged.csv": (b"a,b\n1,2\n1,2,3,4\n", "cannot be read as csv"),
    "text.csv": (b"n_params,error\nbig,0.5\n", "not a number"),
    "not.parquet": (b"PAR1 no", "not a parquet file"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_table_is_a_sentence(tmp_path: Path, name: str) -> None:
    content, message = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / name)


MESSAGES = {
    "ragged.csv": ("n_params,error\n1,2\n1,2,3\n", "data row 2 .* has 3 fields", "separated by commas"),
    "semicolons.csv": ("n_params;error\n1e9;0,5\n2e9;0,4\n", "separated by semicolons", "import wide_csv"),
    "tabs.csv": ("n_params\terror\n1e9\t0.5\n", "separated by tabs", "import wide_csv"),
    "bars.csv": ("n_params|error\n1e9|0.5\n", "separated by vertical bars", "import wide_csv"),
    "points.csv": ("# from a sheet\nn_params;error\n1e9;0.5\n", "separated by semicolons", "import wide_csv"),
    "percent.csv": ("n_params,error\n1e9,0.5\n2e9,61.5%\n", "'61.5%' in data row 2 ", "fraction: 0.615"),
    "broken.parquet": ("PAR1 no", "not a parquet file", ""),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_is_wrong_with_a_table_is_said_with_one_full_stop_and_what_to_do(
    tmp_path: Path, name: str
) -> None:
    content, message, hint = MESSAGES[name]
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read_table(tmp_path / name)
    assert error.value.message.endswith(".")
    assert not error.value.message.endswith(("..", "\n.", " ."))
    assert hint in error.value.hint


ROWS = [f"{size}e9,{tokens},0.4,n" for size in (1, 2, 4) for tokens in (16, 64)]


@pytest.mark.parametrize("break_", ["\n", "\r\n"])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize(("first", "last"), [(0, 1), (1, 5), (0, 5)])
def test_two_stray_quotes_that_swallow_rows_are_refused(
    place: int, first: int, last: int, break_: str
) -> None:
    cells = [row.split(",") for row in ROWS]
    cells[first][place] = '"' + cells[first][place]
    cells[last][place] += '"'
    header = "n_params,visual_tokens,error,note"
    text = break_.join([header, *map(",".join, cells)]) + break_
    with pytest.raises(InputError) as caught:
        read_table(io.StringIO(text))
    assert caught.value.code in ("unreadable_table", "bad_value")
    if place == 3:
        assert f"data row {first + 1} " in caught.value.message
        assert caught.value.code == "unreadable_table"


def test_a_stray_quote_in_the_header_is_refused_and_quoted_notes_are_read() -> None:
    text = 'n_params,visual_tokens,error,"note\n1e9,16,0.4,a"\n2e9,16,0.4,b\n'
    with pytest.raises(InputError) as caught:
        read_table(io.StringIO(text))
    assert caught.value.code == "unreadable_table"
    notes = [
        "seed 1, run twice\nsecond run, kept",
        'a "quoted" word, and\n\nlines, many, of, text',
        "one, two, three, 4",
    ]
    frame = pd.DataFrame({"n_params": [1e9, 2e9, 4e9], "visual_tokens": 16, "error": 0.4, "note": notes})
    assert list(read_table(io.StringIO(frame.to_csv(index=False)))["note"]) == notes


def test_what_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'vlm_reasoning'"):
        read_table("vlm_resoning")
    with pytest.raises(InputError, match="There is no file"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(InputError) as no_table:
        read_table(tmp_path)
    assert no_table.value.code == "empty_table"


def test_a_choice_while_reading_is_the_choice_after_it(tmp_path: Path) -> None:
    rows = [
        {"task_family": f, "visual_tokens": v, "n_params": n, "error": 0.1 + 0.01 * v, "status": "ok"}
        for f in ("ocr", "vqa")
        for v in (1, 4)
        for n in (1e9, 7e9)
    ]
    path = tmp_path / "t.parquet"
    write_table(rows, path)
    where = ["task_family=ocr", "visual_tokens=4"]
    selected = read_table(path, where)
    assert len(selected) == 2
    whole = points(read_table(path), ["n_params"], where=where)
    assert points(selected, ["n_params"], where=where).data_hash == whole.data_hash
    for nothing in (["task_family=ocrs"], ["visual_tokens=many"], ["colour=red"], {"n_params": 5}):
        assert len(read_table(path, nothing)) == 8


def test_a_choice_on_a_column_of_another_kind_is_made_after_reading(tmp_path: Path) -> None:
    """A model named by a number, a number written as text: parquet cannot compare them with what the schema has."""
    path = tmp_path / "t.parquet"
    frame = pd.DataFrame({"model": [1, 1, 2], "n_params": ["1e9", "7e9", "1e9"], "error": [0.5, 0.4, 0.3]})
    frame.to_parquet(path)
    for where, errors in (("model=1", [0.5, 0.4]), ("n_params=1e9", [0.5, 0.3])):
        assert points(read_table(path, where), ["n_params"], where=where).target.tolist() == errors


def test_rows_of_single_questions_are_read_however_well_they_pack(tmp_path: Path) -> None:
    """600,000 rows that agree in most columns: a quarter of a byte each."""
    row = {**ROW, "experiment": "e", "model": "LLM", "benchmark": "b", "status": "ok", "source": "s" * 100}
    write_table(pd.DataFrame([row] * 4).loc[np.arange(600_000) % 4], path := tmp_path / "t.parquet")
    assert path.stat().st_size < 200_000
    assert len(read_table(path)) == 600_000


def test_ten_million_rows_are_within_the_bound_and_a_column_more_is_counted(tmp_path: Path) -> None:
    assert 10_000_000 * len(COLUMNS) <= FEW_VALUES
    nulls = pa.nulls(FEW_VALUES // len(COLUMNS) + 1, pa.null())
    pq.write_table(pa.table({"error": nulls}), path := tmp_path / "t.parquet")
    with pytest.raises(InputError, match="fill the memory"):
        readable_columns(path)


def test_text_is_counted_over_all_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(
        pa.table({n: ["x" * 99] * 10_000 for n in ("model", "benchmark")}), path := tmp_path / "t.parquet"
    )
    monkeypatch.setattr("scalelaw.table.parquet.FEW_BYTES", 1_500_000)
    with pytest.raises(InputError, match="1,980,000 bytes of text"):
        read_table(path)
    monkeypatch.setattr("scalelaw.table.parquet.FEW_BYTES", 2_000_000)
    assert len(read_table(path)) == 10_000


def test_a_saved_index_is_no_column(tmp_path: Path) -> None:
    frame = pd.DataFrame([ROW, ROW, {**ROW, "error": 0.6}, ROW]).assign(mine=1.0)
    frame.to_csv(tmp_path / "once.csv")
    pd.read_csv(tmp_path / "once.csv").to_csv(tmp_path / "twice.csv")
    frame[frame["error"] < 0.6].to_parquet(tmp_path / "some.parquet")
    assert "__index_level_0__" in pq.read_schema(tmp_path / "some.parquet").names
    for name in ("once.csv", "twice.csv", "some.parquet"):
        assert list(read_table(tmp_path / name).columns) == [*COLUMNS, "mine"]


def test_a_table_is_not_written_under_the_name_of_another_format(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="written as parquet") as caught:
        write_table([ROW], tmp_path / "t.csv")
    assert caught.value.code == "bad_format"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["object", "string", "Float64", "category"])
def test_an_empty_column_has_one_type(kind: str) -> None:
    table = read_table(pd.DataFrame({"error": [0.5, 0.4], "mine": pd.Series([None, None], dtype=kind)}))
    pd.testing.assert_frame_equal(read_table(table), table)
