"""How fast a cell trains and how much of its time goes elsewhere; what the sweep adds to each cell: `make bench`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalelaw.config import parse_experiment
from scalelaw.sweep.grid import cells
from scalelaw.sweep.parts import read_part, write_part
from scalelaw.sweep.progress import Progress
from scalelaw.sweep.runner import run_sweep

STEPS, BATCH = 64, 128
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

    from scalelaw.vlm import train
    from scalelaw.vlm.model import VisionLanguageModel

    torch.set_num_threads(1)
    stated = parse_experiment(
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
    train.pretrain_tower(stated, tower, silent)
    train.make_features(stated, tower, features, silent)
    train.pretrain_llm(stated, "48x2", llm, silent)
    model = Stopwatch()
    monkeypatch.setattr(VisionLanguageModel, "forward", model.wrap(VisionLanguageModel.forward))
    monkeypatch.setattr(VisionLanguageModel, "answer_logits", model.wrap(VisionLanguageModel.answer_logits))
    monkeypatch.setattr(torch.Tensor, "backward", model.wrap(torch.Tensor.backward))
    choice = {"llm": "48x2", "compressor": "quecc", "visual_tokens": 16, "seed": 0}
    folders = {"tower": tower, "features": features, "llm_folder": llm}
    start = time.perf_counter()
    rows = benchmark.pedantic(
        train.run_cell, (stated,), {**choice, **folders, "log": silent}, rounds=1, iterations=1
    )
    seconds = time.perf_counter() - start
    assert rows
    with capsys.disabled():
        print(
            f"\na cell of 48x2 at V = 16: {STEPS * BATCH / seconds:.0f} samples a second; "
            f"{1 - model.seconds / seconds:.1%} of its time outside the model's forward and backward"
        )


def bench_a_sweep_of_nothing(
    benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """200 cells that train nothing: what the sweep adds to each, with processes of their own."""
    monkeypatch.syspath_prepend(str(STUB))
    monkeypatch.setenv("PYTHONPATH", str(STUB) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    stated = parse_experiment(
        {"question": "?", "llms": ["16x1"], "visual_tokens": [1], "seeds": list(range(200))}
    )
    options = {"executor": "local", "jobs": 2, "progress": Progress(), "train": "stub_trainer"}
    result = benchmark.pedantic(run_sweep, (stated, tmp_path / "sweep"), options, rounds=1, iterations=1)
    start = time.perf_counter()
    run_sweep(stated, tmp_path / "sweep", **options)
    again = time.perf_counter() - start
    with capsys.disabled():
        print(
            f"\n{result.seconds / 200 * 1e3:.0f} ms a cell that trains nothing, 2 at once; "
            f"{again / 200 * 1e3:.1f} ms a cell to find that it is done"
        )


def bench_reading_a_part(benchmark: Any, tmp_path: Path) -> None:
    """One cell's result, read and checked."""
    from scalelaw.files import SweepFolder

    cell = cells(parse_experiment({"question": "?", "llms": ["16x1"], "visual_tokens": [1]}))[0]
    folder = SweepFolder(tmp_path)
    write_part(folder, cell, [{"task_family": "ocr", "error": 0.5}] * 3, {"experiment": "e"})
    rows = benchmark(read_part, folder.cell(cell.name), cell.name)
    assert rows.num_rows == 3
