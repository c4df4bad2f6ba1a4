"""The closed forms against torch's flop counter on the meta device: no difference, component by component."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
import yaml
from torch.utils.flop_counter import FlopCounterMode

from scalelaw import plugins
from scalelaw.costs import _compressor, _llm, _vision
from scalelaw.files.paths import bundled
from scalelaw.model_shapes import FAMILIES, TowerShape, from_fields, tower_from_fields
from scalelaw.plan.catalogue import find_tower

SMALL = {
    "vocab_size": 1000,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
LLMS: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"num_key_value_heads": 1},
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {"head_dim": 32},
    "gemma2": {"head_dim": 32},
    "gemma3_text": {"head_dim": 32, "num_hidden_layers": 7},
    "phi3": {},
    "mixtral": {"num_local_experts": 8},
    "qwen2_moe": {"num_experts": 8, "moe_intermediate_size": 48, "shared_expert_intermediate_size": 96},
    "qwen3_moe": {"num_experts": 8, "moe_intermediate_size": 48, "mlp_only_layers": [0], "head_dim": 32},
    "mllama_text_model": {"num_hidden_layers": 5, "cross_attention_layers": [1, 3]},
    "gpt2": {"n_inner": 160, "num_key_value_heads": 4},
    "gpt_neox": {"num_key_value_heads": 4},
    "opt": {"ffn_dim": 160, "word_embed_proj_dim": 64, "num_key_value_heads": 4},
    "phi": {},
    "starcoder2": {},
}
BIASED: list[tuple[str, dict[str, Any]]] = [
    *((family, {}) for family in FAMILIES if family != "deepseek"),
    ("llama", {"attention_bias": True, "mlp_bias": True}),
    ("qwen3", {"attention_bias": True}),
    ("gemma2", {"attention_bias": True}),
    ("qwen2_moe", {"qkv_bias": False}),
    ("gpt_neox", {"attention_bias": False}),
    ("starcoder2", {"use_bias": False}),
    ("opt", {"enable_bias": False}),
]
VISION = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
}
TOWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "clip": ("CLIPVision", {}),
    "siglip": ("SiglipVision", {"vision_use_head": False}),
    "siglip, pooled": ("SiglipVision", {}),
    "dinov2": ("Dinov2", {}),
    "dinov2, gated": ("Dinov2", {"use_swiglu_ffn": True}),
    "dinov2, registers": ("Dinov2WithRegisters", {}),
}


def count(run: Callable[[], Any]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@pytest.fixture(autouse=True)
def _quiet() -> None:
    transformers.logging.set_verbosity_error()


def build(family: str, change: dict[str, Any]) -> tuple[Any, Any]:
    config = transformers.AutoConfig.for_model(family, **{**SMALL, **LLMS[family], **change})
    shape = from_fields(config.to_dict(), family)
    # grouped products of a mixture are not counted, batched ones are
    options = {"experts_implementation": "batched_mm"} if shape.experts else {}
    auto = transformers.AutoModelForCausalLM
    make = transformers.MllamaForCausalLM._from_config if family.startswith("mllama") else auto.from_config
    with torch.device("cpu" if family == "gpt2" else "meta"):  # gpt2 reads a number off a tensor
        model = make(config, attn_implementation="eager", **options)
    return model, shape


@pytest.mark.parametrize(("family", "change"), BIASED)
def test_an_llm_of_every_known_family(family: str, change: dict[str, Any]) -> None:
    model, shape = build(family, change)
    assert shape.family == family
    assert sum(p.numel() for p in model.parameters()) == shape.n_params
    for tokens in (5, 20):
        ids = torch.zeros(1, tokens, dtype=torch.long, device=model.device)
        closed = _llm.prefill(shape, tokens)
        assert count(lambda ids=ids: model(ids)) == sum(closed.values()) + _llm.head(shape, tokens)
        served = count(lambda ids=ids: model(ids, logits_to_keep=1))
        assert served == sum(closed.values()) + _llm.head(shape, 1)


def test_the_mixture_of_deepseek_without_latent_attention() -> None:
    """The LLM of DeepSeek-OCR, whose layers transformers has in DeepSeek-OCR 2."""
    fields = {
        **SMALL,
        "moe_intermediate_size": 48,
        "n_routed_experts": 8,
        "n_shared_experts": 2,
        "num_experts_per_tok": 3,
    }
    layers = fields["num_hidden_layers"]
    config = transformers.AutoConfig.for_model(
        "deepseek_ocr2_text",
        **{**fields, "num_key_value_heads": fields["num_attention_heads"]},
        mlp_layer_types=["dense", *["sparse"] * (layers - 1)],
        rope_parameters={"rope_type": "default", "rope_theta": 1e4},
    )
    flat = {**config.to_dict(), "model_type": "deepseek_vl_v2", "use_mla": False, "first_k_dense_replace": 1}
    shape = from_fields({"model_type": "deepseek_vl_v2", "language_config": flat}, "deepseek-ocr")
    assert shape.family == "deepseek"
    kind = transformers.models.deepseek_ocr2.modeling_deepseek_ocr2.DeepseekOcr2TextModel
    with torch.device("meta"):
        model = kind._from_config(config, attn_implementation="eager", experts_implementation="batched_mm")
    head = shape.vocab * shape.width
    assert sum(p.numel() for p in model.parameters()) + head == shape.n_params
    for tokens in (5, 20):
        ids = torch.zeros(1, tokens, dtype=torch.long, device="meta")
        assert count(lambda ids=ids: model(ids)) == sum(_llm.prefill(shape, tokens).values())


@pytest.mark.parametrize("visual", [1, 9])
def test_an_llm_that_reads_the_image_by_cross_attention(visual: int) -> None:
    model, shape = build("mllama_text_model", {})
    ids = torch.zeros(1, 12, dtype=torch.long, device="meta")
    image = torch.zeros(1, visual, 64, device="meta")
    state: dict[str, Any] = {}
    # what is masked is computed; the mask of rows without an image is not a product
    prompt = count(lambda: state.update(model(ids, cross_attention_states=image, logits_to_keep=1)))
    assert prompt == sum(_llm.prefill(shape, 12, across=float(visual)).values()) + _llm.head(shape, 1)
    token, cache = ids[:, :1], state["past_key_values"]
    step = count(lambda: model(token, past_key_values=cache))
    assert step == sum(_llm.decode(shape, 12, 1, float(visual)).values())


@pytest.mark.parametrize("family", ["llama", "qwen3", "phi"])
def test_a_decode_step(family: str) -> None:
    model, shape = build(family, {})
    context = torch.zeros(1, 12, dtype=torch.long, device="meta")
    with torch.no_grad():
        cache = model(context).past_key_values
    token = torch.zeros(1, 1, dtype=torch.long, device="meta")
    step = count(lambda: model(token, past_key_values=cache))
    assert step == sum(_llm.decode(shape, 12, 1).values())


@pytest.mark.parametrize(
    ("family", "change"),
    [
        ("mistral", {"sliding_window": 5}),
        ("gemma3_text", {"sliding_window": 5}),
        ("gemma2", {"sliding_window": 4}),
        ("qwen2", {"sliding_window": 5, "use_sliding_window": True, "max_window_layers": 3}),
    ],
)
def test_a_windowed_prompt_token_by_token(family: str, change: dict[str, Any]) -> None:
    model, shape = build(family, change)
    assert 0 < shape.window_layers <= shape.layers
    ids = torch.zeros(1, 1, dtype=torch.long, device="meta")
    cache, steps = None, []
    for tokens in range(1, 11):
        state: dict[str, Any] = {}
        steps.append(count(lambda cache=cache, state=state: state.update(model(ids, past_key_values=cache))))
        cache = state["past_key_values"]
        assert steps[-1] == sum(_llm.decode(shape, tokens - 1, 1).values())
    prompt = _llm.prefill(shape, 10, causal=True)
    assert sum(steps) == sum(prompt.values()) + _llm.head(shape, 10)
    whole = torch.zeros(
        1, shape.window or 0, dtype=torch.long, device="meta"
    )  # within the window nothing is saved
    closed = sum(_llm.prefill(shape, shape.window).values()) + _llm.head(shape, 1)
    assert count(lambda: model(whole, logits_to_keep=1)) == closed


@pytest.mark.parametrize("name", TOWERS)
def test_a_tower_of_every_known_family(name: str) -> None:
    kind, extra = TOWERS[name]
    config = getattr(transformers, f"{kind}Config")(**VISION, **extra, attn_implementation="eager")
    fields = {
        key: value
        for key, value in config.to_dict().items()
        if "dinov2" not in name or key != "intermediate_size"
    }
    shape = tower_from_fields(fields, name)
    with torch.device("meta"):
        model = getattr(transformers, f"{kind}Model")(config)
    image = torch.zeros(1, 3, 56, 56, device="meta")
    closed = _vision.tower_flops(shape)
    if name == "siglip, pooled":
        closed += _vision.pooled_head_flops(shape)
    else:
        assert sum(p.numel() for p in model.parameters()) == shape.n_params
    assert count(lambda: model(image)) == closed


DEFAULTS = yaml.safe_load(bundled("config_defaults.yaml").read_text())


@pytest.mark.parametrize("family", DEFAULTS["llm"])
def test_what_a_configuration_leaves_out_is_what_transformers_takes(family: str) -> None:
    config = transformers.AutoConfig.for_model(family).to_dict()
    spelled = {"num_experts": "num_local_experts"} if family == "qwen3_moe" else {}
    for name, value in DEFAULTS["llm"][family].items():
        assert config[spelled.get(name, name)] == value, name
    named = {"model_type": family, **SMALL, **LLMS[family], "num_attention_heads": 8, "hidden_size": 64}
    left = {name: value for name, value in named.items() if name not in ("num_key_value_heads", "head_dim")}
    if family in ("qwen2", "qwen3", "qwen2_moe"):  # the classes' own number of key-value heads is above 8
        left["num_key_value_heads"] = 8
    shape = from_fields(left, family)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.for_model(**left), attn_implementation="eager"
        )
    assert sum(p.numel() for p in model.parameters()) == shape.n_params


@pytest.mark.parametrize("kind", DEFAULTS["parts"])
def test_the_parts_of_a_composite_are_of_the_types_that_transformers_takes(kind: str) -> None:
    config = transformers.AutoConfig.for_model(kind)
    parts = {"text": config.get_text_config().model_type, "vision": config.vision_config.model_type}
    assert parts | DEFAULTS["parts"][kind] == parts


BUNDLED = yaml.safe_load(bundled("towers.yaml").read_text())["towers"]


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_tower_at_its_own_size(name: str) -> None:
    fields = {key: value for key, value in BUNDLED[name].items() if key not in ("source", "model_type")}
    kind = {"clip": "CLIPVision", "sigl": "SiglipVision", "dino": "Dinov2"}[name[:4]]
    if kind == "SiglipVision":
        fields["vision_use_head"] = False
    heads = {1152: 16}.get(fields["hidden_size"], fields["hidden_size"] // 64)
    config = getattr(transformers, f"{kind}Config")(
        **fields, num_attention_heads=heads, attn_implementation="eager"
    )
    with torch.device("meta"):
        model = getattr(transformers, f"{kind}Model")(config)
    shape = find_tower(name)
    assert shape is not None
    assert sum(p.numel() for p in model.parameters()) == shape.n_params
    image = torch.zeros(1, 3, shape.image, shape.image, device="meta")
    assert count(lambda: model(image)) == _vision.tower_flops(shape)
    assert BUNDLED[name]["source"].startswith("config.json of ")


@pytest.mark.parametrize("name", plugins.names("compressors"))
@pytest.mark.parametrize("side", [1, 2, 3, 6])
def test_a_compressor(name: str, side: int) -> None:
    width, text, tokens = 64, 48, (6 // side) ** 2
    plugin = plugins.load("compressors", name)
    if tokens not in plugin.allowed_tokens((6, 6)):
        tokens = plugin.allowed_tokens((6, 6))[0]
    with torch.device("meta"):
        module = plugin.Compressor((6, 6), width, _compressor.MULTI * width, tokens, text)
        inputs = [
            torch.zeros(1, 36, width),
            torch.zeros(1, 36, _compressor.MULTI * width),
            torch.zeros(1, text),
        ]
        if getattr(module, "reads_attention", False):
            inputs.append(torch.zeros(1, 36))
    tower = TowerShape("six by six", 1, width, 4 * width, 1, 6)
    closed = _compressor.compressor_flops(name, tower, float(tokens), text)
    assert count(lambda: module(*inputs)) == closed == module.flops()
    assert _compressor.reads_question(name) == bool(plugin.Compressor.reads_question)
    allowed = _compressor.allowed_tokens(name, tower)
    assert allowed is not None
    assert allowed.tolist() == sorted(plugin.allowed_tokens((6, 6)))


def test_a_smaller_image_spares_the_tower_its_work() -> None:
    small, whole = (TowerShape("tower", 2, 64, 128, 14, size) for size in (56, 336))
    assert _vision.tower_flops(whole, _compressor.patches_seen("downsample", whole, 16)) == pytest.approx(
        _vision.tower_flops(small), rel=1e-15
    )
    assert _compressor.patches_seen("quecc", whole, 16) == 576


def test_the_projector() -> None:
    with torch.device("meta"):
        projector = torch.nn.Sequential(torch.nn.Linear(48, 64), torch.nn.GELU(), torch.nn.Linear(64, 64))
        tokens = torch.zeros(9, 48)
    assert count(lambda: projector(tokens)) == _vision.projector_flops(48, 64, 9)
    assert sum(p.numel() for p in projector.parameters()) == _vision.projector_params(48, 64)
