import itertools
from typing import Any

import pandas as pd
import pytest

from scalelaw.errors import InputError
from scalelaw.fit import fit_law
from scalelaw.table.coverage import coverage, scatter, table_warnings
from scalelaw.table.point_warnings import point_warnings
from scalelaw.table.read import bundled_tables, read_table


def test_a_full_grid() -> None:
    covered = coverage("vlm_reasoning")
    assert (covered.rows, covered.along, covered.n_rows) == ("n_params", "visual_tokens", 28)
    assert covered.row_values == [500_000_000, 1_800_000_000, 4_000_000_000, 7_000_000_000]
    assert covered.along_values == [1, 4, 16, 36, 64, 144, 576]
    assert covered.counts == [[1] * 7] * 4
    assert covered.missing == []
    assert "arXiv 2411.03312" in covered.citation
    assert len(covered.warnings) == 4


def test_what_is_missing_is_named() -> None:
    table = pd.DataFrame({"n_params": [1e6, 1e6, 2e6, 2e6], "visual_tokens": [1, 4, 1, 4], "seed": [0, 0, 0, 1],
                          "error": 0.5, "benchmark": ["a", "b", "a", "a"], "status": ["ok", "ok", "ok", "partial"],
                          "source": "here"})  # fmt: skip
    covered = coverage(table)
    assert covered.counts == [[1, 1], [1, 0]]
    assert covered.missing == [(2_000_000, 4)]
    assert covered.benchmarks == {"a": 2, "b": 1}
    assert covered.statuses == {"ok": 3, "partial": 1}
    assert covered.sources == ["here"]


def test_the_axes_can_be_chosen() -> None:
    covered = coverage("quecc_table1", rows="compressor", along="benchmark")
    assert covered.row_values[-1] == "token_packer"
    assert ("mqt", "TextVQA") in covered.missing
    with pytest.raises(InputError, match="Did you mean 'compressor'"):
        coverage("quecc_table1", rows="compresor")


@pytest.mark.parametrize("name", sorted(bundled_tables()))
def test_every_bundled_table_has_a_grid(name: str) -> None:
    covered = coverage(name)
    assert sum(map(sum, covered.counts)) == covered.statuses["ok"]
    assert covered.to_dict()["title"]


def test_warnings_about_rows() -> None:
    table = read_table("vlm_ocr")
    assert table_warnings(table, "vlm_ocr") == coverage("vlm_ocr").warnings
    text = " ".join(table_warnings(table))
    assert "The same error to every digit (0.653946) at n_params 4e+09" in text
    assert "No row has a standard error." in text
    assert "Nothing was measured twice" in text
    table.loc[3, "status"], table.loc[5, "judge"] = "partial", "gpt-4"
    table["chance_error"], table["error_se"], table["error_se_kind"] = 0.9, 0.01, "binomial"
    table.loc[6, "error_se"] = None
    again = table.tail(1).assign(error=table["error"].tail(1) + 0.01)
    text = " ".join(table_warnings(pd.concat([table, again])))
    assert "1 row of status 'partial'" in text
    assert "was judged by an unnamed judge and gpt-4" in text
    assert "1 row no better than guessing" in text
    assert "1 row without a standard error." in text
    assert "27 rows with a binomial standard error" in text
    assert "Nothing was measured twice" not in text


def test_shares_of_a_stated_number_of_examples_may_be_equal() -> None:
    table = pd.DataFrame({"n_params": [1e6, 2e6], "visual_tokens": 4, "error": 1 / 3, "benchmark": "a"})
    assert any("a copy?" in warning for warning in coverage(table).warnings)
    assert not any("a copy?" in warning for warning in coverage(table.assign(n_examples=300)).warnings)


def test_the_noise_between_runs_is_pooled_over_what_ran_more_than_once() -> None:
    """By hand: (.1, .3) and (.2, .2, .5) have sums of squares .02 and .06, over 1 + 2 degrees of freedom."""
    table = read_table(
        pd.DataFrame(
            {
                "n_params": [1e6, 1e6, 2e6, 2e6, 2e6, 3e6],
                "visual_tokens": 4,
                "benchmark": "a",
                "seed": [0, 1, 0, 1, 2, 0],
                "train_tokens": [1000, 1010, 1000, 1002, 1003, 990],
                "error": [0.1, 0.3, 0.2, 0.2, 0.5, 0.9],
            }
        )
    )
    assert scatter(table) == (pytest.approx((0.08 / 3) ** 0.5, rel=1e-12), 3)
    assert coverage(table).repeat_sd == scatter(table)[0]
    assert not any("measured twice" in warning for warning in coverage(table).warnings)
    twice = pd.concat([table, table], ignore_index=True)
    assert scatter(twice) == scatter(table)  # a row that stands twice is no repeat
    for name, values in {
        "benchmark": list("abcdef"),
        "judge": list("abcdef"),
        "experiment": list("abcdef"),
        "text_tokens": range(6),
        "rate_factor": [0.25, 1, 0.25, 1, 4, 1],
        "x": range(6),  # a column of its own
        "train_tokens": [1000, 2000, 1000, 2000, 4000, 1000],  # other budgets, or checkpoints of a run
    }.items():
        assert scatter(table.assign(**{name: values}))[1] == 0, name
    assert any(
        "measured twice" in warning for warning in coverage(table.assign(judge=list("abcdef"))).warnings
    )


def test_a_holdout_stands_beside_the_noise_between_runs() -> None:
    first = read_table("vlm_reasoning").assign(seed=0)
    again = pd.concat([first, first.assign(seed=1, error=first.error + 0.02)], ignore_index=True)
    holdout = fit_law(again, holdout="largest", bootstrap=0).holdout
    assert holdout["repeat_sd"] == pytest.approx(0.02 / 2**0.5, rel=1e-9)
    assert (holdout["repeat_freedom"], holdout["repeat_of"]) == (7, "held out")
    smaller = again.drop(index=again.index[(again.n_params == 7e9) & (again.seed == 1)])
    holdout = fit_law(smaller, holdout="largest", bootstrap=0).holdout
    assert (holdout["repeat_freedom"], holdout["repeat_of"]) == (21, "all")
    assert "repeat_sd" not in fit_law(first, holdout="largest", bootstrap=0).holdout


def test_an_infinite_size_is_a_value_of_the_grid() -> None:
    frame = pd.DataFrame({"n_params": [float("inf"), 7e9], "visual_tokens": [64, 64], "error": [0.4, 0.5]})
    assert coverage(frame).row_values == [7_000_000_000, float("inf")]


def test_the_options_of_a_fit_read_the_same_table() -> None:
    table = pd.DataFrame({"size": [1, 1, 2, 2], "tokens": [1, 4, 1, 4], "accuracy": [40, 50, 60, 70]})
    options = {"inputs": {"n_params": "size", "visual_tokens": "tokens", "seed": 3.0}, "scale": {"n_params": 1e9},
               "score": {"accuracy": 100}}  # fmt: skip
    covered = coverage(table, **options)
    assert (covered.row_values, covered.along_values) == ([10**9, 2 * 10**9], [1, 4])
    assert (covered.counts, covered.seeds) == ([[1, 1], [1, 1]], [[1, 1], [1, 1]])
    assert coverage(table.assign(guess=0.5), **options | {"score": None, "target": "guess"}).n_rows == 4
    with pytest.raises(InputError) as refusal:
        coverage(table, **options | {"score": {"accuracy": 50}})
    assert refusal.value.code == "bad_value"


GRID = pd.DataFrame(
    list(itertools.product((5e8, 1.8e9, 4e9, 7e9), (1.0, 16, 64, 144, 576))),
    columns=["n_params", "visual_tokens"],
)
ERROR = 0.2 + 0.3 * (GRID["n_params"] / 1e9) ** -0.2 * GRID["visual_tokens"] ** -0.05


def codes_of_a_fit(frame: pd.DataFrame, options: dict[str, Any]) -> set[str]:
    try:
        return set(dict(fit_law(frame, bootstrap=0, **options).warnings))
    except InputError as error:
        return {error.code}


@pytest.mark.parametrize(
    ("columns", "options", "code"),
    [
        ({"error": 1 - ERROR}, {}, "looks_like_score"),
        ({"error": 100 * ERROR}, {}, "error_looks_like_percent"),
        ({"n_params": GRID["n_params"] / 1e9, "error": ERROR}, {}, "n_params_looks_like_billions"),
        ({"visual_tokens": GRID["visual_tokens"] / 576, "error": ERROR}, {}, "unit_mismatch"),
        ({"error": ERROR.where(GRID["n_params"] != 4e9, 1 - ERROR)}, {}, "looks_like_score"),
        ({"wer": ERROR}, {"score": {"wer": 1}}, "looks_like_error"),
        ({"accuracy": 1 - ERROR}, {}, "missing_column"),
        ({"error": ERROR}, {"scale": {"n_params": 1e-9}}, "n_params_looks_like_billions"),
    ],
)
def test_show_and_report_warn_as_a_fit_does(columns: Any, options: Any, code: str) -> None:
    frame = GRID.assign(**columns)
    covered = coverage(frame, **options)
    assert code in dict(covered.notes)
    assert dict(covered.notes)[code] in covered.warnings
    assert code in codes_of_a_fit(frame, options)
    assert not coverage(frame, **options, as_is=True).notes
    if not options:
        assert set(covered.warnings) == set(table_warnings(read_table(frame)))


def test_a_table_without_faults_has_no_notes() -> None:
    assert not coverage(GRID.assign(error=ERROR)).notes
    several = pd.concat([GRID.assign(error=ERROR + 0.05 * k, benchmark=f"b{k}") for k in range(3)])
    assert not coverage(several).notes
    for name in bundled_tables():
        assert not point_warnings(read_table(name)), name
