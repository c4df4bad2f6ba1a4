"""What the published grid takes on 8, 64 and 512 GPUs, by this package's own cost model; printed as Markdown.

    python docs/cluster_hours.py              the tables
    python docs/cluster_hours.py --measure    a check: small cells trained here, predicted FLOPs against seconds

A cell is trained on LLaVA's data: first compressor and projector on 558,128 captions, then the LLM too on 665,298
conversations. Each sample passes the frozen tower once. Through the LLM it goes forward and backward: three forwards'
worth where its weights learn, two where only activations are handed back.
"""

from __future__ import annotations

import itertools
import math
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from scalelaw.config import parse_experiment
from scalelaw.costs import layer_flops
from scalelaw.costs._workload import Workload
from scalelaw.plan.catalogue import find_models, find_tower
from scalelaw.table.read import read_table

STAGES = (("connector", 558_128, 24.0, 2.0), ("all", 665_298, 256.0, 3.0))
"""Name, samples, mean text tokens of one, forwards' worth through the LLM."""
PEAK, SHARE, PRICE = 989e12, 0.4, 2.5
"""H100 SXM, dense bf16 FLOP/s; the share of it that training reaches; US dollars an hour, an assumption."""
PER_CELL = 8
"""GPUs of one node, that a cell gets."""

MEASURED = {
    "question": "?", "llms": ["48x2", "96x2"], "visual_tokens": [1, 16, 64],
    "vision": {"steps": 2}, "text": {"steps": 2},
    "recipe": {"steps": 12, "batch": 64, "images": 512}, "evaluation": {"examples": 40},
}  # fmt: skip


def cell_hours(model: str, visual_tokens: int) -> float:
    """GPU hours of one cell: both stages at the share of peak."""
    (size,), tower = find_models(model), find_tower("clip-vit-l-14-336")
    flops = 0.0
    for _, samples, text, worth in STAGES:
        workload = Workload(text_tokens=text, tower=tower, compressor="quecc")
        parts = layer_flops.parts(size.n_params, size.shape, visual_tokens, workload)
        once = {name: float(value) for name, value in parts.items()}
        frozen = once.pop("tower") + once.pop("question_pass")
        flops += samples * (frozen + worth * sum(once.values()))
    return flops / (PEAK * SHARE) / 3600


def schedule(hours: list[float], gpus: int) -> float:
    """Hours until all cells are done, the longest first, PER_CELL GPUs each."""
    slots = [0.0] * (gpus // PER_CELL)
    for one in sorted(hours, reverse=True):
        place = slots.index(min(slots))
        slots[place] += one / PER_CELL
    return max(slots)


def main() -> None:
    """Print the tables."""
    grid = read_table("vlm_reasoning")[["n_params", "visual_tokens"]].drop_duplicates()
    names = {5e8: "qwen1.5-0.5b", 1.8e9: "qwen1.5-1.8b", 4e9: "qwen1.5-4b", 7e9: "qwen1.5-7b"}
    hours = {(n, int(v)): cell_hours(names[n], int(v)) for n, v in grid.itertuples(index=False)}
    tokens = sorted({v for _, v in hours})
    print("GPU hours of one cell:\n")
    print("| LLM | " + " | ".join(f"V = {v}" for v in tokens) + " |")
    print("| --- |" + " ---: |" * len(tokens))
    for n in sorted(names):
        print(f"| {names[n]} | " + " | ".join(f"{hours[n, v]:.0f}" for v in tokens) + " |")
    whole = sum(hours.values())
    print(
        f"\nAll {len(hours)} cells: {whole:.0f} GPU hours, ${whole * PRICE:,.0f} at ${PRICE:.2f} an hour.\n"
    )
    print("| GPUs | hours until the last cell is done | paid GPU hours | cost |")
    print("| ---: | ---: | ---: | ---: |")
    for gpus in (8, 64, 512):
        until = schedule(list(hours.values()), gpus)
        used = min(gpus, PER_CELL * len(hours))
        paid = until * used
        print(f"| {gpus} | {until:.1f} | {math.ceil(paid)} | ${paid * PRICE:,.0f} |")


def measure() -> None:
    """Print the FLOPs that small cells are predicted to take, and the processor's seconds that they do: one thread."""
    import torch

    from scalelaw.vlm import stages

    torch.set_num_threads(1)
    experiment = parse_experiment(MEASURED)
    print("| LLM | V | FLOPs a step, predicted | seconds a step | FLOP/s reached |")
    print("| --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        stages.pretrain_tower(experiment, folder / "tower", _silent)
        stages.make_features(experiment, folder / "tower", folder / "features", _silent)
        for llm, tokens in itertools.product(experiment.llms, experiment.visual_tokens):
            if not (folder / llm).exists():
                stages.pretrain_llm(experiment, llm, folder / llm, _silent)
            seen: list[tuple[int, float]] = []
            stages.run_cell(
                experiment, llm=llm, compressor="quecc", visual_tokens=tokens, seed=0, tower=folder / "tower",
                features=folder / "features", llm_folder=folder / llm,
                log=lambda facts, seen=seen: seen.append((facts.get("step", 0), time.process_time())),
            )  # fmt: skip
            steps = [one for one in seen if one[0]]
            (first, began), (last, ended) = steps[1], steps[-1]
            flops = stages.cell_flops(experiment, llm, "quecc", tokens) / experiment.recipe.steps
            seconds = (ended - began) / (last - first)
            print(f"| {llm} | {tokens} | {flops:.3g} | {seconds:.4f} | {flops / seconds:.3g} |")


def _silent(facts: dict[str, Any]) -> None:
    pass


if __name__ == "__main__":
    measure() if "--measure" in sys.argv else main()
