"""What a cell of pretrained parts costs: its encoder and LLM are read by the rule of every plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scalelaw.config import Experiment, read_experiment
from scalelaw.errors import InputError
from scalelaw.model_shapes.count_shape import count_encoder
from scalelaw.plan import find_cost
from scalelaw.vlm import cost_estimate

PAPER = Path(__file__).parents[2] / "experiments" / "llava_qwen.yaml"
VIT: dict[str, Any] = {
    "model_type": "vit",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "image_size": 56,
    "patch_size": 14,
}


def with_tower(folder: Path, fields: dict[str, Any]) -> Experiment:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(fields))
    experiment = read_experiment(PAPER)
    assert experiment.finetune is not None
    recipe = experiment.finetune.model_copy(update={"tower": str(folder)})
    return experiment.model_copy(update={"finetune": recipe})


def test_an_encoder_without_a_closed_form_is_counted_as_in_a_plan(tmp_path: Path) -> None:
    experiment = with_tower(tmp_path / "vit", VIT)
    tower = cost_estimate.tower_of(experiment)
    assert tower == count_encoder(VIT, "vit")
    assert tower.counted is not None
    one, four = (cost_estimate.cell_flops(experiment, experiment.llms[0], "average_pool", v) for v in (1, 4))
    assert 0 < one < four
    assert cost_estimate.needs(experiment, experiment.llms[0], "average_pool", 4)["hours"] > 0


def test_an_encoder_that_cannot_be_counted_has_one_code(tmp_path: Path) -> None:
    fields = {**VIT, "model_type": "no_such_encoder"}
    experiment = with_tower(tmp_path / "other", fields)
    with pytest.raises(InputError) as estimate:
        cost_estimate.tower_of(experiment)
    with pytest.raises(InputError) as cost:
        find_cost("qwen1.5-7b", 4, tower=str(tmp_path / "other"))
    assert estimate.value.code == cost.value.code == "cannot_count"
