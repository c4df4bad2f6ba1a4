"""The catalogue: bundled facts against recorded and published counts, and every way to name models."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from scalelaw.errors import InputError
from scalelaw.files.paths import bundled
from scalelaw.plan import catalogue_families, find_models, list_hardware, list_models, list_towers, models_in
from scalelaw.plan.catalogue import sizes_of
from scalelaw.plan.listing import model_rows
from scalelaw.tokens import count_tokens, find_vision_model
from scalelaw.tokens.shapes import vision_shape_of

ROWS = [
    pytest.param(path.stem, row, id=row["name"])
    for path in sorted(bundled("models").glob("*.yaml"))
    for row in yaml.safe_load(path.read_text())["models"]
]


def _values(params: list) -> list[tuple[str, dict]]:
    return [(param.values[0], param.values[1]) for param in params]


@pytest.mark.parametrize(("family", "row"), ROWS)
def test_the_shape_gives_the_recorded_count(family: str, row: dict) -> None:
    (model,) = [m for m in models_in(family) if m.name == row["name"]]
    assert model.shape is not None
    assert model.shape.n_params == row["exact"]
    assert model.n_params == float(row["n_params"])
    assert model.shape.experts or abs(model.n_params / model.shape.n_params - 1) < 0.3
    assert model.source


SEEING = [param for param in ROWS if "vision" in param.values[1]]


@pytest.mark.parametrize(("family", "row"), SEEING)
def test_a_model_that_sees_images_has_its_own_encoder_and_total(family: str, row: dict) -> None:
    (result,) = [line for line in model_rows() if line["name"] == row["name"]]
    (model,) = [m for m in models_in(family) if m.name == row["name"]]
    vision = vision_shape_of(find_vision_model(row["name"]))
    assert model.shape is not None
    assert result["total_params"] == model.shape.n_params + vision.n_params
    if "total" in row:
        assert result["total_params"] == row["total"]
        assert result["active_params"] == row.get("active", row["total"])
    counted = count_tokens(row["name"], ["1280x720"])
    assert counted.visual_tokens > 0


def test_the_catalogue_holds_the_families_that_people_serve() -> None:
    families = {param.values[0] for param in SEEING}
    assert len(SEEING) >= 40
    assert families >= {
        "qwen2-vl", "qwen2.5-vl", "qwen3-vl", "qwen3-vl-moe", "internvl3", "llava-1.5", "llava-next-vicuna",
        "llava-onevision", "gemma-3", "smolvlm2", "pixtral", "llama-3.2-vision", "paligemma2",
    }  # fmt: skip
    assert {m.family for m in find_models("all")} & families == {"gemma-3", "llava-1.5"}
    assert len(find_models("vlm")) == len(SEEING)


GIMMICK = "floschne/gimmick src/gimmick/models/__init__.py"
"""Parameters in the safetensors of each repository on Hugging Face."""

KERAS = "keras-team/keras-hub keras_hub/src/models/"

PUBLISHED = [
    ("qwen2-vl-2b", 2_208_985_600, GIMMICK),
    ("qwen2-vl-7b", 8_291_375_616, GIMMICK),
    ("qwen2-vl-72b", 73_405_560_320, GIMMICK),
    ("llama-3.2-11b-vision", 10_670_220_835, GIMMICK),
    # InternVL2.5: the same architecture (InternLM/lmdeploy issue 3424).
    ("internvl3-1b", 938_193_024, GIMMICK),
    ("internvl3-38b", 38_388_164_992, GIMMICK),
    ("internvl3-78b", 78_408_318_336, GIMMICK),
    # Bytes in bfloat16: zhanggaojian/Qwen2.5-VL-3B-LLMQ_Samples
    # models/Qwen2.5-VL-3B-Instruct/model.safetensors.index.json.
    ("qwen2.5-vl-3b", 7_509_245_952 // 2, "model.safetensors.index.json"),
    # Bytes in bfloat16 of the text encoder of Qwen-Image: exo-explore/exo.
    ("qwen2.5-vl-7b", 16_584_333_312 // 2, "resources/image_model_cards/exolabs--Qwen-Image.toml"),
    # YellowPerson792/ByteCaption InternVL3_5-8B-HF/OpenGVLab/InternVL3_5-8B-HF/model.safetensors.index.json.
    ("internvl3.5-8b", 8_528_318_464, "model.safetensors.index.json"),
    ("mistral-small-3.1-24b", 24_011_361_280, KERAS + "mistral3/mistral3_presets.py"),
    ("gemma-3-270m", 268_098_176, KERAS + "gemma3/gemma3_presets.py"),
    ("gemma-3-1b", 999_885_952, KERAS + "gemma3/gemma3_presets.py"),
    ("gemma-3-4b", 4_300_079_472, KERAS + "gemma3/gemma3_presets.py"),
    ("gemma-3-27b", 27_432_406_640, KERAS + "gemma3/gemma3_presets.py"),
    # Published with 257,152 rows of embeddings; the released weights have 64 more, of the LLM's width.
    ("paligemma2-3b-224", 3_032_094_960 + 64 * 2304, KERAS + "pali_gemma/pali_gemma_presets.py"),
    ("paligemma2-3b-448", 3_032_979_696 + 64 * 2304, KERAS + "pali_gemma/pali_gemma_presets.py"),
    ("paligemma2-3b-896", 3_036_518_640 + 64 * 2304, KERAS + "pali_gemma/pali_gemma_presets.py"),
    ("paligemma2-10b-224", 9_662_409_456 + 64 * 3584, KERAS + "pali_gemma/pali_gemma_presets.py"),
    ("paligemma2-10b-448", 9_663_294_192 + 64 * 3584, KERAS + "pali_gemma/pali_gemma_presets.py"),
    ("paligemma2-10b-896", 9_666_833_136 + 64 * 3584, KERAS + "pali_gemma/pali_gemma_presets.py"),
    ("paligemma2-28b-224", 27_650_192_112 + 64 * 4608, KERAS + "pali_gemma/pali_gemma_presets.py"),
]


def test_published_totals() -> None:
    """Each beside the public text that gives it, which the row names as well; no row names one without this check."""
    totals = {row["name"]: row["total_params"] for row in model_rows()}
    assert {name: totals[name] for name, _, _ in PUBLISHED} == {name: total for name, total, _ in PUBLISHED}
    named = {row["name"]: row["total_source"] for _, row in _values(ROWS) if "total_source" in row}
    assert set(named) == {name for name, _, _ in PUBLISHED}
    assert all(place in named[name] for name, _, place in PUBLISHED)


def test_a_row_names_the_text_that_confirms_it_or_is_marked() -> None:
    listed, lines = {row["name"]: row for row in model_rows()}, list_models()
    for _, row in _values(SEEING):
        confirmed = "; values as in " in row["source"]
        assert confirmed is ("unverified" not in row), row["name"]
        assert (listed[row["name"]]["unverified"] is None) is confirmed
        assert lines[row["name"]].endswith("; unverified") is not confirmed


def test_families_and_names_are_listed() -> None:
    assert "qwen1.5" in catalogue_families()
    assert "1.8e+09" in list_models()["qwen1.5-1.8b"]
    assert "989 TFLOP/s" in list_hardware()["h100-sxm"]
    assert (
        "576 patches of 14 pixels, 303,507,456 parameters, 381.918 GF" in list_towers()["clip-vit-l-14-336"]
    )


def test_models_may_be_named_in_every_way(tmp_path: Path) -> None:
    assert [m.n_params for m in find_models("qwen1.5")][:5] == [0.5e9, 1.8e9, 4e9, 7e9, 14e9]
    assert [m.name for m in find_models("qwen1.5-7b, Qwen1.5-0.5B")] == ["qwen1.5-0.5b", "qwen1.5-7b"]
    assert [m.name for m in find_models({"large": 9e9, "small": 1e9})] == ["small", "large"]
    assert [m.name for m in find_models([2e9, {"name": "a", "n_params": "1e9"}])] == ["a", "2B"]
    (tmp_path / "config.json").write_text(
        '{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,'
        ' "vocab_size": 100, "model_type": "llama"}'
    )
    (tmp_path / "c.yaml").write_text(
        "models:\n- {name: x, n_params: 3e9}\n- {name: y, config: config.json}\n"
    )
    y, x = find_models(tmp_path / "c.yaml")
    assert (x.name, x.n_params, x.shape) == ("x", 3e9, None)
    assert y.shape is not None
    assert y.n_params == y.shape.n_params


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("models: 3", "bad_catalogue"),
        ("[1, 2]", "bad_catalogue"),
        ("models: [{name: a}]", "bad_catalogue"),
        ("models: [{name: a, n_params: nan}]", "bad_catalogue"),
        ("models: [{name: a, n_params: many}]", "bad_catalogue"),
        ("models: [{name: a, n_params: 3.1}]", "bad_catalogue"),
        ("models: [{name: a, n_params: 1e9}, {name: a, n_params: 2e9}]", "bad_catalogue"),
        ("models: [{name: a, params: 1e9}]", "unknown_key"),
        ("models: [{name: a, config: nowhere.json}]", "no_such_file"),
        ("models: []", "empty_catalogue"),
        ("models: [", "bad_yaml"),
    ],
)
def test_a_bad_catalogue_gets_a_sentence(tmp_path: Path, content: str, code: str) -> None:
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(InputError) as refusal:
        find_models(str(tmp_path / "c.yaml"))
    assert refusal.value.code == code


def test_a_size_in_billions_is_distinguished_from_one_in_parameters() -> None:
    with pytest.raises(
        InputError, match="n_params of 'a' is 3.1: the unit is parameters, not billions"
    ) as caught:
        find_models({"a": 3.1})
    assert caught.value.hint == "Write 3.1e9."
    with pytest.raises(InputError, match="must lie between 1000 and 1e"):
        find_models({"a": 0})


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"Did you mean 'qwen1\.5-7b'"):
        find_models("qwen1.5-7")
    with pytest.raises(InputError, match="no catalogue file"):
        find_models("nowhere.yaml")


def test_generated_sizes_cover_the_range() -> None:
    models = find_models("ladder:0.5e9:14e9")
    sizes = [m.n_params for m in models]
    assert len(models) > 60
    assert sizes[0] == pytest.approx(0.5e9, rel=0.04)
    assert sizes[-1] == pytest.approx(14e9, rel=0.04)
    assert all(m.shape is not None and m.shape.n_params == m.n_params for m in models)
    assert max(b / a for a, b in itertools.pairwise(sizes)) < 1.1
    for text, why in (
        ("ladder:1e9", "two sizes"),
        ("ladder:a:b", "two sizes"),
        ("ladder:1e9:1e8", "second size must be above"),
        ("ladder:0:1e9", "smallest size that can be made is 5e"),
        ("ladder:1e9:1e16", "no model has more"),
    ):
        with pytest.raises(InputError, match=f"is not a ladder: .*{why}"):
            find_models(text)


def test_a_models_folder_or_its_configuration_is_a_catalogue(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,'
        ' "vocab_size": 100, "model_type": "llama"}'
    )
    for path in (tmp_path, tmp_path / "config.json"):
        (model,) = find_models(str(path))
        assert model.shape is not None
        assert (model.name, model.n_params) == (tmp_path.name, model.shape.n_params)
    with pytest.raises(InputError) as refusal:
        find_models("m/config.json")
    assert refusal.value.code == "no_such_file"


def test_measured_sizes_bear_the_names_of_their_points() -> None:
    sizes = {"n_params": [5e8, 5e8, 7e9]}
    named = sizes_of(
        {"inputs": sizes, "labels": {"model": ["Qwen-1.5 0.5B", "Qwen-1.5 0.5B", "Qwen-1.5 7B"]}}
    )
    assert [m.name for m in named] == ["Qwen-1.5 0.5B", "Qwen-1.5 7B"]
    unsure = sizes_of({"inputs": sizes, "labels": {"model": ["this", "that", "Qwen-1.5 7B"]}})
    assert [m.name for m in unsure] == ["0.5B", "Qwen-1.5 7B"]
    assert [m.name for m in sizes_of({"inputs": sizes})] == ["0.5B", "7B"]
