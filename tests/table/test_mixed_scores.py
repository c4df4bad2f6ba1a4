"""Rows that are scores among errors, errors given as scores, and the line to type where the target is missing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scalelaw.errors import InputError
from scalelaw.table.coverage import coverage
from scalelaw.table.points import points
from scalelaw.table.read import read_table

GRID = pd.DataFrame(
    list(itertools.product((5e8, 1.8e9, 7e9, 14e9), (1.0, 16, 64, 144, 576))),
    columns=["n_params", "visual_tokens"],
)
ERROR = 0.1 + 0.4 * (GRID["n_params"] / 1e9) ** -0.2 * GRID["visual_tokens"] ** -0.1
INPUTS = ("n_params", "visual_tokens")


def noisy(seed: int, benchmarks: int = 1) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    names = [f"bench {k}" if benchmarks > 1 else None for k in range(benchmarks)]
    parts = [
        GRID.assign(error=ERROR + 0.05 * k + 0.004 * draw.normal(size=len(GRID)), benchmark=name)
        for k, name in enumerate(names)
    ]
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(model=[f"m {size:g}" for size in frame["n_params"]])


def codes(frame: pd.DataFrame, **options: Any) -> dict[str, str]:
    return dict(points(read_table(frame), INPUTS, **options).warnings)


@pytest.mark.parametrize(
    ("column", "value", "benchmarks"),
    [("model", "m 5e+08", 1), ("model", "m 1.4e+10", 1), ("n_params", 1.8e9, 1), ("visual_tokens", 576, 1),
     ("benchmark", "bench 2", 4), ("model", "m 7e+09", 4)],
)  # fmt: skip
def test_scores_of_one_group_among_errors_are_warned_of(column: str, value: Any, benchmarks: int) -> None:
    frame = noisy(0, benchmarks)
    assert "looks_like_score" not in codes(frame)
    at = frame[column] == value
    frame.loc[at, "error"] = 1 - frame.loc[at, "error"]
    message = codes(frame)["looks_like_score"]
    assert f"{int(at.sum())} row(s)" in message
    assert "1 - value" in message
    assert "looks_like_score" not in codes(frame, as_is=True)
    scores = frame.assign(acc=100 * (1 - frame["error"])).drop(columns="error")
    assert "looks_like_score" in codes(scores, score={"acc": 100})


def test_one_score_among_errors_is_warned_of_with_its_row() -> None:
    frame = noisy(1)
    frame.loc[17, "error"] = 1 - frame.loc[17, "error"]
    assert "data row 18 " in codes(frame)["looks_like_score"]


def test_noise_and_unlike_groups_are_no_mixture() -> None:
    for seed in range(10):
        draw = np.random.default_rng(seed)
        flat = noisy(seed).assign(error=0.5 + 0.05 * draw.normal(size=len(GRID)))
        heavy = noisy(seed)
        heavy["error"] = (heavy["error"] + 0.02 * draw.standard_t(3, size=len(GRID))).clip(0.01, 0.99)
        worse = noisy(seed, 4)
        worse.loc[worse["benchmark"] == "bench 1", "error"] += 0.2
        for frame in (flat, heavy, worse):
            assert "looks_like_score" not in codes(frame), seed


@pytest.mark.parametrize("column", ["wer", "err_rate", "y"])
@pytest.mark.parametrize("maximum", [1, 100])
def test_an_error_given_as_a_score_is_refused_with_its_target(column: str, maximum: float) -> None:
    frame = read_table(GRID.assign(**{column: maximum * ERROR}))
    with pytest.raises(InputError) as caught:
        points(frame, INPUTS, score={column: maximum})
    assert caught.value.code == "looks_like_error"
    assert f"--target {column}" in caught.value.hint
    assert len(points(frame, INPUTS, score={column: maximum}, as_is=True)) == len(GRID)
    with pytest.raises(InputError) as caught:
        points(read_table(GRID.assign(wer=ERROR)), INPUTS, score={"wer": 100})
    assert "--target wer" in caught.value.hint
    good = read_table(GRID.assign(**{column: maximum * (1 - ERROR)}))
    assert len(points(good, INPUTS, score={column: maximum})) == len(GRID)


@pytest.mark.parametrize(
    ("column", "values", "line"),
    [("accuracy", 1 - ERROR, "--score accuracy=1"), ("GQA acc", 100 - 100 * ERROR, "--score 'GQA acc=100'"),
     ("wer", ERROR, "--target wer"), ("val_loss", 2 + ERROR, "--target val_loss"),
     ("value", 1 - ERROR, "--score value=1"), ("quality", 1 - ERROR, "quality")],
)  # fmt: skip
def test_a_table_without_errors_is_refused_with_the_line_to_type(column: str, values: Any, line: str) -> None:
    with pytest.raises(InputError) as caught:
        points(read_table(GRID.assign(**{column: values})), INPUTS)
    assert caught.value.code == "missing_column"
    assert line in caught.value.hint


def test_columns_that_pandas_renamed_are_duplicates(tmp_path: Path) -> None:
    frame = GRID.assign(error=ERROR, **{"error.1": ERROR / 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for source in (frame, str(tmp_path / "t.csv"), str(tmp_path / "t.parquet")):
        with pytest.raises(InputError) as caught:
            read_table(source)
        assert caught.value.code == "duplicate_column"
        assert "error.1" in caught.value.message
    kept = GRID.assign(error=ERROR, **{"qwen2": 1.0, "qwen2.1": 2.0, "lr.1": 3.0, "acc.5": 4.0, "acc": 5.0})
    assert {"qwen2.1", "lr.1", "acc.5"} <= set(read_table(kept).columns)


def test_conflicting_rows_with_equal_seeds_ask_for_other_seeds() -> None:
    frame = pd.concat([GRID.assign(error=ERROR), GRID.iloc[[3]].assign(error=0.9)], ignore_index=True)
    with pytest.raises(InputError) as caught:
        points(read_table(frame.assign(seed=1)), INPUTS)
    assert caught.value.code == "conflicting_scores"
    assert "add a column" not in caught.value.hint
    assert "`seed`" in caught.value.hint
    with pytest.raises(InputError) as caught:
        points(read_table(frame), INPUTS)
    assert "add a column `seed`" in caught.value.hint


def test_a_table_is_read_as_it_is_by_show_too() -> None:
    frame = GRID.assign(acc=1 - ERROR)
    with pytest.raises(InputError) as caught:
        coverage(frame, score={"acc": 100})
    assert caught.value.code == "looks_like_fraction"
    assert coverage(frame, score={"acc": 100}, as_is=True).n_rows == len(GRID)
    assert len(points(read_table(frame), INPUTS, score={"acc": 100}, as_is=True)) == len(GRID)


def test_a_folder_that_is_no_sweep_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    for name in (".", "./", str(tmp_path)):
        with pytest.raises(InputError) as caught:
            read_table(name)
        assert caught.value.code == "empty_table"
        assert "folder" in caught.value.message
    (tmp_path / "t.csv").write_text("n_params,visual_tokens,error\n1e9,4,0.5\n")
    with pytest.raises(InputError) as caught:
        read_table(".")
    assert "t.csv" in caught.value.hint
    (tmp_path / "images.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError):
        read_table(".")
    GRID.assign(pixels=1.0).drop(columns="n_params").to_parquet(tmp_path / "images.parquet")
    with pytest.raises(InputError) as caught:
        points(read_table("."), INPUTS)
    assert caught.value.code == "missing_column"


LAW = 0.2 + 0.3 * (GRID["n_params"] / 1e9) ** -0.2 * GRID["visual_tokens"] ** -0.05


@pytest.mark.parametrize("sizes", [(5e8, 1.8e9), (4e9, 7e9), (1.8e9, 7e9), (5e8, 7e9)])
@pytest.mark.parametrize("noise", [0, 0.003])
def test_scores_in_half_of_the_sizes_are_found(sizes: tuple[float, float], noise: float) -> None:
    grid = pd.DataFrame(
        list(itertools.product((5e8, 1.8e9, 4e9, 7e9), (1.0, 16, 64, 144, 576))), columns=list(INPUTS)
    )
    error = 0.2 + 0.3 * (grid["n_params"] / 1e9) ** -0.2 * grid["visual_tokens"] ** -0.05
    error += noise * np.random.default_rng(1).normal(size=len(grid))
    at = grid["n_params"].isin(sizes)
    message = codes(grid.assign(error=error.where(~at, 1 - error)))["looks_like_score"]
    assert f"10 row(s) with n_params = {sizes[0]:g} or {sizes[1]:g}" in message


def test_an_emergent_or_a_weak_model_is_no_mixture() -> None:
    for seed in range(20):
        noise = 0.005 * np.random.default_rng(seed).normal(size=len(GRID))
        sizes = GRID["n_params"]
        for error in (
            np.where(sizes == 14e9, 0.27, 0.74),
            np.where(sizes >= 7e9, 0.27, 0.74),
            np.where(sizes == 5e8, 0.74, 0.27),
            np.where(GRID["visual_tokens"] == 1, 0.74, 0.27),
            LAW + np.where(sizes == 7e9, 0.12, 0),
            LAW + np.where(sizes == 1.8e9, 0.2, 0),
            LAW - np.where(sizes == 14e9, 0.15, 0),
        ):
            assert "looks_like_score" not in codes(GRID.assign(error=error + noise)), seed
    line = pd.DataFrame({"n_params": np.geomspace(1e8, 7e10, 9), "error": 0.74})
    line.loc[8, "error"] = 0.27
    assert "looks_like_score" not in dict(points(read_table(line), ["n_params"]).warnings)


@pytest.mark.parametrize("above", [6e8, 2e9, 1e10])
def test_errors_in_percent_in_some_rows_are_refused_with_both_units(above: float) -> None:
    at = GRID["n_params"] > above
    frame = GRID.assign(error=LAW.where(~at, 100 * LAW))
    with pytest.raises(InputError) as caught:
        points(read_table(frame), INPUTS)
    assert caught.value.code == "unit_mismatch"
    assert f"in percent in {at.sum()} of 20 rows" in caught.value.message
    with pytest.raises(InputError) as caught:
        points(read_table(GRID.assign(acc=(1 - LAW).where(~at, 100 * (1 - LAW)))), INPUTS, score={"acc": 100})
    assert caught.value.code == "unit_mismatch"


@pytest.mark.parametrize(("largest", "maximum"), [(65, 1000), (65, 2000), (0.65, 8), (650, 1e5)])
def test_a_maximum_far_above_all_scores_is_warned_of(largest: float, maximum: float) -> None:
    scores = (1 - LAW) * largest / float((1 - LAW).max())
    frame = GRID.assign(acc=scores)
    assert "score_far_below_maximum" in codes(frame, score={"acc": maximum})
    assert "score_far_below_maximum" not in codes(frame, score={"acc": maximum}, as_is=True)


@pytest.mark.parametrize(("largest", "maximum"), [(9, 100), (65, 100), (300, 1000), (1500, 2800), (0.05, 1)])
def test_low_scores_of_their_own_scale_are_right(largest: float, maximum: float) -> None:
    scores = (1 - LAW) * largest / float((1 - LAW).max())
    assert not codes(GRID.assign(acc=scores), score={"acc": maximum})
