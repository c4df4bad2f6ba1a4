"""What ten thousand cells and ten million rows take: `make bench`."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from scalelaw.config import parse_experiment
from scalelaw.files.paths import SweepFolder
from scalelaw.sweep import stages
from scalelaw.sweep.grid import cells
from scalelaw.sweep.part_index import NOTE, _marks
from scalelaw.sweep.progress import Progress
from scalelaw.sweep.runner import run_sweep
from scalelaw.table.checksums import write_verified
from scalelaw.table.read import read_table, write_table
from scalelaw.table.schema import schema

CELLS = [int(count) for count in os.environ.get("BENCH_CELLS", "100,300,1000").split(",")]
"""How many cells of nothing each executor runs; 1000,3000,10000 take half an hour on two cores."""
RESUMED = 10_000
STUB = Path(__file__).parent.parent / "sweep"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> str:
    """A trainer that trains nothing."""
    monkeypatch.syspath_prepend(str(STUB))
    monkeypatch.setenv("PYTHONPATH", str(STUB) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    return "stub_trainer"


def bench_resume_with_one_cell_missing(
    benchmark: Any, tmp_path: Path, stub: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """9,999 of 10,000 cells are done: to find that, to make the last and to write the table; then to read it."""
    import stub_trainer

    raw = {"question": "?", "name": "many", "llms": ["16x1"], "visual_tokens": [1]}
    config = parse_experiment({**raw, "seeds": list(range(RESUMED))})
    folder = SweepFolder(tmp_path / "sweep")
    grid = cells(config)
    for stage in grid[0].stages:
        stages.make(folder, stage, stub_trainer)
    write_table(
        [{"cell": "", "task_family": f, "error": 0.5, "model": "16x1"} for f in ("ocr", "vqa")],
        tmp_path / "p",
    )
    rows, names = pq.read_table(tmp_path / "p"), [cell.name for cell in grid[:-1]]
    folder.cells.mkdir()
    for name in names:  # what they hold is read once, by the run before, which is not measured here
        folder.cell(name).write_bytes((tmp_path / "p").read_bytes())
    whole = pa.concat_tables([rows] * len(names))
    column = pa.array([name for name in names for _ in range(2)])
    write_verified(
        whole.set_column(1, "cell", column), folder.gathered, {NOTE: json.dumps(_marks(folder)[0])}
    )
    options = {"executor": "local", "jobs": 2, "progress": Progress(), "train": stub}
    processor = time.process_time()
    result = benchmark.pedantic(run_sweep, (config, folder.root), options, rounds=1, iterations=1)
    processor = time.process_time() - processor
    assert (len(result.skipped), len(result.done)) == (RESUMED - 1, 1)
    start, began = time.perf_counter(), time.process_time()
    table = read_table(folder.root)
    with capsys.disabled():
        print(
            f"\n{RESUMED} cells: resumed in {result.seconds:.2f} s ({processor:.2f} s of this process), their table of "
            f"{len(table)} rows read in {time.perf_counter() - start:.2f} s ({time.process_time() - began:.2f} s); "
            f"{_megabytes():.0f} MB"
        )


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


RUNNER = """
import json, resource, sys, time
from scalelaw.config import read_experiment
from scalelaw.sweep import run_sweep
from scalelaw.table import read_table
_, file, folder, place = sys.argv
start = time.perf_counter()
result = run_sweep(read_experiment(file), folder, place, 2, train="stub_trainer")
seconds = time.perf_counter() - start
mine, theirs = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
read = time.perf_counter()
rows = len(read_table(folder))
read = time.perf_counter() - read
cpu = sum(held.ru_utime + held.ru_stime for held in (mine, theirs))
print(json.dumps({"made": len(result.done), "rows": rows, "seconds": seconds, "read_s": read, "cpu_s": cpu,
                  "mb": mine.ru_maxrss / 1024}))
"""


def _run(config: dict[str, Any], root: Path, place: str) -> dict[str, float]:
    """Run a sweep in a process of its own, as a person does. Returns what it took."""
    file = root.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-c", RUNNER, str(file), str(root), place]
    completed = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    )
    reply: dict[str, float] = json.loads(completed.stdout)
    return reply


@pytest.mark.timeout(0)  # as long as it takes
@pytest.mark.parametrize(("place", "per_job"), [("local", 1), ("slurm", 200), ("ray", 200)])
def bench_cells_of_nothing(
    benchmark: Any,
    tmp_path: Path,
    stub: str,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
    place: str,
    per_job: int,
) -> None:
    """What an executor adds to each cell, for a growing number of them; then one is missing; then nothing is."""
    if place != "local":
        request.getfixturevalue({"slurm": "slurm", "ray": "ray_here"}[place])
    settings = {"slurm": {"slurm": {"poll_s": 0.5}}, "ray": {"ray": {"cpus": 2}}}.get(place, {})

    def run() -> None:
        spent = []
        for count in CELLS:
            config = {
                "question": "?", "name": "many", "llms": ["16x1"], "visual_tokens": [1], "seeds": list(range(count)),
                "resources": {"rules": [{"cells_per_job": per_job}], "settings": settings},
            }  # fmt: skip
            root = tmp_path / str(count)
            first = _run(config, root, place)
            next((root / "cells").glob("*.parquet")).unlink()
            again = _run(config, root, place)
            assert (first["made"], again["made"], again["rows"]) == (count, 1, 2 * count)
            facts = {"executor": place, "cells_per_job": per_job, "cells": count,
                     "ms_a_cell": first["seconds"] / count * 1e3, "cpu_ms_a_cell": first["cpu_s"] / count * 1e3,
                     "runner_mb": first["mb"], "resume_s": again["seconds"],
                     "resume_cpu_s": again["cpu_s"], "resume_mb": again["mb"], "read_s": again["read_s"]}  # fmt: skip
            with capsys.disabled():
                print("\n" + ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                                       for key, value in facts.items()), flush=True)  # fmt: skip
            assert again["read_s"] < 1
            if place == "local":  # elsewhere a job, or Ray, is started for the one
                assert again["cpu_s"] < 5
            spent.append(first["cpu_s"] / count)
        assert spent[-1] < 1.5 * spent[0] + 1e-3  # growth is linear

    benchmark.pedantic(run, rounds=1, iterations=1)


LARGE = """
import resource, sys, time
from scalelaw.table.points import points
from scalelaw.table import read_table
start = time.perf_counter()
found = points(read_table(sys.argv[1], where=["task_family=ocr", "visual_tokens=16"]), ["n_params", "visual_tokens"])
mine = resource.getrusage(resource.RUSAGE_SELF)
print(len(found), time.perf_counter() - start, mine.ru_maxrss / 2**20, mine.ru_utime + mine.ru_stime)
"""


def bench_ten_million_rows(benchmark: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table of 10^7 rows, read, filtered and reduced to points, in a process of its own."""
    rows, chance = int(os.environ.get("BENCH_ROWS", "10000000")), np.random.default_rng(0)
    names = schema()
    columns = {
        "task_family": pa.DictionaryArray.from_arrays(
            pa.array(chance.integers(0, 4, rows), pa.int8()), ["ocr", "vqa", "a", "b"]
        ),
        "status": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), ["ok"]),
        "n_params": pa.array(chance.choice([5e8, 1.8e9, 4e9, 7e9], rows)),
        "visual_tokens": pa.array(chance.choice([1, 4, 16, 64, 576], rows)),
        "error": pa.array(chance.uniform(0.1, 0.9, rows)),
    }
    table = pa.table(
        {f.name: columns[f.name] if f.name in columns else pa.nulls(rows, f.type) for f in names}
    )
    pq.write_table(table.cast(names), tmp_path / "large.parquet")
    del table, columns
    command = [sys.executable, "-c", LARGE, str(tmp_path / "large.parquet")]
    run: Callable[[], Any] = lambda: subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: E731
    count, seconds, gigabytes, processor = benchmark.pedantic(run, rounds=1, iterations=1).stdout.split()
    with capsys.disabled():
        print(f"\n{rows} rows to {count} points: {float(seconds):.1f} s ({float(processor):.1f} s of processor, start "
              f"and imports among it), {float(gigabytes):.2f} GB")  # fmt: skip
    assert float(gigabytes) < 4
