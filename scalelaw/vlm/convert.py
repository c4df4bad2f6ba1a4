"""Checkpoints of other layouts to our model and back (see `checkpoint_layouts`).

Weights are read from safetensors, or from torch files as plain tensors (`weights_only`): no code in it is run.
Parts are built without memory of their own and get the weights as they are, in their precision.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoTokenizer,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from scalelaw.errors import InputError, unknown
from scalelaw.vlm.checkpoint_layouts import (
    LAYOUTS,
    PROJECTOR_FILE,
    State,
    layout_of,
    llava_config,
    model_options,
    text_config,
    to_llava,
    to_ours,
)
from scalelaw.vlm.quecc import QueccConfig, QueccForConditionalGeneration, QueccProcessor

LOCAL: Any = {"local_files_only": True, "trust_remote_code": False}
TOWER = "vision_tower"
"""The folder of the tower beside a checkpoint of LLaVA's layout."""


def convert(
    source: str | Path,
    target: str | Path,
    layout: str | None = None,
    *,
    tower: str | Path | None = None,
    llm: str | Path | None = None,
) -> dict[str, Any]:
    """Write a checkpoint in another layout.

    Args:
        source: the checkpoint: a folder, or the file mm_projector.bin.
        target: the folder to write, new or empty.
        layout: `scalelaw`, `llava`, `llava-hf` or `mm_projector`; None for `scalelaw`.
        tower: the folder of the vision tower, where the checkpoint only names it.
        llm: the folder of the LLM of a file mm_projector.bin.

    Returns:
        {source, layout_from, layout_to, folder, compressor, visual_tokens, n_params, files}

    Raises:
        InputError: for a checkpoint of an unknown layout, one that our model or the layout cannot express, weights that
            are missing or left over, and a target that is not empty.
    """
    source, target, wanted = Path(source), Path(target), layout or "scalelaw"
    if wanted not in LAYOUTS:
        raise unknown("layout", wanted, LAYOUTS)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(
            f"{target} is not an empty folder.", code="would_overwrite", hint="Choose a new folder for --to."
        )
    config = _json(source / "config.json")
    if config is None and (source / PROJECTOR_FILE).is_file():
        source = source / PROJECTOR_FILE
    origin = layout_of(config, source)
    model, processor = _load(source, origin, config or {}, tower, llm)
    {"scalelaw": _write_ours, "llava": _write_llava, "llava-hf": _write_hf, "mm_projector": _write_projector}[
        wanted
    ](model, processor, target)
    return {
        "source": str(source),
        "layout_from": origin,
        "layout_to": wanted,
        "folder": str(target),
        "compressor": model.config.compressor,
        "visual_tokens": model.config.visual_tokens,
        "n_params": sum(p.numel() for p in model.parameters()),
        "files": sorted(str(f.relative_to(target)) for f in target.rglob("*") if f.is_file()),
    }


# ---------------------------------------------------------------------------- reading


def _load(
    source: Path, layout: str, config: dict[str, Any], tower: str | Path | None, llm: str | Path | None
) -> tuple[Any, QueccProcessor | None]:
    if layout == "scalelaw":
        model = QueccForConditionalGeneration.from_pretrained(source, dtype="auto", **LOCAL)
        return model, _own_processor(source)
    state = to_ours(read_weights(source))
    if layout == "llava-hf":
        hf = LlavaConfig.from_dict({k: v for k, v in config.items() if k != "auto_map"})
        vision, text, options = hf.vision_config, hf.text_config, model_options(config, layout)
    else:
        folder = _tower_folder(source, config, tower)
        vision = AutoConfig.from_pretrained(folder, **LOCAL)
        vision = getattr(vision, "vision_config", vision)
        if layout == "mm_projector":
            if llm is None:
                raise InputError(
                    f"{source} holds no LLM.", code="missing_part", hint="Give its folder with --llm."
                )
            text = AutoConfig.from_pretrained(llm, **LOCAL)
            options = {"compressor": "none"}
            if any(name.startswith("compressor.") for name in state):
                side = state["compressor.pool.weight"].shape[-1]
                options = {"compressor": "quecc", "question_turns": "first",
                           "compressor_options": {"side": side, "heads": 8}}  # fmt: skip
            state |= _llm_weights(llm)
        else:
            fields = text_config(config)
            text, options = (
                AutoConfig.for_model(fields.pop("model_type"), **fields),
                model_options(config, layout),
            )
        if not any(name.startswith("vision_tower.") for name in state):
            weights = AutoModel.from_pretrained(folder, dtype="auto", **LOCAL).state_dict()
            state |= {f"vision_tower.{name}": value for name, value in weights.items()}
    places = [place for place in (source if source.is_dir() else source.parent, llm) if place is not None]
    processor = _foreign_processor(places, [*places, *([] if layout == "llava-hf" else [folder])])
    if processor is not None and layout != "llava-hf":
        options["image_token_index"] = processor.image_token_id
    options.setdefault("image_token_index", text.vocab_size)
    _make_room(state, text, options["image_token_index"])
    model = assemble(QueccConfig(vision, text, **_with_tokens(options, vision)), state, source)
    if processor is not None:
        processor.visual_tokens = model.config.visual_tokens
        processor.question_turns = model.config.question_turns
    return model, processor


def assemble(config: QueccConfig, state: State, origin: Path) -> Any:
    """The model with exactly these weights. Raises InputError where some are missing, left over or misshapen."""
    with torch.device("meta"):
        model = QueccForConditionalGeneration(config)
    wanted = set(model.state_dict())
    prefix = "vision_tower.vision_model."
    with_prefix = any(name.startswith(prefix) for name in wanted)
    state = {_tower_name(name, with_prefix): value for name, value in state.items()}
    if config.text_config.tie_word_embeddings:
        state.setdefault("language_model.lm_head.weight", state["language_model.model.embed_tokens.weight"])
    missing, extra = sorted(wanted - state.keys()), sorted(state.keys() - wanted)
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    wrong = [name for name in wanted & state.keys() if state[name].shape != shapes[name]]
    if missing or extra or wrong:
        faults = {"missing": missing, "left over": extra, "of another shape": sorted(wrong)}
        details = [f"{kind}: {', '.join(names[:3])}" for kind, names in faults.items() if names]
        raise InputError(
            f"The weights of {origin} do not fit ({'; '.join(details)}).", code="weights_do_not_match"
        )
    model.load_state_dict(state, assign=True)
    model.tie_weights()
    return model.eval()


def _tower_name(name: str, with_prefix: bool) -> str:
    rest = name.removeprefix("vision_tower.")
    if rest == name:
        return name
    rest = rest.removeprefix("vision_model.")
    return f"vision_tower.vision_model.{rest}" if with_prefix else f"vision_tower.{rest}"


def read_weights(path: Path) -> State:
    """All weights of a folder or file. Raises InputError where there are none, or a file holds more than tensors."""
    files = [path] if path.is_file() else sorted(path.glob("*.safetensors"))
    files = files or sorted(
        f for f in path.glob("*.bin") if f.name.startswith(("pytorch_model", "mm_projector"))
    )
    state: State = {}
    for file in files:
        try:
            part = load_file(file) if file.suffix == ".safetensors" else torch.load(
                file, map_location="cpu", weights_only=True
            )  # fmt: skip
        except Exception as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise InputError(f"{file} cannot be read safely: {reason}", code="unsafe_weights") from error
        if not isinstance(part, dict) or not all(isinstance(v, torch.Tensor) for v in part.values()):
            raise InputError(f"{file} is not a dictionary of tensors.", code="unsafe_weights")
        state |= part
    if not state:
        raise InputError(f"{path} holds no weights.", code="no_weights")
    return state


def _llm_weights(llm: str | Path) -> State:
    return {name if name.startswith("language_model.") else f"language_model.{name}": value
            for name, value in read_weights(Path(llm)).items()}  # fmt: skip


def _tower_folder(source: Path, config: dict[str, Any], tower: str | Path | None) -> Path:
    name = str(config.get("mm_vision_tower", ""))
    for place in (tower, source / name if name else None, Path(name) if name else None):
        if place is not None and (Path(place) / "config.json").is_file():
            return Path(place)
    raise InputError(
        f"The checkpoint names its vision tower ('{name}') and does not hold its configuration.",
        code="missing_part",
        hint="Give the tower's folder with --tower.",
    )


def _with_tokens(options: dict[str, Any], vision: Any) -> dict[str, Any]:
    """Without a compressor, as many tokens as patches."""
    if "compressor_options" in options:
        return options
    side = vision.image_size // vision.patch_size
    return {**options, "visual_tokens": side * side}


def _make_room(state: State, text: Any, token: int) -> None:
    """A row of zeros in the embeddings for the image's token, where they end before it."""
    names = [
        n for n in ("language_model.model.embed_tokens.weight", "language_model.lm_head.weight") if n in state
    ]
    for name in names:
        rows, width = state[name].shape
        if token >= rows:
            state[name] = torch.cat([state[name], state[name].new_zeros(token + 1 - rows, width)])
        text.vocab_size = int(state[name].shape[0])


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}.", code="bad_json") from error
    return content if isinstance(content, dict) else None


def _own_processor(folder: Path) -> QueccProcessor | None:
    if not (folder / "processor_config.json").is_file():
        return None
    processor: QueccProcessor = QueccProcessor.from_pretrained(folder, **LOCAL)
    return processor


def _foreign_processor(text_folders: list[Any], image_folders: list[Any]) -> QueccProcessor | None:
    """The processor of a tokenizer and an image processor where their folders have them."""
    words = next((f for f in map(Path, text_folders) if any(f.glob("tokenizer*"))), None)
    images = next((f for f in map(Path, image_folders) if (f / "preprocessor_config.json").is_file()
                   or (f / "processor_config.json").is_file()), None)  # fmt: skip
    if words is None or images is None:
        return None
    return QueccProcessor(
        AutoImageProcessor.from_pretrained(images, **LOCAL), AutoTokenizer.from_pretrained(words, **LOCAL)
    )


# ---------------------------------------------------------------------------- writing


def _write_ours(model: Any, processor: QueccProcessor | None, target: Path) -> None:
    model.save_pretrained(target)
    if processor is not None:
        processor.save_pretrained(target)


def _write_llava(model: Any, processor: QueccProcessor | None, target: Path) -> None:
    """Without the row of the image's token, where it is the last: LLaVA's is no token of the LLM."""
    config = llava_config(model.config, TOWER)
    state = to_llava(model.state_dict(), model.config.compressor == "quecc")
    if model.config.image_token_index == config["vocab_size"] - 1:
        config["vocab_size"] -= 1
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            state[name] = state[name][:-1]
    if config.get("tie_word_embeddings"):
        state.pop("lm_head.weight", None)
    target.mkdir(parents=True, exist_ok=True)
    _save(state, target / "model.safetensors")
    (target / "config.json").write_text(json.dumps(config, indent=2, default=str) + "\n", encoding="utf-8")
    model.vision_tower.save_pretrained(target / TOWER)
    if processor is not None:
        processor.image_processor.save_pretrained(target / TOWER)
        processor.tokenizer.save_pretrained(target)


def _write_hf(model: Any, processor: QueccProcessor | None, target: Path) -> None:
    config = model.config
    if config.compressor != "none":
        raise InputError(
            f"transformers' Llava has no compressor '{config.compressor}'.",
            code="unknown_layout",
            hint="Use --layout scalelaw, or llava for QueCC.",
        )
    hf = LlavaConfig(
        vision_config=config.vision_config,
        text_config=config.text_config,
        image_token_index=config.image_token_index,
        image_seq_length=config.visual_tokens,
        vision_feature_layer=config.vision_layer - config.vision_config.num_hidden_layers - 1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=bool(config.tie_word_embeddings),
    )
    with torch.device("meta"):
        other = LlavaForConditionalGeneration(hf)
    prefixed = any(name.startswith("model.vision_tower.vision_model.") for name in other.state_dict())
    renamed = {}
    for name, value in model.state_dict().items():
        part, _, rest = name.partition(".")
        if part == "projector":
            place, _, kind = rest.partition(".")
            renamed[f"model.multi_modal_projector.linear_{int(place) // 2 + 1}.{kind}"] = value
        elif part == "vision_tower":
            rest = rest.removeprefix("vision_model.")
            renamed[f"model.vision_tower.{'vision_model.' if prefixed else ''}{rest}"] = value
        else:
            renamed[
                f"model.language_model.{rest.removeprefix('model.')}" if rest.startswith("model.") else rest
            ] = value
    other.load_state_dict(renamed, assign=True)
    other.tie_weights()
    other.save_pretrained(target)
    if processor is not None:
        processor.tokenizer.save_pretrained(target)
        processor.image_processor.save_pretrained(target)


def _write_projector(model: Any, processor: QueccProcessor | None, target: Path) -> None:
    parts = {n: v for n, v in model.state_dict().items() if n.startswith(("compressor.", "projector."))}
    if model.config.compressor not in ("none", "quecc"):
        raise InputError(
            f"{PROJECTOR_FILE} has no compressor '{model.config.compressor}'.", code="unknown_layout"
        )
    target.mkdir(parents=True, exist_ok=True)
    torch.save(to_llava(parts, model.config.compressor == "quecc"), target / PROJECTOR_FILE)


def _save(state: State, file: Path) -> None:
    save_file({name: value.contiguous() for name, value in state.items()}, file, metadata={"format": "pt"})
