"""Small models of transformers, one for each family with a closed form, whose vision side is counted by torch.

A family's configuration is made small in every field, with numbers that differ from each other, so that no factor can
be taken for another. Attention is eager: torch's counter sees no fused attention on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

TEXT: dict[str, Any] = {
    "vocab_size": 120,
    "hidden_size": 40,
    "intermediate_size": 72,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
PLAIN: dict[str, Any] = {
    "hidden_size": 48,
    "intermediate_size": 88,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}
SIGLIP: dict[str, Any] = {
    **PLAIN,
    "model_type": "siglip_vision_model",
    "vision_use_head": False,
    "image_size": 56,
    "patch_size": 14,
}
CLIP: dict[str, Any] = {**PLAIN, "model_type": "clip_vision_model", "image_size": 56, "patch_size": 14}


@dataclass(frozen=True)
class Small:
    """A small model. kind: its model_type; vision, top, text: fields of its configuration; inputs: `tiles`, `grid` or
    the name of a function below; device: where it is counted."""

    kind: str
    vision: dict[str, Any] = field(default_factory=dict)
    top: dict[str, Any] = field(default_factory=dict)
    text: dict[str, Any] = field(default_factory=dict)
    inputs: str = "tiles"
    device: str = "cpu"


GRID: dict[str, Any] = {"depth": 3, "num_heads": 4, "hidden_size": 48, "intermediate_size": 88}
ANY = {"image_grid_pinpoints": [[56, 112], [112, 56], [112, 112]]}
MODELS: dict[str, Small] = {
    "qwen2_vl": Small(
        "qwen2_vl",
        {"depth": 3, "embed_dim": 48, "hidden_size": 40, "num_heads": 4, "mlp_ratio": 3},
        text={"rope_parameters": {"rope_type": "default", "mrope_section": [1, 2, 2], "rope_theta": 1e4}},
        inputs="grid",
    ),
    "qwen2_5_vl": Small(
        "qwen2_5_vl",
        {**GRID, "depth": 5, "out_hidden_size": 40, "fullatt_block_indexes": [1, 4]},
        text={"rope_parameters": {"rope_type": "default", "mrope_section": [1, 2, 2], "rope_theta": 1e4}},
        inputs="grid",
    ),
    "qwen3_vl": Small(
        "qwen3_vl",
        {**GRID, "out_hidden_size": 40, "num_position_embeddings": 25, "deepstack_visual_indexes": [0, 1]},
        text={"rope_parameters": {"rope_type": "default", "mrope_section": [1, 2, 2], "rope_theta": 1e4}},
        inputs="grid",
    ),
    "qwen3_5": Small(
        "qwen3_5", {**GRID, "out_hidden_size": 40, "num_position_embeddings": 25}, inputs="grid"
    ),
    "glm4v": Small(
        "glm4v", {**GRID, "out_hidden_size": 40, "image_size": 56, "attention_bias": True}, inputs="grid"
    ),
    "glm_ocr": Small("glm_ocr", {**GRID, "out_hidden_size": 40}, inputs="grid"),
    "paddleocr_vl": Small("paddleocr_vl", {**PLAIN, "image_size": 56}, inputs="images"),
    "video_llama_3": Small("video_llama_3", PLAIN, inputs="video_llama_3"),
    "kimi_k25": Small(
        "kimi_k25",
        {**PLAIN, "pos_emb_height": 5, "pos_emb_width": 6},
        {"projection_hidden_size": 48},
        {"model_type": "llama"},
        inputs="patches",
    ),
    "ernie4_5_vl": Small(
        "ernie4_5_vl_moe",
        GRID,
        text={
            "head_dim": 20,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [3, 3, 4]},
        },
        inputs="flat",
    ),
    "internvl": Small(
        "internvl",
        {**PLAIN, "image_size": [56, 56], "patch_size": [14, 14], "attention_bias": True, "use_qk_norm": True},
        text={"model_type": "qwen2"},
    ),
    "llava": Small("llava", CLIP, {"vision_feature_layer": [-2, -1]}, {"model_type": "llama"}),
    "llava_next": Small("llava_next", CLIP, ANY, {"model_type": "llama"}, "any_resolution"),
    "llava_next_video": Small("llava_next_video", CLIP, ANY, {"model_type": "llama"}, "any_resolution"),
    "llava_onevision": Small("llava_onevision", SIGLIP, ANY, {"model_type": "qwen2"}, "any_resolution"),
    "video_llava": Small("video_llava", CLIP, {}, {"model_type": "llama"}),
    "gemma3": Small("gemma3", SIGLIP, {"mm_tokens_per_image": 4}),
    "gemma4": Small(
        "gemma4",
        {
            **PLAIN, "model_type": "gemma4_vision", "num_key_value_heads": 2, "head_dim": 16,
            "position_embedding_size": 90,
        },
        inputs="positions",
    ),
    "paligemma": Small("paligemma", SIGLIP, {"projection_dim": 40}, {"model_type": "gemma"}),
    "idefics3": Small("idefics3", {**PLAIN, "image_size": 56, "patch_size": 14}, {}, {"model_type": "llama"}, "split"),
    "smolvlm": Small("smolvlm", {**PLAIN, "image_size": 56, "patch_size": 14}, {}, {"model_type": "llama"}, "split"),
    "pixtral": Small(
        "llava",
        {**PLAIN, "model_type": "pixtral", "head_dim": 12, "patch_size": 16, "image_size": 320},
        {"vision_feature_select_strategy": "full", "vision_feature_layer": -1},
        {"model_type": "mistral"},
        "sizes",
    ),
    "mistral3": Small("mistral3", {**PLAIN, "head_dim": 12}, {}, {"model_type": "mistral"}, "sizes"),
    "lighton_ocr": Small("lighton_ocr", {**PLAIN, "head_dim": 12}, {}, {"model_type": "qwen3"}, "sizes"),
    "mllama": Small(
        "mllama",
        {
            "hidden_size": 48, "intermediate_size": 88, "num_hidden_layers": 3, "num_global_layers": 2,
            "attention_heads": 4, "image_size": 56, "patch_size": 14, "max_num_tiles": 4,
            "intermediate_layers_indices": [0, 2], "vision_output_dim": 144,
        },
        inputs="mllama",
    ),
    "llama4": Small(
        "llama4",
        {
            **PLAIN, "intermediate_size": 192, "image_size": 56, "patch_size": 14, "projector_input_dim": 44,
            "projector_output_dim": 44, "vision_output_dim": 44,
        },
        inputs="llama4",
    ),
    "ovis2": Small(
        "ovis2",
        {**PLAIN, "image_size": 56, "patch_size": 14, "vocab_size": 60, "hidden_stride": 2, "qkv_bias": True},
        {"hidden_size": 40},
        {"model_type": "qwen2"},
    ),
    "cohere2_vision": Small("cohere2_vision", SIGLIP, {"alignment_intermediate_size": 64}, {"model_type": "cohere2"}),
    "aya_vision": Small("aya_vision", SIGLIP, {"alignment_intermediate_size": 64}, {"model_type": "cohere2"}),
    "got_ocr2": Small(
        "got_ocr2",
        {
            "hidden_size": 48, "mlp_dim": 88, "num_hidden_layers": 3, "num_attention_heads": 4, "output_channels": 20,
            "image_size": 128, "patch_size": 16, "window_size": 3, "global_attn_indexes": [1],
        },
        {},
        {"model_type": "qwen2"},
    ),
    "phi4_multimodal": Small(
        "phi4_multimodal", {**PLAIN, "image_size": 448, "patch_size": 14, "crop_size": 448}, TEXT, inputs="phi4"
    ),
    "fuyu": Small("fuyu", {}, {"patch_size": 8}, {"model_type": "persimmon"}, "fuyu"),
    "janus": Small(
        "janus",
        {
            "hidden_size": 48, "mlp_ratio": 2.5, "num_hidden_layers": 3, "num_attention_heads": 4, "image_size": 56,
            "patch_size": 14, "attention_bias": False, "projection_dim": 40, "depth": 3,
        },
        text={"model_type": "llama"},
        inputs="pixels",
    ),
    "deepseek_vl": Small("deepseek_vl", SIGLIP, text={"model_type": "llama"}, inputs="pixels"),
    "hunyuan_vl": Small(
        "hunyuan_vl",
        {**PLAIN, "patch_size": 16, "max_image_size": 80, "text_hidden_size": 40},
        text={"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3]}},
        inputs="grid",
    ),
    "blip_2": Small(
        "blip-2",
        {**PLAIN, "image_size": 56, "patch_size": 14},
        {
            "num_query_tokens": 5,
            "qformer_config": {
                "model_type": "blip_2_qformer", "hidden_size": 36, "num_hidden_layers": 3, "num_attention_heads": 4,
                "intermediate_size": 60, "cross_attention_frequency": 2, "encoder_hidden_size": 48,
            },
        },
        {"model_type": "opt"},
        "pixels",
    ),
    "idefics2": Small(
        "idefics2",
        {**PLAIN, "image_size": 56, "patch_size": 14},
        {
            "perceiver_config": {
                "model_type": "idefics2_perceiver", "hidden_size": 40, "resampler_n_latents": 6, "resampler_depth": 2,
                "resampler_n_heads": 4, "resampler_head_dim": 14, "num_key_value_heads": 2,
            },
        },
        {"model_type": "mistral"},
        "one_image",
    ),
    "aria": Small(
        "aria",
        {**PLAIN, "num_hidden_layers": 2, "model_type": "idefics3_vision", "image_size": 980, "patch_size": 14},
        {"projector_patch_to_query_dict": {"4900": 256, "1225": 128}},
        inputs="side",
    ),
    "lfm2_vl": Small(
        "lfm2_vl",
        {**PLAIN, "patch_size": 16, "num_patches": 36, "vision_use_head": True},
        {"projector_hidden_size": 52},
        {"model_type": "lfm2"},
        "padded",
    ),
    "molmo2": Small(
        "molmo2",
        {**PLAIN, "head_dim": 12, "num_key_value_heads": 4},
        {
            "adapter_config": {
                "model_type": "molmo2_adapter", "vision_feature_layer": [2, 0], "hidden_size": 48,
                "num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 8, "intermediate_size": 56,
                "text_hidden_size": 40,
            },
        },
        inputs="molmo2",
    ),
    "minicpm_v": Small(
        "minicpmv4_6",
        {**PLAIN, "image_size": 84, "patch_size": 14},
        {"insert_layer_id": 1},
        {"model_type": "qwen3_5_text"},
        "minicpm",
    ),
    "deepseek_ocr2": Small(
        "deepseek_ocr2",
        {
            "sam_config": {
                "model_type": "deepseek_ocr2_sam_vision_model", "hidden_size": 24, "output_channels": 20,
                "num_hidden_layers": 3, "num_attention_heads": 2, "global_attn_indexes": [1], "mlp_dim": 44,
                "downsample_channels": [28, 32],
            },
            "encoder_config": {
                "model_type": "deepseek_ocr2_encoder", "hidden_size": 32, "intermediate_size": 44,
                "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
            },
        },
        text={"mlp_layer_types": ["dense", "dense"], "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
        inputs="global_and_tiles",
        device="meta",
    ),
}  # fmt: skip


HYBRID = Small(
    "deepseek_vl_hybrid",
    SIGLIP,
    {
        "high_res_vision_config": {
            "model_type": "sam_vision_model", "hidden_size": 24, "output_channels": 20, "num_hidden_layers": 3,
            "num_attention_heads": 2, "global_attn_indexes": [1, 2], "mlp_dim": 44, "image_size": 256,
        },
    },
    {"model_type": "llama"},
    "two_sizes",
)  # fmt: skip
"""The encoder of DeepSeek-VL-7B, in the file of DeepSeek-VL."""


def build(name: str, device: str = "") -> tuple[Any, dict[str, Any]]:
    """The small model of a family, and its configuration as config.json has it."""
    import transformers

    small = MODELS[name]
    default = transformers.AutoConfig.for_model(small.kind)
    parts: dict[str, Any] = dict(small.top)
    if small.vision:
        parts["vision_config"] = {**_kept(default.vision_config), **small.vision}
    text = {**TEXT, **small.text}
    inner = default.get_text_config()
    if inner is not default:
        parts["text_config"] = {"model_type": inner.model_type, **text}
    config = type(default)(**parts)
    config._attn_implementation = "eager"
    auto = (
        transformers.AutoModelForCausalLM
        if name == "phi4_multimodal"
        else transformers.AutoModelForImageTextToText
    )
    with torch.device(device or small.device):
        model = auto.from_config(config, attn_implementation="eager")
    return model.eval().requires_grad_(False), config.to_dict()


def _kept(default: Any) -> dict[str, Any]:
    return {"model_type": default.model_type} if default is not None else {}


def vision_params(model: Any) -> int:
    """Parameters outside the language model and its head."""
    if hasattr(model.base_model, "embed_tokens_extend"):
        return sum(p.numel() for p in model.base_model.embed_tokens_extend.image_embed.parameters())
    inside = ("language_model", "lm_head", "text_model", "audio", "vqmodel", "generation")
    return sum(p.numel() for name, p in model.named_parameters() if not any(part in name for part in inside))


def vision_flops(name: str, model: Any, config: dict[str, Any], size: tuple[int, int], counted: Any) -> int:
    """What torch counts of encoder and projector, for one image of `size` that is counted so."""
    vision = config.get("vision_config") or {}
    side = vision.get("image_size")
    side = side[0] if isinstance(side, list | tuple) else side
    with torch.device(MODELS[name].device):
        run = _run(MODELS[name].inputs, model, config, size, counted, int(side or 0))
    with torch.device(MODELS[name].device), torch.no_grad(), FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def _run(
    inputs: str, model: Any, config: dict[str, Any], size: tuple[int, int], counted: Any, side: int
) -> Any:
    whole, tiles = model.base_model, counted.tiles
    vision = config.get("vision_config") or {}
    patch = vision.get("patch_size")
    high, wide = counted.resized_height, counted.resized_width
    if inputs == "llama4":
        pixels, width = torch.zeros(tiles, 3, side, side), vision["vision_output_dim"]
        return lambda: model.multi_modal_projector(
            model.get_image_features(pixels).last_hidden_state.view(-1, width)
        )
    if inputs == "tiles":
        return lambda: whole.get_image_features(pixel_values=torch.zeros(tiles, 3, side, side))
    if inputs == "any_resolution":
        pixels, sizes = torch.zeros(1, tiles, 3, side, side), torch.tensor([[size[1], size[0]]])
        return lambda: whole.get_image_features(pixel_values=pixels, image_sizes=sizes)
    if inputs == "split":
        pixels = torch.ones(1, tiles, 3, side, side)
        mask = torch.ones(1, tiles, side, side, dtype=torch.bool)
        return lambda: whole.get_image_features(pixel_values=pixels, pixel_attention_mask=mask)
    if inputs == "sizes":
        pixels, sizes = torch.zeros(1, 3, high, wide), torch.tensor([[high, wide]])
        return lambda: whole.get_image_features(pixel_values=pixels, image_sizes=sizes)
    if inputs == "mllama":
        tower, most = whole.vision_model, vision["max_num_tiles"]
        pixels, ones = torch.zeros(1, 1, most, 3, side, side), torch.ones(1, 1, dtype=torch.long)
        mask = torch.ones(1, 1, most, dtype=torch.long)
        return lambda: whole.multi_modal_projector(tower(pixels, ones, mask).last_hidden_state)
    if inputs == "fuyu":
        patches = torch.zeros(1, counted.patches, 3 * config["patch_size"] ** 2)
        return lambda: whole.vision_embed_tokens(patches)
    if inputs == "positions":
        rows, columns = torch.meshgrid(
            torch.arange(high // patch), torch.arange(wide // patch), indexing="ij"
        )
        positions = torch.stack([columns.flatten(), rows.flatten()], dim=-1)[None]
        return lambda: whole.get_image_features(torch.zeros(1, counted.patches, 3 * patch**2), positions)
    if inputs in ("pixels", "side"):
        one = side if inputs == "pixels" else high // counted.rows
        return lambda: whole.get_image_features(torch.zeros(tiles, 3, one, one))
    if inputs == "two_sizes":
        second = config["high_res_vision_config"]["image_size"]
        return lambda: whole.get_image_features(
            torch.zeros(tiles, 3, side, side), torch.zeros(tiles, 3, second, second)
        )
    if inputs == "one_image":
        ones = torch.ones(1, tiles, high, wide, dtype=torch.bool)
        return lambda: whole.get_image_features(
            torch.ones(1, tiles, 3, high, wide), pixel_attention_mask=ones
        )
    if inputs == "padded":
        return _lfm2(whole, counted, patch)
    if inputs == "molmo2":
        return _molmo2(whole, counted, patch)
    if inputs == "minicpm":
        sizes = torch.tensor(_grids(counted, patch))
        pixels = torch.zeros(1, 3, patch, patch * counted.patches)
        return lambda: whole.get_image_features(pixels, sizes)
    if inputs == "global_and_tiles":
        (first, _, _), *others = counted.views
        first, local = torch.zeros(1, 3, 16 * first, 16 * first), None
        if others:
            local = torch.zeros(others[0][2], 3, 16 * others[0][0], 16 * others[0][0])
        return lambda: whole.get_image_features(first, local, tiles - 1)
    if inputs == "phi4":
        return _phi4(whole, counted, side, patch)
    grid = torch.tensor([[1, high // patch, wide // patch]])
    flat = 3 * patch**2 * (vision.get("temporal_patch_size") or 1 if inputs == "grid" else 1)
    shape = (counted.patches, 3, patch, patch) if inputs in ("images", "patches") else (counted.patches, flat)
    more = {"image_merge_sizes": torch.ones(1, dtype=torch.long)} if inputs == "video_llama_3" else {}
    return lambda: whole.get_image_features(torch.zeros(shape), image_grid_thw=grid, **more)


def _grids(counted: Any, patch: int) -> list[list[int]]:
    """Rows and columns of each image that the encoder sees."""
    one = (counted.resized_height // patch, counted.resized_width // patch, 1)
    return [[rows, columns] for rows, columns, number in counted.views or (one,) for _ in range(number)]


def _lfm2(whole: Any, counted: Any, patch: int) -> Any:
    """Each image by itself, without the padding of a batch."""

    def run() -> None:
        for rows, columns in _grids(counted, patch):
            pixels = torch.zeros(1, rows * columns, 3 * patch**2)
            mask = torch.ones(1, rows * columns, dtype=torch.long)
            whole.get_image_features(pixels, torch.tensor([[rows, columns]]), mask)

    return run


def _molmo2(whole: Any, counted: Any, patch: int) -> Any:
    """Crops of the size that the processor has; the indices of four patches for each token."""
    side = 378 // patch
    pixels = torch.zeros(counted.tiles, side**2, 3 * patch**2)
    index = torch.zeros(counted.visual_tokens, 4, dtype=torch.long)
    return lambda: whole.get_image_features(pixels, index, torch.tensor([[counted.visual_tokens, 1, 0, 0]]))


def _phi4(whole: Any, counted: Any, side: int, patch: int) -> Any:
    """An image that fills its tiles, with the global view."""
    tokens, wide = counted.visual_tokens, side // patch
    pixels = torch.zeros(1, counted.tiles, 3, side, side)
    mask = torch.ones(1, counted.tiles, wide, wide)
    ids = torch.full((1, tokens), whole.embed_tokens_extend.image_embed.config.vision_config.image_token_id)
    inputs = {
        "image_pixel_values": pixels,
        "image_sizes": torch.tensor([[counted.resized_height, counted.resized_width]]),
        "image_attention_mask": mask,
    }
    embeds = torch.zeros(1, tokens, whole.config.hidden_size)
    return lambda: whole.embed_tokens_extend.image_embed(ids, embeds, **inputs)
