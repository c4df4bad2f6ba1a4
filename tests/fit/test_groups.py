"""Groups, shared exponents, bands, ablation and influence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw import fit as fits
from scalelaw.errors import InputError, NoAnswer
from scalelaw.fit.ablation import ablate, influence
from scalelaw.fit.groups import fit_groups
from scalelaw.fit.prediction_bands import band, noise


@pytest.fixture(scope="module")
def both() -> pd.DataFrame:
    return pd.concat([sl.read_table("vlm_reasoning"), sl.read_table("vlm_ocr")], ignore_index=True)


def test_each_group_is_fitted_on_its_own(both: pd.DataFrame) -> None:
    grouped = fit_groups(both, "task_family", bootstrap=20)
    alone = sl.fit_law("vlm_ocr", bootstrap=20)
    assert grouped.groups["ocr"].params == pytest.approx(alone.params, rel=1e-9)
    assert [row["task_family"] for row in grouped.rows()] == ["reasoning", "ocr"]
    assert not any(code.startswith("mixed_task_family") for code, _ in grouped.groups["ocr"].warnings)
    data = json.loads(grouped.to_json())["data"]
    assert data["groups"]["ocr"]["params"]["beta"] == pytest.approx(0.0394, abs=5e-5)


def test_reasoning_and_ocr_do_not_share_exponents(both: pd.DataFrame) -> None:
    sharing = fit_groups(both, "task_family", share=["alpha", "beta"], cluster="model", bootstrap=200).sharing
    assert sharing["tenable"] is False
    assert sharing["p_value"] < 1e-10
    assert sharing["aicc_apart"] < sharing["aicc_shared"]
    low, high = sharing["differences"]["beta"]["ocr - reasoning"]["interval"]
    assert 0 < low < high


def test_a_noisy_copy_shares_exponents() -> None:
    table = sl.read_table("vlm_reasoning")
    noisy = table.error * 0.9 + np.random.default_rng(0).normal(0, 0.002, len(table))
    copies = pd.concat([table, table.assign(task_family="copy", error=noisy)], ignore_index=True)
    sharing = fit_groups(copies, "task_family", share=["alpha", "beta"], bootstrap=200).sharing
    assert sharing["tenable"] is True
    assert sharing["p_value"] > 0.3
    assert sharing["aicc_shared"] < sharing["aicc_apart"]
    assert sharing["params"]["alpha"] == pytest.approx(0.071, abs=0.001)


def exact(A: float, D: float, family: str) -> pd.DataFrame:
    table = sl.read_table("vlm_reasoning")
    error = A * (table.n_params / 1e9) ** -0.1 * table.visual_tokens**-0.05 + D
    return table.assign(error=error, task_family=family)


def share(*tables: pd.DataFrame, **options: object) -> fits.GroupedFit:
    requests = {"share": ["alpha", "beta"], "bootstrap": 100} | options
    return fit_groups(pd.concat(tables, ignore_index=True), "task_family", **requests)


def test_a_tiny_group_does_not_rule_the_joint_fit(both: pd.DataFrame) -> None:
    """Four points that the law passes through have no noise of their own, and would weigh without end."""
    ocr = sl.read_table("vlm_ocr").iloc[[3, 10, 20, 25]]
    grouped = share(sl.read_table("vlm_reasoning"), ocr)
    assert "noise_borrowed" in dict(grouped.warnings)
    assert grouped.sharing["params"]["alpha"] == pytest.approx(0.0688, abs=5e-4)
    assert grouped.sharing["differences"]["beta"]["ocr - reasoning"]["differs"] is None
    assert "ocr alone does not determine" in grouped.sharing["words"]


def test_a_perfect_group_does_not_rule_the_joint_fit() -> None:
    grouped = share(sl.read_table("vlm_reasoning"), exact(0.3, 0.2, "made"))
    assert "noise_borrowed" in dict(grouped.warnings)
    assert 0.05 < grouped.sharing["params"]["alpha"] < 0.09
    assert grouped.sharing["tenable"] is False


@pytest.mark.parametrize(
    ("tables", "options", "why"),
    [
        ((exact(0.5, 0.1, "a"), exact(0.3, 0.2, "b")), {}, "passes through every point"),
        ((sl.read_table("vlm_reasoning"), sl.read_table("vlm_ocr").iloc[[3]]), {}, "fewer than two groups"),
        (
            (sl.read_table("vlm_reasoning"), sl.read_table("vlm_ocr")),
            {"bootstrap": 0, "loss": "huber"},
            "no F test",
        ),
    ],
)
def test_without_evidence_there_is_no_verdict(tables: tuple, options: dict, why: str) -> None:
    sharing = share(*tables, **options).sharing
    assert sharing["tenable"] is None
    assert "undecided" in sharing["words"]
    assert why in sharing["words"]


def test_a_group_may_be_called_anything_and_rows_may_lie_anyhow(both: pd.DataFrame) -> None:
    named = both.assign(task_family=both.task_family.map({"reasoning": "a[1]", "ocr": "[b]]"}))
    mixed = named.sample(frac=1, random_state=1).reset_index(drop=True)
    plain, other = share(both).sharing, share(mixed).sharing
    assert other["f"] == pytest.approx(plain["f"], rel=1e-6)
    assert {n for n in other["params"] if n.startswith("A")} == {"A[a[1]]", "A[[b]]]"}
    here, there = (
        plain["differences"]["beta"]["ocr - reasoning"],
        next(iter(other["differences"]["beta"].values())),
    )
    assert abs(there["value"]) == pytest.approx(here["value"], rel=1e-6)


def test_weights_as_numbers_go_to_their_groups(both: pd.DataFrame) -> None:
    weights = np.linspace(1, 2, 56)
    grouped = fit_groups(both, "task_family", bootstrap=0, weights=weights)
    alone = sl.fit_law("vlm_ocr", bootstrap=0, weights=weights[28:])
    assert grouped.groups["ocr"].params == pytest.approx(alone.params, rel=1e-9)
    assert len(ablate("vlm_ocr", bootstrap=0, weights=weights[28:])) == len(ablate("vlm_ocr", bootstrap=0))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"by": "colour"}, "missing_column"),
        ({"by": "task_family", "share": ["gamma"]}, "unknown_parameter"),
        ({"by": "compressor", "share": ["alpha"]}, "one_group"),
    ],
)
def test_impossible_groups_get_a_sentence(both: pd.DataFrame, options: dict, code: str) -> None:
    with pytest.raises(InputError) as caught:
        fit_groups(both, bootstrap=0, **options)
    assert caught.value.code == code


def test_the_band_of_a_run_holds_the_band_of_the_law() -> None:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=400)
    grid = {"n_params": 2e9, "visual_tokens": np.array([1, 64, 576])}
    law, run = fitted.band("law", **grid), fitted.band("run", **grid)
    assert (run[0] < law[0]).all()
    assert (law[0] < fitted.predict(**grid)).all()
    assert (law[1] < run[1]).all()
    inside = band(fitted, "run", **fitted.points["inputs"])
    target = fitted.points["target"]
    assert np.mean((inside[0] < target) & (target < inside[1])) > 0.85
    with pytest.raises(InputError, match="kind of band"):
        fitted.band("both", **grid)
    with pytest.raises(NoAnswer, match="no bootstrap draws"):
        sl.fit_law("vlm_reasoning", bootstrap=0).band("law", **grid)


def test_run_noise_and_evaluation_noise_are_separated() -> None:
    draw = np.random.default_rng(5)
    n, v, _ = np.meshgrid([5e8, 1e9, 2e9, 4e9, 8e9], [1, 4, 16, 64], np.arange(60))
    truth = 0.5 * (n.ravel() / 1e9) ** -0.1 * v.ravel() ** -0.05 + 0.1
    error = truth + draw.normal(0, 0.004, truth.size) + draw.normal(0, 0.003, truth.size)
    table = pd.DataFrame(
        {"n_params": n.ravel(), "visual_tokens": v.ravel(), "error": error, "error_se": 0.003}
    )
    fitted = noise(sl.fit_law(table, bootstrap=0))
    assert fitted.total == pytest.approx(0.005, rel=0.1)
    assert fitted.evaluation == pytest.approx(0.003, rel=1e-12)
    assert fitted.run == pytest.approx(0.004, rel=0.15)
    assert fitted.repeated == 1180


def test_ablation_shows_that_the_ratio_stays() -> None:
    rows = ablate("vlm_reasoning", bootstrap=400)
    assert rows[0]["change"] == "as asked"
    assert {"log residuals", "Huber loss, delta 0.001", "without the smallest n_params"} <= {
        r["change"] for r in rows
    }
    assert all("alpha_over_beta" not in r["moved"] for r in rows[:5])
    assert all(3.8 < r["derived"]["alpha_over_beta"] < 5.6 for r in rows)
    assert rows[0]["moved"] == []


def test_ablation_without_intervals_says_nothing_of_what_moved() -> None:
    assert all(row["moved"] is None for row in ablate("vlm_reasoning", bootstrap=0))


def test_ablation_recounts_parameters() -> None:
    table = sl.read_table("vlm_reasoning")
    table = table.assign(n_params_total=table.n_params * 1.1, n_params_embedding=1e8)
    changes = {r["change"]: r for r in ablate(table, bootstrap=100)}
    fewer = changes["embedding parameters not counted"]
    assert fewer["params"]["alpha"] < changes["as asked"]["params"]["alpha"]
    more = changes["all parameters counted (LLM, vision tower, projector)"]
    assert more["params"]["alpha"] == pytest.approx(changes["as asked"]["params"]["alpha"], rel=1e-6)


def test_influence_finds_the_point_that_was_moved() -> None:
    table = sl.read_table("vlm_reasoning")
    table.loc[27, "error"] += 0.05
    rows = influence(table)
    assert rows[0]["row"] == 28
    without = rows[0]["without"]["alpha_over_beta"]
    rest = sl.fit_law(table.drop(index=27), bootstrap=0)
    assert without == pytest.approx(rest.derived["alpha_over_beta"]["value"], rel=1e-6)
    assert sum(r["leverage"] for r in rows) == pytest.approx(4, rel=1e-6)


@pytest.mark.parametrize("cell", ["", "NA", "nan", "None", "null", " ", "\t", "n/a", None])
def test_rows_of_an_empty_group_are_left_out_and_counted(
    cell: str | None, both: pd.DataFrame, tmp_path: Path
) -> None:
    table = both.assign(part=both.task_family.where(both.index != 3, cell))
    file = tmp_path / "table.csv"
    table.to_csv(file, index=False, lineterminator="\r\n")
    rest = fit_groups(table.drop(index=3), "part", share=["alpha"], bootstrap=0)
    for source in (table, file):
        grouped = fit_groups(source, "part", share=["alpha"], bootstrap=0)
        assert list(grouped.groups) == ["reasoning", "ocr"]
        assert grouped.groups["reasoning"].params == pytest.approx(rest.groups["reasoning"].params, rel=1e-9)
        assert grouped.sharing["params"] == pytest.approx(rest.sharing["params"], rel=1e-9)
        assert next(w.message for w in grouped.warnings if w.code == "empty_cells").startswith("1 row")


def test_weights_follow_the_rows_of_groups_that_are_left(both: pd.DataFrame) -> None:
    table = both.assign(part=both.task_family.where(both.index != 3, None))
    weights = np.linspace(1, 2, len(table))
    grouped = fit_groups(table, "part", weights=weights, bootstrap=0)
    alone = sl.fit_law(
        table[table.part == "reasoning"], weights=weights[(table.part == "reasoning").to_numpy()]
    )
    assert grouped.groups["reasoning"].params == pytest.approx(alone.params, rel=1e-9)


def test_a_group_or_a_cluster_without_any_cell(both: pd.DataFrame) -> None:
    for code, table in (
        ("missing_column", both.assign(part=None)),
        ("missing_column", both.assign(part=" ")),
    ):
        with pytest.raises(InputError) as caught:
            fit_groups(table, "part", bootstrap=0)
        assert caught.value.code == code
    some = both.assign(part=both.model.where(both.index != 3, None))
    with pytest.raises(InputError) as caught:
        sl.fit_law(some, cluster="part", as_is=True, bootstrap=20)
    assert caught.value.code == "empty_cells"
