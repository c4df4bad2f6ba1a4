"""A real sweep, as small as it can be: everything is trained and scored here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from scalelaw.config import Experiment
from scalelaw.files.paths import SweepFolder
from scalelaw.sweep import plan_sweep, run_sweep
from scalelaw.sweep.progress import Progress


@pytest.mark.timeout(280)
def test_a_real_sweep_gives_the_same_bits_in_processes_and_in_this_one(
    experiment: Callable[..., Experiment], measured: Callable[[Path], pd.DataFrame], tmp_path: Path
) -> None:
    config = experiment(
        visual_tokens=[1, 4],
        vision={"steps": 3, "batch": 16},
        text={"steps": 3, "batch": 16},
        recipe={"steps": 3, "batch": 16, "images": 64},
        evaluation={"examples": 40, "batch": 40},
    )
    run_sweep(config, tmp_path / "local", "local", 2, progress=Progress())
    table = measured(tmp_path / "local")
    families = table["task_family"].nunique()
    assert len(table) == 4 * families
    assert families >= 2
    assert table["error"].between(0, 1).all()
    assert set(table["n_examples"]) == {40}
    assert table[["n_params", "train_flops", "train_tokens", "text_tokens", "error_se"]].gt(-1).all(axis=None)
    assert table.groupby("model")["n_params"].first().is_monotonic_increasing

    predicted = [cell["train_flops"] for cell in plan_sweep(config, tmp_path / "local").cells]
    assert table["train_flops"].iloc[::families].tolist() == predicted

    one = experiment(**{**config.model_dump(), "llms": ["24x1"], "visual_tokens": [4]})
    run_sweep(one, tmp_path / "inline", "inline", progress=Progress())
    again = measured(tmp_path / "inline")
    same = table[table["cell"] == again["cell"][0]].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, again, check_exact=True)
    for stage in SweepFolder(tmp_path / "inline").stages.iterdir():  # weights and features too, byte for byte
        for path in stage.rglob("*.safetensors"):
            other = tmp_path / "local" / "stages" / stage.name / path.relative_to(stage)
            assert path.read_bytes() == other.read_bytes()
