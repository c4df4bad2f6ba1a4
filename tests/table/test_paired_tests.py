"""Paired comparisons, against scipy's own tests and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scalelaw.errors import InputError
from scalelaw.table.paired_tests import _holm, paired

ERRORS = {
    "downsample": [0.30, 0.42, 0.33, 0.47],
    "quecc": [0.28, 0.37, 0.32, 0.41],
    "other": [0.5, 0.4, 0.3, 0.6],
}


def rows() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"benchmark": "b", "model": "m", "visual_tokens": 4, "seed": seed, "compressor": name, "error": error,
             "status": "plateau" if (name, seed) == ("other", 3) else "ok"}
            for name, errors in ERRORS.items()
            for seed, error in enumerate(errors)
        ]
    )  # fmt: skip


def test_it_is_the_paired_t_test() -> None:
    pairs = paired(rows()).set_index("compressor")
    theirs = stats.ttest_rel(ERRORS["quecc"], ERRORS["downsample"])
    interval = theirs.confidence_interval(0.95)
    ours = pairs.loc["quecc"]
    assert ours["p"] == pytest.approx(theirs.pvalue, rel=1e-12)
    assert [ours["difference_lo"], ours["difference_hi"]] == pytest.approx([interval.low, interval.high])
    assert ours["difference"] == pytest.approx(-0.035)
    assert ours["n"] == 4
    assert pairs.loc["other", "plateaus"] == 1
    other = stats.ttest_rel(ERRORS["other"], ERRORS["downsample"]).pvalue
    assert ours["p_holm"] == pytest.approx(min(1, 2 * theirs.pvalue))
    assert pairs.loc["other", "p_holm"] == pytest.approx(max(2 * theirs.pvalue, other))
    assert np.isnan(pairs.loc["downsample", "p"])
    assert pairs.loc["downsample", "difference"] == 0


def test_holm_by_hand() -> None:
    assert _holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert _holm([]) == []


def test_only_pairs_are_compared() -> None:
    table = rows().drop(index=[0])  # the baseline's first seed
    pairs = paired(table).set_index("compressor")
    assert pairs.loc["quecc", ["n", "unpaired"]].tolist() == [3, 1]
    assert pairs.loc["quecc", "difference"] == pytest.approx(np.mean([-0.05, -0.01, -0.06]))
    one = paired(rows().query("seed == 0")).set_index("compressor")
    assert np.isnan(one.loc["quecc", "p"])
    assert one.loc["quecc", "difference"] == pytest.approx(-0.02)


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="Unknown compressor 'downsampl'. Did you mean 'downsample'"):
        paired(rows(), baseline="downsampl")
    with pytest.raises(InputError) as twice:
        paired(pd.concat([rows(), rows()]))
    assert twice.value.code == "duplicate_row"
    with pytest.raises(InputError, match="Unknown column"):
        paired(rows(), by="tower")


def test_numbers_are_compared_too() -> None:
    """As with the factors of a learning rate: the baseline is named as it is read, 1 for 1.0."""
    named = rows().assign(
        compressor=lambda t: t["compressor"].map({"downsample": 1.0, "quecc": 0.5, "other": 2.0})
    )
    pairs = paired(named.rename(columns={"compressor": "rate_factor"}), "rate_factor", "1").set_index(
        "rate_factor"
    )
    assert sorted(pairs.index) == ["0.5", "1", "2"]
    assert pairs.loc["0.5", "difference"] == pytest.approx(-0.035)
    sizes = rows().assign(
        n_params=lambda t: t["compressor"].map(
            {"downsample": 6738415616, "quecc": 6738417664, "other": 70000000000}
        )
    )
    for baseline in ("6738415616", "6738415616.0", "6.738415616e9"):
        pairs = paired(sizes, "n_params", baseline).set_index("n_params")
        assert sorted(pairs.index) == ["6738415616", "6738417664", "70000000000"]
        assert pairs.loc["6738417664", "difference"] == pytest.approx(-0.035)
    with pytest.raises(InputError, match="3"):
        paired(named, "compressor", "3")
