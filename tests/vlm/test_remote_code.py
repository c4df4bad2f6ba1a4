"""A folder of a model that brings Python code along: it is run only where the user writes so."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from scalelaw.config import Finetune
from scalelaw.errors import InputError
from scalelaw.vlm.count_flops import count_shape
from scalelaw.vlm.finetune import build
from scalelaw.vlm.llm import load_llm

from .quecc.conftest import LLM, TOWER, tokenizer

CODE = """
from pathlib import Path
import transformers
Path({marker!r}).touch()

class OddConfig(transformers.Qwen2Config):
    model_type = "odd"

class OddModel(transformers.Qwen2ForCausalLM):
    config_class = OddConfig
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tower, and an LLM of a kind of its own whose code touches `ran`. Whoever asks at the terminal fails."""
    transformers.logging.set_verbosity_error()
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("asked at the terminal"))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "cache"))
    torch.manual_seed(0)
    sizes = {**TOWER, "image_size": 32, "patch_size": 8}
    transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**sizes)).save_pretrained(tmp_path / "tower")
    transformers.CLIPImageProcessorPil(
        size={"height": 32, "width": 32}, do_center_crop=False
    ).save_pretrained(tmp_path / "tower")
    llm = tmp_path / "llm"
    transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**LLM)).save_pretrained(llm)
    tokenizer().save_pretrained(llm)
    config: dict[str, Any] = json.loads((llm / "config.json").read_text())
    config |= {
        "model_type": "odd",
        "auto_map": {"AutoConfig": "odd.OddConfig", "AutoModelForCausalLM": "odd.OddModel"},
    }
    (llm / "config.json").write_text(json.dumps(config))
    (llm / "odd.py").write_text(CODE.format(marker=str(tmp_path / "ran")))
    return tmp_path


def recipe(world: Path, **more: Any) -> Finetune:
    stage = {"name": "one", "files": ["x"], "learns": "all", "learning_rate": 1e-3, "batch": 1}
    return Finetune.model_validate({"tower": str(world / "tower"), "images": ".", "stages": [stage], **more})


def test_it_is_not_run_by_itself(world: Path) -> None:
    with pytest.raises(InputError, match="contains Python code"):
        build(recipe(world), str(world / "llm"), "average_pool", 4, 0)
    with pytest.raises(InputError):
        load_llm(world / "llm")
    with pytest.raises(InputError):
        count_shape(world / "llm")
    assert not (world / "ran").exists()


def test_it_is_run_where_the_user_writes_so(world: Path) -> None:
    config = recipe(world, trust_remote_code=True)
    model, _ = build(config, str(world / "llm"), "average_pool", 4, 0)
    assert (world / "ran").exists()
    assert type(model.language_model).__name__ == "OddModel"
