"""The training loop of every stage: AdamW, warm-up and cosine, clipping, and a stop when the loss is not finite.

The data of a step is a function of its number. In one process with one thread, a run that is stopped and resumed gives
the same bits as an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from scalelaw.errors import ScalelawError
from scalelaw.jobs import preemption
from scalelaw.vlm import checkpoint

Progress = Callable[[dict[str, Any]], None]
SAVE_EVERY_S = 60.0


def optimise(
    groups: list[dict[str, Any]],
    loss_of: Callable[..., torch.Tensor],
    *,
    steps: int,
    warmup: float,
    clip: float,
    stage: str,
    progress: Progress,
    splits: int = 1,
    model: nn.Module | None = None,
    kept: dict[str, Any] | None = None,
    saved: Path | None = None,
) -> list[float]:
    """Train the parameter groups on loss_of(step) for `steps` steps; return the losses.

    The learning rate of each group rises over `warmup` (a share of the steps), then falls as a cosine to 0.
    `progress` gets {stage, step, steps, loss} about fifty times. Raises ScalelawError for a loss that is not finite.
    splits: more than one: the loss of a step is the sum of loss_of(step, part) for part = 0..splits-1, one in memory
    at a time. saved: the checkpoint, with `model` (all that learns) and `kept` (what loss_of adds up: plain data and
    tensors): training continues from an existing one. It is written every minute, at the end, and on a preemption
    signal, which then raises Preempted.
    """
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(step, steps, warmup))
    parameters = [p for group in groups for p in group["params"]]
    model, kept = model if model is not None else nn.Module(), kept if kept is not None else {}
    parts: dict[str, Any] = {"model": model, "optimiser": optimizer, "rate": rate}
    losses = _restore(saved, stage, parts, kept)
    last = time.monotonic()

    def update(step: int) -> dict[str, Any]:
        value = 0.0
        optimizer.zero_grad(set_to_none=True)
        for part in range(splits):
            loss = loss_of(step, part) if splits > 1 else loss_of(step)
            value += float(loss.detach())
            check_finite(value, stage, step, steps)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        rate.step()
        losses.append(value)
        return {"loss": value}

    def save() -> bool:
        nonlocal last
        if saved is None:
            return False
        _save(saved, stage, parts, kept, losses)
        last = time.monotonic()
        return True

    with preemption.listening() if saved is not None else nullcontext():
        run_steps(
            update, len(losses), steps, stage, progress, save,
            due=lambda done: done == steps or time.monotonic() - last > SAVE_EVERY_S,
            leaving=preemption.requested if saved is not None else lambda: False,
        )  # fmt: skip
    return losses


def run_steps(
    update: Callable[[int], dict[str, Any]],
    first: int,
    steps: int,
    stage: str,
    progress: Progress,
    save: Callable[[], bool],
    *,
    due: Callable[[int], bool],
    leaving: Callable[[], bool],
) -> None:
    """The loop of every stage, in one process or in many: update, report, save, and stop on a preemption signal.

    Args:
        update: makes step number i and returns what is reported of it, with `loss`.
        first: the first step that is left to do.
        steps: the number of steps.
        stage: its name.
        progress: is called about fifty times, with {stage, step, steps} and what `update` returned.
        save: writes a checkpoint; returns whether it did.
        due: whether to save after this many steps.
        leaving: whether to stop; it is asked after every step, in all processes alike.

    Raises:
        Preempted: on a signal, where steps are left or a checkpoint was written.
    """
    every = max(1, steps // 50)
    for step in range(first, steps):
        facts, done = update(step), step + 1
        if done % every == 0 or done == steps:
            progress({"stage": stage, "step": done, "steps": steps, **facts})
        leave = leaving()
        wrote = (leave or due(done)) and save()
        if leave and (wrote or done < steps):
            raise preemption.preempted()


def check_finite(loss: float, stage: str, step: int, steps: int) -> None:
    """Raises ScalelawError for a loss that is not finite, before it reaches the parameters."""
    if not math.isfinite(loss):
        raise ScalelawError(
            f"The loss of stage '{stage}' is {loss} at step {step} of {steps}.",
            code="loss_not_finite",
            hint="Lower the learning rate, or clip harder.",
        )


def _save(saved: Path, stage: str, parts: dict[str, Any], kept: dict[str, Any], losses: list[float]) -> None:
    states = {name: part.state_dict() for name, part in parts.items()}
    checkpoint.write(
        saved,
        {**states, "stage": stage, "kept": kept, "losses": losses, "random": checkpoint.random_states()},
    )


def _restore(saved: Path | None, stage: str, parts: dict[str, Any], kept: dict[str, Any]) -> list[float]:
    """Restore a checkpoint and return its losses; an empty list without a checkpoint of this stage."""
    state = checkpoint.read(saved)
    if state is None or state["stage"] != stage:
        return []
    for name, part in parts.items():
        part.load_state_dict(state[name])
    kept.update(state["kept"])
    checkpoint.set_random_states(state["random"])
    losses: list[float] = state["losses"]
    return losses


def learning_rate(step: int, steps: int, warmup: float) -> float:
    """The share of the learning rate at a step: a linear warm-up, then a cosine to 0."""
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


class Batches:
    """(epoch, rows) of a step: each epoch a new order of 0..count-1, by the seed; a last short batch is left out."""

    def __init__(self, count: int, batch: int, seed: int) -> None:
        if count < batch:
            raise ScalelawError(
                f"A batch of {batch} needs as many examples; there are {count}.", code="bad_value"
            )
        self.count, self.batch, self.seed, self.epoch = count, batch, seed, -1

    def of(self, step: int) -> tuple[int, np.ndarray]:
        """The batch of that step; the last epoch's order is kept."""
        epoch, place = divmod(step, self.count // self.batch)
        if epoch != self.epoch:
            self.epoch = epoch
            self.order = np.random.default_rng((self.seed, epoch)).permutation(self.count)
        return epoch, np.sort(self.order[place * self.batch : (place + 1) * self.batch])
