"""Counting an LLM whose closed form is not known: three short prompts on the meta device, a quadratic through them.

FLOPs(T) of a decoder is exactly a T^2 + b T + c (c: the head at one position), so three counts give every length.
Traps that are avoided: attention is eager (the counter sees no fused attention on the CPU), experts are batched (it
sees no grouped products), only the last position has its logits made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

from scalelaw.errors import InputError
from scalelaw.model_shapes import Language, LLMShape, TowerShape, language_of
from scalelaw.model_shapes.architectures import way_to_count
from scalelaw.model_shapes.parts import SIZES
from scalelaw.model_shapes.reading import read_config, whole

LENGTHS = (16, 32, 64)
COUNTED = re.compile(r"(?!.*(size|dim|width)).*(layer|block|depth|stage|expert).*")
"""The names of fields that count the parts of a model."""
MOST_PARTS = 4096
"""Of one kind: each is an object that would be made."""


def count_shape(path: str | Path) -> LLMShape:
    """The shape of the LLM that a config.json (or its folder) describes, with its counts (`LLMShape.counted`).

    Nothing is downloaded and no weight is made. Raises as `count_language`.
    """
    config, file = read_config(path)
    return count_language(config, language_of(config), file)[0]


def count_language(
    fields: Mapping[str, Any], language: Language, file: Path
) -> tuple[LLMShape, dict[str, Any]]:
    """The counted shape of the LLM in `fields` (of `file`), and the sizes that the class supplied as defaults.

    Raises InputError for a configuration that transformers cannot build or run on the meta device, for one without
    attention, for one whose counts are not quadratic in the length, and (`fields_not_used`) for sizes in the file
    that transformers does not use.
    """
    try:
        _check(fields)
        config = _config_of(fields, language, file)
        unset = _unset(config, language)
        _check_used(config, language, file)
        with torch.device("meta"):
            model = _build(config)
        counts = [_count(model, length) for length in (*LENGTHS, 2 * LENGTHS[-1])]
        shape = _shape(
            config,
            model,
            str(file),
            counts[0][1] // LENGTHS[0],
            _quadratic(LENGTHS, [flops for flops, _ in counts[:3]]),
        )
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{file} has an LLM without a closed form, and it cannot be counted: {_reason(error, language.kind)}.",
            code="cannot_count",
            hint=way_to_count(fields),
        ) from error
    assert shape.counted is not None
    _, a, b, c = shape.counted
    last = 2 * LENGTHS[-1]
    if abs(a * last**2 + b * last + c - counts[3][0]) > 1e-6 * counts[3][0]:
        raise InputError(
            f"The FLOPs of {file} are not quadratic in the length of the prompt.", code="cannot_count"
        )
    return shape, unset


def count_tower(fields: Mapping[str, Any], name: str) -> TowerShape:
    """The shape of the vision encoder in `fields`, counted on one image of its own size (`TowerShape.counted`).

    Raises InputError (`cannot_count`) for an encoder that transformers cannot build or run on the meta device, and
    for one without a size of image.
    """
    kind = str(fields.get("model_type") or "")
    try:
        _check(fields)
        image, patch = (_side(fields, key) for key in ("image_size", "patch_size"))
        settings = {key: value for key, value in fields.items() if key != "model_type"}
        config = transformers.AutoConfig.for_model(kind, **settings)
        with torch.device("meta"):
            model = transformers.AutoModel.from_config(
                config, trust_remote_code=False, attn_implementation="eager"
            )
        pixels = torch.zeros(1, int(getattr(config, "num_channels", 3)), image, image, device="meta")
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            tokens = model(pixel_values=pixels).last_hidden_state.shape[1]
        return TowerShape(
            name=name,
            layers=int(config.num_hidden_layers),
            width=int(config.hidden_size),
            feed_forward=int(getattr(config, "intermediate_size", None) or 4 * config.hidden_size),
            patch=patch,
            image=image,
            extra_tokens=max(tokens - (image // patch) ** 2, 0),
            counted=(
                float(sum(p.numel() for p in model.parameters())),
                float(counter.get_total_flops()),
            ),
        )
    except Exception as error:
        raise InputError(
            f"The vision encoder {name} has no closed form and cannot be counted: {_reason(error, kind)}.",
            code="cannot_count",
            hint="Name an encoder with --tower (scalelaw list towers, or its config.json), or --tower none.",
        ) from error


class _CannotCountError(ValueError):
    """A configuration that this module refuses; its text is shown."""


def _reason(error: Exception, kind: str) -> str:
    """Why a model cannot be counted, in our own words: the text of another library is not shown."""
    if isinstance(error, _CannotCountError):
        return str(error)
    if not kind:
        return "it has no model_type"
    if kind not in transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES:
        return f"transformers {transformers.__version__} does not know the type '{kind[:60]}'"
    if isinstance(error, ImportError):
        return f"the type '{kind[:60]}' needs a package that is not installed"
    return f"transformers {transformers.__version__} does not build and run a '{kind[:60]}' of these fields"


def _side(fields: Mapping[str, Any], key: str) -> int:
    """The pixels on a side of a square image or patch."""
    value = fields.get(key)
    if value is None:
        name = str(fields.get("architecture") or fields.get("model_name") or "")[:60]
        is_timm = "timm" in str(fields.get("model_type") or "")
        raise _CannotCountError(
            f"it is the timm model '{name}', whose sizes are not in the configuration"
            if is_timm
            else f"its configuration has no {key}"
        )
    sides = set(value) if isinstance(value, list | tuple) and value else {value}
    if len(sides) > 1 or None in sides:
        raise _CannotCountError(f"it takes images of several sizes: {key} is {value}")
    return whole({key: sides.pop()}, key)


def _config_of(fields: Mapping[str, Any], language: Language, file: Path) -> Any:
    """The configuration of the LLM as transformers reads it."""
    in_place = not language.nested or isinstance(fields.get("text_config"), Mapping)
    if in_place and language.kind in ("", str(fields.get("model_type")), *_nested_types(fields)):
        try:
            config = transformers.AutoConfig.from_pretrained(
                str(file), local_files_only=True, trust_remote_code=False
            )
            return getattr(config, "text_config", None) or config
        except (KeyError, ValueError):  # a composite of an unknown type, whose LLM may be known
            if not language.nested:
                raise
    settings = {name: value for name, value in language.fields.items() if not name.startswith("_")}
    settings.pop("model_type")
    return transformers.AutoConfig.for_model(language.kind, **settings)


def _nested_types(fields: Mapping[str, Any]) -> tuple[str, ...]:
    nested = fields.get("text_config")
    return (str(nested.get("model_type")),) if isinstance(nested, Mapping) else ()


def _unset(config: Any, language: Language) -> dict[str, Any]:
    """The sizes that the file leaves to the class. Raises ValueError where it names none at all."""
    spelled = getattr(config, "attribute_map", {})
    left = [
        n for n in SIZES if language.fields.get(n) is None and language.fields.get(spelled.get(n, n)) is None
    ]
    if len(left) == len(SIZES):
        raise _CannotCountError("it names no size of its LLM, and the class's defaults would stand for one")
    values = {name: getattr(config, name, None) for name in left}
    return {name: value for name, value in values.items() if isinstance(value, int)}


def _check_used(config: Any, language: Language, file: Path) -> None:
    """Raises InputError where the class reads other sizes than the file names."""
    values = {name: (language.fields.get(name), getattr(config, name, None)) for name in SIZES}
    wrong = {
        name: pair
        for name, pair in values.items()
        if all(isinstance(value, int | float) for value in pair) and pair[0] != pair[1]
    }
    if wrong:
        differences = ", ".join(f"{name} {named} (it reads {read})" for name, (named, read) in wrong.items())
        raise InputError(
            f"{file} names {differences}: models of type '{language.kind}' do not read these fields there.",
            code="fields_not_used",
            hint="Put the LLM's fields, with their own model_type, in text_config.",
        )


def _check(fields: Mapping[str, Any]) -> None:
    """Raises ValueError for a count that no model has."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            _check(value)
        elif isinstance(value, int | float) and value > MOST_PARTS and COUNTED.fullmatch(name):
            raise _CannotCountError(f"{name} is {value:.6g}, above {MOST_PARTS}")


def _shape(
    config: Any, model: Any, name: str, cached: int, quadratic: tuple[float, float, float]
) -> LLMShape:
    if not hasattr(config, "num_attention_heads"):
        raise _CannotCountError("it has no attention")
    heads, width, layers = (
        int(config.num_attention_heads),
        int(config.hidden_size),
        int(config.num_hidden_layers),
    )
    head_size = int(getattr(config, "head_dim", None) or width // heads)
    return LLMShape(
        name=name,
        layers=layers,
        width=width,
        heads=heads,
        kv_heads=-(-cached // (2 * layers * head_size)) or heads,
        head_size=head_size,
        feed_forward=_feed_forward(config, width),
        vocab=int(config.vocab_size),
        tied=bool(getattr(config, "tie_word_embeddings", False)),
        family=str(config.model_type),
        counted=(float(sum(p.numel() for p in model.parameters())), *quadratic),
        **_mixture(config, model),
        **_window(config),
    )


def _feed_forward(config: Any, width: int) -> int:
    """Its width; of layers that differ, the first's."""
    value = getattr(config, "intermediate_size", None) or 4 * width
    return int(value[0] if isinstance(value, list | tuple) else value)


def _mixture(config: Any, model: Any) -> dict[str, Any]:
    """Experts, those that a token meets, and the parameters of all that are routed; empty for a dense model."""
    names = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
    experts = next((int(n) for name in names if isinstance(n := getattr(config, name, None), int)), 0)
    active = next(
        (
            int(n)
            for name in ("num_experts_per_tok", "moe_k")
            if isinstance(n := getattr(config, name, None), int)
        ),
        0,
    )
    routed = sum(
        p.numel() for name, p in model.named_parameters() if ".experts." in name and "shared" not in name
    )
    if not (experts and active and routed) or routed % experts:
        return {}
    return {"experts": experts, "experts_active": active, "routed_params": routed}


def _window(config: Any) -> dict[str, Any]:
    """The window and how many layers have it; empty where none has."""
    types = list(getattr(config, "layer_types", None) or [])
    for kind, field in (
        ("sliding_attention", "sliding_window"),
        ("chunked_attention", "attention_chunk_size"),
    ):
        window = getattr(config, field, None)
        if types.count(kind) and isinstance(window, int):
            return {"window": window, "window_layers": types.count(kind)}
    return {}


class _WithHead(torch.nn.Module):
    """An LLM that transformers has only inside of a composite, with the output head that it has there."""

    def __init__(self, body: Any, config: Any) -> None:
        super().__init__()
        self.body = body
        self.head = torch.nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if getattr(config, "tie_word_embeddings", False):
            self.head.weight = body.get_input_embeddings().weight

    def forward(self, ids: torch.Tensor, logits_to_keep: int) -> Any:
        answer = self.body(ids, use_cache=True)
        self.head(answer.last_hidden_state[:, -logits_to_keep:])
        return answer


def _build(config: Any) -> Any:
    if type(config) not in transformers.AutoModelForCausalLM._model_mapping:
        build = transformers.AutoModel.from_config
        return _WithHead(build(config, trust_remote_code=False, attn_implementation="eager"), config)
    build = transformers.AutoModelForCausalLM.from_config
    try:
        return build(
            config, trust_remote_code=False, attn_implementation="eager", experts_implementation="batched_mm"
        )
    except (TypeError, ValueError):
        return build(config, trust_remote_code=False, attn_implementation="eager")


def _count(model: Any, length: int) -> tuple[int, int]:
    """FLOPs of a prompt with its last position's logits, and how many numbers its cache would hold were no layer
    windowed (0: it has none)."""
    ids = torch.zeros(1, length, dtype=torch.long, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        answer = model(ids, logits_to_keep=1)
    layers = getattr(getattr(answer, "past_key_values", None), "layers", [])
    # a layer without attention keeps a state of fixed size; one that reads another's keys keeps none
    tensors = [(getattr(layer, "keys", None), getattr(layer, "values", None)) for layer in layers]
    kept = [
        0 if keys is None or values is None else keys.numel() + values.numel() for keys, values in tensors
    ]
    return counter.get_total_flops(), max(kept, default=0) * sum(numbers > 0 for numbers in kept)


def _quadratic(lengths: tuple[int, ...], counts: list[int]) -> tuple[float, float, float]:
    """The parabola through three counts, in exact arithmetic where the counts are whole."""
    (x, y, z), (p, q, r) = lengths, counts
    first, second = (q - p) / (y - x), (r - q) / (z - y)
    a = (second - first) / (z - x)
    b = first - a * (x + y)
    return a, b, p - a * x**2 - b * x
