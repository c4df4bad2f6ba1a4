"""What each piece of work asks for, by rules on its kind and on the size of its LLM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scalelaw import model_shapes
from scalelaw.config import Resources
from scalelaw.jobs.task import Needs
from scalelaw.sweep.grid import Cell, Stage


def needs_of(work: Stage | Cell, resources: Resources) -> Needs:
    """What `work` asks for: of the rules that apply to it, each overrides those before it, key by key."""
    kind = work.kind if isinstance(work, Stage) else "cell"
    size = rung_size(work.llm) if work.llm else 0
    values: dict[str, Any] = {}
    for rule in resources.rules:
        keys = rule.model_dump(exclude_none=True)
        of, above, below = keys.pop("work", kind), keys.pop("above"), keys.pop("below", None)
        if of == kind and size >= above and (below is None or size < below):
            values |= keys
    return Needs(**values)


def rung_size(llm: str) -> int:
    """Parameters of an LLM beside its embeddings: of a rung made to measure, or of a pretrained one's folder."""
    shape = (
        model_shapes.from_config(llm) if Path(llm).is_dir() else model_shapes.made_to_measure(llm, vocab=1)
    )
    return shape.block_params
