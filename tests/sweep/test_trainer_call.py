"""How a sweep calls its trainer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import Preempted, ScalelawError
from scalelaw.sweep import trainer_call


class OutOfMemoryError(RuntimeError):
    """As torch's is called."""


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., Any]:
    """Call a trainer's function; `told` is what it logged."""

    def run(function: Callable[..., Any], messages: list[Any] | None = None, **choices: Any) -> Any:
        log = lambda **facts: messages.append(facts) if messages is not None else None  # noqa: E731
        return trainer_call.call(function, saved=tmp_path / "saved" / "a.pt", log=log, **choices)

    return run


def test_a_trainer_is_handed_what_it_takes(call: Callable[..., Any], tmp_path: Path) -> None:
    assert call(lambda seed: seed, seed=3) == 3
    assert call(lambda saved: saved) == tmp_path / "saved" / "a.pt"
    assert (tmp_path / "saved").is_dir()
    assert call(lambda splits=1: splits) == 1


def test_without_memory_there_is_a_second_try_in_halves(call: Callable[..., Any]) -> None:
    log: list[dict[str, Any]] = []

    def needs_halves(splits: int = 1) -> int:
        if splits < 2:
            raise OutOfMemoryError("CUDA out of memory.")
        return splits

    assert call(needs_halves, log) == 2
    assert log == [{"event": "out of memory", "splits": 2}]


@pytest.mark.parametrize("kind", [OutOfMemoryError, MemoryError])
def test_what_has_no_memory_in_halves_either_fails_with_the_reason(
    call: Callable[..., Any], kind: type
) -> None:
    def never(splits: int = 1) -> None:
        raise kind("No room.\nmore")

    with pytest.raises(
        ScalelawError, match=r"out of memory, also with half the micro-batch: No room\.$"
    ) as caught:
        call(never)
    assert caught.value.code == "out_of_memory"

    def once() -> None:
        raise kind

    with pytest.raises(ScalelawError, match="out of memory: "):
        call(once)


def test_another_error_is_not_tried_again(call: Callable[..., Any]) -> None:
    begun = []

    def fails(splits: int = 1) -> None:
        begun.append(splits)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        call(fails)
    assert begun == [1]


def test_several_processes_begin_again_together_in_halves(
    call: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has no memory; another feels it as a lost connection; both ask for one restart."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    memory: dict[str, int] = {"rows": 1}

    def trains(splits: int = 1) -> int:
        if 2 // splits > memory["rows"]:
            raise OutOfMemoryError("CUDA out of memory.\nmore")
        return splits

    def feels(splits: int = 1) -> None:
        with suppress(ScalelawError):
            call(trains)  # meanwhile, elsewhere
        raise RuntimeError("Connection closed by peer")

    with pytest.raises(Preempted, match="CUDA out of memory"):
        call(feels)
    assert call(trains) == 2
    with pytest.raises(RuntimeError, match="closed by peer"):  # in halves, of another reason
        call(feels)
    memory["rows"] = 0
    for process in (trains, feels):
        with pytest.raises(ScalelawError, match="also with half the micro-batch: CUDA out") as caught:
            call(process)
        assert caught.value.code == "out_of_memory"
