"""Sweeps under seeded faults: whatever happens, running the sweep again ends in the table of an undisturbed run.

CHAOS_FAULTS: how many faults (a few by default, 200 by `make chaos`). CHAOS_SEED: of the moments and the kinds.
CHAOS_REPORT: a file to which a line of JSON is added for each fault.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from scalelaw.config import parse_experiment
from scalelaw.files.paths import SweepFolder
from scalelaw.sweep import run_sweep
from scalelaw.sweep.progress import Progress
from scalelaw.table.read import read_table
from scalelaw.table.schema import UNREPEATABLE

FAULTS, SEED = int(os.environ.get("CHAOS_FAULTS", "12")), int(os.environ.get("CHAOS_SEED", "0"))
EACH = 4  # faults that one sweep meets
PLACES = (
    "local", "local", "inline", "local", "slurm", "local", "ray", "local",
    "local", "inline", "local", "slurm", "local", "trained", "local", "inline",
)  # fmt: skip
STUBBED = {"question": "?", "name": "chaos", "llms": ["16x1", "24x1", "32x1"], "visual_tokens": [1, 4]}
TRAINED = {
    "question": "?", "name": "chaos", "llms": ["8x1", "16x1"], "visual_tokens": [1, 4],
    "vision": {"width": 16, "heads": 2, "steps": 40, "batch": 16}, "text": {"steps": 40, "batch": 16},
    "recipe": {"images": 64, "steps": 40, "batch": 16, "text_batch": 8}, "evaluation": {"examples": 20, "batch": 32},
}  # fmt: skip
HERE = Path(__file__).parent
STUB = HERE.parent / "sweep"
KILLED = (75, 130, *(-number for number in (signal.SIGKILL, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)))
"""Exit codes of a runner that was killed, or interrupted, or preempted."""
TRAINERS = {"trained": "chaos_trainer"}
"""Of a place: `trained` is `local` with a small experiment that is really trained, checkpoints and all."""

RUNNER = """
import random, resource, sys, time
from scalelaw.cli import main
from scalelaw.sweep import cell, grid, runner
train, jump, limit, arguments = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
if jump:
    real, began = time.time, time.time()
    time.time = lambda: real() + (jump if real() - began > 0.3 else 0.0)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
runner.run_sweep.__kwdefaults__["train"] = train
from scalelaw.sweep import progress
runner.for_this_terminal = progress.Progress
sys.exit(main(arguments))
"""

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], pd.DataFrame]]:
    """The table of a run that nothing disturbs, by the trainer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUB))
        patch.syspath_prepend(str(HERE))

        @cache
        def table(train: str) -> pd.DataFrame:
            folder = tmp_path_factory.mktemp("undisturbed")
            config = parse_experiment(STUBBED if train == "stub_trainer" else TRAINED)
            run_sweep(config, folder, "inline", progress=Progress(), train=train)
            return _measured(folder)

        yield table


def _measured(folder: Path) -> pd.DataFrame:
    return read_table(folder).drop(columns=list(UNREPEATABLE))


class Sweep:
    """A sweep to be disturbed, with the chance that disturbs it."""

    def __init__(self, root: Path, place: str, chance: random.Random) -> None:
        self.folder, self.place, self.chance = SweepFolder(root / "sweep"), place, chance
        self.train = TRAINERS.get(place, "stub_trainer")
        settings = {"slurm": {"poll_s": 0.2}, "ray": {"cpus": 4}}.get(place)
        config = TRAINED if place == "trained" else STUBBED
        self.stated = {**config, "resources": {"settings": {place: settings}} if settings else {}}
        self.file = root / "chaos.yaml"
        self.file.write_text(yaml.safe_dump(self.stated))

    def start(
        self, *more: str, jump: float = 0.0, limit: int = 0, before: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        """A runner, in a process of its own."""
        command = [*before, sys.executable, "-c", RUNNER, self.train, str(jump), str(limit)]
        command += ["sweep", str(self.file), "--out", str(self.folder.root), "--jobs", "2"]
        command += ["--executor", "local" if self.place == "trained" else self.place, *more]
        seconds = {**os.environ, "STUB_SECONDS": "0.1"}
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=seconds
        )

    def ended(self, runner: subprocess.Popen[str]) -> str:
        """Wait for a runner; it ends well, killed, or with a sentence. Returns which."""
        _, output = runner.communicate(timeout=1800)
        assert "Traceback" not in output, output
        assert "Unexpected" not in output, output
        assert runner.returncode in (0, 2, 4, *KILLED), (
            runner.returncode,
            output,
        )
        killed = dict.fromkeys(KILLED, "killed")
        return {0: "done", **killed}.get(runner.returncode, "a sentence")

    def moment(self, runner: subprocess.Popen[str]) -> None:
        """Wait until some moment of the sweep: by how much of it was begun, as machines are not equally fast."""
        most, began = self.chance.randrange(12), time.time()
        while runner.poll() is None and self._begun(began) < most and time.time() < began + 60:
            time.sleep(0.02)
        time.sleep(self.chance.uniform(0, 0.5))

    def _begun(self, since: float) -> int:
        with suppress(FileNotFoundError):
            return sum(log.stat().st_mtime >= since for log in (self.folder.root / "logs").glob("*.jsonl"))
        return 0

    def processes(self, *words: str) -> list[int]:
        """Processes that name this sweep, and all the words, in their command or in their parents'."""
        problems = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                command = _command(int(entry.name))
                if all(word in command for word in words) and _names(int(entry.name), str(self.folder.root)):
                    problems.append(int(entry.name))
        return sorted(problems)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _names(pid: int, folder: str) -> bool:
    while pid > 1 and pid != os.getpid():
        if folder in _command(pid):
            return True
        pid = _parent(pid)
    return False


def _kill(pids: list[int], chance: random.Random) -> None:
    if pids:
        with suppress(ProcessLookupError):  # it ended by itself: the fault came too late
            os.kill(chance.choice(pids), signal.SIGKILL)


# ---------------------------------------------------------------------------- faults


def kill_the_runner(sweep: Sweep) -> str:
    runner = sweep.start()
    sweep.moment(runner)
    runner.kill()
    return sweep.ended(runner)


def kill_a_process(sweep: Sweep) -> str:
    """Any process below the runner, the nest, a Slurm job, a Ray worker, a cell: whichever chance picks."""
    runner = sweep.start()
    sweep.moment(runner)
    words = {"slurm": ["_slurm_job"], "ray": ["ray::"]}.get(sweep.place, ["_fork_server"])
    below = [*sweep.processes(*words), *sweep.processes("_fork_server")]
    _kill([pid for pid in below if pid != runner.pid], sweep.chance)
    return sweep.ended(runner)


def fill_the_disk(sweep: Sweep) -> str:
    return sweep.ended(sweep.start(limit=sweep.chance.choice([1, 100, 1000, 4000, 9000, 20000])))


def take_away_the_folder(sweep: Sweep) -> str:
    """A folder that cannot be written: a file stands in the place of one that the sweep needs."""
    place = sweep.folder.root / sweep.chance.choice(["cells", "stages", "logs", "locks"])
    aside = place.with_name(f"{place.name}.aside")
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.rename(aside)
    place.write_text("")
    text = sweep.ended(sweep.start())
    place.unlink()
    if aside.exists():
        aside.rename(place)
    return text


def make_it_read_only(sweep: Sweep) -> str:
    """No folder of the sweep can be written; root gives up the right to write there all the same."""
    folders = [sweep.folder.root, *(path for path in sweep.folder.root.rglob("*") if path.is_dir())]
    sweep.folder.root.mkdir(exist_ok=True)
    for path in folders:
        path.chmod(0o555)
    root = os.getuid() == 0 and shutil.which("setpriv")
    text = sweep.ended(
        sweep.start(before=["setpriv", "--bounding-set=-dac_override,-fowner"] if root else [])
    )
    for path in folders:
        path.chmod(0o755)
    return text


def ask_for_room(sweep: Sweep) -> str:
    """The runner is told that its machine is needed, or that it shall end."""
    runner = sweep.start()
    sweep.moment(runner)
    runner.send_signal(sweep.chance.choice([signal.SIGUSR2, signal.SIGTERM]))
    return sweep.ended(runner)


def plant_a_broken_file(sweep: Sweep) -> str:
    files = [path for path in sweep.folder.root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    if sweep.folder.manifest.exists():
        names = json.loads(sweep.folder.manifest.read_text())["cells"]
        saved = sweep.folder.saved(sweep.chance.choice(names))
        if not saved.exists():  # a checkpoint of which nothing can be believed; else half of a real one
            saved.parent.mkdir(exist_ok=True)
            saved.write_bytes(os.urandom(999))
            files.append(saved)
    for path in sweep.chance.sample(files, min(len(files), 3)):
        content = path.read_bytes()
        how = sweep.chance.choice(["half", "empty", "noise", "flip"])
        if how == "flip" and content:
            place = sweep.chance.randrange(len(content))
            content = (
                content[:place]
                + bytes([content[place] ^ 1 << sweep.chance.randrange(8)])
                + content[place + 1 :]
            )
        path.write_bytes(
            {"half": content[: len(content) // 2], "empty": b"", "flip": content}.get(how, os.urandom(99))
        )
    return sweep.ended(sweep.start())


def _changed(rows: pa.Table, place: int, how: int) -> pa.Table:
    errors = [
        pa.array([0.5] * len(rows)),
        pa.array([float("nan")] * len(rows)),
        rows["error"].cast(pa.string()),
    ]
    if how < len(errors):
        return rows.set_column(place, "error", errors[how])
    others = [rows.slice(1), pa.concat_tables([rows, rows.slice(0, 1)]), rows.replace_schema_metadata(None)]
    return others[how - len(errors)]


def edit_a_table(sweep: Sweep) -> str:
    """A part, or a gathered table, whose rows are changed under the old modification time: a checksum finds it."""
    tables = [*sweep.folder.cells.glob("*.parquet"), *sweep.folder.root.glob("*.parquet")]
    for path in sweep.chance.sample(sorted(tables), min(len(tables), 2)):
        with suppress(Exception):  # an earlier fault may have left what nobody can read
            before, rows = path.stat(), pq.read_table(path)
            place, how = rows.schema.get_field_index("error"), sweep.chance.randrange(6)
            changed = _changed(rows, place, how)
            sink = pa.BufferOutputStream()
            pq.write_table(changed, sink)
            path.write_bytes(sink.getvalue())
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return sweep.ended(sweep.start())


def plant_a_special_file(sweep: Sweep) -> str:
    """A folder, a FIFO or a dead link in the place of a part, a stage, a log or a table of the sweep."""
    folder = sweep.folder
    places = [folder.gathered, folder.results, folder.manifest, *folder.cells.glob("*.parquet")]
    places += [
        *folder.stages.glob("*"),
        *folder.stages.glob("*/made.json"),
        *(folder.root / "logs").glob("*.jsonl"),
    ]
    for path in sweep.chance.sample(sorted(places), min(len(places), 2)):
        if not path.parent.is_dir():
            continue
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        how = sweep.chance.choice(["folder", "FIFO", "link"])
        if how == "folder":
            path.mkdir()
        elif how == "FIFO":
            os.mkfifo(path)
        else:
            path.symlink_to("nowhere")
    return sweep.ended(sweep.start())


def remove_logs_and_signal(sweep: Sweep) -> str:
    """Somebody removes the logs of a running sweep and sends its runner SIGUSR1, which nobody listens to."""
    runner = sweep.start()
    sweep.moment(runner)
    shutil.rmtree(sweep.folder.root / "logs", ignore_errors=True)
    runner.send_signal(signal.SIGUSR1)
    return sweep.ended(runner)


def jump_in_time(sweep: Sweep) -> str:
    jump = sweep.chance.choice([-1e6, -3600.0, 3600.0, 1e8])
    for path in sweep.folder.root.rglob("*.parquet"):
        os.utime(path, (time.time() + jump,) * 2)
    return sweep.ended(sweep.start(jump=jump))


def start_two_runners(sweep: Sweep) -> str:
    first, second = sweep.start(), sweep.start()
    ends = {sweep.ended(first), sweep.ended(second)}
    assert "killed" not in ends
    return "done" if "done" in ends else "a sentence"


def edit_the_experiment(sweep: Sweep) -> str:
    llms = "llms=[16x1, 24x1]" if sweep.place == "trained" else "llms=[24x1, 48x1]"
    change = sweep.chance.choice(["visual_tokens=[4, 16]", "recipe.steps=37", llms, "seeds=[0, 1]"])
    runner = sweep.start("--set", change)
    if sweep.chance.random() < 0.5:
        sweep.moment(runner)
        runner.kill()
    return sweep.ended(runner)


KINDS: list[Callable[[Sweep], str]] = [
    kill_the_runner, kill_a_process, kill_a_process, fill_the_disk, take_away_the_folder, make_it_read_only,
    plant_a_broken_file, jump_in_time, start_two_runners, edit_the_experiment, ask_for_room,
    edit_a_table, edit_a_table, plant_a_special_file, remove_logs_and_signal,
]  # fmt: skip


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("trial", range(max(1, FAULTS // EACH)))
def test_whatever_happens_the_table_is_that_of_an_undisturbed_run(
    trial: int,
    undisturbed: Callable[[str], pd.DataFrame],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance, place = random.Random(f"{SEED}-{trial}"), PLACES[trial % len(PLACES)]
    if place in ("slurm", "ray"):
        request.getfixturevalue({"slurm": "slurm", "ray": "ray_here"}[place])
    monkeypatch.syspath_prepend(str(STUB))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(STUB), str(HERE), os.environ.get("PYTHONPATH", "")])
    )
    sweep = Sweep(tmp_path, place, chance)
    for _ in range(EACH):
        fault = chance.choice(KINDS)
        start = time.monotonic()
        came_to = fault(sweep)
        _report(
            {
                "trial": trial,
                "executor": place,
                "fault": fault.__name__,
                "came_to": came_to,
                "seconds": time.monotonic() - start,
            }
        )
    assert sweep.ended(sweep.start()) == "done"
    pd.testing.assert_frame_equal(_measured(sweep.folder.root), undisturbed(sweep.train), check_exact=True)


def _report(facts: dict[str, Any]) -> None:
    if path := os.environ.get("CHAOS_REPORT"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")
