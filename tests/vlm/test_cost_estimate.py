"""What a cell of pretrained parts costs: its encoder and LLM are read by the rule of every plan."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from scalelaw.config import Experiment, read_experiment
from scalelaw.errors import InputError
from scalelaw.model_shapes import LLMShape
from scalelaw.model_shapes.count_shape import count_encoder
from scalelaw.plan import find_cost
from scalelaw.vlm import cost_estimate, memory_plan

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


# ---------------------------------------------------------------------------- memory


def saved_bytes(mode: str, kind: str, tokens: int, **sizes: int) -> int:
    """Bytes of activations that the layers of an LLM keep for the backward pass: no parameters, and no cast ones."""
    config = transformers.AutoConfig.for_model(kind, vocab_size=8, max_position_embeddings=512, **sizes)
    model = transformers.AutoModelForCausalLM.from_config(config).model
    model = model.to(torch.bfloat16) if mode == "sharded_bf16" else model
    weights = {tuple(p.shape) for p in model.parameters()} | {
        tuple(p.shape)[::-1] for p in model.parameters()
    }
    kept: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        if tuple(tensor.shape) not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor  # alive, so that its place is not used again
        return tensor

    start = torch.randn(
        1, tokens, sizes["hidden_size"], dtype=next(model.parameters()).dtype
    ).requires_grad_()
    cast = torch.autocast("cpu", torch.bfloat16, cache_enabled=False) if mode == "bf16" else nullcontext()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), cast:
        model(inputs_embeds=start, use_cache=False)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
@pytest.mark.parametrize("mode", memory_plan.BYTES)
def test_activations_are_those_that_pytorch_keeps(mode: str, kind: str) -> None:
    """Within 10%, for several proportions of the widths; a layer's are the difference of two depths."""
    torch.set_num_threads(1)
    for width, inner, key_heads in ((64, 160, 2), (64, 320, 4), (128, 192, 1)):
        sizes = {"hidden_size": width, "intermediate_size": inner, "num_attention_heads": 4,
                 "num_key_value_heads": key_heads}  # fmt: skip
        one, two = (saved_bytes(mode, kind, 90, num_hidden_layers=layers, **sizes) for layers in (1, 2))
        shape = LLMShape("x", 1, width, 4, key_heads, width // 4, inner, 8)
        precision = "float32" if mode == "float32" else "bf16"
        planned = memory_plan.layer_bytes(shape, precision, mode == "sharded_bf16")
        assert planned * 90 == pytest.approx(two - one, rel=0.1)


def stage_bytes(llm: int, **changes: Any) -> dict[str, float]:
    experiment = read_experiment(PAPER)
    assert experiment.finetune is not None
    recipe = experiment.finetune.model_copy(update=changes)
    shape = cost_estimate._language(experiment.llms[llm])
    tower = cost_estimate.tower_of(experiment)
    return memory_plan.stage_memory(recipe, recipe.stages[1], shape, tower, 21e6, 576)


def test_copies_in_bf16_are_planned_and_sharding_does_without_most_of_them() -> None:
    """A 7B model in autocast holds 15 GB of them, on each GPU; sharded, the gathered layers and the root."""
    copied, sharded = (stage_bytes(3, parallel=parallel) for parallel in ("ddp", "fully_shard"))
    assert copied["copies"] == pytest.approx(15.4e9, rel=0.02)
    assert sharded["copies"] < 0.8 * copied["copies"]
    assert sharded["states"] == pytest.approx(copied["states"] / 8)
    assert stage_bytes(3, parallel="ddp", precision="float32")["copies"] == 0


def test_activation_checkpointing_takes_less_memory_and_more_work() -> None:
    plain, less = (stage_bytes(3, activation_checkpointing=value) for value in (False, True))
    assert less["activations"] < plain["activations"] / 10
    assert {k: v for k, v in less.items() if k != "activations"} == {
        k: v for k, v in plain.items() if k != "activations"
    }
    experiment = read_experiment(PAPER)
    assert experiment.finetune is not None
    again = experiment.finetune.model_copy(update={"activation_checkpointing": True})
    with_more = experiment.model_copy(update={"finetune": again})
    plans = [cost_estimate.needs(e, e.llms[3], "quecc", 576) for e in (experiment, with_more)]
    assert 1.2 < plans[1]["hours"] / plans[0]["hours"] < 1.5
    assert plans[1]["memory_gb"] < plans[0]["memory_gb"]
    # the FLOPs of a cell are those of the model, whatever is computed again
    flops = [cost_estimate.cell_flops(e, e.llms[3], "quecc", 576) for e in (experiment, with_more)]
    assert flops[0] == flops[1]
