"""A cell of pretrained parts: tower, compressor, LLM, trained on conversations stage by stage, scored by generating.

The recipe of LLaVA and of arXiv 2411.03312: first what connects tower and LLM, then the LLM with it. Every cell of a
seed sees the same conversations in the same order.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from transformers import AutoImageProcessor, AutoTokenizer

from scalelaw import plugins
from scalelaw.config import Experiment, Finetune, Questions, TrainingStage
from scalelaw.datasets.llava_json import MARKER, Conversations, read_records, survey, trouble_with
from scalelaw.errors import InputError
from scalelaw.vlm import checkpoint
from scalelaw.vlm.cost_estimate import cell_flops
from scalelaw.vlm.distributed_loop import Plan, Seen, processes, train, whole
from scalelaw.vlm.llm import n_params, n_params_embedding
from scalelaw.vlm.meter import rates
from scalelaw.vlm.metrics import METRICS
from scalelaw.vlm.quecc import QueccForConditionalGeneration, QueccProcessor

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
    processor = QueccProcessor(images, tokenizer,
                               visual_tokens, recipe.question_turns, chat_template=recipe.chat_template)  # fmt: skip
    torch.manual_seed(seed)
    with _refuse_remote_code(f"{recipe.tower} or {llm}"):
        model = QueccForConditionalGeneration.from_parts(
            recipe.tower,
            llm,
            **trust,
            compressor=compressor,
            visual_tokens=visual_tokens,
            compressor_options=recipe.compressor_options,
            question_turns=recipe.question_turns,
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
    """Train and score one cell; a row for each benchmark. Under torchrun every process calls it, and the first scores.

    saved: the checkpoint of a stopped run, from which it goes on. splits: the micro-batch is divided by it, and the
    accumulation multiplied. Beside the loss, the log gets samples, tokens, FLOPs, seconds, the share of time outside
    the model, the rates of module `meter`, and of each question what was said.
    """
    recipe, (factor,) = _recipe(experiment), experiment.rate_factors
    with processes() as (rank, world):
        say: Log = log if rank == 0 else lambda _: None
        model, processor = build(recipe, llm, compressor, visual_tokens, seed)
        loaded, missing = _load_data(recipe, seed, say)
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
            model = whole(model, lambda: build(recipe, llm, compressor, visual_tokens, seed)[0])
        if restored and reached == TRAINED:
            model.load_state_dict(restored.pop("model"))
    # the process group has ended, so that no rank times out while rank 0 scores
    if rank:
        return []
    processor.visual_tokens = visual_tokens
    say({"event": "trained", "seconds_all": time.perf_counter() - began})
    vision = n_params(model.vision_tower)
    flops = _flops(experiment, llm, compressor, visual_tokens, done)
    sums = {key: sum(of[key] for of in done.values()) for key in FACTS}
    shared = {
        "model": Path(llm).name,
        "n_params": n_params(model.language_model),
        "n_params_total": n_params(model),
        "n_params_embedding": n_params_embedding(model.language_model),
        "n_params_vision": vision,
        "compressor": compressor,
        "visual_tokens": visual_tokens,
        "train_samples": sums["rows"],
        "train_tokens": sums["tokens"],
        "train_flops": flops,
        **rates(flops, sums, sums["tokens"], _device(), world),
        "seed": seed,
        "rate_factor": factor,
        "missing_records": missing,
        "status": "ok",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
    batch = max(1, experiment.evaluation.batch // splits)
    try:
        return [
            {**shared, **score(model, processor, recipe, questions, batch, say)}
            for questions in recipe.questions
        ]
    except BaseException:
        if saved is not None:  # training need not be repeated
            checkpoint.write(saved, {"stage": TRAINED, "before": done, "model": model.state_dict()})
        raise


def _load_data(recipe: Finetune, seed: int, say: Log) -> tuple[dict[str, Conversations], int]:
    """The conversations of every stage, and how many records were left out; all of it before anything is trained.

    Raises InputError `images_missing` where more than `max_missing` of a stage, or of a benchmark, cannot be used.
    """
    loaded, missing = {}, 0
    for stage in recipe.stages:
        data = Conversations(seed, files=stage.files, images=recipe.images)
        say({"event": "data", "stage": stage.name, "records": len(data), "digest": data.digest,
             "left_out": dict(data.left_out)})  # fmt: skip
        _check_missing(recipe, f"stage '{stage.name}'", data.left_out, len(data) + data.left_out.total())
        loaded[stage.name], missing = data, missing + data.left_out.total()
    for questions in recipe.questions:
        records, left_out = read_questions(recipe, questions)
        say({"event": "data", "benchmark": questions.benchmark, "records": len(records),
             "left_out": dict(left_out)})  # fmt: skip
    return loaded, missing


def read_questions(recipe: Finetune, questions: Questions) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The questions of a benchmark whose images can be read, and why the others were left out.

    Raises InputError for a question without a text or answers, a file without a question, and `images_missing` where
    more than `max_missing` of the questions were left out, or all.
    """
    records = [_question(raw, questions.file) for raw in read_records(Path(questions.file))]
    if not records:
        raise InputError(f"{questions.file} holds no question.", code="no_records")
    with ThreadPoolExecutor() as pool:
        troubles = list(pool.map(lambda r: trouble_with(Path(recipe.images), r["images"]), records))
    left_out = Counter(filter(None, troubles))
    usable = [record for record, trouble in zip(records, troubles, strict=True) if not trouble]
    _check_missing(recipe, f"benchmark '{questions.benchmark}'", left_out, len(records))
    return usable, left_out


def _check_missing(recipe: Finetune, what: str, left_out: Counter[str], records: int) -> None:
    if (message := too_many_missing(recipe, what, left_out, records)) is not None:
        raise InputError(
            message, code="images_missing", hint=f"Complete {recipe.images}, or raise finetune.max_missing."
        )


def too_many_missing(recipe: Finetune, what: str, left_out: Counter[str], records: int) -> str | None:
    """A sentence where more than `max_missing` of the records were left out, or all of them."""
    if not (count := left_out.total()) or (count <= recipe.max_missing * records and count < records):
        return None
    reasons = ", ".join(f"{n} {reason}" for reason, n in left_out.most_common())
    return (
        f"{count} of {records} records of {what} cannot be used ({reasons}): more than finetune.max_missing "
        f"({recipe.max_missing:g}) allows."
    )


def check_data(experiment: Experiment) -> list[tuple[str, str]]:
    """Warnings on the data of a recipe, before anything is trained: every image is looked for, a sample is decoded."""
    if (recipe := experiment.finetune) is None:
        return []
    warnings: list[tuple[str, str]] = []
    parts = [(f"stage '{stage.name}'", stage.files) for stage in recipe.stages]
    parts += [(f"benchmark '{questions.benchmark}'", [questions.file]) for questions in recipe.questions]
    for place, (what, files) in enumerate(parts):
        if absent := [file for file in files if not Path(file).is_file()]:
            warnings.append(
                ("data_not_checked", f"{absent[0]} does not exist; the images of {what} are not checked.")
            )
            continue
        records = [raw for file in files for raw in read_records(Path(file))]
        if place >= len(recipe.stages):
            records = [_as_conversation(_question(raw, files[0])) for raw in records]
        look = survey(records, Path(recipe.images))
        if message := too_many_missing(recipe, what, look.left_out, look.records):
            warnings.append(("images_missing", f"{message} The cells will fail."))
        elif look.left_out:
            reasons = ", ".join(f"{n} {reason}" for reason, n in look.left_out.most_common())
            warnings.append(
                ("images_missing", f"Left out of the {look.records} records of {what}: {reasons}.")
            )
        if look.unreadable:
            sentence = (
                f"{look.unreadable} of {look.sampled} images of {what} that were decoded cannot be read."
            )
            warnings.append(("images_missing", sentence))
    return warnings


def _as_conversation(question: dict[str, Any]) -> dict[str, Any]:
    turns = [{"from": "human", "value": MARKER * len(question["images"])}, {"from": "gpt", "value": "?"}]
    return {"id": question["id"], "image": question["images"], "conversations": turns}


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


def score(
    model: Any, processor: QueccProcessor, recipe: Finetune, questions: Questions, batch: int, say: Log
) -> dict[str, Any]:
    """Greedy answers to a file of questions, and their mean score with its standard error; each answer in the log.

    Raises InputError for a question without a text or answers.
    """
    records, left_out = read_questions(recipe, questions)
    model.eval()
    scores, lengths, ends = [], [], _ends(model, processor)
    for start in range(0, len(records), batch):
        rows = records[start : start + batch]
        turns = [
            [{"from": "human", "value": "\n".join(["<image>"] * len(r["images"]) + [r["question"]])}]
            for r in rows
        ]
        data = [Conversations.opened(Path(recipe.images), r["images"]) for r in rows]
        inputs = processor.collate(turns, data, add_generation_prompt=True).to(model.device)
        with torch.no_grad():
            written = model.generate(**inputs, max_new_tokens=recipe.answer_tokens, do_sample=False,
                                     eos_token_id=ends, pad_token_id=processor.tokenizer.pad_token_id)  # fmt: skip
        outputs = processor.tokenizer.batch_decode(
            written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        shown = inputs["attention_mask"].sum(dim=1) - (inputs["input_ids"] == processor.image_token_id).sum(
            dim=1
        )
        for row, text, length in zip(rows, outputs, shown.tolist(), strict=True):
            scores.append(METRICS[questions.metric](text, row["answers"]))
            lengths.append(length)
            say({"stage": "score", "step": len(scores), "steps": len(records), "benchmark": questions.benchmark,
                 "id": row["id"], "said": text.strip(), "answers": row["answers"], "score": scores[-1]})  # fmt: skip
    value = float(np.mean(scores))
    spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else math.nan
    return {"benchmark": questions.benchmark, "task_family": questions.family, "metric": questions.metric,
            "value": value, "error": 1 - value, "error_se": spread / math.sqrt(len(scores)), "n_examples": len(scores),
            "skipped_examples": left_out.total(),
            "text_tokens": float(np.mean(lengths))}  # fmt: skip


def _ends(model: Any, processor: QueccProcessor) -> list[int]:
    """The tokens that end an answer: the tokenizer's own, and those that the LLM came with."""
    eos = model.generation_config.eos_token_id
    ids = eos if isinstance(eos, list) else [] if eos is None else [eos]
    return sorted({int(processor.tokenizer.eos_token_id), *ids})


def _question(raw: Any, file: str) -> dict[str, Any]:
    record = raw if isinstance(raw, dict) else {}
    text = record.get("question", record.get("text"))
    answers = record.get("answers", record.get("answer"))
    answers = [answers] if isinstance(answers, str | int | float) else answers
    if not isinstance(text, str) or not answers:
        raise InputError(f"{file}: a question lacks `question` or `answers`: {str(raw)[:80]}.", code="bad_question",
                         hint="Each is {id, image, question, answers: [...]}.")  # fmt: skip
    image = record.get("image") or []
    images = [image] if isinstance(image, str) else image
    if not isinstance(images, list) or not all(isinstance(name, str) for name in images):
        raise InputError(f"{file}: `image` is neither a path nor a list of them.", code="bad_question")
    return {"id": str(record.get("id", record.get("question_id", ""))), "images": images,
            "question": text.replace("<image>", "").strip(), "answers": [str(a) for a in answers]}  # fmt: skip


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
