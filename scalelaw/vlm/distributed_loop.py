"""The training loop for models of pretrained parts: accumulation, bf16, checkpoints, one process or many.

A step is one global batch, split into micro-batches and over the processes of torchrun. The loss of a step is the mean
over all the tokens that it learns, however they were split. A checkpoint holds parameters, optimiser, step and random
states; the data's order is a function of the step. In one process with one thread, stopped and gone on again gives the
bits of an undisturbed run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.checkpoint import state_dict as states
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from scalelaw.errors import InputError
from scalelaw.jobs import preemption
from scalelaw.vlm import checkpoint
from scalelaw.vlm.meter import Energy
from scalelaw.vlm.train_loop import Progress, check_finite, learning_rate, run_steps

PARALLEL = ("ddp", "fully_shard")
IGNORED = -100


@dataclass(frozen=True)
class Plan:
    """One stage of training. rows: of a global batch; micro: of them at once in one process.

    warmup: the share of the steps in which the learning rate rises; then it falls as a cosine to 0.
    precision: float32, or bf16: autocast, or where parameters are sharded FSDP's policy, which gathers them in bf16 and
    sums gradients in float32. parallel: how several processes share the work. save_every: steps; 0: only
    on a preemption signal.
    """

    steps: int
    rows: int
    micro: int
    learning_rate: float
    warmup: float = 0.03
    clip: float = 1.0
    weight_decay: float = 0.0
    precision: str = "float32"
    parallel: str = "ddp"
    compile: bool = False
    save_every: int = 0


@dataclass
class Seen:
    """What a stage has seen: steps, rows, tokens (all, and those learned), seconds inside and outside the model, joules
    of this process's device (NaN where it does not tell)."""

    step: int = 0
    rows: int = 0
    tokens: int = 0
    learned: int = 0
    seconds: float = 0.0
    outside_s: float = 0.0
    joules: float = 0.0
    losses: list[float] = field(default_factory=list)


def train(
    model: Any,
    batch_of: Callable[[int, int, int], dict[str, torch.Tensor]],
    plan: Plan,
    *,
    stage: str,
    progress: Progress,
    saved: Path | None = None,
    before: dict[str, Any] | None = None,
    begun: dict[str, Any] | None = None,
) -> Seen:
    """Train the parameters of `model` that require a gradient. Returns what was seen.

    batch_of(step, start, count): rows start..start+count-1 of that step's global batch, with `labels`; asked in order,
    a step ahead of the model, in a thread of its own.
    saved: where checkpoints are written. before: what is kept in them of earlier stages. begun: what a checkpoint of
    this stage held, from which training goes on; it is emptied. On a preemption signal it saves and raises Preempted.
    Raises ScalelawError for a loss that is not finite, with stage and step.
    """
    rank, world = _place()
    if plan.rows % (plan.micro * world):
        raise InputError(
            f"A batch of {plan.rows} does not split into {world} process(es) with {plan.micro} rows at a time.",
            code="bad_batch",
            hint="Let batch be a multiple of micro_batch times the number of processes.",
        )
    model.train()
    runner = _parallel(model, plan, world)
    learning = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=plan.learning_rate, betas=(0.9, 0.999), eps=1e-8,
                                  weight_decay=plan.weight_decay)  # fmt: skip
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: learning_rate(s, plan.steps, plan.warmup))
    seen = _restore(begun, model, optimiser, rate) if begun else Seen()
    device = next(model.parameters()).device
    mine, energy = plan.rows // world, Energy(device)

    def parts_of(step: int) -> list[dict[str, torch.Tensor]]:
        return [batch_of(step, s, plan.micro) for s in range(rank * mine, (rank + 1) * mine, plan.micro)]

    coming: Future[list[dict[str, torch.Tensor]]] | None = None

    def update(step: int) -> dict[str, Any]:
        nonlocal coming
        began = time.perf_counter()
        assert coming is not None
        parts = [_on(part, device) for part in coming.result()]
        coming = beside.submit(parts_of, step + 1) if step + 1 < plan.steps else None
        items = torch.tensor([_learned(part) for part in parts], device=device).sum()
        tokens = torch.tensor([_tokens(part) for part in parts], device=device).sum()
        if world > 1:
            dist.all_reduce(items)
            dist.all_reduce(tokens)
        entered = time.perf_counter()
        total = torch.zeros((), device=device)
        for i, part in enumerate(parts):
            with _last_only(runner, i == len(parts) - 1), _cast(device, plan.precision, model):
                loss = runner(**part, num_items_in_batch=items.clamp(min=1)).loss
                (_touched(loss, model) * world).backward()
            total += loss.detach()
        if world > 1:
            dist.all_reduce(total)
        value = float(total)
        check_finite(value, stage, step, plan.steps)
        torch.nn.utils.clip_grad_norm_(learning, plan.clip)
        optimiser.step()
        rate.step()
        optimiser.zero_grad(set_to_none=True)
        inside = time.perf_counter() - entered
        seen.step, seen.rows = step + 1, seen.rows + plan.rows
        seen.tokens, seen.learned = seen.tokens + int(tokens), seen.learned + int(items)
        seen.losses.append(value)
        seen.seconds += time.perf_counter() - began
        seen.outside_s += time.perf_counter() - began - inside
        seen.joules += energy.spent()
        return {"loss": value, "tokens_per_s": seen.tokens / max(seen.seconds, 1e-9)}

    def save() -> bool:
        if saved is None or seen.step == plan.steps:
            return False
        _save(saved, model, optimiser, rate, stage, seen, before)
        return True

    with preemption.listening(), ThreadPoolExecutor(1) as beside:
        coming = beside.submit(parts_of, seen.step) if seen.step < plan.steps else None
        run_steps(
            update, seen.step, plan.steps, stage, progress, save,
            due=lambda done: plan.save_every > 0 and done % plan.save_every == 0,
            leaving=lambda: _any(preemption.requested(), world, device),
        )  # fmt: skip
    return seen


# ---------------------------------------------------------------------------- several processes


@lru_cache(maxsize=1)
def _store() -> tuple[Any, int, int]:
    """(store, rank, world) that the processes of torchrun share, whether they make a group or not."""
    store, rank, world = next(rendezvous("env://", timeout=timedelta(minutes=30)))
    return store, rank, world


_groups = count()
"""Groups that this process has made: each has its own part of the store."""


def announce(work: str, begins: bool) -> None:
    """For the first process of torchrun: tell the others whether it begins some work, or finds it done."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        _store()[0].set(f"begins/{work}", str(int(begins)))


def join() -> None:
    """For every process of torchrun, before it may wait for anything: connect to the store."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        _store()


def begins(work: str) -> bool:
    """For the other processes of torchrun: whether the first one begins some work, once it has decided.

    The first may wait for days, while another run does that work; no group of processes exists meanwhile, so that
    nothing times out. False where the first process is gone: then nothing is left to take part in.
    """
    store = _store()[0]
    while True:
        try:
            if store.check([f"begins/{work}"]):
                return bool(store.get(f"begins/{work}") == b"1")
        except RuntimeError:  # the store was in the first process
            return False
        time.sleep(0.2)


@contextmanager
def processes(backend: str | None = None) -> Iterator[tuple[int, int]]:
    """(rank, world) of this process; under torchrun the group of processes lives as long as this holds."""
    begun = int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized()
    if begun:
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        store, rank, world = _store()
        store = PrefixStore(f"group/{next(_groups)}", store)
        backend = backend or ("nccl" if torch.cuda.is_available() else "gloo")
        dist.init_process_group(backend, store=store, rank=rank, world_size=world)
    try:
        yield _place()
        if begun:
            dist.barrier()  # nobody leaves while another still talks to it
    finally:
        if begun:
            dist.destroy_process_group()


def _place() -> tuple[int, int]:
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def _parallel(model: Any, plan: Plan, world: int) -> Any:
    if plan.parallel not in PARALLEL:
        raise InputError(
            f"parallel is '{plan.parallel}'.", code="bad_value", hint=f"Allowed: {', '.join(PARALLEL)}."
        )
    runner = model
    if world > 1 and plan.parallel == "fully_shard":
        policy = MixedPrecisionPolicy()
        if plan.precision == "bf16":
            policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        for block in _blocks(model):
            fully_shard(block, mp_policy=policy)
        fully_shard(model, mp_policy=policy)
    elif world > 1:
        runner = DistributedDataParallel(model)
    return torch.compile(runner) if plan.compile else runner


def _blocks(model: Any) -> Sequence[Any]:
    """The layers of the LLM: sharded each for itself, gathered one at a time."""
    base = getattr(model, "language_model", model)
    lists: list[Any] = [m for m in base.modules() if isinstance(m, torch.nn.ModuleList)]
    return list(sorted(lists, key=lambda modules: -len(list(modules)))[0]) if lists else []


def _last_only(runner: Any, last: bool) -> Any:
    """Gradients are exchanged with the last micro-batch of a step."""
    plain = getattr(runner, "_orig_mod", runner)  # of a compiled one
    if isinstance(plain, DistributedDataParallel) and not last:
        return plain.no_sync()
    if hasattr(runner, "set_requires_gradient_sync"):
        runner.set_requires_gradient_sync(last)
    return nullcontext()


def _touched(loss: torch.Tensor, model: Any) -> torch.Tensor:
    """The loss, with every parameter that learns in its graph: rows without images have gradients of 0 there."""
    if _place()[1] == 1 and loss.requires_grad:
        return loss
    parts = [getattr(model, name) for name in ("compressor", "projector") if hasattr(model, name)]
    spare = [p.sum() for part in parts for p in part.parameters() if p.requires_grad]
    return loss + 0.0 * sum(_local(term) for term in spare) if spare else loss


def _local(term: Any) -> torch.Tensor:
    return term.to_local() if hasattr(term, "to_local") else term


def _any(flag: bool, world: int, device: torch.device) -> bool:
    if world == 1:
        return flag
    count = torch.tensor(int(flag), device=device)
    dist.all_reduce(count)
    return bool(count)


def _cast(device: torch.device, precision: str, model: Any) -> Any:
    """Autocast, unless the parameters are sharded and gathered in bf16 already.

    Without autocast's cache: the question's pass runs first and without gradients, and a weight that it had cached
    would have none in the pass that learns.
    """
    if precision == "bf16" and not isinstance(model, FSDPModule):
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
    return nullcontext()


def _on(batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def _learned(batch: dict[str, torch.Tensor]) -> int:
    return int((batch["labels"][:, 1:] != IGNORED).sum())


def _tokens(batch: dict[str, torch.Tensor]) -> int:
    return int(batch["attention_mask"].sum()) if "attention_mask" in batch else batch["labels"].numel()


# ---------------------------------------------------------------------------- checkpoints


def _save(
    saved: Path, model: Any, optimiser: Any, rate: Any, stage: str, seen: Seen, before: dict[str, Any] | None
) -> None:
    """What is needed to go on: written beside its name and moved, by the first process."""
    options = states.StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights, moments = states.get_state_dict(model, optimiser, options=options)
    if _place()[0] == 0:
        state = {"stage": stage, "before": before or {}, "seen": vars(seen), "model": weights, "optimiser": moments,
                "rate": rate.state_dict(), "random": checkpoint.random_states()}  # fmt: skip
        checkpoint.write(saved, state)
    if dist.is_initialized():
        dist.barrier()


def whole(model: Any, fresh: Callable[[], Any]) -> Any:
    """The model in one piece in every process: itself, or where it was sharded a fresh one with its parameters."""
    if not isinstance(model, FSDPModule):
        return model
    sharded: Any = model
    state = states.get_model_state_dict(sharded, options=states.StateDictOptions(full_state_dict=True))
    again = fresh().to(next(sharded.parameters()).device)
    again.load_state_dict(state)
    return again


def _restore(state: dict[str, Any], model: Any, optimiser: Any, rate: Any) -> Seen:
    options = states.StateDictOptions(full_state_dict=True)
    states.set_model_state_dict(model, state["model"], options=options)
    # a parameter that never had a gradient has no moments, and none are kept of it
    options = states.StateDictOptions(full_state_dict=True, strict=False)
    states.set_optimizer_state_dict(model, optimiser, state["optimiser"], options=options)
    rate.load_state_dict(state["rate"])
    checkpoint.set_random_states(state["random"])
    seen = Seen(**state["seen"])
    state.clear()  # whoever gave it need not let go of it first: it is as large as the model and its moments
    return seen
