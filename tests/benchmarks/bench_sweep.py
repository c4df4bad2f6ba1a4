"""How fast a cell trains and how much of its time goes elsewhere; what the sweep adds to each cell: `make bench`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalelaw.config import Experiment, parse_experiment, read_experiment
from scalelaw.sweep.grid import cells
from scalelaw.sweep.parts import read_part, write_part
from scalelaw.sweep.progress import Progress
from scalelaw.sweep.runner import run_sweep

STEPS, BATCH = 64, 128
SHRINK = 25
STUB = Path(__file__).parent.parent / "sweep"


class Stopwatch:
    """Adds up the time inside functions that it wraps, calls within calls counted once."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, watched."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._depth += 1
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - start

        return watched


def bench_one_cell(
    benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """48x2, QueCC, 16 visual tokens: two passes over 4,096 images, then scoring, one thread."""
    import torch

    from scalelaw.vlm import stages
    from scalelaw.vlm.model import VisionLanguageModel

    torch.set_num_threads(1)
    config = parse_experiment(
        {
            "question": "?",
            "llms": ["48x2"],
            "visual_tokens": [16],
            "vision": {"steps": 2},
            "text": {"steps": 2},
            "recipe": {"steps": STEPS, "batch": BATCH, "images": STEPS * BATCH // 2},
            "evaluation": {"examples": 160},
        }
    )

    def silent(facts: dict[str, Any]) -> None:
        pass

    tower, features, llm = (tmp_path / name for name in ("tower", "features", "llm"))
    stages.pretrain_tower(config, tower, silent)
    stages.make_features(config, tower, features, silent)
    stages.pretrain_llm(config, "48x2", llm, silent)
    model = Stopwatch()
    monkeypatch.setattr(VisionLanguageModel, "forward", model.wrap(VisionLanguageModel.forward))
    monkeypatch.setattr(VisionLanguageModel, "answer_logits", model.wrap(VisionLanguageModel.answer_logits))
    monkeypatch.setattr(torch.Tensor, "backward", model.wrap(torch.Tensor.backward))
    monkeypatch.setattr(torch.optim.AdamW, "step", model.wrap(torch.optim.AdamW.step))
    choice = {"llm": "48x2", "compressor": "quecc", "visual_tokens": 16, "seed": 0}
    folders = {"tower": tower, "features": features, "llm_folder": llm}
    start = time.perf_counter()
    rows = benchmark.pedantic(
        stages.run_cell, (config,), {**choice, **folders, "log": silent}, rounds=1, iterations=1
    )
    seconds = time.perf_counter() - start
    assert rows
    with capsys.disabled():
        print(
            f"\na cell of 48x2 at V = 16: {STEPS * BATCH / seconds:.0f} samples a second; "
            f"{1 - model.seconds / seconds:.1%} of its time outside forward, backward and optimiser (aim: below 15%)"
        )


def bench_shared_work(benchmark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The demo against its cells made each from nothing, everything in this process and on one thread.

    Scaled down, so that it takes a minute and not half an hour: every number of steps, images and examples divided by
    SHRINK, so the shares of tower, features, text and cells stay nearly as they are. That each cell from nothing would
    also start a Python of its own is left out, in favour of the cells.
    """
    import torch

    torch.set_num_threads(1)
    demo = read_experiment(Path(__file__).parents[2] / "experiments" / "demo.yaml")
    vision, text, recipe = demo.vision, demo.text, demo.recipe
    changes: dict[str, Any] = {
        "vision": vision.model_copy(update={"steps": vision.steps // SHRINK}),
        "text": text.model_copy(update={"steps": text.steps // SHRINK}),
        "recipe": recipe.model_copy(
            update={"steps": recipe.steps // SHRINK, "images": recipe.images // SHRINK}
        ),
        "evaluation": demo.evaluation.model_copy(update={"examples": demo.evaluation.examples // SHRINK}),
    }
    small = demo.model_copy(update=changes)

    def measure(config: Experiment, folder: Path) -> tuple[float, float]:
        wall, processor = time.perf_counter(), time.process_time()
        run_sweep(config, folder, "inline", progress=Progress())
        return time.perf_counter() - wall, time.process_time() - processor

    shared = benchmark.pedantic(measure, (small, tmp_path / "all"), rounds=1, iterations=1)
    alone = [
        measure(
            small.model_copy(update={"llms": [cell.llm], "visual_tokens": [cell.visual_tokens]}),
            tmp_path / cell.name,
        )
        for cell in cells(small)
    ]
    wall, processor = (sum(times[i] for times in alone) / shared[i] for i in range(2))
    with capsys.disabled():
        print(
            f"\nthe demo, 1/{SHRINK} of it: {shared[0]:.0f} s; its {len(alone)} cells each from nothing take "
            f"{wall:.1f} times as long ({processor:.1f} times the processor time; aim: 3)"
        )


def bench_a_sweep_of_nothing(
    benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """200 cells that train nothing: what the sweep adds to each, with processes of their own."""
    monkeypatch.syspath_prepend(str(STUB))
    monkeypatch.setenv("PYTHONPATH", str(STUB) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    config = parse_experiment(
        {"question": "?", "llms": ["16x1"], "visual_tokens": [1], "seeds": list(range(200))}
    )
    options = {"executor": "local", "jobs": 2, "progress": Progress(), "train": "stub_trainer"}
    result = benchmark.pedantic(run_sweep, (config, tmp_path / "sweep"), options, rounds=1, iterations=1)
    start = time.perf_counter()
    run_sweep(config, tmp_path / "sweep", **options)
    again = time.perf_counter() - start
    with capsys.disabled():
        print(
            f"\n{result.seconds / 200 * 1e3:.0f} ms a cell that trains nothing, 2 at once; "
            f"{again / 200 * 1e3:.1f} ms a cell to find that it is done"
        )


def bench_reading_a_part(benchmark: Any, tmp_path: Path) -> None:
    """One cell's result, read and checked."""
    from scalelaw.files.paths import SweepFolder

    cell = cells(parse_experiment({"question": "?", "llms": ["16x1"], "visual_tokens": [1]}))[0]
    folder = SweepFolder(tmp_path)
    write_part(folder, cell, [{"task_family": "ocr", "error": 0.5}] * 3, {"experiment": "e"})
    part = benchmark(read_part, folder.cell(cell.name), cell.name)
    assert part.rows.num_rows == 3
