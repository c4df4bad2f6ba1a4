"""What a sweep runs: nothing of the working directory, and before it starts nothing of the experiment's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from scalelaw.config import Experiment, parse_experiment
from scalelaw.executors import _launch, local
from scalelaw.jobs.task import Needs, Task
from scalelaw.sweep import plan_sweep, prepare_sweep

Make = Callable[..., Experiment]

EVIL = "import os, pathlib\npathlib.Path(os.environ['EVIL']).write_text('ran')\nraise ImportError('evil')\n"
SHADOWED = ("json", "yaml", "numpy", "queue", "scalelaw_user", "statistics")
PROBE = """
import json, os, pathlib, statistics, sys
def main(arguments):
    pathlib.Path(arguments[0]).write_text(json.dumps([sys.flags.safe_path, os.getcwd(), sys.path]))
    return 0
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose modules have the names of others'. Returns the file that appears where one is run."""
    place = tmp_path / "place"
    place.mkdir()
    for name in SHADOWED:
        (place / f"{name}.py").write_text(EVIL)
    monkeypatch.setenv("EVIL", str(tmp_path / "ran"))
    monkeypatch.chdir(place)
    return tmp_path / "ran"


@pytest.mark.parametrize("gpus", [0, 2])
def test_a_task_imports_nothing_from_the_working_directory(
    gpus: int, hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is, and by torchrun; what PYTHONPATH names is found, and an empty entry of it is not that directory."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "probe.py").write_text(PROBE)
    others = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", str(tmp_path / "modules"), others, ""]))
    result = tmp_path / "result"
    task = Task("a", "probe", (str(result),), result, tmp_path / "a.out", needs=Needs(gpus=gpus))
    (end,) = local.run([task], jobs=1)
    assert end.code == 0, task.output.read_text()
    safe, place, path = json.loads(result.read_text())
    assert (safe, place) == (True, str(Path.cwd()))
    assert not {"", place} & set(path)
    assert not hostile.exists()


def test_a_whole_sweep_runs_beside_modules_of_the_same_names(
    hostile: Path, stub: str, experiment: Make, tmp_path: Path
) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(experiment().model_dump(mode="json")))
    start = (
        "import sys; sys.path[:] = [p for p in sys.path if p]\n"
        "from scalelaw.cli import main\nfrom scalelaw.sweep import runner\n"
        f"runner.run_sweep.__kwdefaults__['train'] = {stub!r}\nsys.exit(main(sys.argv[1:]))"
    )
    command = [
        sys.executable,
        "-P",
        "-c",
        start,
        "sweep",
        str(tmp_path / "small.yaml"),
        "--out",
        str(tmp_path / "s"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not hostile.exists()


def test_every_child_has_a_safe_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "/a", "", "/b", ""]))
    environment = _launch.environment()
    assert (environment["PYTHONSAFEPATH"], environment["PYTHONPATH"]) == ("1", os.pathsep.join(["/a", "/b"]))


@pytest.mark.parametrize("section", ["compressors", "dataset", "objective"])
def test_a_plan_runs_nothing_of_the_experiments_own(
    section: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the trainer itself, which asks a compressor for its counts and a dataset for its words."""
    own, marker = tmp_path / "mine.py", tmp_path / "ran"
    monkeypatch.setenv("EVIL", str(marker))
    own.write_text(EVIL)
    changes: dict[str, Any] = {
        "compressors": {"compressors": ["average_pool", str(own)]},
        "dataset": {"dataset": {"name": str(own)}},
        "objective": {"vision": {"objective": str(own)}},
    }[section]
    config = parse_experiment(
        {"question": "?", "llms": ["16x1"], "visual_tokens": [4], "name": "x", **changes}
    )
    plan = plan_sweep(config, tmp_path / "sweep")
    prepare_sweep(config, tmp_path / "sweep")
    assert not marker.exists()
    assert [code for code, _ in plan.warnings] == ["own_code_not_run"]
    known = [cell["train_flops"] is not None for cell in plan.cells]
    assert known == {"compressors": [True, False], "dataset": [False], "objective": [True]}[section]
