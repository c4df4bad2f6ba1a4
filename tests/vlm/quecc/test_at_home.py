"""The usual ways of transformers to train and to serve a model, each on a tiny one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModel, AutoModelForImageTextToText, Trainer, TrainingArguments, pipeline

from scalelaw import plugins
from scalelaw.vlm.quecc import QueccForConditionalGeneration

from .conftest import build, picture

ROWS: list[tuple[list[dict[str, str]], list[Any]]] = [
    ([{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "Noise."}], [picture(0)]),
    ([{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}], []),
    ([{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "A picture."}], [picture(1)]),
    ([{"from": "human", "value": "Bye"}, {"from": "gpt", "value": "Good night."}], []),
]
CHAT = [
    {"role": "user", "content": [{"type": "image", "image": picture(0)}, {"type": "text", "text": "What?"}]}
]


def collator(processor: Any) -> Any:
    return lambda rows: dict(processor.collate([turns for turns, _ in rows], [images for _, images in rows]))


def train(model: Any, processor: Any, folder: Path, **options: Any) -> Any:
    arguments = TrainingArguments(
        str(folder), max_steps=3, per_device_train_batch_size=1, learning_rate=1e-2, report_to=[], use_cpu=True,
        save_strategy="no", remove_unused_columns=False, disable_tqdm=True, logging_steps=1, **options,
    )  # fmt: skip
    trainer = Trainer(model, arguments, train_dataset=ROWS * 4, data_collator=collator(processor))
    trainer.train()
    return trainer


def test_lora_with_compressor_and_projector(tmp_path: Path) -> None:
    """The LLM gets adapters, compressor and projector are trained whole, the encoder is not touched."""
    peft = pytest.importorskip("peft", reason="peft is not installed")
    model, processor = build()
    before = {name: p.clone() for name, p in model.named_parameters()}
    config = peft.LoraConfig(
        r=2, target_modules=model.lora_targets(), modules_to_save=["compressor", "projector"]
    )
    adapted = peft.get_peft_model(model, config)
    learning = {name for name, p in adapted.named_parameters() if p.requires_grad}
    assert learning
    assert not any("vision_tower" in name for name in learning)
    assert not any("language_model" in name and "lora_" not in name for name in learning)
    inputs = collator(processor)(ROWS[:1])
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(3):
        adapted(**inputs).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    for name, p in adapted.named_parameters():
        if "modules_to_save" in name and "key_in.bias" not in name:
            original = name.replace("base_model.model.", "").replace("modules_to_save.default.", "")
            assert not torch.equal(p, before[original]), name
    adapted.eval()
    wanted = adapted(**inputs).logits
    adapted.save_pretrained(tmp_path)
    fresh, _ = build()
    again = peft.PeftModel.from_pretrained(fresh, tmp_path).eval()
    torch.testing.assert_close(again(**inputs).logits, wanted)
    torch.testing.assert_close(again.merge_and_unload()(**inputs).logits, wanted, rtol=1e-4, atol=1e-4)
    processed = processor(images=picture(), text="<image> What?")
    assert adapted.generate(**processed, max_new_tokens=2).shape[0] == 1


def test_lora_on_all_linear_layers_can_skip_the_encoder() -> None:
    model, _ = build()
    targets = model.lora_targets()
    names = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    assert set(targets) <= names
    assert all(name.startswith("language_model.") for name in targets)
    assert not any("lm_head" in name for name in targets)
    assert len(targets) == 7 * 2


@pytest.mark.parametrize("name", plugins.names("compressors"))
def test_every_parameter_that_learns_has_a_gradient(name: str) -> None:
    """DDP waits for each: with an image, and with text alone."""
    model, processor = build(compressor=name, visual_tokens=16 if name == "none" else 4)
    model.train_stage(1)
    for rows in (ROWS[:1], ROWS[1:2]):
        model.zero_grad()
        model(**collator(processor)(rows)).loss.backward()
        missing = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
        assert missing == []


def test_trainer_learns_and_saves(tmp_path: Path) -> None:
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    model, processor = build()
    model.train_stage(2)
    trainer = train(model, processor, tmp_path, gradient_checkpointing=True,
                    gradient_checkpointing_kwargs={"use_reentrant": False})  # fmt: skip
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    trainer.save_model(str(tmp_path / "saved"))
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved").eval()
    inputs = collator(processor)(ROWS[:1])
    torch.testing.assert_close(again(**inputs).logits, model.eval()(**inputs).logits)


def main(folder: str) -> None:
    """What each process of a distributed Trainer runs; some batches have no image."""
    torch.set_num_threads(1)
    model, processor = build()
    model.train_stage(2)
    trainer = train(model, processor, Path(folder), ddp_backend="gloo", ddp_find_unused_parameters=False,
                    gradient_checkpointing=True, gradient_checkpointing_kwargs={"use_reentrant": False})  # fmt: skip
    if trainer.is_world_process_zero():
        torch.save(trainer.state.global_step, Path(folder) / "steps")


def test_trainer_in_two_processes(tmp_path: Path) -> None:
    """DDP without a search for unused parameters, with gradient checkpointing."""
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
               "-m", "tests.vlm.quecc.test_at_home", str(tmp_path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False,
                          cwd=Path(__file__).parents[3], env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert torch.load(tmp_path / "steps", weights_only=True) == 3


def test_automodel_and_a_pipeline_with_messages(tmp_path: Path) -> None:
    model, processor = build()
    model.generation_config.max_new_tokens = 4
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert isinstance(AutoModel.from_pretrained(tmp_path), QueccForConditionalGeneration)
    pipe = pipeline("image-text-to-text", model=str(tmp_path), device="cpu")
    (answer,) = pipe(
        text=CHAT, max_new_tokens=4, return_full_text=False, generate_kwargs={"do_sample": False}
    )
    prompt = processor.apply_chat_template(CHAT, tokenize=True, return_dict=True, add_generation_prompt=True)
    written = model.generate(**prompt, max_new_tokens=4, do_sample=False)[:, prompt["input_ids"].shape[1] :]
    assert answer["generated_text"] == processor.tokenizer.decode(written[0], skip_special_tokens=True)


FOREIGN = """
import sys
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoProcessor

folder = sys.argv[1]
try:
    AutoConfig.from_pretrained(folder, trust_remote_code=False)
except ValueError as error:
    assert "trust_remote_code" in str(error), error
else:
    raise SystemExit("the code of a folder was trusted by itself")
assert "scalelaw" not in sys.modules
trust = {"trust_remote_code": True}
for auto in (AutoModelForImageTextToText, AutoModel):
    model = auto.from_pretrained(folder, **trust)
    assert type(model).__name__ == "QueccForConditionalGeneration"
assert AutoProcessor.from_pretrained(folder, **trust).visual_tokens == 4
model.save_pretrained(sys.argv[2])
assert AutoConfig.from_pretrained(sys.argv[2], **trust).auto_map["AutoConfig"] == "scalelaw_model.QueccConfig"
"""


def test_auto_classes_load_a_folder_without_importing_this_package(tmp_path: Path) -> None:
    model, processor = build()
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    (tmp_path / "foreign.py").write_text(FOREIGN)
    command = [sys.executable, str(tmp_path / "foreign.py"), str(tmp_path / "model"), str(tmp_path / "again")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, "HF_MODULES_CACHE": str(tmp_path / "cache")})  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


if __name__ == "__main__":
    main(sys.argv[1])
