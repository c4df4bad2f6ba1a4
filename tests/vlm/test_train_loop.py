"""The loop that every stage of training runs in, in one process or in many."""

from __future__ import annotations

from typing import Any

import pytest

from scalelaw.errors import Preempted, ScalelawError
from scalelaw.vlm.train_loop import check_finite, learning_rate, run_steps


class Run:
    """Calls of the loop: the steps made, what was reported, and after how many steps it saved."""

    def __init__(self, writes: bool = True) -> None:
        self.steps: list[int] = []
        self.lines: list[dict[str, Any]] = []
        self.saves: list[int] = []
        self.writes = writes

    def update(self, step: int) -> dict[str, Any]:
        self.steps.append(step)
        return {"loss": 1.0 / (step + 1)}

    def save(self) -> bool:
        self.saves.append(self.steps[-1] + 1)
        return self.writes

    def loop(self, first: int, steps: int, leave_after: int | None = None, every: int = 1000) -> None:
        run_steps(
            self.update, first, steps, "tune", self.lines.append, self.save,
            due=lambda done: done % every == 0,
            leaving=lambda: self.steps[-1] + 1 == leave_after,
        )  # fmt: skip


def test_steps_are_made_in_order_reported_and_saved_when_due() -> None:
    run = Run()
    run.loop(3, 200, every=50)
    assert run.steps == list(range(3, 200))
    assert run.saves == [50, 100, 150, 200]
    assert [line["step"] for line in run.lines] == list(range(4, 201, 4))
    assert run.lines[-1] == {"stage": "tune", "step": 200, "steps": 200, "loss": 1 / 200}


def test_nothing_is_left_to_do() -> None:
    run = Run()
    run.loop(5, 5)
    assert (run.steps, run.lines, run.saves) == ([], [], [])


@pytest.mark.parametrize(("after", "writes", "preempted"), [(2, True, True), (2, False, True), (5, True, True),
                                                            (5, False, False)])  # fmt: skip
def test_a_signal_saves_and_stops(after: int, writes: bool, preempted: bool) -> None:
    """Between steps it always stops; after the last one only where a checkpoint keeps the work."""
    run = Run(writes)
    if preempted:
        with pytest.raises(Preempted):
            run.loop(0, 5, leave_after=after)
    else:
        run.loop(0, 5, leave_after=after)
    assert run.steps == list(range(after))
    assert run.saves == [after]


def test_a_loss_that_is_not_finite_names_its_step() -> None:
    check_finite(1.0, "tune", 3, 10)
    for loss in (float("nan"), float("inf")):
        with pytest.raises(ScalelawError) as error:
            check_finite(loss, "tune", 3, 10)
        assert error.value.code == "loss_not_finite"
        assert "step 3 of 10" in error.value.message


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [learning_rate(step, 100, 0.1) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0, abs=1e-12)
