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

from scalelaw.columns import schema
from scalelaw.config import Experiment, parse_experiment
from scalelaw.files import SweepFolder
from scalelaw.sweep import stages
from scalelaw.sweep.gathered import NOTE, _marks
from scalelaw.sweep.grid import cells
from scalelaw.sweep.parts import write_rows
from scalelaw.sweep.progress import Progress
from scalelaw.sweep.runner import run_sweep
from scalelaw.table import read_table, write_table

CELLS = int(os.environ.get("BENCH_CELLS", "10000"))
MANY = int(os.environ.get("BENCH_MANY", "200"))  # cells that are really run, twice and four times as many too
STUB = Path(__file__).parent.parent / "sweep"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> str:
    """A trainer that trains nothing."""
    monkeypatch.syspath_prepend(str(STUB))
    monkeypatch.setenv("PYTHONPATH", str(STUB) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    return "stub_trainer"


def _stated(count: int, **resources: Any) -> Experiment:
    raw = {
        "question": "?",
        "name": "many",
        "llms": ["16x1"],
        "visual_tokens": [1],
        "seeds": list(range(count)),
    }
    return parse_experiment(raw | {"resources": resources})


def bench_resume_with_one_cell_missing(
    benchmark: Any, tmp_path: Path, stub: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """9,999 of 10,000 cells are done: to find that, to make the last and to write the table; then to read it."""
    import stub_trainer

    stated, folder = _stated(CELLS), SweepFolder(tmp_path / "sweep")
    found = cells(stated)
    for stage in found[0].stages:
        stages.make(folder, stage, stub_trainer)
    write_table(
        [{"cell": "", "task_family": f, "error": 0.5, "model": "16x1"} for f in ("ocr", "vqa")],
        tmp_path / "p",
    )
    rows, names = pq.read_table(tmp_path / "p"), [cell.name for cell in found[:-1]]
    folder.cells.mkdir()
    for name in names:  # what they hold is read once, by the run before, which is not measured here
        folder.cell(name).write_bytes((tmp_path / "p").read_bytes())
    whole = pa.concat_tables([rows] * len(names))
    held = pa.array([name for name in names for _ in range(2)])
    write_rows(whole.set_column(1, "cell", held), folder.gathered, {NOTE: json.dumps(_marks(folder))})
    options = {"executor": "local", "jobs": 2, "progress": Progress(), "train": stub}
    result = benchmark.pedantic(run_sweep, (stated, folder.root), options, rounds=1, iterations=1)
    assert (len(result.skipped), len(result.done)) == (CELLS - 1, 1)
    start = time.perf_counter()
    table = read_table(folder.root)
    with capsys.disabled():
        print(f"\n{CELLS} cells: resumed in {result.seconds:.2f} s, their table of {len(table)} rows read in "
              f"{time.perf_counter() - start:.2f} s; {_megabytes():.0f} MB")  # fmt: skip


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(("place", "per_job"), [("local", 1), ("slurm", 50), ("ray", 50)])
def bench_cells_of_nothing(
    benchmark: Any,
    tmp_path: Path,
    stub: str,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
    place: str,
    per_job: int,
) -> None:
    """What an executor adds to each cell, for once, twice and four times as many."""
    if place != "local":
        request.getfixturevalue({"slurm": "slurm", "ray": "ray_here"}[place])
    settings = {"slurm": {"slurm": {"poll_s": 0.5}}, "ray": {"ray": {"cpus": 2}}}.get(place, {})
    taken = {}

    def run() -> None:
        for count in (MANY, 2 * MANY, 4 * MANY):
            stated = _stated(count, rules=[{"cells_per_job": per_job}], settings=settings)
            result = run_sweep(stated, tmp_path / str(count), place, 2, progress=Progress(), train=stub)
            taken[count] = result.seconds

    benchmark.pedantic(run, rounds=1, iterations=1)
    with capsys.disabled():
        said = ", ".join(
            f"{count} cells {seconds / count * 1e3:.0f} ms each" for count, seconds in taken.items()
        )
        print(f"\n{place}, {per_job} cells a job: {said}; runner {_megabytes():.0f} MB")


LARGE = """
import resource, sys, time
from scalelaw.table import points, read_table
start = time.perf_counter()
found = points(read_table(sys.argv[1], where=["task_family=ocr", "visual_tokens=16"]), ["n_params", "visual_tokens"])
print(len(found), time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
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
    count, seconds, gigabytes = benchmark.pedantic(run, rounds=1, iterations=1).stdout.split()
    with capsys.disabled():
        print(f"\n{rows} rows to {count} points: {float(seconds):.1f} s, {float(gigabytes):.2f} GB")
    assert float(gigabytes) < 4
