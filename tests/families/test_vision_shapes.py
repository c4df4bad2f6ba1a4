"""Encoder and projector of every family with a closed form: parameters and FLOPs as torch counts them."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import transformers
import yaml

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.families._contract import Counted
from scalelaw.families._vision import fixed_tower
from scalelaw.files.paths import bundled
from scalelaw.model_shapes.vision import Part, VisionShape
from scalelaw.tokens.models import VisionModel
from scalelaw.tokens.settings import read_settings
from scalelaw.tokens.shapes import class_defaults, vision_shape_of

HERE = Path(__file__).resolve().parent
CLOSED = [n for n in plugins.names("families") if hasattr(plugins.load("families", n), "vision_shape")]
KNOWN = tuple(sorted(path.stem for path in (HERE / "known_vision").glob("*.json")))
"""Encoders that transformers takes from another package, or does not have: their counts are in files."""
ELSEWHERE = {*KNOWN, "kimi_vl", "deepseek_ocr", "minicpm_v2", "molmo"}
COUNTED_HERE = [name for name in CLOSED if name not in ELSEWHERE]
SIZES = {
    "phi4_multimodal": [(448, 448), (896, 448), (896, 896)],
    "deepseek_ocr2": [(60, 34), (1500, 900), (800, 2400)],
    "lfm2_vl": [(60, 34), (500, 333), (1920, 1080)],
    "minicpm_v": [(60, 34), (500, 333), (1200, 900)],
}
"""Images that fill their tiles, where the model drops what is padding; and such as are cut into tiles."""


def load(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def models() -> ModuleType:
    transformers.logging.set_verbosity_error()
    return load(HERE / "vision_models.py", "family_vision_models")


def shape_of(name: str, config: dict[str, Any]) -> VisionShape:
    return vision_shape_of(VisionModel(name, name, plugins.load("families", name), {}, config=config))


@pytest.mark.parametrize("name", COUNTED_HERE)
def test_parameters_and_flops_are_those_that_torch_counts(models: Any, name: str) -> None:
    assert name in models.MODELS, "add a small model of this family to vision_models.py"
    model, config = models.build(name)
    shape, rules = shape_of(name, config), plugins.load("families", name)
    assert shape.n_params == models.vision_params(model)
    settings = read_settings(rules.SETTINGS, {"config": config}, name, getattr(rules, "from_files", None))
    together = (1,) if getattr(rules, "TOGETHER", False) else ()
    for size in SIZES.get(name, [(60, 34), (220, 117), (500, 333)]):
        counted = rules.count_image(*size, settings, *together)
        assert sum(shape.flops(counted).values()) == models.vision_flops(name, model, config, size, counted)


@pytest.mark.parametrize("name", KNOWN)
def test_encoders_are_those_that_torch_counted_elsewhere(name: str) -> None:
    known = json.loads((HERE / "known_vision" / f"{name}.json").read_text())
    shape = shape_of(name.removesuffix("_8b"), known["config"])
    tower = [part for part in shape.parts if part.name == "tower"]
    assert sum(part.weights + part.vectors for part in tower) == known["tower_params"]
    for rows, columns, flops in known["tower_flops"]:
        side = shape.patch
        seen = Counted(columns * side, rows * side, rows * columns, rows * columns)
        assert shape.flops(seen)["tower"] == flops


def test_kimi_vl_has_the_layers_of_kimi_k25() -> None:
    vision = {"hidden_size": 48, "num_hidden_layers": 3, "intermediate_size": 88, "patch_size": 14}
    text = {"text_config": {"model_type": "llama", "hidden_size": 40}}
    first = shape_of(
        "kimi_vl", {"model_type": "kimi_vl", "vision_config": {"merge_kernel_size": [2, 2], **vision}, **text}
    )
    second = shape_of("kimi_k25", {"model_type": "kimi_k25", "vision_config": vision, **text})
    assert first.parts == second.parts


def test_deepseek_ocr_has_the_encoders_of_sam_and_clip() -> None:
    """The first is the one of DeepSeek-OCR 2; the second is CLIP's, on as many tokens as CLIP has patches, without its
    last norm and with patches that it does not run."""
    text = {"text_config": {"model_type": "llama", "hidden_size": 1280}}
    shape = shape_of("deepseek_ocr", {"model_type": "deepseek_vl_v2", "vision_config": {}, **text})
    other = shape_of("deepseek_ocr2", {"model_type": "deepseek_ocr2", "vision_config": {}, **text})
    clip = {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
    }
    fields = {**clip, "num_attention_heads": 16, "image_size": 224, "patch_size": 14}
    parts, sizes = fixed_tower(fields)
    for rows in (64, 40):
        seen = Counted(16 * rows, 16 * rows, rows**2, 1)
        first, second = (VisionShape("x", one.parts[:3], one.width, 16).flops(seen) for one in (shape, other))
        assert first == second
    alone = VisionShape("x", (shape.parts[4],), 1, 16)
    patches = 2 * parts[0].weights * 256
    reference = VisionShape("x", parts, **sizes)
    seen = Counted(224, 224, 256, 256)
    assert alone.flops(Counted(1024, 1024, 4096, 1))["tower"] == reference.flops(seen)["tower"] - patches
    assert alone.n_params == reference.n_params - 2 * 1024


def tower_flops(shape: VisionShape, seen: Counted) -> float:
    return shape.flops(seen)["tower"]


def test_molmo_has_the_first_layers_of_clip() -> None:
    clip = {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 23,
    }
    parts, sizes = fixed_tower({**clip, "num_attention_heads": 16, "image_size": 336, "patch_size": 14})
    text = {"hidden_size": 3584, "intermediate_size": 37888, "qkv_bias": True, "num_attention_heads": 28}
    molmo = shape_of("molmo", {"model_type": "molmo", **text})
    seen = Counted(560, 336, 3 * 576, 400, 0, 3)
    assert tower_flops(molmo, seen) == tower_flops(VisionShape("x", parts, **sizes), seen)


def test_minicpm_2_6_has_the_layers_of_idefics2() -> None:
    vision = {
        "hidden_size": 48,
        "num_hidden_layers": 3,
        "intermediate_size": 88,
        "image_size": 56,
        "patch_size": 14,
    }
    text = {"text_config": {"model_type": "mistral", "hidden_size": 40, "intermediate_size": 72}}
    first = shape_of("minicpm_v2", {"model_type": "minicpmv", "hidden_size": 40, "vision_config": vision})
    second = shape_of("idefics2", {"model_type": "idefics2", "vision_config": vision, **text})
    assert first.parts[:2] == second.parts[:2]
    seen = Counted(56, 56, 16, 64)
    products = 16 * (48 * 40 + 2 * 40**2) + 64 * 3 * 40**2 + 2 * 40 * 64 * 16
    assert first.flops(seen)["projector"] == 2 * products


def test_the_hybrid_encoder_of_deepseek_vl_sees_a_second_image(models: Any) -> None:
    name = "deepseek_vl_hybrid"
    models.MODELS[name] = models.HYBRID
    model, config = models.build(name)
    shape = shape_of("deepseek_vl", config)
    assert shape.n_params == models.vision_params(model)
    counted = Counted(56, 56, 16, 16)
    assert sum(shape.flops(counted).values()) == models.vision_flops(name, model, config, (56, 56), counted)


def test_minicpm_without_the_merge_between_layers(models: Any) -> None:
    model, config = models.build("minicpm_v")
    config["downsample_mode"] = model.config.downsample_mode = "4x"
    shape, rules = shape_of("minicpm_v", config), plugins.load("families", "minicpm_v")
    settings = read_settings(rules.SETTINGS, {"config": config}, "minicpm_v")
    counted = rules.count_image(500, 333, settings)
    flops = models.vision_flops("minicpm_v", model, config, (500, 333), counted)
    assert sum(shape.flops(counted).values()) == flops


def test_every_family_has_a_closed_form_or_states_why_not() -> None:
    assert set(plugins.names("families")) - set(CLOSED) <= {"chameleon", "emu3", "florence2"}


def test_the_defaults_are_those_of_transformers() -> None:
    rebuild = load(bundled("families") / "rebuild.py", "rebuild_families")
    assert rebuild.rebuild() == class_defaults()
    assert yaml.safe_load(bundled("families/vision_defaults.yaml").read_text()) == class_defaults()


QWEN: dict[str, Any] = {
    "model_type": "qwen2_5_vl",
    "text_config": {"model_type": "qwen2_5_vl_text", "hidden_size": 2048},
    "vision_config": {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "out_hidden_size": 2048},
}


def test_a_window_at_the_edge_is_as_small_as_it_is() -> None:
    whole = shape_of("qwen2_5_vl", QWEN)
    part = Part("tower", "patch", 0, 0, 1, "window")
    alone = VisionShape("x", (part,), 1, 14, 2, whole.window)
    seen = Counted(resized_width=14 * 18, resized_height=14 * 10, patches=180, visual_tokens=45)
    pairs = (8**2 + 2**2) * (8**2 + 8**2 + 2**2)
    assert alone.flops(seen)["tower"] == 2 * pairs


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"patch_size": 0}, "bad_config"),
        ({"depth": "many"}, "bad_config"),
        ({"window_size": []}, "bad_config"),
    ],
)
def test_what_cannot_be_read_is_refused(change: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as refusal:
        shape_of("qwen2_5_vl", {**QWEN, "vision_config": {**QWEN["vision_config"], **change}})
    assert refusal.value.code == code


def test_a_family_alone_and_one_without_a_closed_form_are_refused() -> None:
    with pytest.raises(InputError) as refusal:
        shape_of("qwen2_5_vl", {})
    assert refusal.value.code == "no_configuration"
    with pytest.raises(InputError) as refusal:
        shape_of("chameleon", {"model_type": "chameleon"})
    assert refusal.value.code == "unknown_encoder"
