"""Preempted stages and cells continue bit for bit; damaged checkpoints; cells in two halves."""

from __future__ import annotations

import errno
import os
import random
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from scalelaw.errors import InputError, Preempted
from scalelaw.jobs import preemption
from scalelaw.sweep import trainer_call
from scalelaw.vlm import checkpoint, train_loop
from scalelaw.vlm.model import VisionLanguageModel
from scalelaw.vlm.stages import pretrain_llm, pretrain_tower, run_cell

from .conftest import experiment, repeatable, silent

Heard = list[dict[str, Any]]


@pytest.fixture
def cell(stages: dict[str, Path]) -> Callable[..., tuple[list[dict[str, Any]], Heard]]:
    """Train and score 8x1; returns its rows and what it logged. asked_at: the step at which it hears SIGTERM."""

    def run(compressor: str = "quecc", asked_at: int = 0, **more: Any) -> tuple[list[dict[str, Any]], Heard]:
        torch.set_num_threads(1)
        heard: Heard = []

        def log(facts: dict[str, Any]) -> None:
            heard.append(facts)
            if facts["step"] == asked_at:
                os.kill(os.getpid(), signal.SIGTERM)

        with preemption.heard():
            rows = run_cell(experiment(), llm="8x1", compressor=compressor, visual_tokens=4, seed=0, log=log,
                            tower=stages["tower"], features=stages["features"], llm_folder=stages["8x1"],
                            **more)  # fmt: skip
        return repeatable(rows), heard

    return run


@pytest.mark.parametrize("compressor", ["quecc", "matryoshka_query", "average_pool"])
@pytest.mark.parametrize("step", [1, 4, 6])
def test_a_cell_that_makes_room_goes_on_to_the_bit(
    cell: Callable[..., Any], tmp_path: Path, compressor: str, step: int
) -> None:
    """At the first step, later, and at the last, when only scoring is left."""
    rows, heard = cell(compressor)
    with pytest.raises(Preempted):
        cell(compressor, asked_at=step, saved=tmp_path / "saved.pt")
    torch.manual_seed(99)
    again, rest = cell(compressor, saved=tmp_path / "saved.pt")
    assert again == rows
    assert rest == heard[step:]


def test_a_checkpoint_changes_nothing_of_a_run_that_nobody_disturbs(
    cell: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_loop, "SAVE_EVERY_S", 0.0)  # after every step
    assert cell(saved=tmp_path / "saved.pt") == cell()


@pytest.mark.parametrize("kind", ["tower", "llm"])
def test_stages_go_on_to_the_bit(
    stages: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The tower with what its objective counts, and the LLM's text training."""

    def train() -> bytes:
        torch.set_num_threads(1)
        saved = tmp_path / "saved.pt"
        if kind == "tower":
            pretrain_tower(experiment(), tmp_path, silent, saved=saved)
        else:
            pretrain_llm(experiment(), "8x1", tmp_path, silent, saved=saved)
        return (tmp_path / "model.safetensors").read_bytes()

    calls = iter(range(10))
    monkeypatch.setattr(preemption, "requested", lambda: next(calls) == 2)
    with pytest.raises(Preempted):
        train()
    monkeypatch.undo()
    assert train() == (stages["tower" if kind == "tower" else "8x1"] / "model.safetensors").read_bytes()


def test_halves_of_a_batch_learn_what_the_batch_does(cell: Callable[..., Any], tmp_path: Path) -> None:
    """The same mathematics, not the same bits: sums are added in another order."""
    rows, heard = cell()
    halves, logged = cell(splits=2)
    assert [line["loss"] for line in logged] == pytest.approx([line["loss"] for line in heard], rel=1e-4)
    assert [row["train_tokens"] for row in halves] == [row["train_tokens"] for row in rows]
    assert [row["status"] for row in halves] == [row["status"] for row in rows]
    for splits, log in ((1, heard), (2, logged)):
        log.clear()
        pretrain_llm(experiment(), "8x1", tmp_path, log.append, splits=splits)
    assert [line["loss"] for line in logged] == pytest.approx([line["loss"] for line in heard], rel=1e-4)


def test_a_cell_without_memory_is_made_in_halves(
    cell: Callable[..., Any], stages: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than eight rows at once do not fit here, nor more than sixteen of the 32 that are scored at once."""
    forward, answer_logits = VisionLanguageModel.forward, VisionLanguageModel.answer_logits

    def small(self: Any, features: torch.Tensor, batch: Any) -> torch.Tensor:
        if len(features) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, features, batch)

    def small_too(self: Any, features: torch.Tensor, batch: Any) -> torch.Tensor:
        if len(features) > 16:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return answer_logits(self, features, batch)

    halves, _ = cell(splits=2)
    monkeypatch.setattr(VisionLanguageModel, "forward", small)
    monkeypatch.setattr(VisionLanguageModel, "answer_logits", small_too)
    logged: Heard = []
    log = lambda facts=None, **more: logged.append({**(facts or {}), **more})  # noqa: E731
    call = partial(run_cell, tower=stages["tower"], features=stages["features"], llm_folder=stages["8x1"])
    choice = {"llm": "8x1", "compressor": "quecc", "visual_tokens": 4, "seed": 0}
    options = {"saved": tmp_path / "saved.pt", "log": log}
    rows = trainer_call.call(partial(call, log=log), experiment(), **options, **choice)
    assert repeatable(rows) == halves
    assert logged[0] == {"event": "out of memory", "splits": 2}


def test_a_damaged_checkpoint_is_set_aside_and_its_work_restarts(
    cell: Callable[..., Any], tmp_path: Path
) -> None:
    saved = tmp_path / "saved.pt"
    rows, _ = cell(saved=saved)
    whole = saved.read_bytes()
    saved.write_bytes(whole[: len(whole) // 2])
    assert cell(saved=saved)[0] == rows
    assert (tmp_path / "saved.pt.set-aside").read_bytes() == whole[: len(whole) // 2]


def test_a_good_checkpoint_outlives_a_request_for_room_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, load = tmp_path / "a.pt", torch.load
    checkpoint.write(path, {"stage": "s"})

    def interrupted(*args: Any, **more: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return load(*args, **more)

    monkeypatch.setattr(torch, "load", interrupted)
    with preemption.heard(), pytest.raises(Preempted):
        checkpoint.read(path)
    monkeypatch.undo()
    with preemption.heard():  # which forgets
        assert checkpoint.read(path) == {"stage": "s"}


@pytest.mark.parametrize(
    ("raised", "heard"),
    [
        (Preempted("Asked.", code="preempted"), Preempted),
        (MemoryError(), MemoryError),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), MemoryError),
        (OSError(errno.EIO, "Input/output error"), InputError),
        (PermissionError(errno.EACCES, "Permission denied"), InputError),
    ],
)
def test_only_damage_sets_a_checkpoint_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, heard: type[Exception]
) -> None:
    path = tmp_path / "a.pt"
    checkpoint.write(path, {"stage": "s"})

    def fails(*_: Any, **__: Any) -> None:
        raise raised

    monkeypatch.setattr(torch, "load", fails)
    with pytest.raises(heard):
        checkpoint.read(path)
    monkeypatch.undo()
    assert checkpoint.read(path) == {"stage": "s"}


def test_random_states_of_more_devices_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", set_to.extend)
    checkpoint.set_random_states({"cpu": torch.get_rng_state(), "cuda": ["a", "b", "c", "d"]})
    assert set_to == ["a", "b"]


def test_no_flipped_bit_is_believed(tmp_path: Path) -> None:
    """One bit anywhere in the file: either it is set aside, or what is read is what was written."""
    path, chance = tmp_path / "a.pt", random.Random(0)
    state = {"stage": "s", "model": {"w": torch.arange(300.0)}, "losses": [1.0, 0.5]}
    checkpoint.write(path, state)
    whole, refused = path.read_bytes(), 0
    for _ in range(200):
        place = chance.randrange(len(whole))
        path.write_bytes(
            whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :]
        )
        if (read := checkpoint.read(path)) is None:
            refused += 1
            assert not path.exists()
        else:
            assert (read["stage"], read["losses"]) == (state["stage"], state["losses"])
            assert torch.equal(read["model"]["w"], state["model"]["w"])  # type: ignore[index]
    assert refused > 100


def test_a_disk_without_room_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match="does not fit") as caught:
        checkpoint.write(tmp_path / "a.pt", {})
    assert caught.value.code == "cannot_write"
    assert not list(tmp_path.iterdir())
