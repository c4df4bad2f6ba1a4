"""Stages that cells share: the vision tower, its features, and each LLM trained on text. Each is made once."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path
from types import ModuleType

from scalelaw.errors import InputError
from scalelaw.files.paths import SweepFolder
from scalelaw.files.safe_load import open_input
from scalelaw.results.envelope import dumps
from scalelaw.sweep import trainer_call
from scalelaw.sweep.grid import Stage
from scalelaw.sweep.locks import hold
from scalelaw.sweep.parts import set_aside
from scalelaw.sweep.run_log import Log, attempt
from scalelaw.version import __version__


def is_made(folder: SweepFolder, stage: Stage) -> bool:
    """Whether the stage exists and every file has its original size and checksum."""
    if not folder.made(stage.name).is_file():  # a FIFO would block
        return False
    try:
        facts = json.loads(folder.made(stage.name).read_text(encoding="utf-8"))
        sizes: dict[str, int] = facts["files"]
        made: bool = facts["identity"] == json.loads(stage.identity)
        place = folder.stage(stage.name)
        return made and sizes == _sizes(place) and facts["checksums"] == _checksums(place)
    except (OSError, ValueError, TypeError, KeyError):
        return False


def make(folder: SweepFolder, stage: Stage, train: ModuleType) -> Path:
    """The folder of a stage; the stage and the stages that it needs are made first if they are missing.

    A second process that needs the same stage waits for the first. Raises what the training raises.
    """
    before = [make(folder, needed, train) for needed in stage.after]
    with hold(folder.lock_of(stage.name)):
        if not is_made(folder, stage):
            with attempt(folder, stage.name, stage.label, stage.full_experiment) as log:
                _make(folder, stage, before, train, log)
    return folder.stage(stage.name)


def _make(folder: SweepFolder, stage: Stage, before: list[Path], train: ModuleType, log: Log) -> None:
    final = folder.stage(stage.name)
    beside = final.with_name(f".{stage.name}.part")
    for leftover in (beside, final):  # of a process that died, or damaged
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        elif leftover.exists() or leftover.is_symlink():
            set_aside(leftover)
    try:
        beside.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"Cannot write {beside}: {error.strerror}.", code="cannot_write") from error
    saved = folder.saved(stage.name)
    if stage.kind == "tower":
        trainer_call.call(train.pretrain_tower, stage.experiment, beside, log, saved=saved, log=log)
    elif stage.kind == "features":
        trainer_call.call(train.make_features, stage.experiment, before[0], beside, log, saved=saved, log=log)
    else:
        trainer_call.call(train.pretrain_llm, stage.experiment, stage.llm, beside, log, saved=saved, log=log)
    facts = {
        "stage": stage.name,
        "version": __version__,
        "started_at": log.started_at,
        "seconds": log.seconds,
        "files": _sizes(beside),
        "checksums": _checksums(beside),
        "identity": json.loads(stage.identity),
    }
    (beside / folder.made(stage.name).name).write_text(dumps(facts), encoding="utf-8")
    beside.replace(final)
    saved.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    """Every file in a stage's folder, but for the list of them."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "made.json"]


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of every file."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in _files(folder)}


def _checksums(folder: Path) -> dict[str, int]:
    """CRC-32 of every file, against accidental damage."""
    return {str(path.relative_to(folder)): _checksum(path) for path in _files(folder)}


def _checksum(path: Path) -> int:
    checksum = 0
    with open_input(path) as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum
