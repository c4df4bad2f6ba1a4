"""Names of weights and configurations in other projects' checkpoints of vision-language models, and in ours.

scalelaw      what save_pretrained of `QueccForConditionalGeneration` writes
llava         LLaVA-1.5's own (model.mm_projector, mm_* keys in config.json), and the QueCC repository's, which adds a
              compressor in front of the projector
llava-hf      transformers' LlavaForConditionalGeneration
mm_projector  one file, mm_projector.bin: what the first stage of LLaVA trained
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from scalelaw.errors import InputError

State = dict[str, torch.Tensor]
LAYOUTS = ("scalelaw", "llava", "llava-hf", "mm_projector")
PROJECTOR_FILE = "mm_projector.bin"
_PARTS = {
    "text_projection": "text",
    "q_proj": "query",
    "k_proj": "key",
    "v_proj": "value",
    "q_downsample": "pool",
}
"""The compressor's modules: the QueCC repository's names and ours."""
_INNER = ("query_in", "key_in", "value_in")
_TEXT_TYPES = {
    "llama": "llama",
    "mistral": "mistral",
    "qwen": "qwen2",
    "phi": "phi",
    "phi3": "phi3",
    "gemma": "gemma",
}
_MLP = "mlp2x_gelu"


def layout_of(config: Mapping[str, Any] | None, path: Path) -> str:
    """The layout of a checkpoint, by its config.json. Raises InputError `unknown_layout`."""
    if config is None and path.is_file():
        return "mm_projector"
    if config is not None and config.get("model_type") == "quecc":
        return "scalelaw"
    if config is not None and config.get("model_type") == "llava" and "text_config" in config:
        return "llava-hf"
    if config is not None and ("mm_vision_tower" in config or "mm_projector_type" in config):
        return "llava"
    raise InputError(
        f"{path} is not a checkpoint of a known layout.",
        code="unknown_layout",
        hint=f"Layouts: {', '.join(LAYOUTS)}; the folder needs config.json and the weights.",
    )


def text_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The LLM's configuration in a config.json of LLaVA's layout. Raises InputError for an LLM of an unknown type."""
    name = str((config.get("architectures") or [""])[0])
    kind = (match[1] if (match := re.match(r"Llava([A-Za-z0-9]+)ForCausalLM", name)) else "").lower()
    kind = kind or str(config.get("model_type", "")).removeprefix("llava").strip("_-") or "llama"
    if kind not in _TEXT_TYPES and kind not in _TEXT_TYPES.values():
        raise InputError(f"The LLM of a {name or kind} is not known.", code="unknown_layout")
    dropped = ("architectures", "auto_map", "model_type", "transformers_version", "image_aspect_ratio",
               "freeze_mm_mlp_adapter", "tune_mm_mlp_adapter", "use_mm_proj", "unfreeze_mm_vision_tower",
               "image_grid_pinpoints", "image_crop_resolution", "image_split_resolution")  # fmt: skip
    own = {
        k: v for k, v in config.items() if k not in dropped and not k.startswith(("mm_", "tokenizer_", "_"))
    }
    return {**own, "model_type": _TEXT_TYPES.get(kind, kind)}


def model_options(config: Mapping[str, Any], layout: str) -> dict[str, Any]:
    """What of QueccConfig a foreign config.json states. Raises InputError for what our model cannot be."""
    if layout == "llava-hf":
        strategy = config.get("vision_feature_select_strategy", "default")
        layer = config.get("vision_feature_layer", -2)
        _require(strategy == "default", f"vision_feature_select_strategy '{strategy}' keeps the class token")
        _require(isinstance(layer, int), "several vision_feature_layers are concatenated")
        _require(
            config.get("projector_hidden_act", "gelu") == "gelu", "the projector's activation is not GELU"
        )
        return {
            "compressor": "none",
            "vision_layer": layer,
            "image_token_index": config.get("image_token_index", 32000),
        }
    kind, feature = config.get("mm_projector_type", "linear"), config.get("mm_vision_select_feature", "patch")
    _require(kind == _MLP, f"mm_projector_type is '{kind}'; our projector is {_MLP}")
    _require(feature == "patch", f"mm_vision_select_feature '{feature}' keeps the class token")
    _require(
        "unpad" not in str(config.get("mm_patch_merge_type", "flat")), "tiles with newlines are not supported"
    )
    options: dict[str, Any] = {"vision_layer": config.get("mm_vision_select_layer", -2), "compressor": "none"}
    compression = config.get("mm_vision_token_compression_type")
    if compression is not None:
        _require(compression == "quecc", f"mm_vision_token_compression_type is '{compression}'")
        side = int(config.get("mm_vision_token_compression_kernel_size", 4))
        stride = int(config.get("mm_vision_token_compression_stride", side))
        _require(side == stride, f"windows of {side} with a stride of {stride} overlap or leave gaps")
        # its code reads the first question alone
        options |= {"compressor": "quecc", "question_turns": "first", "compressor_options": {"side": side}}
        options["compressor_options"] |= {"heads": 8}
    return options


def _require(fits: bool, reason: str) -> None:
    if not fits:
        raise InputError(f"The checkpoint cannot be converted: {reason}.", code="unknown_layout")


def to_ours(state: Mapping[str, torch.Tensor]) -> State:
    """Weights of LLaVA's or transformers' layout by our names."""
    out: State = {}
    for name, value in state.items():
        name = name.removeprefix("base_model.model.")
        if name.endswith("position_ids") or "rotary_emb.inv_freq" in name:
            continue  # buffers of older versions, which hold no learned number
        if match := re.search(r"(?:^|\.)mm_projector\.(.+)$", name):
            out |= _projector_to_ours(match[1], value, _has_compressor(state))
        elif match := re.search(r"(?:^|\.)multi_modal_projector\.linear_([12])\.(.+)$", name):
            out[f"projector.{2 * int(match[1]) - 2}.{match[2]}"] = value
        elif match := re.search(r"^(?:model\.)?vision_tower\.(?:vision_tower\.)?(.+)$", name):
            out[f"vision_tower.{match[1]}"] = value
        elif name.startswith("model.language_model."):
            out[f"language_model.model.{name.removeprefix('model.language_model.')}"] = value
        elif name.startswith("language_model."):
            out[name] = value
        else:
            out[f"language_model.{name}"] = value
    return out


def _has_compressor(names: Iterable[str]) -> bool:
    return any("mm_projector.0.q_downsample" in name for name in names)


def _projector_to_ours(name: str, value: torch.Tensor, compressed: bool) -> State:
    place, _, rest = name.partition(".")
    if not compressed:
        return {f"projector.{name}": value}
    if int(place):
        return {f"projector.{int(place) - 1}.{rest}": value}
    part, _, tail = rest.partition(".")
    if part in _PARTS:
        return {f"compressor.{_PARTS[part]}.{tail}": value}
    if tail.startswith("in_proj_"):
        kind = tail.removeprefix("in_proj_")
        thirds = zip(_INNER, value.chunk(3), strict=True)
        return {f"compressor.attention.{inner}.{kind}": third.clone() for inner, third in thirds}
    return {f"compressor.attention.out.{tail.removeprefix('out_proj.')}": value}


def to_llava(state: Mapping[str, torch.Tensor], compressed: bool) -> State:
    """Our weights by the names of LLaVA's layout, with the QueCC repository's for its compressor."""
    out: State = {}
    back = {ours: theirs for theirs, ours in _PARTS.items()}
    thirds: dict[str, dict[str, torch.Tensor]] = {"weight": {}, "bias": {}}
    for name, value in state.items():
        part, _, rest = name.partition(".")
        if part == "language_model":
            out[rest] = value
        elif part == "vision_tower":
            prefix = "" if rest.startswith("vision_model.") else "vision_model."
            out[f"model.vision_tower.vision_tower.{prefix}{rest}"] = value
        elif part == "projector":
            place, _, tail = rest.partition(".")
            out[f"model.mm_projector.{int(place) + compressed}.{tail}"] = value
        else:
            module, _, tail = rest.partition(".")
            if module in back:
                out[f"model.mm_projector.0.{back[module]}.{tail}"] = value
                continue
            inner, _, kind = tail.partition(".")
            if inner == "out":
                out[f"model.mm_projector.0.clip_attn.out_proj.{kind}"] = value
            else:
                thirds[kind][inner] = value
    if compressed:
        for kind, of in thirds.items():
            out[f"model.mm_projector.0.clip_attn.in_proj_{kind}"] = torch.cat([of[inner] for inner in _INNER])
    return out


def llava_config(config: Any, tower: str) -> dict[str, Any]:
    """A config.json of LLaVA's layout for our model. Raises InputError for a compressor that it does not know."""
    text = config.text_config.to_dict()
    kinds = {v: k for k, v in _TEXT_TYPES.items()}
    kind = kinds.get(text["model_type"])
    _require(kind is not None, f"LLaVA's layout has no LLM of type '{text['model_type']}'")
    _require(
        config.compressor in ("none", "quecc"), f"LLaVA's layout has no compressor '{config.compressor}'"
    )
    mm: dict[str, Any] = {
        "model_type": f"llava_{kind}",
        "architectures": [f"Llava{str(kind).capitalize()}ForCausalLM"],
        "mm_vision_tower": tower,
        "mm_hidden_size": config.vision_config.hidden_size,
        "mm_projector_type": _MLP,
        "mm_vision_select_layer": config.vision_layer - config.vision_config.num_hidden_layers - 1,
        "mm_vision_select_feature": "patch",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "use_mm_proj": True,
        "image_aspect_ratio": "pad",
    }
    if config.compressor == "quecc":
        height, width = config.grid
        side = config.compressor_options.get("side") or round((height * width / config.visual_tokens) ** 0.5)
        _require(height == width and height % side == 0, "its windows must tile a square grid")
        mm |= {
            "mm_vision_token_compression_type": "quecc",
            "mm_vision_token_compression_kernel_size": side,
            "mm_vision_token_compression_stride": side,
            "mm_vision_output_token_count": height * width,
            "mm_vision_output_text_embedding_size": text["hidden_size"],
        }
    return {**text, **mm}
