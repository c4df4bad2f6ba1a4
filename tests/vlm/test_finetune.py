"""The real recipe, scaled down: pretrained folders and LLaVA's files, written here; from a sweep to its table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL import Image

from scalelaw import cli
from scalelaw.config import Experiment, parse_experiment, read_experiment
from scalelaw.errors import InputError, Preempted, ScalelawError
from scalelaw.files.paths import SweepFolder
from scalelaw.sweep import locks, plan_sweep, run_sweep, trainer_call
from scalelaw.table import read
from scalelaw.vlm import answering, checkpoint, cost_estimate, distributed_loop, finetune, metrics
from scalelaw.vlm.cell import allowed_tokens, cell_flops, run_cell

from .conftest import repeatable
from .quecc.conftest import LLM, TOWER, tokenizer

COLOURS = {"red": (220, 0, 0), "blue": (0, 0, 220)}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tower, an LLM, images of two colours, conversations about them, questions."""
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("world")
    torch.manual_seed(0)
    sizes = {**TOWER, "image_size": 32, "patch_size": 8}
    transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**sizes)).save_pretrained(root / "tower")
    transformers.CLIPImageProcessorPil(
        size={"height": 32, "width": 32}, do_center_crop=False
    ).save_pretrained(root / "tower")
    transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.for_model("qwen2", **LLM)
    ).save_pretrained(root / "llm")
    tokenizer().save_pretrained(root / "llm")
    (root / "images").mkdir()
    records: list[dict[str, Any]] = []
    for i, (name, colour) in enumerate(list(COLOURS.items()) * 8):
        Image.new("RGB", (20 + i, 30), colour).save(root / "images" / f"{i}.png")
        turns = [{"from": "human", "value": "<image>\nColour?"}, {"from": "gpt", "value": name}]
        records.append({"id": i, "image": f"{i}.png", "conversations": turns})
    text = [{"from": "human", "value": "Say hi"}, {"from": "gpt", "value": "hi"}]
    records += [
        {"id": "text", "conversations": text},
        {"id": "gone", "image": "gone.png", "conversations": turns},
    ]
    (root / "mix.json").write_text(json.dumps(records))
    questions = [
        {"id": i, "image": f"{i}.png", "question": "Colour?", "answers": [("red", "blue")[i % 2]]}
        for i in range(6)
    ]
    (root / "asked.jsonl").write_text("\n".join(map(json.dumps, questions)))
    return root


def experiment(world: Path, epochs: float = 2, **changes: Any) -> Experiment:
    stage = {"files": [str(world / "mix.json")], "batch": 4}
    recipe = {
        "tower": str(world / "tower"), "images": str(world / "images"), "micro_batch": 2, "precision": "float32",
        "stages": [{"name": "connect", "learns": "connector", "learning_rate": 1e-2, **stage},
                   {"name": "tune", "learns": "all", "learning_rate": 1e-2, "epochs": epochs, **stage}],
        "questions": [{"benchmark": "colours", "family": "perception", "file": str(world / "asked.jsonl")}],
        "answer_tokens": 6, "save_every": 3, "max_missing": 0.1,
    }  # fmt: skip
    return parse_experiment({
        "question": "Does the real path run?", "name": "llava_tiny", "llms": [str(world / "llm")],
        "visual_tokens": [1, 4], "compressors": ["quecc"], "dataset": {"name": "llava_json"},
        "finetune": {**recipe, **changes},
    })  # fmt: skip


def cell(config: Experiment, **more: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    torch.set_num_threads(1)
    heard: list[dict[str, Any]] = []
    rows = finetune.run_cell(config, **{"llm": config.llms[0], "compressor": "quecc", "visual_tokens": 4, "seed": 0,
                                        "log": heard.append, **more})  # fmt: skip
    return rows, heard


def test_a_sweep_of_pretrained_parts_from_files_to_a_table(world: Path, tmp_path: Path) -> None:
    result = run_sweep(experiment(world), tmp_path / "out", executor="inline")
    assert not result.failed
    rows = read.read_table(tmp_path / "out")
    assert sorted(rows["visual_tokens"]) == [1, 4]
    assert set(rows["benchmark"]) == {"colours"}
    assert (rows["n_examples"] == 6).all()
    assert (rows["model"] == "llm").all()


def test_it_learns_and_says_all_that_it_did(world: Path) -> None:
    rows, heard = cell(experiment(world, epochs=12))
    (row,) = rows
    assert row["value"] == 1.0  # two colours, told apart
    data = next(line for line in heard if line.get("event") == "data")
    assert data["records"] == 17
    assert data["left_out"] == {"image missing": 1}
    stages = [line for line in heard if line.get("event") == "stage"]
    assert [line["stage"] for line in stages] == ["connect", "tune"]
    assert [line["samples"] for line in stages] == [16, 204]
    assert all(line["flops"] > 0 and line["tokens_per_s"] > 0 and 0 < line["mfu"] < 1.5 for line in stages)
    scores = [line for line in heard if line.get("stage") == "score"]
    assert [line["said"] for line in scores] == ["red", "blue"] * 3
    for column, key in (("train_samples", "samples"), ("train_tokens", "tokens"), ("train_flops", "flops")):
        assert row[column] == pytest.approx(sum(line[key] for line in stages), rel=1e-12)
    seconds = sum(line["seconds_inside"] for line in stages)
    assert row["tokens_per_s"] == pytest.approx(row["train_tokens"] / seconds)
    assert 0 < row["mfu"] < 1.5  # of what was measured beside, on a machine that others use too


def test_two_processes_share_a_cell(world: Path, tmp_path: Path) -> None:
    """Sharded over two processes of torchrun, both stages and the scoring: what one process gives."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    code = tmp_path / "run.py"
    config = experiment(world, parallel="fully_shard", micro_batch=2)
    (tmp_path / "stated.json").write_text(config.model_dump_json())
    code.write_text(SHARED.format(folder=str(tmp_path)))
    done = subprocess.run([*command, str(code)], capture_output=True, text=True, timeout=250,
                          env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    rows, heard = cell(experiment(world))
    shared = json.loads((tmp_path / "rows.json").read_text())
    assert [row["train_tokens"] for row in shared["rows"]] == [row["train_tokens"] for row in rows]
    losses = [line["loss"] for line in heard if "loss" in line]
    assert shared["losses"] == pytest.approx(losses, rel=2e-2)
    assert shared["losses"][:4] == pytest.approx(losses[:4], rel=1e-4)
    # each process answers half of the questions
    assert [(tmp_path / f"answered.{rank}").read_text() for rank in (0, 1)] == ["[3]", "[3]"]
    assert shared["rows"][0]["n_examples"] == 6
    assert [line["id"] for line in shared["scores"]] == [str(i) for i in range(6)]


SHARED = """
import json
import os
import torch
from scalelaw.config import Experiment
from scalelaw.vlm import answering
from scalelaw.vlm.finetune import run_cell

generated, sizes = answering._generated, []
answering._generated = lambda *arguments: (sizes.append(len(arguments[-1])), generated(*arguments))[1]
torch.set_num_threads(1)
stated, heard = Experiment.model_validate_json(open("{folder}/stated.json").read()), []
rows = run_cell(stated, llm=stated.llms[0], compressor="quecc", visual_tokens=4, seed=0, log=heard.append)
if rows:
    losses = [line["loss"] for line in heard if "loss" in line]
    scores = [line for line in heard if line.get("stage") == "score"]
    open("{folder}/rows.json", "w").write(json.dumps(dict(rows=rows, losses=losses, scores=scores)))
open("{folder}/answered." + os.environ["RANK"], "w").write(json.dumps(sizes))
"""


def test_every_cell_of_a_seed_sees_the_same_records(world: Path) -> None:
    digests = [
        [line["digest"] for line in cell(experiment(world), visual_tokens=v)[1] if "digest" in line]
        for v in (1, 4)
    ]
    assert digests[0] == digests[1]


def test_stopped_in_the_second_stage_and_gone_on_again(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows and losses to the bit."""
    undisturbed, all_said = cell(experiment(world))
    calls = iter(range(1000))
    monkeypatch.setattr(distributed_loop.preemption, "requested", lambda: next(calls) == 9)
    with pytest.raises(Preempted):
        cell(experiment(world), saved=tmp_path / "saved.pt")
    monkeypatch.undo()
    rows, logged = cell(experiment(world), saved=tmp_path / "saved.pt")
    assert repeatable(rows) == repeatable(undisturbed)
    # the first is not done again
    assert {line["stage"] for line in logged if line.get("event") == "stage"} == {"tune"}

    def last(lines: list[dict[str, Any]]) -> float:
        return float([line["loss"] for line in lines if line.get("stage") == "tune" and "loss" in line][-1])

    assert last(logged) == last(all_said)


def test_stopped_while_it_is_scored_it_is_not_trained_again(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, _ = cell(experiment(world))

    def stop(*_: Any) -> None:
        raise Preempted("Asked.", code="preempted")

    monkeypatch.setitem(metrics.METRICS, experiment(world).finetune.questions[0].metric, stop)  # type: ignore[union-attr]
    with pytest.raises(Preempted):
        cell(experiment(world), saved=tmp_path / "saved.pt")
    monkeypatch.undo()
    rows, logged = cell(experiment(world), saved=tmp_path / "saved.pt")
    assert repeatable(rows) == repeatable(undisturbed)
    assert not [line for line in logged if line.get("event") == "stage"]


def _flip_a_bit(saved: Path) -> None:
    """In the middle of the file, where weights lie."""
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 1
    saved.write_bytes(bytes(content))


def _as_older_versions_wrote(saved: Path) -> None:
    state = checkpoint.read(saved)
    assert state is not None
    checkpoint.write(saved, {**state, "before": {name: of["rows"] for name, of in state["before"].items()}})


@pytest.mark.parametrize("when", ["tuned", "scored"])
@pytest.mark.parametrize("harm", [_flip_a_bit, _as_older_versions_wrote])
def test_nothing_is_skipped_on_the_word_of_a_checkpoint_that_is_not_believed(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, harm: Callable[[Path], None]
) -> None:
    """Stopped in the second stage or while it is scored: both stages are trained again, from nothing."""
    config, calls = experiment(world, epochs=1), iter(range(1000))
    undisturbed, all_said = cell(config)
    losses = [line["loss"] for line in all_said if "loss" in line]

    def stop(*_: Any) -> None:
        raise Preempted("Asked.", code="preempted")

    if when == "tuned":
        monkeypatch.setattr(distributed_loop.preemption, "requested", lambda: next(calls) == 6)
    else:
        monkeypatch.setitem(metrics.METRICS, config.finetune.questions[0].metric, stop)  # type: ignore[union-attr]
    saved = tmp_path / "saved.pt"
    with pytest.raises(Preempted):
        cell(config, saved=saved)
    monkeypatch.undo()
    assert (checkpoint.read(saved) or {})["stage"] == {"tuned": "tune", "scored": finetune.TRAINED}[when]
    harm(saved)
    rows, logged = cell(config, saved=saved)
    assert [line["stage"] for line in logged if line.get("event") == "data" and "stage" in line] == [
        "connect",
        "tune",
    ]
    assert [line["loss"] for line in logged if "loss" in line] == losses
    assert repeatable(rows) == repeatable(undisturbed)


def test_what_is_trained_is_on_the_disk_before_it_is_scored(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that not even a process that is killed while it scores loses it."""
    score, stages = finetune.score, list[Any]()

    def scored(*arguments: Any) -> Any:
        stages.append((checkpoint.read(tmp_path / "saved.pt") or {}).get("stage"))
        return score(*arguments)

    monkeypatch.setattr(finetune, "score", scored)
    cell(experiment(world, epochs=0.25), saved=tmp_path / "saved.pt")
    assert stages == [finetune.TRAINED]


def test_answers_are_made_in_batches_that_fit(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory runs out, in halves; the rows are the same."""
    config, sizes = experiment(world, epochs=0.25), list[int]()
    rows, _ = cell(config)
    generated = answering._generated

    def small(*arguments: Any) -> Any:
        sizes.append(len(arguments[-1]))
        if len(arguments[-1]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return generated(*arguments)

    monkeypatch.setattr(answering, "_generated", small)
    assert repeatable(cell(config)[0]) == repeatable(rows)
    assert sizes == [6, 3, 2, 1, 3, 2, 1]


def test_the_cache_of_a_row(world: Path) -> None:
    """Against the cache that a forward pass makes, in float32 and in bf16."""
    config = experiment(world)
    model, processor = finetune.build(finetune._recipe(config), config.llms[0], "quecc", 4, 0)
    for dtype in (torch.float32, torch.bfloat16):
        model.to(dtype)
        batch = processor.collate([[{"from": "human", "value": "Colour?"}]], add_generation_prompt=True)
        cache = model(**batch, use_cache=True).past_key_values
        size = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
        assert answering.row_bytes(model, batch["input_ids"].shape[1]) == size


def test_a_second_torchrun_on_a_cell_that_another_finishes_ends(world: Path, tmp_path: Path) -> None:
    """Its first process waits for the cell and finds it made; the other does not wait for the first in vain."""
    config = experiment(world, epochs=0.25).model_copy(update={"visual_tokens": [4]})
    folder = SweepFolder(tmp_path / "sweep")
    assert not run_sweep(config, folder.root, executor="inline").failed
    (part,) = folder.cells.glob("*.parquet")
    name, made = part.stem, part.read_bytes()
    part.unlink()
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
               "-m", "scalelaw.sweep.cell", str(folder.root), name]  # fmt: skip
    with (tmp_path / "output").open("w") as output:
        with locks.hold(folder.lock_of(name)):
            run = subprocess.Popen(command, stdout=output, stderr=output,
                                   env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
            limit = time.monotonic() + 200
            while "Waiting for" not in (tmp_path / "output").read_text():
                assert run.poll() is None, (tmp_path / "output").read_text()
                assert time.monotonic() < limit
                time.sleep(0.5)
            part.write_bytes(made)
        try:
            assert run.wait(timeout=60) == 0, (tmp_path / "output").read_text()
        finally:
            run.kill()


def test_without_memory_half_the_micro_batch_learns_the_same(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than one row at once does not fit here; then not even one does."""
    config, calls = experiment(world), list[dict[str, Any]]()
    choice = {"llm": config.llms[0], "compressor": "quecc", "visual_tokens": 4, "seed": 0}
    rows, heard = cell(config)
    forward, fits = finetune.QueccForConditionalGeneration.forward, 1

    @wraps(forward)  # its arguments are looked at
    def small(self: Any, *args: Any, **more: Any) -> Any:
        if (ids := more.get("labels")) is not None and len(ids) > fits:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, *args, **more)

    monkeypatch.setattr(finetune.QueccForConditionalGeneration, "forward", small)
    log = lambda facts=None, **more: calls.append({**(facts or {}), **more})  # noqa: E731
    call = partial(run_cell, tower=tmp_path, features=tmp_path, llm_folder=tmp_path, log=log)
    halves = trainer_call.call(call, config, saved=tmp_path / "saved.pt", log=log, **choice)
    assert {"event": "out of memory", "splits": 2} in calls
    assert [row["train_tokens"] for row in halves] == [row["train_tokens"] for row in rows]
    losses = [[line["loss"] for line in lines if "loss" in line] for lines in (calls, heard)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
    assert losses[0][:4] == pytest.approx(losses[1][:4], rel=1e-4)
    fits = 0
    with pytest.raises(ScalelawError, match="also with half the micro-batch: CUDA out of memory"):
        trainer_call.call(call, config, saved=tmp_path / "other.pt", log=log, **choice)


def test_activation_checkpointing_learns_the_same(world: Path) -> None:
    plain, less = (cell(experiment(world, epochs=0.25, activation_checkpointing=v)) for v in (False, True))
    losses = [[line["loss"] for line in lines if "loss" in line] for _, lines in (plain, less)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("compressor", ["matryoshka_query", "attention_prune"])
def test_other_compressors_take_the_same_path(world: Path, compressor: str) -> None:
    assert cell(experiment(world), compressor=compressor)[0][0]["n_examples"] == 6


def test_flops_by_torchs_counter(world: Path) -> None:
    """One sample of each stage against the counter: products of the forward pass, and of the backward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    config = experiment(world)
    model, processor = finetune.build(finetune._recipe(config), config.llms[0], "quecc", 4, 0)
    model.set_attn_implementation("eager")
    turns = [{"from": "human", "value": "<image>\nColour?"}, {"from": "gpt", "value": "red"}]
    batch = processor.collate([turns], [[Image.new("RGB", (32, 32))]])
    tokens = batch["input_ids"].shape[1]
    for stage, name in ((1, "connect"), (2, "tune")):
        model.train_stage(stage)
        with FlopCounterMode(display=False) as counter:
            model(**batch).loss.backward()
        ours = cell_flops_of(config, name, tokens, len(processor.tokenizer("Colour?")["input_ids"]))
        assert ours == pytest.approx(counter.get_total_flops(), rel=0.06)


def cell_flops_of(config: Experiment, stage: str, tokens: int, question: int) -> float:
    recipe = finetune._recipe(config)
    stages = [stage_of.model_copy(update={"text_tokens": float(question)}) for stage_of in recipe.stages]
    same = config.model_copy(update={"finetune": recipe.model_copy(update={"stages": stages})})
    return cost_estimate.cell_flops(same, config.llms[0], "quecc", 4, {stage: (1, tokens)})


# ---------------------------------------------------------------------------- the paper's own


def test_the_papers_experiment_can_be_planned(tmp_path: Path) -> None:
    """Without a weight and without a file of data: its cells, FLOPs, memory and hours."""
    config = read_experiment(Path(__file__).parents[2] / "experiments" / "llava_qwen.yaml")
    assert len(config.llms) >= 3
    assert allowed_tokens(config, "quecc") == [576, 144, 64, 36, 16, 9, 4, 1]
    plan = plan_sweep(config, tmp_path)
    planned = plan.cells
    assert plan.cluster == {"gpus": 8, "tflops": 989.0, "memory_gb": 80.0, "mfu": 0.4}
    assert {code for code, _ in plan.warnings} == {"data_not_checked"}
    assert len(planned) == len(config.llms) * len(config.visual_tokens)
    assert all(c["hours"] > 0 and c["memory_gb"] > 0 for c in planned)
    small, large = (
        cell_flops(config, config.llms[0], "quecc", 1),
        cell_flops(config, config.llms[-1], "quecc", 576),
    )
    assert 1e17 < small < large < 1e20
    needed = cost_estimate.needs(config, config.llms[0], "quecc", 36)
    assert 1 < needed["memory_gb"] < 80
    assert 0.1 < needed["hours"] < 24
    with pytest.raises(InputError) as caught:
        finetune.run_cell(
            config, llm=config.llms[0], compressor="quecc", visual_tokens=1, seed=0, log=lambda _: None
        )
    assert caught.value.code == "no_weights"


def test_the_plan_is_for_the_hardware_that_is_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half as many cards of a third of the speed: six times as long; and what does not fit is said."""
    monkeypatch.chdir(Path(__file__).parents[2])
    arguments = [
        "sweep",
        "experiments/llava_qwen.yaml",
        "--dry-run",
        "--set",
        "visual_tokens=[576]",
        "--json",
    ]
    plans = []
    for more in ([], ["--set", "finetune.cluster={gpus: 4, tflops: 329.6666667, memory_gb: 40}"]):
        assert cli.main([*arguments, *more]) == 0
        plans.append(json.loads(capsys.readouterr().out))
    for large, small in zip(*(plan["data"]["cells"] for plan in plans), strict=True):
        assert small["hours"] == pytest.approx(6 * large["hours"])
        assert small["memory_gb"] > large["memory_gb"]
    assert {warning["code"] for warning in plans[0]["warnings"]} == {"data_not_checked"}
    assert plans[1]["warnings"][-1]["code"] == "does_not_fit"
    assert "2 cell(s) need more than the 40 GB" in plans[1]["warnings"][-1]["message"]
    assert cli.main(arguments[:-1]) == 0
    assert "8 GPUs of 989 TFLOP/s and 80 GB, at 40% of that peak" in " ".join(capsys.readouterr().out.split())


def test_questions_without_answers_are_refused(world: Path, tmp_path: Path) -> None:
    (tmp_path / "asked.json").write_text(json.dumps([{"question": "Why?"}]))
    questions = [{"benchmark": "b", "family": "f", "file": str(tmp_path / "asked.json")}]
    with pytest.raises(InputError) as caught:
        cell(experiment(world, questions=questions))
    assert caught.value.code == "bad_question"
