"""A cell of pretrained parts: tower, compressor, LLM, trained on conversations stage by stage, scored by generating.

The recipe of LLaVA and of arXiv 2411.03312: first what connects tower and LLM, then the LLM with it. Every cell of a
seed sees the same conversations in the same order.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from transformers import AutoImageProcessor, AutoTokenizer

from scalelaw import plugins
from scalelaw.config import Experiment, Finetune, TrainingStage
from scalelaw.datasets.llava_json import Conversations
from scalelaw.errors import InputError
from scalelaw.vlm import checkpoint
from scalelaw.vlm.answering import score
from scalelaw.vlm.cost_estimate import cell_flops
from scalelaw.vlm.distributed_loop import Plan, Seen, processes, train, whole
from scalelaw.vlm.llm import n_params, n_params_embedding
from scalelaw.vlm.meter import rates
from scalelaw.vlm.quecc import QueccForConditionalGeneration, QueccProcessor
from scalelaw.vlm.recipe_data import load_data

Log = Callable[[dict[str, Any]], None]
FACTS = ("rows", "tokens", "train_s", "train_j")
"""What is kept of a stage that is over."""
TRAINED = "(trained)"
"""The stage that a checkpoint is of whose training is over: weights alone, to be scored."""


def build(
    recipe: Finetune, llm: str, compressor: str, visual_tokens: int, seed: int
) -> tuple[Any, QueccProcessor]:
    """The model on its pretrained parts, compressor and projector new by the seed, and its processor.

    Raises InputError where a folder holds no weights.
    """
    for folder in (recipe.tower, llm):
        if not any(Path(folder).glob("*.safetensors")) and not any(Path(folder).glob("*.bin")):
            raise InputError(f"{folder} holds no weights.", code="no_weights",
                             hint="Put the pretrained model there, as save_pretrained writes it.")  # fmt: skip
    trust = {"trust_remote_code": recipe.trust_remote_code}
    with _refuse_remote_code(llm):
        tokenizer = AutoTokenizer.from_pretrained(llm, local_files_only=True, **trust)
    with _refuse_remote_code(recipe.tower):
        images = AutoImageProcessor.from_pretrained(recipe.tower, local_files_only=True, **trust)
    conditioning: dict[str, Any] = {
        "question_turns": recipe.question_turns,
        "question_separator": recipe.question_separator,
    }
    processor = QueccProcessor(
        images, tokenizer, visual_tokens, chat_template=recipe.chat_template, **conditioning
    )
    torch.manual_seed(seed)
    with _refuse_remote_code(f"{recipe.tower} or {llm}"):
        model = QueccForConditionalGeneration.from_parts(
            recipe.tower,
            llm,
            **trust,
            compressor=compressor,
            visual_tokens=visual_tokens,
            compressor_options=recipe.compressor_options,
            **conditioning,
            image_token_index=processor.image_token_id,
        )
    return model, processor


@contextmanager
def _refuse_remote_code(folder: str) -> Iterator[None]:
    """Raise InputError for a folder that contains code, which runs only if the experiment allows it."""
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise InputError(f"{folder} contains Python code, which is not run by default.", code="remote_code",
                         hint="To run it, set `finetune: {trust_remote_code: true}`.") from error  # fmt: skip


def run_cell(
    experiment: Experiment,
    *,
    llm: str,
    compressor: str,
    visual_tokens: int,
    seed: int,
    log: Log,
    saved: Path | None = None,
    splits: int = 1,
) -> list[dict[str, Any]]:
    """Train and score one cell; a row for each benchmark, under torchrun in the first of the processes that call it.

    saved: the checkpoint of a stopped run, from which it goes on. splits: the micro-batch is divided by it, and the
    accumulation multiplied. Beside the loss, the log gets samples, tokens, FLOPs, seconds, the share of time outside
    the model, the rates of module `meter`, and of each question what was said.
    """
    recipe, (factor,) = _recipe(experiment), experiment.rate_factors

    def fresh() -> tuple[Any, QueccProcessor]:
        made, processor = build(recipe, llm, compressor, visual_tokens, seed)
        if recipe.activation_checkpointing:
            made.activation_checkpointing_enable({"use_reentrant": False})
        return made, processor

    with processes() as (rank, world):
        say: Log = log if rank == 0 else lambda _: None
        model, processor = fresh()
        loaded, missing = load_data(recipe, seed, say)
        model.to(_device())
        began = time.perf_counter()
        restored = _usable(checkpoint.read(saved), [*(stage.name for stage in recipe.stages), TRAINED])
        reached, done = (restored["stage"], restored["before"]) if restored else ("", {})
        for stage in recipe.stages:
            if stage.name in done:
                continue  # the checkpoint is of a later one
            data = loaded[stage.name]
            model.train_stage(1 if stage.learns == "connector" else 2)
            plan = plan_of(recipe, stage, len(data), splits, factor)
            draw = _drawing(model, processor, seed)
            seen = train(model, _batches(processor, data, plan, recipe, draw), plan, stage=stage.name, progress=say,
                         saved=saved, before=done, begun=restored if stage.name == reached else None)  # fmt: skip
            done = {**done, stage.name: _facts(seen)}
            flops = _flops(experiment, llm, compressor, visual_tokens, {stage.name: done[stage.name]})
            say({"event": "stage", "stage": stage.name, "samples": seen.rows, "tokens": seen.tokens, "flops": flops,
                 "seconds_inside": seen.seconds, "outside": seen.outside_s / max(seen.seconds, 1e-9),
                 **rates(flops, done[stage.name], seen.tokens, _device(), world)})  # fmt: skip
            model = whole(model, lambda: fresh()[0])
        if restored and reached == TRAINED:
            model.load_state_dict(restored.pop("model"))
        elif saved is not None and rank == 0:  # before it is scored, so that no failure costs the training
            checkpoint.write(saved, {"stage": TRAINED, "before": done, "model": model.state_dict()})
        processor.visual_tokens = visual_tokens
        say({"event": "trained", "seconds_all": time.perf_counter() - began})
        shared = _shared(model, done, world, _flops(experiment, llm, compressor, visual_tokens, done))
        if recipe.precision == "bf16":
            model.to(torch.bfloat16)
        batch = max(1, experiment.evaluation.batch // splits)
        scored = [score(model, processor, recipe, questions, batch, say) for questions in recipe.questions]
    if rank:
        return []
    names = {"model": Path(llm).name, "compressor": compressor, "visual_tokens": visual_tokens, "seed": seed}
    extra = {"rate_factor": factor, "missing_records": missing}
    return [{**shared, **names, **extra, **scores} for scores in scored]


def _shared(model: Any, done: dict[str, dict[str, Any]], world: int, flops: float) -> dict[str, Any]:
    """The columns that all rows of a cell share: sizes, and what training took."""
    sums = {key: sum(of[key] for of in done.values()) for key in FACTS}
    return {
        "n_params": n_params(model.language_model),
        "n_params_total": n_params(model),
        "n_params_embedding": n_params_embedding(model.language_model),
        "n_params_vision": n_params(model.vision_tower),
        "train_samples": sums["rows"],
        "train_tokens": sums["tokens"],
        "train_flops": flops,
        **rates(flops, sums, sums["tokens"], _device(), world),
        "status": "ok",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


def _usable(state: dict[str, Any] | None, order: list[str]) -> dict[str, Any] | None:
    """A checkpoint if it belongs to one of these stages and has the facts of the earlier ones, else None.

    With None, for example for a checkpoint of an older version, training restarts from the beginning.
    """
    stage, before = (state.get("stage"), state.get("before")) if state else (None, None)
    if stage not in order or not isinstance(before, dict) or list(before) != order[: order.index(stage)]:
        return None
    return state if all(isinstance(of, dict) and set(of) == set(FACTS) for of in before.values()) else None


def _facts(seen: Seen) -> dict[str, Any]:
    """What is kept of a stage that is over; the energy is that of all processes' cards, or of the first's processor."""
    joules = torch.tensor(seen.joules, dtype=torch.float64, device=_device())
    if dist.is_initialized() and torch.cuda.is_available():
        dist.all_reduce(joules)
    return {"rows": seen.rows, "tokens": seen.tokens, "train_s": seen.seconds, "train_j": float(joules)}


def _flops(
    experiment: Experiment, llm: str, compressor: str, visual_tokens: int, done: dict[str, dict[str, Any]]
) -> float:
    """Of these stages, with the rows and tokens that were seen."""
    measured = {stage: (facts["rows"], facts["tokens"]) for stage, facts in done.items()}
    return cell_flops(experiment, llm, compressor, visual_tokens, measured)


def plan_of(
    recipe: Finetune, stage: TrainingStage, records: int, splits: int = 1, factor: float = 1.0
) -> Plan:
    """A stage's plan: as many steps as whole batches in its epochs, at least one. An odd micro-batch is divided into
    single rows, as its halves would not add up to the batch.
    """
    micro = min(recipe.micro_batch, stage.batch)
    return Plan(
        steps=max(1, int(stage.epochs * records) // stage.batch),
        rows=stage.batch,
        micro=1 if micro % splits else micro // splits,
        learning_rate=factor * stage.learning_rate,
        warmup=recipe.warmup,
        clip=recipe.clip,
        precision=recipe.precision,
        parallel=recipe.parallel,
        compile=recipe.compile,
        save_every=recipe.save_every,
    )


def _batches(
    processor: QueccProcessor, data: Conversations, plan: Plan, recipe: Finetune, draw: Callable[[int], None]
) -> Callable[[int, int, int], dict[str, torch.Tensor]]:
    def batch_of(step: int, start: int, count: int) -> dict[str, torch.Tensor]:
        draw(step)
        rows = data.rows(step * plan.rows + start, count)
        turns = [data.records[row].turns for row in rows]
        return dict(
            processor.collate(turns, [data.pictures(row) for row in rows], max_length=recipe.max_length)
        )

    return batch_of


def _drawing(model: Any, processor: QueccProcessor, seed: int) -> Callable[[int], None]:
    """For a compressor that trains for many numbers of tokens: set the step's, by the seed."""
    among = getattr(model.compressor, "training_tokens", ())

    def draw(step: int) -> None:
        if among:
            processor.visual_tokens = int(np.random.default_rng((seed, step)).choice(among))

    return draw


def allowed_tokens(experiment: Experiment, compressor: str) -> list[int]:
    """The numbers of visual tokens that a compressor can give on the tower's grid, falling."""
    from scalelaw.vlm.cost_estimate import tower_of

    tower, recipe = tower_of(experiment), _recipe(experiment)
    side = math.isqrt(tower.patches)
    if (window := recipe.compressor_options.get("side")) is not None:
        return [int(-(-side // window)) ** 2]
    counts: list[int] = plugins.load("compressors", compressor).allowed_tokens((side, side))
    return counts


def _recipe(experiment: Experiment) -> Finetune:
    assert experiment.finetune is not None
    return experiment.finetune


def _device() -> torch.device:
    return (
        torch.device("cuda", torch.cuda.current_device())
        if torch.cuda.is_available()
        else torch.device("cpu")
    )
