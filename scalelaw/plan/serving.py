"""From a configuration to the serving engine that runs it: its command line and the fields of a request."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from types import ModuleType
from typing import Any, TypeVar

from scalelaw import plugins
from scalelaw.engines._contract import Deployment, Serving
from scalelaw.errors import InputError, typed, unknown
from scalelaw.plan.catalogue import Model, find_models
from scalelaw.plan.hardware import find_device
from scalelaw.plan.images import vision_model_of
from scalelaw.plan.knobs import Knobs, exact, limiting_knobs, limits_tokens, nearest, processor_arguments
from scalelaw.plan.workload import DTYPES
from scalelaw.results.optimum import Optimum
from scalelaw.results.warning import as_warnings
from scalelaw.tokens.count import size_of
from scalelaw.tokens.models import VisionModel, find_vision_model, named_family
from scalelaw.tokens.shapes import vision_shape_of

ENGINES = "engines"
UNKNOWN = ("no_vision_part", "unsupported_family", "unknown_encoder", "no_configuration")
Result = TypeVar("Result")


@typed(
    optimum=("Optimum",), engine=("str",), model=("None", "str"), family=("None", "str"),
    images=("list", "tuple"), cache_dtype=("str",),
)  # fmt: skip
def serve_optimum(
    optimum: Optimum,
    engine: str,
    *,
    models: Any = None,
    model: str | None = None,
    family: str | None = None,
    images: Sequence[tuple[int, int]] = (),
    cache_dtype: str = "bf16",
) -> Optimum:
    """The optimum with the engine that serves its best configuration, in `best["engine"]`.

    Args:
        optimum: of `find_optimum`.
        engine: a plug-in of `scalelaw.engines`, or the path of your own.
        models: the catalogue that the optimum was searched in, as `find_optimum` takes it.
        model: what the engine loads: a repository, a folder or a file; by default the name of the model.
        family: of `scalelaw.families`; by default that of the model's folder, or the one that its name begins with.
        images: (width, height) in pixels of the images of a query; by default any image.
        cache_dtype: number type of the KV cache.

    Raises:
        InputError: `unknown_engine`, `engine_cannot`, `unknown_family`, and those of `find_vision_model`.
    """
    best, searched = optimum.best, optimum.searched
    if frames := searched.get("frames"):
        raise InputError(
            f"The plan is for a video of {frames} frames; flags are known for images only.",
            code="engine_cannot",
            hint="Leave --engine out, or give each frame as an image with --image and no --frames.",
        )
    entry = _model_of(best["model"], models)
    name = model or _repository(entry) or best["model"]
    vision = _vision(family, name, entry, best["model"])
    wanted = math.ceil(best["visual_tokens"])
    warnings: list[tuple[str, str]] = []
    sizes = [size_of(image) for image in images]
    knobs = None
    if vision is not None and "settings" in best:
        knobs = exact(vision, best["settings"], sizes)
    elif vision is not None:
        knobs = nearest(vision, wanted, sizes)
    tokens, markers = (knobs.tokens, knobs.counted.markers) if knobs else (wanted, 0)
    if vision is None:
        warnings.append(_no_family(best["model"], wanted))
    elif tokens != wanted and "settings" not in best:
        warnings.append(_not_reached(vision, wanted, tokens, bool(images)))
    if model is not None and (size := _size_in(model)) and not 0.6 < size / best["n_params"] < 1.7:
        warnings.append(_another_size(model, best))
    number = max(len(images), math.ceil(float(searched.get("images") or 1)))
    device = find_device(searched.get("hardware")) if searched.get("hardware") else None
    inside = 0 if vision and getattr(vision.rules, "CROSS_ATTENTION", False) else tokens
    shape = entry.shape if entry else None
    deployment = Deployment(
        model=name,
        prompt_tokens=math.ceil(optimum.text_tokens) + number * (inside + markers),
        generate=math.ceil(optimum.generate),
        batch=math.ceil(best["batch"]),
        dtype=best["dtype"],
        cache_dtype=_known(cache_dtype),
        devices=int(searched.get("devices") or 1),
        images=number,
        visual_tokens=tokens,
        token_limit=bool(vision and limits_tokens(vision)),
        processor=processor_arguments(vision, knobs.settings) if vision and knobs else {},
        resize=knobs.resize if knobs and knobs.settings else None,
        shape=shape,
        encoder_params=_encoder_params(entry),
        patches=knobs.counted.patches if knobs else 0,
        device=device.name if device else None,
        memory_gb=device.memory_bytes / 1e9 if device else None,
    )
    serving = serve(engine, deployment)
    warnings += serving.warnings
    facts = described(engine, serving, vision, knobs, deployment)
    new = [warning for warning in warnings if warning not in optimum.warnings]
    return replace(optimum, best={**best, "engine": facts}, warnings=as_warnings([*optimum.warnings, *new]))


def serve(engine: str, deployment: Deployment) -> Serving:
    """What starts this engine. Raises InputError `unknown_engine`, `engine_cannot`."""
    serving: Serving = _rules(engine).serve(deployment)
    return serving


def _rules(engine: str) -> ModuleType:
    """The plug-in of a name; `llama.cpp` is llama_cpp."""
    return plugins.load(ENGINES, engine if engine.endswith(".py") else re.sub(r"[-. ]", "_", engine.lower()))


def described(
    engine: str, serving: Serving, vision: VisionModel | None, knobs: Knobs | None, deployment: Deployment
) -> dict[str, Any]:
    """The engine in plain facts, as `best["engine"]` of an answer has them."""
    rules = _rules(engine)
    return {
        "name": engine,
        "version": rules.VERSION,
        "checked": rules.CHECKED,
        "command": serving.command,
        "flags": dict(serving.flags),
        "request": dict(serving.request),
        "environment": dict(serving.environment),
        "files": dict(serving.files),
        "family": vision.family if vision else None,
        "settings": dict(knobs.settings) if knobs else {},
        "visual_tokens": deployment.visual_tokens,
        "prompt_tokens": deployment.prompt_tokens,
        "memory": asdict(serving.memory) if serving.memory else None,
    }


def _model_of(name: str, models: Any) -> Model | None:
    """The catalogue's entry; None for a size of the fit's own points. Raises as `find_models` for a catalogue."""
    try:
        known = find_models(name if models is None else models)
    except InputError:
        if models is not None:
            raise
        return None
    return next((model for model in known if model.name == name), None)


def _vision(family: str | None, name: str, entry: Model | None, catalogue_name: str) -> VisionModel | None:
    """By the family that is given, a folder's files, the catalogue's entry, or what the names begin with."""
    if family is not None:
        return find_vision_model(family)
    if os.path.isfile(os.path.join(name, "config.json")):
        return _unless_unknown(lambda: find_vision_model(name))
    if entry is not None and entry.vision is not None:
        seen = _unless_unknown(lambda: vision_model_of(entry))
        if seen is not None:
            return seen
    for text in (name.rsplit("/", 1)[-1], catalogue_name):
        if (known := named_family(text)) is not None:
            return find_vision_model(known)
    return None


def _unless_unknown(find: Callable[[], Result]) -> Result | None:
    """None for an LLM, and for a family whose tokens or encoder cannot be counted; other errors are raised."""
    try:
        return find()
    except InputError as error:
        if error.code in UNKNOWN:
            return None
        raise


def _repository(entry: Model | None) -> str | None:
    """The folder of a model, or the repository that the catalogue names as its source."""
    if entry is None:
        return None
    if os.path.exists(entry.source):
        return entry.source.removesuffix("/config.json")
    named = re.search(r"(?:^|config\.json of )([\w.-]+/[\w.-]*\w)(?:;|$)", entry.source)
    return named.group(1) if named else None


def _encoder_params(entry: Model | None) -> float:
    """Of the vision encoder and the projector, as far as they are known."""
    if entry is None:
        return 0.0
    if entry.vision is not None:
        shape = _unless_unknown(lambda: vision_shape_of(vision_model_of(entry)))
        if shape is not None:
            return float(shape.n_params)
    return float(entry.tower.n_params) if entry.tower else 0.0


def _known(dtype: str) -> str:
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    return dtype


def _size_in(name: str) -> float | None:
    """The number of parameters in a model's name (`7B`, `0.5b`), the last one."""
    sizes = re.findall(r"(?<![a-z0-9.])([0-9]+(?:\.[0-9]+)?)b(?![a-z0-9])", name.rsplit("/", 1)[-1].lower())
    return float(sizes[-1]) * 1e9 if sizes else None


def _another_size(model: str, best: Mapping[str, Any]) -> tuple[str, str]:
    message = (
        f"The best configuration is {best['model']} with {best['n_params']:g} parameters, and by its name {model} has "
        "another size. Memory and concurrency are those of the best configuration."
    )
    return ("another_size", message)


def _no_family(model: str, tokens: int) -> tuple[str, str]:
    message = (
        f"The family of {model} is unknown, so the command does not set its {tokens} visual tokens. Name the family "
        "(scalelaw list families)."
    )
    return ("no_vision_family", message)


def _not_reached(vision: VisionModel, wanted: int, tokens: int, sized: bool) -> tuple[str, str]:
    which = "these images" if sized else "a large image"
    knobs = [setting.name for setting in limiting_knobs(vision)]
    if not knobs:
        text = f"{vision.family} makes {tokens} visual tokens of every image, and has no setting that changes it."
        return ("visual_tokens_differ", f"{text} The plan has {wanted}.")
    return (
        "visual_tokens_differ",
        f"The plan has {wanted} visual tokens; the nearest that {vision.family} makes of {which} is {tokens}.",
    )
