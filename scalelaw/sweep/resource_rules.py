"""The resources of cells and stages, from rules on their kind and the size of their LLM."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from scalelaw.config import Resources
from scalelaw.jobs.task import Needs
from scalelaw.model_shapes import custom_shape
from scalelaw.model_shapes.count_shape import shape_of
from scalelaw.sweep.grid import Cell, Stage


def needs_of(work: Stage | Cell, resources: Resources) -> Needs:
    """The needs of `work`: each matching rule overrides the earlier ones, key by key."""
    kind = work.kind if isinstance(work, Stage) else "cell"
    size = llm_size(work.llm) if work.llm else 0
    values: dict[str, Any] = {}
    for rule in resources.rules:
        keys = rule.model_dump(exclude_none=True)
        of, above, below = keys.pop("work", kind), keys.pop("above"), keys.pop("below", None)
        if of == kind and size >= above and (below is None or size < below):
            values |= keys
    return Needs(**values)


@cache
def llm_size(llm: str) -> int:
    """Non-embedding parameters of an LLM, given as WIDTHxLAYERS or as the folder of a pretrained model."""
    shape = shape_of(llm) if Path(llm).is_dir() else custom_shape(llm, vocab=1)
    return shape.block_params
