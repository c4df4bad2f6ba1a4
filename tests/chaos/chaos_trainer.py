"""The trainer itself, writing a checkpoint after every step, so that a kill at any moment meets one."""

from scalelaw.vlm import optimise
from scalelaw.vlm.train import (
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

optimise.SAVE_EVERY_S = 0.0
