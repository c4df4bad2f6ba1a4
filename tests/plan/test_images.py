"""Costs from pixels: what images become, what the encoder then does, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalelaw.errors import InputError
from scalelaw.fit import fit_law
from scalelaw.plan import contrast_budgets, find_cost, find_optimum
from scalelaw.plan import make_problem as making
from scalelaw.plan.catalogue import model_of
from scalelaw.plan.grid import compute_costs
from scalelaw.plan.reachable import sights_of
from scalelaw.tokens.pictures import read_pictures

QWEN_3B: dict[str, Any] = {
    "model_type": "qwen2_5_vl",
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_attention_heads": 16,
    "num_hidden_layers": 36,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "vocab_size": 151936,
    "vision_config": {
        "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "in_chans": 3,
        "out_hidden_size": 2048, "patch_size": 14, "spatial_merge_size": 2, "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31], "temporal_patch_size": 2,
    },
}  # fmt: skip
"""Qwen/Qwen2.5-VL-3B-Instruct, whose configuration is flat."""


@pytest.fixture
def qwen(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(QWEN_3B))
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"min_pixels": 3136, "max_pixels": 12845056, "patch_size": 14, "merge_size": 2})
    )
    return str(tmp_path)


def test_the_published_counts_of_a_qwen(qwen: str) -> None:
    """lmms-eval's study on a Jetson: prefill of 399 tokens 2.24 TFLOPs (pairs that the mask keeps); the encoder 1.892
    TFLOPs for 358 visual tokens, between images of 345 and 368."""
    bill = find_cost(qwen, image="640x480", text_tokens=8)
    assert bill.visual_tokens == 391
    assert bill.n_params_exact == 3_085_938_688
    prefill = find_cost(qwen, image="640x480", text_tokens=8, convention="useful-causal", tower="none")
    assert round(prefill.flops / 1e12, 2) == 2.24
    encoders = {}
    for size in ("644x420", "644x448"):
        seen = find_cost(qwen, image=size)
        parts = {row["part"]: row["flops"] for row in seen.parts}
        encoders[seen.visual_tokens] = (parts["tower"] + parts["projector"]) / 1e12
    assert np.interp(358, list(encoders), list(encoders.values())) == pytest.approx(1.892, rel=5e-3)


def test_the_published_mean_of_visual_tokens_is_one_of_several_grids(qwen: str) -> None:
    """358 visual tokens are the mean of that study over GQA, at 256 to 2,048 tokens an image: the share of 640 x 480
    among such images and ones of 500 x 375 that gives the mean gives the encoder's 1.892 TFLOPs, too."""
    limits = {"min_pixels": 256 * 28**2, "max_pixels": 2048 * 28**2}
    bills = [find_cost(qwen, image=size, settings=limits) for size in ("640x480", "500x375")]
    assert [bill.visual_tokens for bill in bills] == [391, 266]
    share = (358 - 266) / (391 - 266)
    first, second = (
        sum(row["flops"] for row in bill.parts if row["part"] in ("tower", "projector")) for bill in bills
    )
    assert share * first + (1 - share) * second == pytest.approx(1.892e12, rel=2e-3)


def test_encoder_and_tokens_follow_the_image(qwen: str) -> None:
    small, large = (find_cost(qwen, image=size) for size in ("448x448", "1344x1344"))
    assert (small.images[0]["patches"], large.images[0]["patches"]) == (1024, 9216)
    towers = [next(row["flops"] for row in bill.parts if row["part"] == "tower") for bill in (small, large)]
    assert towers[1] > 9 * towers[0]
    limited = find_cost(qwen, image="1344x1344", settings={"max_pixels": 448 * 448})
    assert limited.flops == small.flops
    assert limited.settings["max_pixels"] == 448 * 448


def test_several_images_cost_their_sum_and_a_file_its_mean(qwen: str, tmp_path: Path) -> None:
    one, other = (find_cost(qwen, image=size, text_tokens=0) for size in ("448x448", "896x448"))
    both = find_cost(qwen, image=["448x448", "896x448"], text_tokens=0)
    assert both.visual_tokens == (one.visual_tokens + other.visual_tokens) / 2

    def part(bill: Any, name: str) -> float:
        return next(row["flops"] for row in bill.parts if row["part"] == name)

    for name in ("tower", "projector", "prefill_products"):
        assert part(both, name) == pytest.approx(part(one, name) + part(other, name), rel=1e-14)
    sizes = tmp_path / "sizes.csv"
    sizes.write_text("width,height,count\n448,448,3\n896,448,1\n")
    many = find_cost(qwen, image_sizes=sizes, text_tokens=0)
    assert many.flops == pytest.approx(0.75 * one.flops + 0.25 * other.flops, rel=1e-14)
    assert many.costs_p95["flops"] == other.flops
    assert many.visual_tokens == 0.75 * one.visual_tokens + 0.25 * other.visual_tokens


def test_a_video_counts_every_step_of_two_frames(qwen: str) -> None:
    image, video = find_cost(qwen, image="448x448"), find_cost(qwen, image="448x448", frames=8)
    assert video.visual_tokens == 4 * image.visual_tokens
    towers = [next(row["flops"] for row in bill.parts if row["part"] == "tower") for bill in (image, video)]
    assert towers[1] == 4 * towers[0]


def test_another_encoder_or_none(qwen: str) -> None:
    own, none = find_cost(qwen, image="448x448"), find_cost(qwen, image="448x448", tower="none")
    assert own.visual_tokens == none.visual_tokens
    assert {row["part"] for row in own.parts} - {row["part"] for row in none.parts} == {"tower", "projector"}
    assert own.costs["memory_gb"] > none.costs["memory_gb"]


LLAMA_11B: dict[str, Any] = {
    "model_type": "mllama",
    "text_config": {
        "model_type": "mllama_text_model", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 40,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
        "cross_attention_layers": [3, 8, 13, 18, 23, 28, 33, 38],
    },
    "vision_config": {
        "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_global_layers": 8,
        "attention_heads": 16, "image_size": 560, "patch_size": 14, "max_num_tiles": 4, "vision_output_dim": 7680,
        "supported_aspect_ratios": [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]],
    },
}  # fmt: skip
"""meta-llama/Llama-3.2-11B-Vision."""


def test_visual_tokens_beside_the_sequence_take_no_place_in_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_11B))
    bill = find_cost(tmp_path, image="1120x1120", text_tokens=100)
    assert bill.visual_tokens == 4 * 1601
    assert bill.n_params_exact == 9_775_192_080
    self_cache = find_cost(tmp_path, image="1120x1120", text_tokens=0, generate=0)
    cache = self_cache.stages["memory_gb"]["cache"] * 1e9 / (2 * 2 * 8 * 128)
    assert cache == pytest.approx(8 * 4 * 1601 + 32 * 1)
    text = find_cost(tmp_path, 0, text_tokens=100)
    ran = {row["part"]: row["flops"] for row in text.parts}
    assert ran["prefill_products"] == pytest.approx(2 * 100 * 32 * (2 * 4096 * 128 * 40 + 3 * 4096 * 14336))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"image": "0x480"}, "bad_image_size"),
        ({"image": "640"}, "bad_image_size"),
        ({"image": "8000x10"}, "refused_image"),
        ({"image": "640x480", "settings": {"max_pixels": 0}}, "knob_out_of_range"),
        ({"image": "640x480", "settings": {"max_patches": 4}}, "unknown_knob"),
        ({"image": "640x480", "settings": {"patch_size": 16}}, "fixed_setting"),
        ({"image": "640x480", "frames": 0}, "bad_frames"),
        ({"frames": 8}, "usage"),
        ({"settings": {"max_pixels": 10000}}, "usage"),
        ({"image": "640x480", "visual_tokens": 4}, "usage"),
        ({"image": "640x480", "tiles": 4}, "usage"),
        ({"image": "640x480", "images": 2}, "usage"),
        ({"image": "640x480", "compressor": "quecc"}, "usage"),
        ({"image": "640x480", "image_sizes": [(1, 1)]}, "usage"),
    ],
)
def test_bad_input_has_a_code(qwen: str, options: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as refusal:
        find_cost(qwen, **options)
    assert refusal.value.code == code


def test_a_model_without_a_vision_part_takes_no_image(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        find_cost("qwen1.5-7b", image="640x480")
    assert refusal.value.code == "no_vision_part"
    (tmp_path / "config.json").write_text(
        json.dumps({**QWEN_3B, "model_type": "qwen2", "vision_config": None})
    )
    with pytest.raises(InputError) as refusal:
        find_cost(str(tmp_path), image="640x480")
    assert refusal.value.code == "no_vision_part"


def test_files_that_contradict_each_other_are_refused(qwen: str) -> None:
    (Path(qwen) / "preprocessor_config.json").write_text(json.dumps({"patch_size": 16}))
    with pytest.raises(InputError) as refusal:
        find_cost(qwen, image="640x480")
    assert refusal.value.code == "contradictory_preprocessor"


def test_a_family_without_a_closed_form_needs_an_encoder_by_name(tmp_path: Path) -> None:
    text = {**QWEN_3B, "model_type": "llama"}
    text.pop("vision_config")
    fields = {
        "model_type": "chameleon",
        "text_config": text,
        "vq_config": {"resolution": 512},
    }
    (tmp_path / "config.json").write_text(json.dumps(fields))
    with pytest.raises(InputError) as refusal:
        find_cost(tmp_path, image="640x480")
    assert refusal.value.code == "unknown_encoder"
    assert find_cost(tmp_path, image="640x480", tower="siglip-so400m-14-384").visual_tokens == 1024


PIXTRAL = {"model_type": "llava", "text_config": {**QWEN_3B, "model_type": "llama", "vision_config": None},
           "vision_config": {"model_type": "pixtral", "hidden_size": 1024, "intermediate_size": 4096, "head_dim": 64,
                             "image_size": 1024, "patch_size": 16, "num_hidden_layers": 24}}  # fmt: skip


@pytest.mark.parametrize(("fields", "image"), [(LLAMA_11B, "560x560"), (PIXTRAL, "1024x1024")])
def test_without_an_image_the_encoder_is_counted_at_its_own_size_and_says_so(
    tmp_path: Path, fields: dict[str, Any], image: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(fields))
    towers = []
    for options in ({"image": image}, {"visual_tokens": 64}):
        bill = find_cost(tmp_path, **options)
        towers.append(next(row["flops"] for row in bill.parts if row["part"] == "tower"))
        assert ("assumed_image" in [code for code, _ in bill.warnings]) == ("visual_tokens" in options)
    assert towers[0] == towers[1]


def write(folder: Path, fields: dict[str, Any]) -> str:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(fields))
    return str(folder)


@pytest.fixture
def qwens(tmp_path: Path) -> list[str]:
    """Two sizes of a family."""
    half = {**QWEN_3B, "num_hidden_layers": 8, "_name_or_path": "small"}
    return [write(tmp_path / "large", {**QWEN_3B, "_name_or_path": "large"}), write(tmp_path / "small", half)]


def test_a_plan_chooses_among_reachable_settings_only(reasoning: Any, qwens: list[str]) -> None:
    optimum = find_optimum(reasoning, 3e12, models=qwens, image="1280x720")
    best = optimum.best
    bill = find_cost(
        qwens[0] if best["model"] == "large" else qwens[1], image="1280x720", settings=best["settings"]
    )
    assert bill.visual_tokens == best["visual_tokens"]
    assert bill.flops == best["costs"]["flops"] <= 3e12
    assert sum(image["patches"] for image in bill.images) == best["patches"]
    assert optimum.searched["lowers"] == "resolution"
    assert optimum.searched["families"] == ["qwen2_5_vl"]
    more = find_optimum(reasoning, 6e12, models=qwens, image="1280x720").best
    assert more["error"] < best["error"]


def test_a_plan_over_many_images_limits_what_most_of_them_cost(reasoning: Any, qwens: list[str]) -> None:
    sizes = [(1280, 720)] * 9 + [(224, 224)]
    best = find_optimum(reasoning, 3e12, models=qwens, image_sizes=sizes).best
    alone = find_optimum(reasoning, 3e12, models=qwens, image="1280x720").best
    assert best["settings"] == alone["settings"]
    assert best["costs_p95"]["flops"] == alone["costs"]["flops"] <= 3e12
    assert best["costs"]["flops"] < best["costs_p95"]["flops"]


TILES: dict[str, Any] = {
    "model_type": "internvl",
    "text_config": {**QWEN_3B, "model_type": "qwen2", "vision_config": None},
    "vision_config": {"hidden_size": 1024, "num_hidden_layers": 24, "intermediate_size": 4096},
}


def test_a_law_measured_with_a_compressor_is_not_silently_applied_to_resolution(qwens: list[str]) -> None:
    law = fit_law("vlm_reasoning", bootstrap=0)
    optimum = find_optimum(law, 3e12, models=qwens, image="1280x720")
    assert "resolution_or_compression" in [code for code, _ in optimum.warnings]
    fixed = find_optimum(law, 1e14, models="llava-1.5", image="640x480")
    assert "resolution_or_compression" not in [code for code, _ in fixed.warnings]


def test_a_family_of_the_catalogue_is_planned_by_name(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, 5e12, models="qwen3-vl", image="1920x1080")
    assert optimum.best["model"].startswith("qwen3-vl-")
    assert optimum.best["costs"]["flops"] <= 5e12
    assert optimum.searched["tower"] == "qwen3_vl_vision"


def test_tiles_are_the_axis_of_a_family_with_tiles(reasoning: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "internvl", TILES)
    optimum = find_optimum(reasoning, 1e13, models=[path], image="1344x896", visual_tokens="256:4000")
    tokens = {choice["visual_tokens"] for choice in [optimum.best, *optimum.pareto]}
    assert all(count % 256 == 0 for count in tokens)
    assert len(tokens) > 1


def test_a_model_without_knobs_has_one_number_of_tokens(reasoning: Any) -> None:
    optimum = find_optimum(reasoning, 1e14, models="llava-1.5", image="640x480")
    assert optimum.best["visual_tokens"] == 576
    assert optimum.searched["lowers"] == "nothing"
    assert "resolution_or_compression" not in [code for code, _ in optimum.warnings]


def test_what_a_plan_from_images_cannot_do(reasoning: Any, qwens: list[str]) -> None:
    for options, code in (
        ({"image": "1280x720"}, "usage"),
        ({"image": "1280x720", "models": "qwen1.5"}, "no_vision_part"),
        ({"image": "1280x720", "models": qwens, "tiles": 2}, "usage"),
        ({"image": "1280x720", "models": qwens, "visual_tokens": "7"}, "tokens_not_reachable"),
        ({"frames": 4, "models": qwens}, "usage"),
    ):
        with pytest.raises(InputError) as refusal:
            find_optimum(reasoning, 3e12, **options)
        assert refusal.value.code == code
    with pytest.raises(InputError) as refusal:
        contrast_budgets(reasoning, 3e12, models=qwens, image="1280x720")
    assert refusal.value.code == "usage"


def test_models_of_one_configuration_share_what_they_see(qwen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = fit_law("vlm_reasoning", bootstrap=20)
    calls: list[str] = []
    original = making.sights_of
    monkeypatch.setattr(
        making, "sights_of", lambda model, *rest: (calls.append(model.name), original(model, *rest))[1]
    )
    config = f"{qwen}/config.json"
    many = [{"name": f"m{n}", "n_params": 3.0e9 + n * 1e6, "config": config} for n in range(20)]
    sizes = [(640, 480), (800, 600), (320, 200)]
    together = find_optimum(fitted, 5e12, models=many, image_sizes=sizes)
    assert len(calls) == 1
    alone = find_optimum(fitted, 5e12, models=[many[-1]], image_sizes=sizes)
    assert together.best["model"] == "m19"
    assert together.best["costs"] == alone.best["costs"]
    assert together.best["visual_tokens"] == alone.best["visual_tokens"]


def test_the_costs_of_settings_side_by_side_are_those_of_each(qwen: str) -> None:
    fitted = fit_law("vlm_reasoning", bootstrap=0)
    problem = making.make_problem(
        fitted,
        {"flops": 5e12, "memory_gb": 40},
        models=qwen,
        image_sizes=[(640, 480), (800, 600), (320, 200)],
    )
    work, names, counts = problem.query.work, ["flops", "memory_gb"], problem.counts
    for expected in (False, True):
        every = compute_costs(problem.models, counts, work, names, problem.flop_cost, expected=expected)
        for place in (0, len(counts) // 2, len(counts) - 1):
            one = compute_costs(
                problem.models, counts[[place]], work, names, problem.flop_cost, expected=expected
            )
            for name in names:
                assert one[name][0, 0] == pytest.approx(every[name][0, place], rel=1e-13)


OCR_LLM = {
    "use_mla": False,
    "hidden_size": 1280,
    "intermediate_size": 6848,
    "moe_intermediate_size": 896,
    "first_k_dense_replace": 1,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "num_experts_per_tok": 6,
    "num_attention_heads": 10,
    "num_key_value_heads": 10,
    "num_hidden_layers": 12,
    "vocab_size": 129280,
}


def test_two_knobs_with_a_few_values_are_varied_together(tmp_path: Path) -> None:
    """The modes Tiny, Small and Base of DeepSeek-OCR: one view of 512, 640 or 1024 pixels, and no tiles."""
    config = {
        "model_type": "deepseek_vl_v2",
        "architectures": ["DeepseekOCRForCausalLM"],
        "language_config": OCR_LLM,
        "vision_config": {"model_type": "vision", "image_size": 1024},
    }
    model = model_of(write(tmp_path / "ocr", config))
    pictures = read_pictures("1600x1200", None, None)
    assert pictures is not None
    sights = sights_of(model, pictures)
    for tokens, side in ((73, 512), (111, 640), (273, 1024)):
        assert sights.seen[tokens].settings["base_size"] == side
        assert sights.seen[tokens].settings["crop_mode"] is False
    assert model.shape is not None
    assert model.shape.n_params == pytest.approx(2.93e9, rel=0.01)
