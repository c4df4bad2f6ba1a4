"""count_tokens: known counts, a model's own files, knobs, distributions, and refusals by their codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import scalelaw as sl
from scalelaw.errors import InputError, MissingDependency
from scalelaw.tokens import Size, find_vision_model, read_image_size, read_image_sizes

QWEN = {
    "model_type": "qwen2_5_vl",
    "vision_config": {
        "model_type": "qwen2_5_vl",
        "patch_size": 14,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    },
}


def folder(tmp_path: Path, config: dict[str, Any], **files: dict[str, Any]) -> Path:
    """A model's folder: config.json, and `image`, `video`, `processor` files."""
    names = {
        "image": "preprocessor_config",
        "video": "video_preprocessor_config",
        "processor": "processor_config",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    for part, content in files.items():
        (tmp_path / f"{names[part]}.json").write_text(json.dumps(content))
    return tmp_path


def code(*arguments: Any, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        sl.count_tokens(*arguments, **more)
    return caught.value.code


@pytest.mark.parametrize(
    ("model", "size", "settings", "tokens"),
    [
        ("qwen2.5-vl", "1920x1080", {}, 69 * 39),
        ("Qwen2.5-VL", "1920x1080", {"max_pixels": 1003520}, 47 * 26),
        ("qwen3-vl", "1280x720", {}, 40 * 22),
        ("qwen3_vl", "1920x1080", {}, 60 * 34),
        ("internvl", "448x448", {}, 256),
        ("internvl", "1920x1080", {"max_patches": 6}, 256 * 3),
        ("llava", "1920x1080", {}, 576),
        ("llava_next", "672x672", {}, 576 + 48 * 48 + 48),
        ("llava_onevision", "384x384", {}, 729 + 27 * 27 + 27),
        ("gemma3", "1920x1080", {}, 256),
        ("gemma4", "1920x1080", {"max_soft_tokens": 1120}, 44 * 25),
        ("paligemma", "10x10", {}, 256),
        ("smolvlm", "1536x1536", {}, 81 * 17),
        ("pixtral", "1024x1024", {}, 64 * 64),
        ("mistral3", "1540x1540", {}, 55 * 55),
        ("mllama", "560x560", {}, 1601),
        ("llama4", "336x336", {}, 144),
        ("deepseek_ocr2", "640x640", {}, 257),
    ],
)
def test_known_counts(model: str, size: str, settings: dict[str, Any], tokens: int) -> None:
    assert sl.count_tokens(model, [size], settings=settings).visual_tokens == tokens


def test_images_of_one_prompt_are_added() -> None:
    counted = sl.count_tokens("qwen2.5-vl", [(1920, 1080), "400x300"])
    assert [entry["visual_tokens"] for entry in counted.images] == [2691, 154]
    assert counted.visual_tokens == 2845
    assert counted.patches == 4 * 2845


def test_markers_are_counted_apart() -> None:
    counted = sl.count_tokens("pixtral", ["1024x1024"])
    assert counted.prompt_tokens == 64 * 65
    crossed = sl.count_tokens("mllama", ["560x560"])
    assert (crossed.visual_tokens, crossed.prompt_tokens) == (1601, 1)


def test_several_images_of_llava_onevision_are_not_tiled() -> None:
    assert sl.count_tokens("llava_onevision", ["800x600", "800x600"]).visual_tokens == 2 * 730


def test_videos() -> None:
    counted = sl.count_tokens("qwen2.5-vl", ["1280x720"], frames=32, fps=2)
    assert counted.images == []
    (video,) = counted.videos
    assert (video["frames"], video["seconds"]) == (32, 16.0)
    assert video["visual_tokens"] == 16 * video["resized_width"] * video["resized_height"] // 28**2
    odd = sl.count_tokens("qwen2.5-vl", ["1280x720"], frames=31)
    assert odd.visual_tokens == counted.visual_tokens


def test_a_models_own_files_win(tmp_path: Path) -> None:
    image = {"min_pixels": 3136, "max_pixels": 602112, "patch_size": 14, "merge_size": 2}
    path = folder(tmp_path, QWEN, image=image)
    counted = sl.count_tokens(path, ["1920x1080"])
    assert counted.settings["max_pixels"] == 602112
    assert (
        counted.visual_tokens
        == sl.count_tokens("qwen2.5-vl", ["1920x1080"], settings={"max_pixels": 602112}).visual_tokens
    )
    assert counted.warnings == []
    assert len(counted.files) == 2


def test_sizes_as_shortest_and_longest_edge_are_read(tmp_path: Path) -> None:
    path = folder(tmp_path, QWEN, image={"size": {"shortest_edge": 3136, "longest_edge": 602112}})
    assert find_vision_model(path).settings["max_pixels"] == 602112


def test_processors_nested_in_one_file_are_read(tmp_path: Path) -> None:
    path = folder(tmp_path, QWEN, processor={"image_processor": {"size": {"longest_edge": 602112}}})
    assert find_vision_model(path).settings["max_pixels"] == 602112


def test_without_a_preprocessor_the_defaults_are_a_warning(tmp_path: Path) -> None:
    counted = sl.count_tokens(folder(tmp_path, QWEN), ["100x100"])
    assert [kind for kind, _ in counted.warnings] == ["default_settings"]


def test_pixtral_is_distinguished_from_llava_by_its_vision_part(tmp_path: Path) -> None:
    config = {"model_type": "llava", "vision_config": {"model_type": "pixtral", "patch_size": 16}}
    assert find_vision_model(folder(tmp_path, config)).family == "pixtral"


def test_llava_with_siglip_has_no_class_token(tmp_path: Path) -> None:
    vision = {"model_type": "siglip_vision_model", "image_size": 384, "patch_size": 14}
    config = {"model_type": "llava", "vision_config": vision, "vision_feature_select_strategy": "full"}
    assert sl.count_tokens(folder(tmp_path, config), ["10x10"]).visual_tokens == 729


def test_the_files_must_agree(tmp_path: Path) -> None:
    path = folder(tmp_path, QWEN, image={"patch_size": 16, "merge_size": 2})
    assert code(path, ["100x100"]) == "contradictory_preprocessor"


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"model_type": "qwen2", "hidden_size": 8}, "no_vision_part"),
        ({"model_type": "qwen2_5_vl", "hidden_size": 8}, "no_vision_part"),
        ({"model_type": "brand_new_vl", "vision_config": {"hidden_size": 8}}, "unsupported_family"),
        ({**QWEN, "vision_config": {"patch_size": "fourteen"}}, "bad_config"),
        ({**QWEN, "vision_config": {"patch_size": 0}}, "bad_config"),
    ],
)
def test_configurations_that_are_refused(tmp_path: Path, config: dict[str, Any], wanted: str) -> None:
    assert code(folder(tmp_path, config), ["100x100"]) == wanted


@pytest.mark.parametrize(
    ("arguments", "more", "wanted"),
    [
        (("qwen2.5-vl", ["0x100"]), {}, "bad_image_size"),
        (("qwen2.5-vl", [(100, 0)]), {}, "bad_image_size"),
        (("qwen2.5-vl", [(-5, 10)]), {}, "bad_image_size"),
        (("qwen2.5-vl", ["wide"]), {}, "bad_image_size"),
        (("qwen2.5-vl", ["./none.jpg"]), {}, "no_such_file"),
        (("qwen2.5-vl", ["2010x10"]), {}, "refused_image"),
        (("qwen2.5-vl", ["100x100"]), {"settings": {"max_pixel": 5}}, "unknown_knob"),
        (("internvl", ["100x100"]), {"settings": {"max_pixels": 5000}}, "unknown_knob"),
        (("qwen2.5-vl", ["100x100"]), {"settings": {"max_pixels": 0}}, "knob_out_of_range"),
        (("qwen2.5-vl", ["100x100"]), {"settings": {"max_pixels": "many"}}, "knob_out_of_range"),
        (("qwen2.5-vl", ["100x100"]), {"settings": {"max_pixels": 1000}}, "knob_out_of_range"),
        (("gemma4", ["100x100"]), {"settings": {"max_soft_tokens": 100}}, "knob_out_of_range"),
        (("internvl", ["100x100"]), {"settings": {"max_patches": 2.5}}, "knob_out_of_range"),
        (("qwen2.5-vl", ["100x100"]), {"settings": {"patch_size": 16}}, "fixed_setting"),
        (("pixtral", ["100x100"]), {"frames": 4}, "no_video"),
        (("qwen2.5-vl", ["100x100"]), {"frames": 0}, "bad_frames"),
        (("qwen2.5-vl", ["100x100"]), {"frames": 4, "fps": 0}, "bad_frames"),
        (("qwen3-vl", ["100x100"]), {"frames": 1}, "refused_video"),
        (("qwen2.5-vl", ["100x100"]), {"fps": 2}, "usage"),
        (("qwen2.5-vl",), {}, "usage"),
        (("qwen9", ["100x100"]), {}, "unknown_model"),
        (("./nowhere", ["100x100"]), {}, "no_such_file"),
    ],
)
def test_what_is_refused(arguments: Any, more: Any, wanted: str) -> None:
    assert code(*arguments, **more) == wanted


def test_a_refused_knob_names_its_range_and_the_familys_knobs() -> None:
    with pytest.raises(InputError) as caught:
        sl.count_tokens("gemma4", ["100x100"], settings={"max_soft_tokens": 100})
    assert "70, 140, 280, 560, 1120" in caught.value.hint
    with pytest.raises(InputError) as caught:
        sl.count_tokens("internvl", ["100x100"], settings={"max_pixels": 5000})
    assert "max_patches" in caught.value.hint


def test_what_a_knob_would_change_is_what_it_changes() -> None:
    counted = sl.count_tokens("qwen2.5-vl", ["1920x1080"])
    assert {row["knob"] for row in counted.knobs} == {"min_pixels", "max_pixels"}
    for row in counted.knobs:
        again = sl.count_tokens("qwen2.5-vl", ["1920x1080"], settings={row["knob"]: row["value"]})
        assert (again.visual_tokens, again.patches) == (row["visual_tokens"], row["patches"])
        assert again.visual_tokens != counted.visual_tokens


@pytest.mark.parametrize(
    ("model", "settings", "cheapest"),
    [
        ("qwen2.5-vl", {"max_pixels": 602112}, {"max_pixels": 1932 * 1092}),
        ("gemma4", {}, {"max_soft_tokens": 1120}),
        ("smolvlm", {}, {"longest_edge": 1920}),
        ("qwen2.5-vl", {}, {}),
    ],
)
def test_the_cheapest_setting_that_does_not_reduce_the_image(
    model: str, settings: Any, cheapest: Any
) -> None:
    counted = sl.count_tokens(model, ["1920x1080"], settings=settings)
    assert counted.cheapest is not None
    assert counted.cheapest["settings"] == cheapest
    again = sl.count_tokens(model, ["1920x1080"], settings={**settings, **cheapest})
    assert again.visual_tokens == counted.cheapest["visual_tokens"]


def test_no_setting_of_llava_keeps_a_large_image() -> None:
    assert sl.count_tokens("llava", ["1920x1080"]).cheapest is None
    assert sl.count_tokens("llava", ["300x300"]).cheapest == {
        "settings": {},
        "visual_tokens": 576,
        "patches": 576,
    }


def test_a_distribution(tmp_path: Path) -> None:
    path = tmp_path / "sizes.csv"
    path.write_text("width,height,count\n1920,1080,2\n400,300,97\n280,280,1\n")
    counted = sl.count_tokens("qwen2.5-vl", image_sizes=path)
    spread = counted.distribution
    assert spread is not None
    assert counted.visual_tokens == spread["mean"] == (2 * 2691 + 97 * 154 + 100) / 100
    assert (spread["n"], spread["min"], spread["p50"], spread["p95"], spread["max"]) == (
        100,
        100,
        154,
        154,
        2691,
    )
    assert sum(bin_["images"] for bin_ in spread["histogram"]) == 100
    listed = sl.count_tokens("qwen2.5-vl", image_sizes=[(1920, 1080)] * 2 + [(400, 300)] * 97 + [(280, 280)])
    assert listed.distribution == spread


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a,b\n1,2\n", "bad_image_sizes"),
        ("width,height\n", "bad_image_sizes"),
        ("width,height\n10,x\n", "bad_image_sizes"),
        ("width,height\n10,0\n", "bad_image_size"),
        ("width,height\n10,1e400\n", "bad_image_sizes"),
        ("width,height\n10\n", "bad_image_sizes"),
        ("width,height\n3000,10\n", "refused_image"),
        ("width,width,height\n10,20,30\n", "duplicate_column"),
        ("width,height,Width \n10,20,30\n", "duplicate_column"),
        ("width,height,count,count\n10,20,1,2\n", "duplicate_column"),
        ("width,height\n10,20,30\n", "bad_image_sizes"),
        ("width;height\n10;20\n", "bad_image_sizes"),
        ('width,height,note\n10,20,"b\n30,40,c"\n50,60,d\n', "bad_image_sizes"),
    ],
)
def test_bad_files_of_sizes(tmp_path: Path, text: str, wanted: str) -> None:
    (tmp_path / "sizes.csv").write_text(text)
    assert code("qwen2.5-vl", image_sizes=tmp_path / "sizes.csv") == wanted


def test_a_file_of_sizes_is_read_with_its_counts(tmp_path: Path) -> None:
    (tmp_path / "sizes.csv").write_text("\ufeffHeight, Width ,Count\n2,1,3\n5,4,0\n")
    assert read_image_sizes(tmp_path / "sizes.csv") == [(Size(1, 2), 3)]


def test_the_size_of_a_photo_is_read_from_its_header(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (64, 32)).save(tmp_path / "plain.png")
    assert read_image_size(str(tmp_path / "plain.png")) == (64, 32)
    turned = image.new("RGB", (64, 32))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert read_image_size(str(tmp_path / "turned.jpg")) == (32, 64)
    (tmp_path / "none.jpg").write_bytes(b"no image")
    with pytest.raises(InputError) as caught:
        read_image_size(str(tmp_path / "none.jpg"))
    assert caught.value.code == "unreadable_image"


def test_a_photo_without_pillow_names_the_install_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(MissingDependency) as caught:
        read_image_size(str(tmp_path / "photo.jpg"))
    assert caught.value.hint == "pip install pillow"
