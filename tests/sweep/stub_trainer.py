"""A trainer that trains nothing: its results are digits of what it was handed, so that a wrong hand-over shows.

STUB_SECONDS: how long everything takes. STUB_FAIL: labels that fail (`16x1-quecc-4-0`, `tower`), separated by spaces.
STUB_EXIT, STUB_KILL: labels whose process ends there, by itself or by SIGKILL.
STUB_TRACE: a file to which each piece of work that is begun adds its label.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from scalelaw.config import Experiment


def _begin(label: str, log: Any) -> None:
    if trace := os.environ.get("STUB_TRACE"):
        with Path(trace).open("a", encoding="utf-8") as file:
            file.write(label + "\n")
    for step in range(5):
        log({"step": step + 1, "steps": 5, "loss": 1.0 / (step + 1)})
        time.sleep(float(os.environ.get("STUB_SECONDS", "0")) / 5)
    if label in os.environ.get("STUB_FAIL", "").split():
        raise RuntimeError(f"{label} was told to fail")
    if label in os.environ.get("STUB_KILL", "").split():
        os.kill(os.getpid(), signal.SIGKILL)
    if label in os.environ.get("STUB_EXIT", "").split():
        sys.stdout.flush()
        os._exit(7)


def pretrain_tower(experiment: Experiment, folder: Path, progress: Any) -> None:
    _begin("tower", progress)
    (folder / "tower.txt").write_text(experiment.model_dump_json(), encoding="utf-8")


def make_features(experiment: Experiment, tower: Path, folder: Path, progress: Any) -> None:
    _begin("features", progress)
    text = experiment.model_dump_json() + (tower / "tower.txt").read_text(encoding="utf-8")
    (folder / "features.txt").write_text(text, encoding="utf-8")


def pretrain_llm(experiment: Experiment, llm: str, folder: Path, progress: Any) -> None:
    _begin(llm, progress)
    (folder / "llm.txt").write_text(experiment.model_dump_json() + llm, encoding="utf-8")


def run_cell(
    experiment: Experiment,
    *,
    llm: str,
    compressor: str,
    visual_tokens: int,
    seed: int,
    tower: Path,
    features: Path,
    llm_folder: Path,
    log: Any,
) -> list[dict[str, Any]]:
    _begin(f"{llm}-{compressor}-{visual_tokens}-{seed}", log)
    digest = hashlib.sha256(experiment.model_dump_json().encode())
    for path in (tower / "tower.txt", features / "features.txt", llm_folder / "llm.txt"):
        digest.update(path.read_bytes())
    error = int.from_bytes(digest.digest()[:4], "big") / 2**32
    shared = {
        "model": llm,
        "compressor": compressor,
        "visual_tokens": visual_tokens,
        "seed": seed,
        "status": "ok",
    }
    return [
        {**shared, "task_family": family, "error": error / n, "n_params": 1000}
        for n, family in ((1, "ocr"), (2, "reasoning"))
    ]


def allowed_tokens(experiment: Experiment, compressor: str) -> list[int]:
    return [64, 16, 4, 1]


def cell_flops(experiment: Experiment, llm: str, compressor: str, visual_tokens: int) -> float:
    return 1e6 * int(llm.split("x")[0]) * visual_tokens
