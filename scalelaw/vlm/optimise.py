"""The training loop of every stage: AdamW, warm-up and cosine, clipping, and a stop when the loss is not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from scalelaw.errors import ScalelawError

Progress = Callable[[dict[str, Any]], None]


def optimise(
    groups: list[dict[str, Any]],
    loss_of: Callable[[int], torch.Tensor],
    *,
    steps: int,
    warmup: float,
    clip: float,
    stage: str,
    progress: Progress,
) -> list[float]:
    """Train the parameter groups on loss_of(step) for `steps` steps; return the losses.

    The learning rate of each group rises over `warmup` (a share of the steps), then falls as a cosine to 0.
    `progress` hears {stage, step, steps, loss} about fifty times. Raises ScalelawError for a loss that is not finite.
    """
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps, warmup))
    parameters = [p for group in groups for p in group["params"]]
    every, losses = max(1, steps // 50), []
    for step in range(steps):
        loss = loss_of(step)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ScalelawError(
                f"The loss of stage '{stage}' is {value} at step {step} of {steps}.",
                code="loss_not_finite",
                hint="Lower the learning rate, or clip harder.",
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        rate.step()
        losses.append(value)
        if (step + 1) % every == 0 or step + 1 == steps:
            progress({"stage": stage, "step": step + 1, "steps": steps, "loss": value})
    return losses


def _rate(step: int, steps: int, warmup: float) -> float:
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def batches(count: int, batch: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """Endless (epoch, rows): each epoch a new order of 0..count-1, by the seed; a last short batch is left out."""
    if count < batch:
        raise ScalelawError(
            f"A batch of {batch} needs as many examples; there are {count}.", code="bad_value"
        )
    epoch = 0
    while True:
        order = np.random.default_rng((seed, epoch)).permutation(count)
        for start in range(0, count - batch + 1, batch):
            yield epoch, np.sort(order[start : start + batch])
        epoch += 1
