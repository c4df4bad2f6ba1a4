"""The trainer itself, writing a checkpoint after every step, so that a kill at any moment meets one."""

from scalelaw.vlm import train_loop
from scalelaw.vlm.stages import (
    DISTRIBUTED,
    allowed_tokens,
    cell_flops,
    cell_needs,
    make_features,
    pretrain_llm,
    pretrain_tower,
    run_cell,
)

__all__ = [
    "DISTRIBUTED",
    "allowed_tokens",
    "cell_flops",
    "cell_needs",
    "make_features",
    "pretrain_llm",
    "pretrain_tower",
    "run_cell",
]

train_loop.SAVE_EVERY_S = 0.0
