"""What of a table a law is fitted to: rows chosen, numbers checked, warnings."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scalelaw.errors import InputError
from scalelaw.fit import fit_groups
from scalelaw.table.points import points
from scalelaw.table.read import read_table

ROW: dict[str, Any] = {"n_params": 5e8, "visual_tokens": 4, "error": 0.5, "task_family": "reasoning"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"error": np.inf}, "has inf in data row 2 "),
        ({"error": -0.1}, "must not be negative; data row 2 .* has -0.1"),
        ({"n_params": 0}, "must be positive; data row 2 "),
    ],
)
def test_a_bad_number_is_named_with_its_row(change: dict[str, float], message: str) -> None:
    table = read_table(pd.DataFrame([ROW, {**ROW, **change}, ROW]))
    with pytest.raises(InputError, match=message):
        points(table, ["n_params", "visual_tokens"])


def test_a_missing_column_is_answered_with_those_there_are() -> None:
    table = read_table(pd.DataFrame([{"n_params": 1e9, "visual_token": 3, "error": 0.5}]))
    with pytest.raises(InputError, match="no column 'visual_tokens'.*Did you mean 'visual_token'") as caught:
        points(table, ["n_params", "visual_tokens"])
    assert "error" in caught.value.hint


def test_where_selects_and_says_what_there_is_when_nothing_is_left() -> None:
    table = read_table(pd.DataFrame([ROW, {**ROW, "task_family": "ocr", "visual_tokens": 16}]))
    assert len(points(table, ["n_params"], where="task_family=ocr")) == 1
    assert len(points(table, ["n_params"], where={"visual_tokens": 4})) == 1
    with pytest.raises(InputError, match="No row has") as caught:
        points(table, ["n_params"], where="task_family=poetry")
    assert "ocr" in caught.value.hint
    with pytest.raises(InputError, match="column=value"):
        points(table, ["n_params"], where="task_family")
    with pytest.raises(InputError) as caught:
        points(table, ["n_params"], where="visual_tokens=many")
    assert caught.value.code == "bad_where"


def test_a_row_that_is_not_ok_is_left_out_and_said_to_be() -> None:
    table = read_table(pd.DataFrame([{**ROW, "status": "ok"}, {**ROW, "status": "plateau"}]))
    selected = points(table, ["n_params", "visual_tokens"])
    assert len(selected) == 1
    assert selected.dropped == ("1 row(s) with status 'plateau'",)


def test_ambiguous_selections_get_a_warning() -> None:
    mixed = read_table(pd.DataFrame([ROW, {**ROW, "task_family": "ocr"}]))
    assert [code for code, _ in points(mixed, ["n_params"]).warnings] == ["mixed_task_family"]
    billions = read_table(pd.DataFrame([{**ROW, "n_params": 0.5}, {**ROW, "n_params": 7}]))
    assert [code for code, _ in points(billions, ["n_params"]).warnings] == ["n_params_looks_like_billions"]


def test_the_hash_of_the_data_changes_with_the_data() -> None:
    table = read_table("vlm_reasoning")
    selected = points(table, ["n_params", "visual_tokens"])
    assert selected.data_hash == points(table, ["n_params", "visual_tokens"]).data_hash
    table.loc[3, "error"] += 1e-12
    assert selected.data_hash != points(table, ["n_params", "visual_tokens"]).data_hash


def test_points_know_their_table_and_what_was_chosen(tmp_path: Path) -> None:
    table = read_table("vlm_reasoning")
    selected = points(table, ("n_params", "visual_tokens"), where="visual_tokens=16")
    assert (selected.table, selected.where) == ("vlm_reasoning", {"visual_tokens": "16"})
    table.to_csv(tmp_path / "my results.csv")
    assert points(read_table(tmp_path / "my results.csv"), ("n_params",)).table == "my results.csv"
    assert points(read_table(pd.DataFrame({"n_params": [1e9], "error": [0.5]})), ("n_params",)).table == ""


def test_percentages_are_refused_and_copies_are_a_warning() -> None:
    table = read_table("vlm_reasoning")
    codes = lambda frame: dict(points(frame, ["n_params", "visual_tokens"]).warnings)  # noqa: E731
    assert not codes(table)
    with pytest.raises(InputError) as caught:
        codes(table.assign(error=table["error"] * 100))
    assert caught.value.code == "error_looks_like_percent"
    twice = pd.concat([table, table.head(3)], ignore_index=True)
    assert codes(twice)["repeated_rows"].startswith("3 row(s) ")
    assert "repeated_rows" not in codes(twice.assign(seed=range(31)))


@pytest.mark.parametrize("column", ["error", "n_params", "visual_tokens"])
def test_an_empty_cell_is_left_out_and_counted(column: str) -> None:
    table = read_table(pd.DataFrame([ROW, {**ROW, column: np.nan}, ROW]))
    selected = points(table, ["n_params", "visual_tokens"])
    assert len(selected) == len(selected.rows) == len(selected.target_se) == 2
    assert selected.dropped == (f"1 row(s) with an empty '{column}'",)
    assert "empty_cells" in dict(selected.warnings)


def test_empty_cells_that_leave_nothing_are_counted_in_the_refusal() -> None:
    table = read_table(pd.DataFrame([{**ROW, "error": np.nan}, {**ROW, "n_params": np.nan}]))
    with pytest.raises(InputError) as caught:
        points(table, ["n_params", "visual_tokens"])
    assert caught.value.code == "empty_selection"
    assert "'error'" in caught.value.hint
    assert "'n_params'" in caught.value.hint


def test_a_scale_may_name_an_input_instead_of_its_column() -> None:
    table = read_table(pd.DataFrame({"size": [1.0, 2.0], "visual_tokens": [1, 4], "error": [0.5, 0.4]}))
    by_input = points(table, {"n_params": "size", "visual_tokens": "visual_tokens"}, scale={"n_params": 1e9})
    by_column = points(table, {"n_params": "size", "visual_tokens": "visual_tokens"}, scale={"size": 1e9})
    assert by_input.inputs["n_params"].tolist() == by_column.inputs["n_params"].tolist() == [1e9, 2e9]
    with pytest.raises(InputError) as refusal:
        points(table, {"n_params": "size"}, scale={"n_params": 1e9, "size": 1e9})
    assert refusal.value.code == "usage"
    both = table.assign(n_params=[3.0, 4.0])
    with pytest.raises(InputError) as refusal:
        points(both, {"n_params": "size"}, scale={"n_params": 1e9})
    assert refusal.value.code == "usage"


def test_a_nested_column_is_named_with_its_type(tmp_path: Path) -> None:
    table = read_table("vlm_reasoning").dropna(axis=1, how="all")
    table["scores"] = [{"gqa": 0.5}] * len(table)
    table["sizes"] = [[1, 2]] * len(table)
    table.to_parquet(tmp_path / "t.parquet")
    read = read_table(tmp_path / "t.parquet")
    for options in (
        {"target": "scores"}, {"score": {"scores.gqa": 1}}, {"inputs": {"n_params": "sizes"}}, {"where": "scores=1"},
        {"scale": {"sizes": 2}},
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            points(read, **{"inputs": ["n_params"], **options})
        assert caught.value.code == "nested_column"
        assert "struct" in caught.value.message or "list" in caught.value.message
    with pytest.raises(InputError) as caught:
        fit_groups(tmp_path / "t.parquet", "sizes", bootstrap=0)
    assert caught.value.code == "nested_column"


@pytest.mark.parametrize(
    "cells", [["True", "False"], ["true", "false"], ["TRUE", " False "], [True, False], [True, None]]
)
@pytest.mark.parametrize("value", ["true", "True", "TRUE", True])
def test_where_reads_true_and_false_in_any_case(cells: list[object], value: object) -> None:
    frame = pd.DataFrame({"n_params": [1e9, 2e9], "error": [0.4, 0.3], "flag": cells})
    made = points(read_table(frame), ["n_params"], where={"flag": value})
    assert made.inputs["n_params"].tolist() == [1e9]
    file = io.StringIO(frame.to_csv(index=False))
    assert points(read_table(file), ["n_params"], where={"flag": value}).inputs["n_params"].tolist() == [1e9]


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("0,545", "0.545"),
        ("-0,5", "-0.5"),
        (",545", ".545"),
        ("00,125", "00.125"),
        ("12,34", "12.34"),
        ("5,545", "5.545"),
    ],
)
def test_a_decimal_comma_gets_the_number_with_a_point(cell: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        read_table(pd.DataFrame({"n_params": [1e9], "error": [cell]}))
    assert f"{hint}." in caught.value.hint
    assert "0545" not in caught.value.hint


@pytest.mark.parametrize(("most", "hint"), [(5.0, "reward=MAX"), (1.0, "reward=1"), (65.0, "reward=100")])
def test_a_score_of_another_scale_gets_no_invented_maximum(most: float, hint: str) -> None:
    sizes, tokens = np.meshgrid(np.geomspace(5e8, 7e9, 4), [16.0, 64.0, 256.0])
    frame = pd.DataFrame({"n_params": sizes.ravel(), "visual_tokens": tokens.ravel()})
    rising = 1 - 0.3 * (frame.n_params / 1e9) ** -0.2 * frame.visual_tokens**-0.1
    frame = frame.assign(reward=most * rising / rising.max())
    with pytest.raises(InputError) as caught:
        points(read_table(frame), ["n_params", "visual_tokens"], target="reward")
    assert caught.value.code == "looks_like_score"
    assert f"--score {hint} " in caught.value.hint
