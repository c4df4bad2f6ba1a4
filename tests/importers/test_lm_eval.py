from __future__ import annotations

from pathlib import Path

import pytest

from scalelaw.importers.lm_eval import read


def test_the_real_run_in_digits(samples: Path) -> None:
    made = read(samples / "lm_eval", {})
    perturbed, rephrased = made.rows
    assert perturbed["model"] == "RylanSchaeffer/mem_Qwen3-93M_minerva_math_rep_0_sbst_1.0000_epch_1_ot_1"
    assert (perturbed["n_params"], perturbed["n_params_total"]) == (93069280, 93069280)
    assert (perturbed["benchmark"], perturbed["metric"]) == ("math_perturbed_full", "exact_match")
    assert (perturbed["value"], perturbed["error"]) == (0.0, 1.0)
    assert (rephrased["value"], rephrased["error"]) == (0.0004, 0.9996)
    assert (rephrased["error_se"], rephrased["error_se_kind"]) == (0.0002828144211304471, "reported")
    assert rephrased["started_at"] == "2026-01-21T02:59:43+00:00"  # 1768964383.8593218
    assert rephrased["seconds"] == 2677.7320792819373
    assert rephrased["device"] == "NVIDIA A100-SXM4-80GB"
    assert "n_params_is_total" in [code for code, _ in made.warnings]


def test_a_standard_error_of_zero_is_not_believed(samples: Path) -> None:
    made = read(samples / "lm_eval", {})
    assert made.rows[0]["error_se"] == pytest.approx((1 / 5002 * 5001 / 5002 / 5000) ** 0.5, rel=1e-12)
    assert made.rows[0]["error_se_kind"] == "binomial"
    assert "zero_standard_error" in [code for code, _ in made.warnings]


def test_models_yaml_goes_before_the_tools_count(samples: Path) -> None:
    made = read(samples / "lm_eval", {"models": {"*93M*": {"n_params": 15_000_000}}})
    assert {(r["n_params"], r["n_params_total"]) for r in made.rows} == {(15_000_000, 93069280)}
