"""Sweeps as terminal output: the cells of an experiment, and what a run did."""

from __future__ import annotations

from typing import Any

from scalelaw.cli.show.printer import Printer
from scalelaw.report.text import format as fmt


def show_cells(planned: Any) -> None:
    """The cells of an experiment with their predicted training FLOPs, memory and hours."""
    out = Printer()
    known = [name for name in ("memory_gb", "hours") if all(name in c for c in planned.cells)]
    rows = (
        (
            c["cell"],
            c["llm"],
            c["compressor"],
            str(c["visual_tokens"]),
            str(c["seed"]),
            "not known" if c["train_flops"] is None else fmt.si(c["train_flops"], "FLOPs"),
            *(f"{c[name]:.3g}" for name in known),
            "done" if c["done"] else "to run",
        )
        for c in planned.cells
    )
    header = ("cell", "llm", "compressor", "visual tokens", "seed", "train FLOPs")
    units = {"memory_gb": "GB a GPU", "hours": "hours"}
    out.table((*header, *(units[name] for name in known), ""), rows)
    left = [c for c in planned.cells if not c["done"]]
    hours = f", {sum(c['hours'] for c in left):.3g} hours" if "hours" in known and left else ""
    out.line(
        f"{len(planned.cells)} cells, {len(left)} to run, "
        f"{fmt.si(sum(c['train_flops'] or 0.0 for c in left), 'FLOPs')} of training{hours}."
    )
    if planned.cluster and known:
        out.line(
            "Memory and hours: {gpus:g} GPUs of {tflops:g} TFLOP/s and {memory_gb:g} GB, at {mfu:.0%} of that peak"
            " (--set finetune.cluster.gpus=4, and tflops, memory_gb, mfu).".format(**planned.cluster)
        )


def show_sweep(result: Any) -> None:
    """The counts of a sweep and the path of its table."""
    out = Printer()
    out.line(
        f"{len(result.done)} cells done, {len(result.skipped)} done before, {len(result.failed)} failed, "
        f"in {result.seconds:.0f} s."
    )
    out.raw(f"The table is {result.table}")
