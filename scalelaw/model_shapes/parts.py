"""The parts of a vision-language configuration: the fields of its LLM and of its vision encoder, wherever they are.

A configuration holds its LLM in `text_config` (or under another name), or flat beside everything else. What is read
from another place than transformers reads, and what a class default supplies, is a warning (code, message).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from scalelaw.files.paths import bundled
from scalelaw.files.safe_load import read_yaml

TEXT = ("text_config", "llm_config", "language_config", "language_model_config", "text_model_config")
VISION = ("vision_config", "vision_tower_config", "vision_encoder_config", "vit_config", "visual")
ENCODER_NAMES = ("mm_vision_tower", "vision_tower", "mm_vision_tower_name", "vision_tower_name")
"""Fields that name an encoder instead of describing it (the LLaVA codebase)."""
OTHER_KEYS = re.compile(
    r"(mm_)?(vision|visual|image|img|vit)_(encoder|tower|backbone|model)"
    r"(_(aux|list|id|ids|name|names|path|config|or))*"
)
"""Fields of other codebases that name or describe an encoder."""
NAMES = (
    "_name_or_path",
    "name_or_path",
    "model_name_or_path",
    "model_name",
    "name",
    "model_id",
    "id",
    "path",
)
"""Fields of such a description that name the encoder."""

ALIASES = {
    "hidden_size": ("n_embd", "d_model"),
    "num_hidden_layers": ("n_layer", "n_layers"),
    "num_attention_heads": ("n_head", "n_heads"),
    "intermediate_size": ("n_inner", "ffn_dim", "ffn_hidden_size"),
    "max_position_embeddings": ("n_positions",),
}
"""Other spellings of fields."""

SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
"""What fixes a decoder's size."""

OPTIONAL = (
    "num_key_value_heads",
    "head_dim",
    "sliding_window",
    "num_local_experts",
    "num_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
)
"""What a flat configuration of a known type may leave to its class."""

NAMED_TYPES = (
    ("mixtral", "mixtral"),
    ("mistral", "mistral"),
    ("qwen3moe", "qwen3_moe"),
    ("qwen3", "qwen3"),
    ("qwen2moe", "qwen2_moe"),
    ("qwen", "qwen2"),
    ("gemma3", "gemma3_text"),
    ("gemma2", "gemma2"),
    ("gemma", "gemma"),
    ("phi3", "phi3"),
    ("phi", "phi"),
    ("stablelm", "stablelm"),
    ("mpt", "mpt"),
    ("opt", "opt"),
    ("vicuna", "llama"),
    ("llama", "llama"),
)
"""Words in `architectures` or `model_type` that name the LLM inside a flat VLM, the more specific first."""


SAME_AS = {
    "qwen2_vl": "qwen2",
    "qwen2_vl_text": "qwen2",
    "qwen2_5_vl": "qwen2",
    "qwen2_5_vl_text": "qwen2",
    "qwen3_vl": "qwen3",
    "qwen3_vl_text": "qwen3",
    "qwen3_vl_moe": "qwen3_moe",
    "qwen3_vl_moe_text": "qwen3_moe",
}
"""The LLMs inside these differ from plain ones in their rotary positions alone."""


DEEPSEEK = ("deepseek", "deepseek_v2", "deepseek_vl_v2")
"""Types of DeepSeek-V2 and of the models that wrap it, whose LLM may leave out its own."""


@dataclass(frozen=True)
class Language:
    """fields: of the LLM, flat, in their usual spelling, with its `model_type` (empty where unknown). nested: they
    come from a sub-configuration. warnings: (code, message).
    """

    fields: dict[str, Any]
    nested: bool = False
    warnings: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        """The LLM's `model_type`; empty where the configuration names none."""
        return str(self.fields.get("model_type") or "")


def language_of(config: Mapping[str, Any]) -> Language:
    """The LLM of a configuration. A sub-configuration's own fields come first, then the flat ones, then the defaults
    of its class; flat fields of a type whose class would ignore them are read as they are.
    """
    read = _language(config)
    kind = SAME_AS.get(read.kind, read.kind)
    if kind in DEEPSEEK and read.fields.get("n_routed_experts"):
        # without latent attention it is the first DeepSeek mixture, whatever type the file names
        plain = kind == "deepseek" or read.fields.get("use_mla") is False
        kind = "deepseek" if plain else "deepseek_v2"
    return replace(read, fields={**read.fields, "model_type": kind}) if kind != read.kind else read


def _language(config: Mapping[str, Any]) -> Language:
    key = next((name for name in TEXT if isinstance(config.get(name), Mapping) and config[name]), None)
    flat = {name: value for name, value in config.items() if not isinstance(value, Mapping)}
    if key is None:
        return _flat(flat)
    inner = _usual({name: value for name, value in config[key].items() if value is not None})
    outer = _usual(flat)
    kind = str(inner.get("model_type") or parts_of_type(config).get("text") or outer.get("model_type") or "")
    fields = {**outer, **config[key], **inner, "model_type": kind}
    warnings = []
    if unused := [n for n in SIZES if n in outer and n in inner and outer[n] != inner[n]]:
        text = ", ".join(f"{name} {str(outer[name])[:20]} (there {str(inner[name])[:20]})" for name in unused)
        warnings.append(("fields_not_used", f"Beside {key} stands {text}; {key} is used."))
    if taken := [n for n in SIZES if n in outer and n not in inner]:
        warnings.append((
            "flat_config",
            f"{key} leaves out {', '.join(taken)}: the values beside it are used.",
        ))  # fmt: skip
    fields, used = _with_defaults(fields, kind, (*SIZES, *OPTIONAL))
    if named := [n for n in used if n in SIZES]:
        text = ", ".join(f"{name} {used[name]}" for name in named)
        warnings.append(("defaults_used", f"{key} leaves out fields; {kind} has by default {text}."))
    return Language(fields, True, tuple(warnings))


def _remote(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a flat configuration whose class is beside its weights, as those of the LLM that it wraps."""
    kind = str(fields.get("model_type") or "")
    if kind in ("minicpmv", "minicpmo"):
        version = str(fields.get("version") or 2.5)[:3]
        return {**fields, "model_type": {"2.6": "qwen2", "4.5": "qwen3"}.get(version, "llama")}
    if kind == "molmo":
        number = fields.get("intermediate_size")
        halved = number // 2 if isinstance(number, int) else number
        return {
            **fields,
            "model_type": "qwen2" if fields.get("qkv_bias") else "llama",
            "intermediate_size": halved,
        }
    return fields


def _flat(config: Mapping[str, Any]) -> Language:
    fields = _remote(_usual(config))
    kind = str(fields.get("model_type") or "")
    if not is_llava(config):
        return Language(_with_defaults(fields, kind, OPTIONAL)[0])
    named = named_type(config)
    fields, _ = _with_defaults({**fields, "model_type": named}, named, OPTIONAL)
    read = (
        f"as {named}" if named else "as a plain decoder, since neither architectures nor model_type names it"
    )
    text = f"It is {kind or 'of no model_type'} without a text_config: the LLM is read from the flat fields, {read}."
    return Language(fields, False, (("flat_config", text),))


def is_llava(config: Mapping[str, Any]) -> bool:
    """Whether a configuration is laid out as the LLaVA codebase does: the LLM's fields flat, the encoder by name."""
    words = [str(config.get("model_type") or ""), *_architectures(config)]
    return any("llava" in word.lower() for word in words) or any(name.startswith("mm_") for name in config)


def named_type(config: Mapping[str, Any]) -> str:
    """The `model_type` of the LLM that `architectures` or `model_type` names; empty where they name none."""
    for word in (*_architectures(config), str(config.get("model_type") or "")):
        plain = word.lower().replace("_", "").replace("-", "").replace(".", "")
        for part, kind in NAMED_TYPES:
            if part in plain:
                return kind
    return ""


def encoder_of(config: Mapping[str, Any]) -> dict[str, Any] | str | None:
    """The vision encoder: its fields with their `model_type`, or the name it goes by; None where there is none.

    Several encoders have one name that no bundled encoder has, so that none of them is counted for all.
    """
    if len(several := _several_encoders(config)) > 1:
        return f"{' and '.join(several)} ({len(several)} encoders)"
    for name in VISION:
        value = config.get(name)
        if isinstance(value, Mapping) and value:
            kind = value.get("model_type") or parts_of_type(config).get("vision") or ""
            return {**value, "model_type": kind}
    for name in ENCODER_NAMES:
        value = config.get(name)
        value = value[0] if isinstance(value, list | tuple) and value else value
        if isinstance(value, str) and value.strip():
            return value.strip()
    return _of_other_key(config)[1]


def encoder_key(config: Mapping[str, Any]) -> str:
    """The field that names or describes the vision encoder where it is an unusual one; else empty."""
    usual = {
        key: value for key, value in config.items() if not OTHER_KEYS.fullmatch(str(key)) or key in _USUAL
    }
    return _of_other_key(config)[0] if encoder_of({**usual, "model": None}) is None else ""


_USUAL = (*VISION, *ENCODER_NAMES)


def _of_other_key(config: Mapping[str, Any]) -> tuple[str, dict[str, Any] | str | None]:
    """The first field of `OTHER_KEYS`, also inside `model`, and the encoder that it names or describes."""
    inside = config.get("model")
    places = [("", config), *([("model.", inside)] if isinstance(inside, Mapping) else [])]
    for prefix, fields in places:
        for name, value in fields.items():
            if not OTHER_KEYS.fullmatch(str(name)):
                continue
            if isinstance(value, Mapping) and value:
                if value.get("model_type"):
                    return f"{prefix}{name}", dict(value)
                named = [value[key] for key in NAMES if isinstance(value.get(key), str)]
                return f"{prefix}{name}", (named or [f"the fields in {name}"])[0]
            names = [text.strip() for text in _texts(value) if text.strip()]
            if names:
                several = f" ({len(names)} encoders)" if len(names) > 1 else ""
                return f"{prefix}{name}", " and ".join(names) + several
    return "", None


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return [text for text in values if isinstance(text, str)]


def _several_encoders(config: Mapping[str, Any]) -> list[str]:
    """The names of the encoders of a configuration that has more than one, else at most one name."""
    described = [
        str(name)
        for name, value in config.items()
        if isinstance(value, Mapping) and value and re.search(r"vision_config(_\d+)?$", str(name))
    ]
    if len(described) > 1:
        return described
    named: list[str] = []
    for name, value in config.items():
        if re.sub(r"_\d+$", "", str(name)) in ENCODER_NAMES:
            values = value if isinstance(value, list | tuple) else [value]
            named += [part.strip() for text in values if isinstance(text, str) for part in text.split(",")]
    return list(dict.fromkeys(part for part in named if part))


def parts_of_type(config: Mapping[str, Any]) -> Mapping[str, str]:
    """{text, vision}: the types of the parts of a composite, by its class's defaults."""
    types: Mapping[str, str] = _defaults()["parts"].get(str(config.get("model_type") or ""), {})
    return types


def _architectures(config: Mapping[str, Any]) -> list[str]:
    value = config.get("architectures")
    return [str(name)[:200] for name in value] if isinstance(value, list | tuple) else []


def _usual(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields in their usual spelling; nulls stay."""
    usual = dict(fields)
    for field, others in ALIASES.items():
        for other in others:
            if usual.get(field) is None and usual.get(other) is not None:
                usual[field] = usual[other]
    return usual


def _with_defaults(
    fields: dict[str, Any], kind: str, names: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields with the class's defaults for absent ones among `names` (a null stands), and those defaults."""
    known = _defaults()["llm"].get(kind, {})
    spelled = {"num_experts", "num_local_experts"}
    skipped = set(spelled) if spelled & set(fields) else set()
    heads, shared = fields.get("num_attention_heads"), known.get("num_key_value_heads", 1)
    if isinstance(heads, int) and heads % shared:  # as many as the heads: the class's default cannot be meant
        skipped.add("num_key_value_heads")
    used = {
        name: known[name] for name in names if name in known and name not in fields and name not in skipped
    }
    return {**fields, **used}, used


@cache
def _defaults() -> dict[str, Any]:
    defaults: dict[str, Any] = read_yaml(bundled("config_defaults.yaml"))
    return defaults
