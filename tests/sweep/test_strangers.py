"""A sweep's folder, and an experiment, that somebody else has made: nothing is written outside, no code is read."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from scalelaw.config import Experiment, parse_experiment
from scalelaw.errors import FailedCells, InputError
from scalelaw.executors import slurm
from scalelaw.files import safe_load
from scalelaw.files.paths import PACKAGE, SweepFolder
from scalelaw.jobs.task import Needs, Task
from scalelaw.sweep import prepare_sweep, run_sweep
from scalelaw.sweep.cell import run_one
from scalelaw.sweep.grid import MOST, cells
from scalelaw.sweep.progress import Progress
from scalelaw.table.read import read_table

Make = Callable[..., Experiment]


def swept(config: Experiment, folder: Path, stub: str) -> None:
    run_sweep(config, folder, "inline", progress=Progress(), train=stub)


@pytest.mark.parametrize("name", ["cells", "stages", "saved", "locks", "failed", "logs", "logs/slurm"])
def test_a_folder_inside_that_leads_out_is_refused(
    name: str, experiment: Make, stub: str, tmp_path: Path
) -> None:
    outside, folder = tmp_path / "outside", SweepFolder(tmp_path / "sweep")
    outside.mkdir()
    (folder.root / name).parent.mkdir(parents=True)
    (folder.root / name).symlink_to(outside)
    for call in (swept, lambda *args: prepare_sweep(*args[:2])):
        with pytest.raises(InputError, match="leads out of the sweep's folder"):
            call(experiment(), folder.root, stub)
    assert not list(outside.iterdir())


@pytest.mark.parametrize(
    "name", ["sweep.lock", "experiment.yaml", "cells.json", "results.parquet", "gathered.parquet"]
)
def test_a_file_inside_that_leads_out_is_refused(
    name: str, experiment: Make, stub: str, tmp_path: Path
) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / name).symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match="leads out of the sweep's folder"):
        swept(experiment(), tmp_path / "sweep", stub)
    assert (tmp_path / "precious").read_text() == "kept"


@pytest.mark.parametrize("place", ["log", "output", "lock_of"])
def test_what_a_cell_writes_does_not_follow_a_link(
    place: str, experiment: Make, stub: str, tmp_path: Path
) -> None:
    folder, config = SweepFolder(tmp_path / "sweep"), experiment(llms=["16x1"], visual_tokens=[1])
    path = getattr(folder, place)(cells(config)[0].name)
    path.parent.mkdir(parents=True)
    (tmp_path / "precious").write_text("kept")
    path.symlink_to(tmp_path / "precious")
    with pytest.raises((FailedCells, InputError, OSError)):
        swept(config, folder.root, stub)
    assert (tmp_path / "precious").read_text() == "kept"


def test_the_whole_folder_may_be_a_link(experiment: Make, stub: str, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "sweep").symlink_to(tmp_path / "scratch")
    swept(experiment(), tmp_path / "sweep", stub)
    assert len(read_table(tmp_path / "sweep")) == 8


@pytest.mark.parametrize("name", ["..", ".", "../x", "a/b", ".hidden", "a" * 101, "a\n", "$(x)", "a b"])
def test_a_name_that_is_no_folder_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="name"):
        parse_experiment({"question": "?", "name": name, "llms": ["16x1"], "visual_tokens": [1]})


@pytest.mark.parametrize(
    "cells_", [["../../x"], ["/etc/passwd"], ["a/b"], [""], ["a" * 200], 3, None, [["a"]], {"a": 1}]
)
def test_a_manifest_names_cells_and_nothing_else(
    cells_: Any, experiment: Make, stub: str, tmp_path: Path
) -> None:
    folder = SweepFolder(tmp_path / "sweep")
    prepare_sweep(experiment(), folder.root)
    folder.manifest.write_text(json.dumps({"experiment": "x", "cells": cells_}))
    with pytest.raises(InputError):
        read_table(folder.root)
    with pytest.raises(InputError):
        run_one(folder.root, "0")


def test_more_cells_than_a_sweep_holds_are_refused_at_once() -> None:
    many = {"llms": ["24x2"], "visual_tokens": list(range(1, 1100)), "seeds": list(range(1000))}
    with pytest.raises(InputError, match=f"1,099,000 cells; a sweep has at most {MOST:,}"):
        cells(parse_experiment({"question": "?", **many}))


BREAKS = [
    {"partition": "main\ntouch ran"},
    {"account": "a\rb"},
    {"additional_parameters": {"mail-user\ntouch ran": "x"}},
    {"additional_parameters": {"comment": "x\u2028touch ran"}},
    {"srun_args": ["--x", "a\ntouch ran"]},
]


@pytest.mark.parametrize("settings", BREAKS)
def test_no_setting_of_slurm_begins_a_line_of_shell(settings: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("submitit", reason="needs submitit: pip install 'scalelaw[slurm]'")
    task = Task("a", "m", (), tmp_path / "r", tmp_path / "o", needs=Needs())
    with pytest.raises(InputError, match="line break"):
        slurm.asks([task], jobs=1, settings=settings)
    states = slurm.asks(
        [task], jobs=1, settings={"partition": "a; touch ran $(x)", "setup": ["module load\ncuda"]}
    )
    assert "--partition='a; touch ran $(x)'" in states[0]["sbatch"]


Node = tuple[Path, ast.AST]


@cache
def nodes() -> tuple[Node, ...]:
    """Every call and every import of the package."""
    files = sorted(PACKAGE.rglob("*.py"))
    return tuple(
        (path, node) for path in files for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def calls(*names: str, of: str = "") -> list[ast.Call]:
    """Every call of functions of these names; `of`: of that module."""
    problems = []
    for _, node in nodes():
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            module = getattr(getattr(called, "value", None), "id", "")
            if name in names and of in ("", module):
                problems.append(node)
    return problems


def keyword_of(call: ast.Call, name: str) -> Any:
    """What a call says of an option."""
    return next((getattr(word.value, "value", None) for word in call.keywords if word.arg == name), None)


def test_no_code_is_read_from_files() -> None:
    imported = {alias.name for _, node in nodes() if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for _, node in nodes() if isinstance(node, ast.ImportFrom)}
    assert not {name.partition(".")[0] for name in imported} & {
        "pickle",
        "cloudpickle",
        "dill",
        "joblib",
        "shelve",
        "marshal",
    }
    assert all(
        isinstance(call.func, ast.Attribute) and not call.args for call in calls("eval")
    )  # a model's, of torch
    assert not [call for call in calls("exec") if isinstance(call.func, ast.Name)]
    assert not calls("system", "popen", "read_pickle", "unsafe_load", "full_load", "unsafe_load_all")
    assert calls("load", of="torch")
    assert all(keyword_of(call, "weights_only") is True for call in calls("load", of="torch"))
    assert calls("load", of="np")
    assert not any(keyword_of(call, "allow_pickle") for call in calls("load", of="np"))
    assert not any(
        keyword_of(call, "shell") for call in calls("run", "Popen", "call", "check_call", "check_output")
    )
    yaml_loads = calls("load", of="yaml")
    assert not yaml_loads  # safe_load builds its own loader from the safe one
    assert safe_load._loader() in (yaml.SafeLoader, getattr(yaml, "CSafeLoader", None))


def test_no_model_is_loaded_without_saying_whether_its_code_is_run() -> None:
    loaded = [
        call for call in calls("from_pretrained", "from_config") if isinstance(call.func, ast.Attribute)
    ]
    loaded = [call for call in loaded if str(getattr(call.func.value, "id", "")).startswith("Auto")]
    assert len(loaded) >= 7
    for call in loaded:
        spread = {getattr(word.value, "id", "") for word in call.keywords if word.arg is None}
        assert spread & {"trust", "LOCAL"} or keyword_of(call, "trust_remote_code") is False, ast.unparse(
            call
        )
