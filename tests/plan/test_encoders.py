"""The parts of a configuration: the LLM wherever its fields are, and the vision encoder that is counted."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import InputError
from scalelaw.model_shapes.parts import encoder_of
from scalelaw.plan import calibrate, find_cost, find_models, find_optimum
from scalelaw.plan.catalogue import tower_by_name

SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 1000,
}
LLAVA_13B: dict[str, Any] = {
    "architectures": ["LlavaLlamaForCausalLM"],
    "model_type": "llava",
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
    "num_key_value_heads": 40,
    "vocab_size": 32000,
    "mm_vision_tower": "openai/clip-vit-large-patch14-336",
    "tie_word_embeddings": False,
}
ONEVISION: dict[str, Any] = {
    "architectures": ["LlavaQwenForCausalLM"],
    "model_type": "llava",
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
    "mm_vision_tower": ["google/siglip-so400m-patch14-384"],
}
SIGLIP = {"model_type": "siglip_vision_model", "hidden_size": 96, "intermediate_size": 384,
          "num_hidden_layers": 3, "patch_size": 14, "image_size": 224, "num_attention_heads": 6}  # fmt: skip
COMPOSITE = {"model_type": "llava", "text_config": {"model_type": "llama", **SMALL}, "vision_config": SIGLIP}


def config(folder: Path, fields: dict[str, Any], name: str = "m") -> str:
    path = folder / name / "config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(fields))
    return str(path)


def codes(answer: Any) -> list[str]:
    """The codes of the warnings, but for those on what dominates so small a model."""
    return [code for code, _ in answer.warnings if code != "tower_dominates"]


@pytest.mark.parametrize(
    ("fields", "n_params", "tower"),
    [
        (LLAVA_13B, 13_015_864_320, "clip-vit-l-14-336"),
        (ONEVISION, 494_032_768, "siglip-so400m-14-384"),
        ({**LLAVA_13B, "model_type": "llava_llama"}, 13_015_864_320, "clip-vit-l-14-336"),
        ({**LLAVA_13B, "text_config": None}, 13_015_864_320, "clip-vit-l-14-336"),
        ({**LLAVA_13B, "text_config": {}}, 13_015_864_320, "clip-vit-l-14-336"),
        ({**LLAVA_13B, "model_type": "bunny-llama", "architectures": None}, 13_015_864_320, "clip-vit-l-14-336"),
    ],
)  # fmt: skip
def test_a_flat_llava_is_counted_from_its_flat_fields(
    tmp_path: Path, fields: dict[str, Any], n_params: int, tower: str
) -> None:
    bill = find_cost(config(tmp_path, fields), 100)
    assert (bill.n_params_exact, bill.tower) == (n_params, tower)
    assert codes(bill) == ["flat_config"]


@pytest.mark.parametrize("key", ["text_config", "llm_config", "language_config"])
def test_the_llm_is_read_from_a_sub_configuration_of_any_name(tmp_path: Path, key: str) -> None:
    fields = {"model_type": "odd_chat", key: {"model_type": "qwen2", **SMALL}, "vision_config": SIGLIP}
    plain = find_cost(config(tmp_path, {"model_type": "qwen2", **SMALL}, "plain"), 4, tower="none")
    bill = find_cost(config(tmp_path, fields), 4)
    assert bill.n_params_exact == plain.n_params_exact
    assert (bill.tower, codes(bill)) == ("siglip_vision_model of m", [])


def test_a_partial_text_config_takes_its_class_defaults_and_says_so(tmp_path: Path) -> None:
    text = {"model_type": "llama", "vocab_size": 32064}
    bill = find_cost(config(tmp_path, {**COMPOSITE, "text_config": text}), 4)
    assert bill.n_params_exact == 6_738_415_616 + 2 * 64 * 4096
    assert codes(bill) == ["defaults_used"]
    beside = {"model_type": "llava", "text_config": text, "vision_config": SIGLIP, **SMALL, "vocab_size": 7}
    bill = find_cost(config(tmp_path, beside), 4)
    assert bill.n_params_exact < 10_000_000
    assert codes(bill) == ["fields_not_used", "flat_config"]


@pytest.mark.parametrize(
    "fields", [{"model_type": "llava"}, {"model_type": "qwen2_vl"}, {"mm_hidden_size": 1024}]
)
def test_a_configuration_without_sizes_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refusal:
        find_cost(config(tmp_path, fields), 4, tower="none")
    assert refusal.value.code in ("bad_config", "cannot_count")


def test_flat_sizes_that_a_class_would_ignore_are_refused(tmp_path: Path) -> None:
    flat = {"model_type": "idefics3", **SMALL}
    with pytest.raises(InputError) as refusal:
        find_cost(config(tmp_path, flat), 4, tower="none")
    assert refusal.value.code == "fields_not_used"
    assert "hidden_size 64" in refusal.value.message


def test_the_configurations_own_encoder_is_counted(tmp_path: Path) -> None:
    path = config(tmp_path, COMPOSITE)
    bill, same = find_cost(path, 16), find_cost(path, 16, tower=path)
    assert (bill.tower, codes(bill)) == ("siglip_vision_model of m", [])
    assert bill.flops == same.flops
    assert find_cost(path, 16, tower="clip-vit-l-14-336").flops > bill.flops
    with pytest.raises(InputError) as refusal:
        find_cost(path, 257)
    assert refusal.value.code == "too_many_visual_tokens"


@pytest.mark.parametrize(
    "fields", [{"model_type": "llama", **SMALL}, {**LLAVA_13B, "mm_vision_tower": "my/eye"}]
)
def test_an_assumed_encoder_is_a_warning(tmp_path: Path, fields: dict[str, Any]) -> None:
    path = config(tmp_path, fields)
    bill = find_cost(path, 16)
    assert bill.tower == "clip-vit-l-14-336"
    assert "assumed_encoder" in codes(bill)
    # a text query keeps the encoder that a configuration describes
    text = find_cost(path, 0)
    assert text.tower == (bill.tower if "mm_vision_tower" in fields else None)
    assert ("assumed_encoder" in codes(text)) == ("mm_vision_tower" in fields)
    for named in ("clip-vit-l-14-336", "none"):
        assert "assumed_encoder" not in codes(find_cost(path, 16, tower=named))


def test_an_encoder_of_an_unknown_type_is_counted_or_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    fields = {"model_type": "vit", "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2,
              "num_attention_heads": 4, "patch_size": 14, "image_size": 56}  # fmt: skip
    path = config(tmp_path, {**COMPOSITE, "vision_config": fields})
    bill = find_cost(path, 16)
    with torch.device("meta"):
        model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(**fields))
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter, torch.no_grad():
        model.set_attn_implementation("eager")
        model(torch.zeros(1, 3, 56, 56, device="meta"))
    parts = {part["part"]: part["flops"] for part in bill.parts}
    assert parts["tower"] == counter.get_total_flops()
    assert codes(bill) == []
    assert find_cost(path, 16, tower=path).flops == bill.flops
    for unknown in ("intern_vit_6b", "", None):
        odd = {**COMPOSITE, "model_type": "odd", "vision_config": {**fields, "model_type": unknown}}
        path = config(tmp_path, odd, "odd")
        for options in ({}, {"tower": path}):
            with pytest.raises(InputError) as refusal:
                find_cost(path, 16, **options)
            assert refusal.value.code == "cannot_count"
        assert find_cost(path, 16, tower="none").tower is None


OTHERS = {
    "vision_encoder": "openai/clip-vit-large-patch14-336",
    "vision_backbone_id": "openai/clip-vit-large-patch14-336",
    "mm_vision_tower_aux_list": ["openai/clip-vit-large-patch14-336"],
    "image_encoder_name_or_path": "openai/clip-vit-large-patch14-336",
    "vision_model": {"name": "openai/clip-vit-large-patch14-336"},
    "model": {"vision_backbone_id": "openai/clip-vit-large-patch14-336"},
}


@pytest.mark.parametrize("key", OTHERS)
def test_an_encoder_under_an_unusual_key_is_read_and_the_key_is_named(tmp_path: Path, key: str) -> None:
    path = config(tmp_path, {"model_type": "llama", **SMALL, key: OTHERS[key]})
    bill = find_cost(path, 16)
    assert (bill.tower, codes(bill)[-1]) == ("clip-vit-l-14-336", "encoder_key")
    assert "assumed_encoder" not in codes(bill)
    name = "vision_backbone_id" if key == "model" else key
    assert name in next(message for code, message in bill.warnings if code == "encoder_key")


def test_an_encoder_under_an_unusual_key_may_be_described_or_unknown(tmp_path: Path) -> None:
    fields = {"model_type": "llama", **SMALL, "vision_encoder": SIGLIP}
    bill = find_cost(config(tmp_path, fields), 16)
    assert (bill.tower, codes(bill)) == ("siglip_vision_model of m", ["encoder_key"])
    for value in ("my/eye", ["my/eye", "my/other"], {"depth": 3}):
        bill = find_cost(config(tmp_path, {**fields, "vision_encoder": value}), 16)
        assert codes(bill) == ["encoder_key", "assumed_encoder"]
        assert "describes no" not in str(bill.warnings)
    for unrelated in ({"vision_tower_lr": 2e-6}, {"vision_model": None}, {"image_size": 336}):
        path = config(tmp_path, {"model_type": "llama", **SMALL, **unrelated})
        assert codes(find_cost(path, 16)) == ["assumed_encoder"]


def test_an_encoder_without_sizes_is_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    timm = {"model_type": "timm_wrapper", "architecture": "vit_large_patch14_dinov2", "num_classes": 0}
    for fields, word in ((timm, "vit_large_patch14_dinov2"), ({"model_type": "vit"}, "image_size")):
        with pytest.raises(InputError) as refusal:
            find_cost(config(tmp_path, {**COMPOSITE, "vision_config": fields}), 16)
        assert refusal.value.code == "cannot_count"
        assert word in refusal.value.message
        assert "None" not in refusal.value.message


HINTS = [
    ({"model_type": "odd", **SMALL}, "Without its model_type"),
    ({"model_type": "odd_vl", "text_config": {"model_type": "odd", **SMALL}}, "text_config and of the whole"),
    ({"model_type": "odd_vl", "llm_config": {"model_type": "odd", **SMALL}}, "llm_config and of the whole"),
    ({"model_type": "odd", **SMALL, "num_experts": 8, "num_experts_per_tok": 2}, "mixture of 8 experts"),
    ({"model_type": "odd", **SMALL, "n_routed_experts": 64, "num_experts_per_tok": 6}, "catalogue"),
    ({"model_type": "odd_vl", "text_config": {"model_type": "odd", **SMALL, "moe_k": 2}}, "catalogue"),
    ({"model_type": "odd", "hidden_size": 64}, "catalogue"),
]


@pytest.mark.parametrize(("fields", "words"), HINTS)
def test_the_way_to_count_an_unknown_type_leads_to_a_count(
    tmp_path: Path, fields: dict[str, Any], words: str
) -> None:
    pytest.importorskip("torch")
    with pytest.raises(InputError) as refusal:
        find_cost(config(tmp_path, fields), 16, tower="none")
    assert refusal.value.code == "cannot_count"
    assert words in refusal.value.hint
    bare = {
        key: {k: v for k, v in value.items() if k != "model_type"} if isinstance(value, dict) else value
        for key, value in fields.items()
        if key != "model_type"
    }
    if "Without" in refusal.value.hint:
        bill = find_cost(config(tmp_path, bare), 16, tower="none")
        assert "unknown_family" in codes(bill)


def test_counting_prints_nothing_of_other_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    monkeypatch.setenv("SCALELAW_CACHE", str(tmp_path / "cache"))
    build = transformers.AutoModelForCausalLM.from_config
    logger, records = transformers.logging.get_logger("transformers.noise"), list[logging.LogRecord]()
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    monkeypatch.setattr(logger, "handlers", [handler])
    # whatever level other tests have given to the library
    logger.setLevel(logging.WARNING)

    def noisy(*args: Any, **options: Any) -> Any:
        print("printed")
        warnings.warn("warned", stacklevel=1)
        logger.warning("logged")
        return build(*args, **options)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_config", noisy)
    path = config(tmp_path, {"model_type": "stablelm", **SMALL})
    bill = find_cost(path, 16, tower="none")
    assert "counted" in codes(bill)
    assert capfd.readouterr() == ("", "")
    assert records == []
    logger.warning("logged")
    assert [record.msg for record in records] == ["logged"]


def test_a_plan_counts_each_models_own_encoder(tmp_path: Path, reasoning: Any) -> None:
    own, text = config(tmp_path, COMPOSITE, "own"), config(tmp_path, {"model_type": "llama", **SMALL}, "text")
    arguments = [
        {"name": "own", "n_params": 2e5, "config": own},
        {"name": "text", "n_params": 2.1e5, "config": text},
    ]
    optimum = find_optimum(reasoning, 1e13, models=arguments)
    assert optimum.searched["tower"] == "siglip_vision_model of own, clip-vit-l-14-336"
    (messages,) = [message for code, message in optimum.warnings if code == "assumed_encoder"]
    assert messages.startswith("text describes")
    choices = {choice["model"]: choice for choice in [optimum.best, *optimum.runners_up]}
    assert choices["own"]["visual_tokens"] == 256  # the encoder has no more patches
    for name, path in (("own", own), ("text", text)):
        bill = find_cost(path, choices[name]["visual_tokens"])
        assert choices[name]["costs"]["flops"] == pytest.approx(bill.flops, rel=1e-12)
    named = find_optimum(reasoning, 1e13, models=arguments, tower="clip-vit-l-14-336")
    assert "assumed_encoder" not in codes(named)
    assert named.searched["tower"] == "clip-vit-l-14-336"


def test_no_encoder_is_assumed_where_none_is_counted(reasoning: Any) -> None:
    assert "assumed_encoder" not in codes(find_optimum(reasoning, 8e11))
    assert "assumed_encoder" not in codes(find_cost("llava-1.5-7b"))
    assert "assumed_encoder" in codes(find_optimum(reasoning, 8e12, models="qwen1.5"))


def test_no_visual_tokens_is_a_text_query_everywhere(tmp_path: Path) -> None:
    text, none = find_cost("llama-2-7b", 0, 128), find_cost("llama-2-7b", 0, 128, tower="none")
    assert (text.tower, text.flops, text.costs) == (None, none.flops, none.costs)
    rows = ["0,128,1,16.1", "0,2048,1,120.5", "0,128,16,140", "0,2048,16,1900", "576,50,1,90"]
    header = "model,visual_tokens,text_tokens,batch,ttft_ms"
    (tmp_path / "l.csv").write_text("\n".join([header, *(f"llama-2-7b,{row}" for row in rows[:-1])]))
    calibration = calibrate(tmp_path / "l.csv", "a100-sxm-80")
    assert (calibration.n, "assumed_encoder" in codes(calibration)) == (4, False)
    (tmp_path / "l.csv").write_text("\n".join([header, *(f"llama-2-7b,{row}" for row in rows)]))
    assert "assumed_encoder" in codes(calibrate(tmp_path / "l.csv", "a100-sxm-80"))
    for bad in ("-1", "inf", "nan"):
        (tmp_path / "l.csv").write_text("\n".join([header, f"llama-2-7b,{bad},128,1,16.1"]))
        with pytest.raises(InputError) as refusal:
            calibrate(tmp_path / "l.csv", "a100-sxm-80")
        assert refusal.value.code == "bad_tokens"


def test_a_compressor_gives_the_same_counts_in_a_bill_and_in_a_plan(reasoning: Any) -> None:
    options: dict[str, Any] = {"compressor": "quecc"}
    with pytest.raises(InputError) as bill:
        find_cost("qwen1.5-7b", 100, **options)
    with pytest.raises(InputError) as plan:
        find_optimum(reasoning, 1e13, models="qwen1.5-7b", visual_tokens="100", **options)
    assert bill.value.code == plan.value.code == "tokens_not_allowed"
    assert bill.value.hint == plan.value.hint
    assert find_cost("qwen1.5-7b", 144, **options).visual_tokens == 144
    assert find_cost("qwen1.5-7b", 57.6, compressor="attention_prune").visual_tokens == 57.6  # a mean
    assert find_cost("qwen1.5-7b", 57.6).visual_tokens == 57.6


def test_a_bill_is_for_one_way_to_serve() -> None:
    for several in ({"dtype": "fp8,int4"}, {"dtype": ["fp8", "int4"]}, {"batch": [1, 8]}, {"batch": "1,8"}):
        with pytest.raises(InputError) as refusal:
            find_cost("qwen1.5-7b", 16, **several)
        assert refusal.value.code == "bad_workload"
    assert find_cost("qwen1.5-7b", 16, dtype="fp8,fp8").dtype == "fp8"


def test_a_catalogue_names_a_bundled_model_as_its_configuration(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        "models: [{name: mine, config: Qwen2.5-7B}, {name: other, n_params: 6e9, config: qwen1.5-7b}]"
    )
    other, mine = find_models(str(path))
    (bundled,) = find_models("qwen2.5-7b")
    assert (mine.name, mine.n_params, mine.shape) == ("mine", bundled.n_params, bundled.shape)
    assert other.n_params == 6e9
    path.write_text("models: [{name: mine, config: qwen9-7b}]")
    with pytest.raises(InputError) as refusal:
        find_models(str(path))
    assert refusal.value.code == "unknown_model"


@pytest.mark.parametrize("size", ["7.6", "7600", "7.6e6", "7.6e18"])
def test_a_size_in_another_unit_than_its_configuration_is_refused(tmp_path: Path, size: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(f"models: [{{name: a, n_params: {size}, config: qwen2.5-7b}}]")
    with pytest.raises(InputError) as refusal:
        find_models(str(path))
    assert refusal.value.code == "unit_mismatch"
    assert refusal.value.hint == "Write n_params: 7600000000"


def test_one_size_in_millions_among_parameters_is_refused() -> None:
    with pytest.raises(InputError) as refusal:
        find_models({"a": 5e8, "b": 7000})
    assert refusal.value.code == "unit_mismatch"


def test_a_card_that_nobody_measured_is_a_warning(reasoning: Any, tmp_path: Path) -> None:
    for answer in (
        find_cost("qwen1.5-7b", 16, hardware="h100"),
        find_optimum(reasoning, {"latency_ms": 100}, models="qwen1.5", hardware="h100"),
    ):
        assert "uncalibrated" in codes(answer)
    card = tmp_path / "card.yaml"
    card.write_text(
        "{peak_tflops: 989, bandwidth_tb_s: 3.35, memory_gb: 80, mfu: 0.4, mbu: 0.7, calibrated: true}"
    )
    assert "uncalibrated" not in codes(find_cost("qwen1.5-7b", 16, hardware=str(card)))
    assert "uncalibrated" in codes(find_cost("qwen1.5-7b", 16, hardware=str(card), mfu=0.9))


@pytest.mark.parametrize(
    ("whole", "text", "plain"),
    [
        ("qwen2_5_vl", "qwen2_5_vl_text", "qwen2"),
        ("qwen3_vl", "qwen3_vl_text", "qwen3"),
        ("qwen2_vl", None, "qwen2"),
    ],
)
def test_the_llm_of_a_qwen_vl_is_a_plain_qwen(
    tmp_path: Path, whole: str, text: str | None, plain: str
) -> None:
    inner = {**SMALL, "head_dim": 16} if plain == "qwen3" else SMALL
    fields = {"model_type": whole, **({"text_config": {"model_type": text, **inner}} if text else inner)}
    bill = find_cost(config(tmp_path, fields), 0, tower="none")
    same = find_cost(config(tmp_path, {"model_type": plain, **inner}, "plain"), 0, tower="none")
    assert (bill.n_params_exact, bill.flops) == (same.n_params_exact, same.flops)
    assert "counted" not in codes(bill)


def test_the_llm_of_a_qwen3_vl_mixture_is_a_plain_qwen3_mixture(tmp_path: Path) -> None:
    experts = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 48}
    inner = {**SMALL, "head_dim": 16, **experts}
    fields = {"model_type": "qwen3_vl_moe", "text_config": {"model_type": "qwen3_vl_moe_text", **inner}}
    bill = find_cost(config(tmp_path, fields), 0, tower="none")
    same = find_cost(config(tmp_path, {"model_type": "qwen3_moe", **inner}, "plain"), 0, tower="none")
    assert (bill.n_params_exact, bill.costs) == (same.n_params_exact, same.costs)


@pytest.mark.parametrize(
    "config",
    [
        {"vision_config": {"hidden_size": 8}, "high_res_vision_config": {"hidden_size": 8}},
        {"vision_config": {"hidden_size": 8}, "vision_config_2": {"hidden_size": 8}},
        {"mm_vision_tower": ["openai/clip-vit-large-patch14-336", "google/siglip-so400m-patch14-384"]},
        {"mm_vision_tower": "openai/clip-vit-large-patch14-336,google/siglip-so400m-patch14-384"},
        {"mm_vision_tower": "openai/clip-vit-large-patch14-336", "mm_vision_tower_2": "dinov2"},
    ],
)
def test_several_encoders_are_none_that_is_bundled(config: dict[str, Any]) -> None:
    encoder = encoder_of(config)
    assert isinstance(encoder, str)
    assert tower_by_name(encoder) is None


def test_one_encoder_under_two_names_is_one() -> None:
    name = "openai/clip-vit-large-patch14-336"
    assert encoder_of({"mm_vision_tower": name, "vision_tower": name, "mm_vision_tower_lr": 2e-6}) == name
