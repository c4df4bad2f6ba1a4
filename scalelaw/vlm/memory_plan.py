"""The memory of a GPU that a stage of training takes, from configurations alone.

Bytes, N parameters of which some learn, d width, f feed-forward width, k width of all key heads, L layers, T tokens:
    states        16 a learning parameter (weight, gradient, two moments in float32), 4 a frozen one; under fully_shard
                  divided by the GPUs
    copies        autocast keeps the weights that it cast to bf16 for the backward pass: 2 N of LLM and projector.
                  Under fully_shard the root and two layers are gathered at once (2 bytes in bf16, else 4), with their
                  gradients before they are summed
    activations   a token and a layer (as PyTorch keeps them, attention not stored; the numbers of matrices are those of
                  transformers' decoder layers, counted on the saved tensors)
                      all in bf16      20 d + 4 k + 8 f
                      autocast         30 d + 4 k + 8 f
                      float32          32 d + 8 k + 16 f
                  half of f without a gate; with activation_checkpointing one layer, and each layer's input
    encoder       all hidden states of the tower, and the compressor's maps
    logits        of all tokens once, of the learned ones three times more in float32
Not counted: the CUDA context (about 0.5 GB) and fragmentation.
"""

from __future__ import annotations

from collections.abc import Mapping

from scalelaw.config import Finetune, TrainingStage
from scalelaw.model_shapes import LLMShape, TowerShape

BYTES: Mapping[str, tuple[float, float, float]] = {
    "sharded_bf16": (20.0, 4.0, 8.0),
    "bf16": (30.0, 4.0, 8.0),
    "float32": (32.0, 8.0, 16.0),
}
"""Of one token in one layer: per width, per width of the key heads, per width of a gated feed-forward."""
COMPRESSOR_MAPS = 16
"""Maps of the tower's width that a patch leaves in the compressor: its states, and three perceptrons' layers."""


def stage_memory(
    recipe: Finetune,
    stage: TrainingStage,
    shape: LLMShape,
    tower: TowerShape,
    connector: float,
    visual_tokens: float,
) -> dict[str, float]:
    """{states, copies, activations, encoder, logits} in bytes; connector: parameters of compressor and projector."""
    sharded = recipe.parallel == "fully_shard" and recipe.cluster.gpus > 1
    learns = stage.learns == "all"
    learning = connector + (shape.n_params if learns else 0)
    frozen = tower.n_params + (0 if learns else shape.n_params)
    states = (16 * learning + 4 * frozen) / (recipe.cluster.gpus if sharded else 1)
    number = 4 if recipe.precision == "float32" else 2
    length = min(visual_tokens + stage.text_tokens, recipe.max_length)
    rows = min(recipe.micro_batch, stage.batch)
    per_layer = layer_bytes(shape, recipe.precision, sharded)
    stream = number if sharded else 4  # autocast leaves the residual stream in float32
    if recipe.activation_checkpointing:
        activations = rows * length * (per_layer + shape.layers * stream * shape.width)
    else:
        activations = rows * length * shape.layers * per_layer
    patches = rows * tower.patches
    return {
        "states": states,
        "copies": _copies(recipe, shape, tower, connector, learns, sharded),
        "activations": activations,
        "encoder": patches * tower.width * number * (tower.layers + 1 + COMPRESSOR_MAPS),
        "logits": rows * shape.vocab * (number * length + (number + 8) * min(stage.text_tokens, length)),
    }


def layer_bytes(shape: LLMShape, precision: str, sharded: bool) -> float:
    """What one token leaves in one layer of the LLM for the backward pass."""
    width, keys, inner = BYTES["sharded_bf16" if sharded and precision == "bf16" else precision]
    feed_forward = shape.feed_forward * (1.0 if shape.gated else 0.5) * max(shape.experts_active, 1)
    return width * shape.width + keys * shape.kv_heads * shape.head_size + inner * feed_forward


def _copies(
    recipe: Finetune, shape: LLMShape, tower: TowerShape, connector: float, learns: bool, sharded: bool
) -> float:
    if not sharded:
        return 2 * (shape.n_params + connector) if recipe.precision == "bf16" else 0.0
    number = 2 if recipe.precision == "bf16" else 4
    block = shape.block_params / shape.layers
    outside = shape.n_params - shape.block_params
    root = tower.n_params + connector + outside
    learning_root = connector + (outside if learns else 0)
    return number * (root + 2 * block) + (number + 4) * max(learning_root, block if learns else 0)
