"""Records whose images are missing are counted, in the table and on the screen, and fail a cell above a share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalelaw.config import Experiment
from scalelaw.errors import FailedCells, InputError
from scalelaw.sweep import plan_sweep, run_sweep
from scalelaw.sweep.grid import cells
from scalelaw.sweep.progress import Progress
from scalelaw.table.read import read_table
from scalelaw.vlm import recipe_data

from .test_finetune import experiment, world

__all__ = ["world"]  # a fixture

Broken = Callable[..., Experiment]


@pytest.fixture
def broken(world: Path, tmp_path: Path) -> Broken:
    """An experiment of which some records, and some questions, have no image, or half of one."""

    def make(records: int = 0, questions: int = 0, spoilt: int = 0, **changes: Any) -> Experiment:
        mix = [r for r in json.loads((world / "mix.json").read_text()) if r["id"] != "gone"]
        options = list(map(json.loads, (world / "asked.jsonl").read_text().splitlines()))
        half = (world / "images" / "0.png").read_bytes()[:60]
        (tmp_path / "half.png").write_bytes(half)
        (tmp_path / "images").mkdir(exist_ok=True)
        for path in (world / "images").iterdir():
            (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
        (tmp_path / "images" / "half.png").write_bytes(half)
        for place in range(records):
            mix[place]["image"] = f"absent-{place}.png"
        for place in range(records, records + spoilt):
            mix[place]["image"] = "half.png"
        for place in range(questions):
            options[place]["image"] = f"absent-{place}.png"
        (tmp_path / "mix.json").write_text(json.dumps(mix))
        (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, options)))
        config = experiment(world, **{"max_missing": 0.01, "images": str(tmp_path / "images"), **changes})
        recipe = config.finetune
        assert recipe is not None
        stages = [s.model_copy(update={"files": [str(tmp_path / "mix.json")]}) for s in recipe.stages]
        files = [q.model_copy(update={"file": str(tmp_path / "asked.jsonl")}) for q in recipe.questions]
        recipe = recipe.model_copy(update={"stages": stages, "questions": files})
        return config.model_copy(update={"finetune": recipe, "visual_tokens": [4]})

    return make


def swept(config: Experiment, tmp_path: Path) -> Any:
    return run_sweep(config, tmp_path / "sweep", "inline", progress=Progress())


@pytest.mark.parametrize("missing", [{"records": 15}, {"records": 1}, {"spoilt": 1}, {"questions": 1}])
def test_more_than_a_share_fails_the_cell_before_it_is_trained(
    missing: dict[str, int], broken: Broken, tmp_path: Path
) -> None:
    config = broken(**missing)
    plan = plan_sweep(config, tmp_path / "sweep")
    assert {code for code, _ in plan.warnings} == {"images_missing"}
    with pytest.raises(FailedCells):
        swept(config, tmp_path)
    (name,) = [cell.name for cell in cells(config)]
    failure = json.loads((tmp_path / "sweep" / "failed" / f"{name}.json").read_text())
    assert failure["code"] == "images_missing"
    lines = (tmp_path / "sweep" / "logs" / f"{name}.jsonl").read_text().splitlines()
    assert not [line for line in map(json.loads, lines) if "loss" in line]


def test_what_a_key_allows_is_counted_in_the_table_and_on_the_screen(broken: Broken, tmp_path: Path) -> None:
    config = broken(records=2, questions=1, spoilt=1, max_missing=0.3)
    result = swept(config, tmp_path)
    assert [code for code, _ in result.warnings] == ["images_missing"]
    (row,) = read_table(tmp_path / "sweep").to_dict("records")
    assert (row["missing_records"], row["skipped_examples"], row["n_examples"]) == (6, 1, 5)  # of two stages


def test_nothing_missing_is_no_warning_and_a_text_without_image_is_not_missing(
    broken: Broken, tmp_path: Path
) -> None:
    config = broken()
    assert plan_sweep(config, tmp_path / "sweep").warnings == ()
    result = swept(config, tmp_path)
    assert result.warnings == ()
    (row,) = read_table(tmp_path / "sweep").to_dict("records")
    assert (row["missing_records"], row["skipped_examples"], row["n_examples"]) == (0, 0, 6)


def test_the_share_that_is_allowed_does_not_change_a_cells_name(broken: Broken) -> None:
    names = {cells(broken(max_missing=share))[0].name for share in (0.0, 0.01, 1.0)}
    assert len(names) == 1


def test_questions_of_which_no_image_is_there_are_refused_whatever_is_allowed(broken: Broken) -> None:
    config = broken(questions=6, max_missing=1.0)
    assert config.finetune is not None
    with pytest.raises(InputError) as caught:
        recipe_data.read_questions(config.finetune, config.finetune.questions[0])
    assert caught.value.code == "images_missing"


def test_a_pretrained_llm_is_not_called_trained_on_text(broken: Broken) -> None:
    config = broken()
    (label,) = [stage.label for stage in cells(config)[0].stages if stage.kind == "llm"]
    assert label == f"pretrained LLM {config.llms[0]}"
    made = config.model_copy(update={"finetune": None})
    (label,) = [stage.label for stage in cells(made)[0].stages if stage.kind == "llm"]
    assert label == f"pretrained LLM {config.llms[0]}, trained further on text"
