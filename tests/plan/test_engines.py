"""From a configuration to a serving engine: the nearest setting, the processor's arguments, the answer."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import scalelaw as sl
from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.plan.knobs import nearest, processor_arguments
from scalelaw.results import schema as schemas
from scalelaw.tokens.count import count_one
from scalelaw.tokens.images import Size
from scalelaw.tokens.models import find_vision_model, named_family
from scalelaw.tokens.settings import changed


@pytest.fixture(scope="module")
def optimum() -> Any:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=0)
    return sl.find_optimum(
        fitted, 5e13, models="qwen2.5-7b", visual_tokens="256", generate=100, batch=8, hardware="h100"
    )


@pytest.mark.parametrize(
    "name", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "glm4v", "paddleocr_vl", "ernie4_5_vl", "gemma4"]
)
@pytest.mark.parametrize("tokens", [70, 300, 1120])
def test_no_image_has_more_tokens_than_the_setting_promises(name: str, tokens: int) -> None:
    vision, rng = find_vision_model(name), random.Random(tokens)
    knobs = nearest(vision, tokens)
    values = changed(vision.rules.SETTINGS, vision.settings, knobs.settings, name)
    sizes = [Size(rng.randint(30, 6000), rng.randint(30, 6000)) for _ in range(60)]
    counts = [
        count_one(vision, size, values).visual_tokens
        for size in sizes
        if size.width < 9 * size.height < 81 * size.width
    ]
    assert max(counts) <= knobs.tokens <= tokens
    assert max(counts) > 0.8 * knobs.tokens


@pytest.mark.parametrize("name", plugins.names("families"))
def test_the_nearest_setting_of_one_image_is_reached(name: str) -> None:
    vision, size = find_vision_model(name), Size(1600, 1200)
    for tokens in (100, 700):
        knobs = nearest(vision, tokens, [size])
        values = changed(vision.rules.SETTINGS, vision.settings, knobs.settings, name)
        assert count_one(vision, size, values).visual_tokens == knobs.counted.visual_tokens
        released = count_one(vision, size, vision.settings).visual_tokens
        assert abs(knobs.counted.visual_tokens - tokens) <= max(abs(released - tokens), tokens)
        if knobs.settings and knobs.counted.visual_tokens > tokens:
            assert knobs.counted.visual_tokens < released
        arguments = processor_arguments(vision, knobs.settings)
        assert bool(arguments) == bool(knobs.settings)
        json.dumps(arguments)


def test_a_family_with_steps_takes_the_largest_below() -> None:
    gemma = find_vision_model("gemma4")
    assert [nearest(gemma, n).tokens for n in (70, 100, 139, 140, 300, 2000)] == [70, 70, 70, 140, 280, 1120]
    tiles = find_vision_model("internvl")
    assert nearest(tiles, 1300).settings == {"max_patches": 4}
    assert nearest(tiles, 1300).tokens == 1280


def test_the_edges_of_a_size_are_written_together() -> None:
    vision = find_vision_model("qwen2.5-vl")
    arguments = processor_arguments(vision, nearest(vision, 256).settings)
    assert arguments == {"size": {"shortest_edge": 3136, "longest_edge": 256 * 28 * 28}}
    small = processor_arguments(
        find_vision_model("qwen3-vl"), nearest(find_vision_model("qwen3-vl"), 16).settings
    )
    assert small["size"]["shortest_edge"] <= small["size"]["longest_edge"] == 16 * 32 * 32


def test_the_answer_follows_the_schema_and_is_read_back(optimum: Any, tmp_path: Path) -> None:
    from scalelaw.plan import load_optimum

    for engine in plugins.names("engines"):
        served = sl.serve_optimum(optimum, engine, models="qwen2.5-7b", model="Qwen/Qwen2.5-VL-7B-Instruct")
        saved = json.loads(served.to_json())
        jsonschema.validate(saved, schemas.schema("optimize"))
        assert saved["data"]["best"]["engine"]["visual_tokens"] == 256
        assert saved["data"]["best"]["engine"]["family"] == "qwen2_5_vl"
        file = tmp_path / f"{engine}.json"
        file.write_text(served.to_json())
        assert load_optimum(file).best["engine"]["command"] == served.best["engine"]["command"]


def test_an_unknown_family_is_a_warning_and_a_fixed_number_of_tokens_too(optimum: Any) -> None:
    served = sl.serve_optimum(optimum, "vllm", models="qwen2.5-7b")
    assert "no_vision_family" in [code for code, _ in served.warnings]
    assert "--mm-processor-kwargs" not in served.best["engine"]["flags"]
    served = sl.serve_optimum(optimum, "vllm", models="qwen2.5-7b", family="llava")
    assert "visual_tokens_differ" in [code for code, _ in served.warnings]
    assert served.best["engine"]["visual_tokens"] == 576


def test_a_folder_tells_the_family_and_its_released_settings(optimum: Any, tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({"model_type": "qwen2_vl", "vision_config": {"patch_size": 14}})
    )
    size = {"shortest_edge": 3136, "longest_edge": 256 * 784}
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"size": size, "patch_size": 14, "merge_size": 2})
    )
    engine = sl.serve_optimum(optimum, "vllm", models="qwen2.5-7b", model=str(folder)).best["engine"]
    assert engine["family"] == "qwen2_vl"
    assert engine["settings"] == {}
    assert engine["visual_tokens"] == 256


def test_a_model_of_another_size_is_a_warning(optimum: Any) -> None:
    for model, expected in (("Qwen/Qwen2.5-VL-72B-Instruct", True), ("Qwen/Qwen2.5-VL-7B-Instruct", False)):
        served = sl.serve_optimum(optimum, "vllm", models="qwen2.5-7b", model=model)
        assert ("another_size" in [code for code, _ in served.warnings]) is expected


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Qwen2.5-VL-7B-Instruct", "qwen2_5_vl"),
        ("qwen3-vl-8b", "qwen3_vl"),
        ("gemma-3-4b-it", "gemma3"),
        ("gemma-3n-E4B", "gemma3n"),
        ("llava-v1.6", "llava"),
        ("llava-onevision-qwen2-7b", "llava_onevision"),
        ("SmolVLM2-2.2B-Instruct", "smolvlm"),
        ("InternVL3_5-8B", "internvl"),
        ("qwen3-5b", None),
        ("qwen2.5-7b", None),
        ("vicuna-7b", None),
    ],
)
def test_a_name_begins_with_its_family(name: str, family: str | None) -> None:
    assert named_family(name) == family


def test_flags_for_a_video_are_refused() -> None:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=0)
    plan = sl.find_optimum(fitted, 5e13, models="qwen2.5-vl-3b", image="448x448", frames=8)
    assert plan.searched["frames"] == 8
    with pytest.raises(InputError) as refusal:
        sl.serve_optimum(plan, "vllm", images=[(448, 448)])
    assert refusal.value.code == "engine_cannot"
    images = sl.find_optimum(fitted, 5e13, models="qwen2.5-vl-3b", image=["448x448"] * 8)
    assert "frames" not in images.searched


def test_an_unknown_engine_is_refused_with_those_there_are(optimum: Any) -> None:
    with pytest.raises(InputError) as caught:
        sl.serve_optimum(optimum, "vlm", models="qwen2.5-7b")
    assert caught.value.code == "unknown_engine"
    assert "vllm" in caught.value.hint


def test_the_settings_of_a_plan_from_images_are_written_as_they_are(optimum: Any) -> None:
    planned = dataclasses.replace(
        optimum, best={**optimum.best, "settings": {"max_pixels": 602112}, "visual_tokens": 720}
    )
    served = sl.serve_optimum(
        planned, "vllm", models="qwen2.5-7b", model="Qwen/Qwen2.5-VL-7B-Instruct", images=[(1920, 1080)]
    )
    engine = served.best["engine"]
    assert engine["flags"]["--mm-processor-kwargs"] == {
        "size": {"shortest_edge": 3136, "longest_edge": 602112}
    }
    assert engine["visual_tokens"] == 720
    assert "visual_tokens_differ" not in [code for code, _ in served.warnings]


def test_without_a_name_the_catalogues_repository_is_loaded(optimum: Any) -> None:
    engine = sl.serve_optimum(optimum, "vllm", models="qwen2.5-7b").best["engine"]
    assert "Qwen/Qwen2.5-7B" in engine["command"]


def test_a_catalogue_that_is_not_there_is_refused(optimum: Any) -> None:
    with pytest.raises(InputError) as refusal:
        sl.serve_optimum(optimum, "vllm", models="nowhere.yaml")
    assert refusal.value.code == "no_such_file"
