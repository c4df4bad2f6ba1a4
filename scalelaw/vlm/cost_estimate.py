"""What a cell of pretrained parts will cost, from configurations alone: FLOPs, memory of a GPU, hours.

FLOPs of a sample (1 FLOP = one multiply or one add; forward F, products of weights and of attention):
    tower F, once; compressor and projector 3 F; the question through the LLM F where the compressor reads it;
    LLM 2 F while it is frozen (its activations' gradients pass through), 3 F once it learns; the head at every token.
Memory of a GPU: see module `memory_plan`.
Hours: FLOPs over GPUs x peak x the share that is used (`cluster`); with activation checkpointing the layers of the LLM
run forward once more, which is not among the FLOPs of a cell.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from scalelaw.config import Experiment, Finetune, TrainingStage
from scalelaw.costs import _compressor, _llm, _vision
from scalelaw.datasets.llava_json import count_records
from scalelaw.model_shapes import LLMShape, TowerShape
from scalelaw.model_shapes.count_shape import count_encoder, shape_of
from scalelaw.model_shapes.reading import read_config
from scalelaw.vlm.memory_plan import stage_memory

Measured = Mapping[str, tuple[int, int]]


def tower_of(experiment: Experiment) -> TowerShape:
    """The shape of the vision encoder in the recipe's config.json, by the rule of every plan: by its closed form, else
    counted on the model itself.

    Raises InputError for a file that cannot be read, and (`cannot_count`) for an encoder that can be neither.
    """
    config, file = read_config(_recipe(experiment).tower)
    return _tower(json.dumps(config, sort_keys=True, default=str), file.resolve().parent.name)


@lru_cache(maxsize=32)
def _tower(config: str, name: str) -> TowerShape:
    return count_encoder(json.loads(config), name)


def _language(path: str) -> LLMShape:
    """The shape of the LLM in a folder: by its closed form, else counted on the model itself."""
    config, _ = read_config(path)
    return _counted(path, json.dumps(config, sort_keys=True, default=str))


@lru_cache(maxsize=32)
def _counted(path: str, config: str) -> LLMShape:
    """One count for each configuration: a sweep asks for every cell."""
    return shape_of(path)


def rows_of(stage: TrainingStage) -> int:
    """Conversations of a stage: as stated, or as its files hold. Raises InputError where they hold none to read."""
    return stage.rows or sum(count_records(file) for file in stage.files)


def cell_flops(
    experiment: Experiment, llm: str, compressor: str, visual_tokens: int, measured: Measured | None = None
) -> float:
    """Training FLOPs of one cell; `measured`: {stage: (rows, tokens)} as seen, for those stages alone."""
    recipe, shape, tower = _recipe(experiment), _language(llm), tower_of(experiment)
    patches = _compressor.patches_seen(compressor, tower, float(visual_tokens))
    seeing = float(_vision.tower_flops(tower, patches))
    joining = float(_compressor.compressor_flops(compressor, tower, float(visual_tokens), shape.width))
    joining += float(_vision.projector_flops(tower.width, shape.width, visual_tokens))
    total = 0.0
    for stage in recipe.stages:
        rows, length = _size(stage, visual_tokens)
        if measured is not None:
            if stage.name not in measured:
                continue
            rows, seen = measured[stage.name]
            length = seen / max(rows, 1)
        forward = _forward(shape, length)
        question = _forward(shape, min(length - visual_tokens, stage.text_tokens), head=False)
        reads = question if _compressor.reads_question(compressor) else 0.0
        times = 3 if stage.learns == "all" else 2
        total += rows * (seeing + 3 * joining + reads + times * forward)
    return total


def needs(experiment: Experiment, llm: str, compressor: str, visual_tokens: int) -> dict[str, float]:
    """{memory_gb: of each GPU in the hungriest stage, hours: of all stages} on the recipe's cluster."""
    recipe, shape, tower = _recipe(experiment), _language(llm), tower_of(experiment)
    cluster = recipe.cluster
    connecting = tower.width * shape.width + shape.width**2 + 21e6 * (tower.width / 1024) ** 2
    most = max(
        sum(stage_memory(recipe, stage, shape, tower, connecting, visual_tokens).values())
        for stage in recipe.stages
    )
    flops = cell_flops(experiment, llm, compressor, visual_tokens)
    if recipe.activation_checkpointing:
        sizes = [_size(stage, visual_tokens) for stage in recipe.stages]
        flops += sum(rows * _forward(shape, length, head=False) for rows, length in sizes)
    speed = cluster.gpus * cluster.tflops * 1e12 * cluster.mfu
    return {"memory_gb": most / 1e9, "hours": flops / speed / 3600}


def _size(stage: TrainingStage, visual_tokens: int) -> tuple[int, float]:
    return int(stage.epochs * rows_of(stage)), visual_tokens + stage.text_tokens


def _forward(shape: LLMShape, length: float, head: bool = True) -> float:
    parts: dict[str, Any] = _llm.prefill(shape, max(length, 0.0))
    return float(sum(parts.values())) + (float(_llm.head(shape, length)) if head else 0.0)


def _recipe(experiment: Experiment) -> Finetune:
    assert experiment.finetune is not None
    return experiment.finetune
