"""From a configuration to the serving engine that runs it: its command line and the fields of a request."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from types import ModuleType
from typing import Any

from scalelaw import plugins
from scalelaw.engines._contract import Deployment, Serving
from scalelaw.errors import InputError, typed, unknown
from scalelaw.families._contract import Counted, Setting
from scalelaw.plan.catalogue import Model, find_models
from scalelaw.plan.hardware import find_device
from scalelaw.plan.workload import DTYPES
from scalelaw.results.optimum import Optimum
from scalelaw.tokens.count import count_one
from scalelaw.tokens.images import Size
from scalelaw.tokens.models import VisionModel, find_vision_model, named_family
from scalelaw.tokens.settings import changed

ENGINES = "engines"
LARGE = tuple(
    Size(*size)
    for size in (
        (3840, 2160),
        (2160, 3840),
        (3000, 3000),
        (4000, 1000),
        (1000, 4000),
        (1920, 1080),
        (640, 480),
    )
)
"""Images whose largest count stands for any image, where no size is given."""
AREA = "max_pixels"
TOGETHER = 2
"""Knobs that are changed together, at most."""
SIDES = ("height", "width", "shortest_edge")
"""Knobs that are no upper limit."""


Count = Callable[[Mapping[str, Any]], Counted | None]
Row = tuple[dict[str, Any], Counted, int]
"""Settings, the largest count under them, and the tokens of any image."""


@dataclass(frozen=True)
class Knobs:
    """The settings of a family that come nearest to a number of visual tokens.

    settings: those that differ from the released ones. counted: the largest image under them. tokens: of one image, at
    most. resize: the size of that image in the encoder, where tokens follow from the size alone.
    """

    settings: dict[str, Any]
    counted: Counted
    tokens: int
    resize: tuple[int, int] | None


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
    found = _model_of(best["model"], models)
    name = model or (
        found.source if found and "/" in found.source and " " not in found.source else best["model"]
    )
    vision = _vision(family, name, found, best["model"])
    wanted = math.ceil(best["visual_tokens"])
    warnings: list[tuple[str, str]] = []
    knobs = nearest(vision, wanted, [Size(*size) for size in images]) if vision else None
    tokens, markers = (knobs.tokens, knobs.counted.markers) if knobs else (wanted, 0)
    if vision is None:
        warnings.append(_no_family(best["model"], wanted))
    elif tokens != wanted:
        warnings.append(_not_reached(vision, wanted, tokens, bool(images)))
    if model is not None and (size := _size_in(model)) and not 0.6 < size / best["n_params"] < 1.7:
        warnings.append(_another_size(model, best))
    number = max(len(images), math.ceil(float(searched.get("images") or 1)))
    device = find_device(searched.get("hardware")) if searched.get("hardware") else None
    inside = 0 if vision and getattr(vision.rules, "CROSS_ATTENTION", False) else tokens
    shape = found.shape if found else None
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
        encoder_params=float(found.tower.n_params) if found and found.tower else 0.0,
        patches=knobs.counted.patches if knobs else 0,
        device=device.name if device else None,
        memory_gb=device.memory_bytes / 1e9 if device else None,
    )
    serving = serve(engine, deployment)
    warnings += serving.warnings
    facts = described(engine, serving, vision, knobs, deployment)
    new = [warning for warning in warnings if warning not in optimum.warnings]
    return replace(optimum, best={**best, "engine": facts}, warnings=[*optimum.warnings, *new])


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


def nearest(vision: VisionModel, tokens: int, sizes: Sequence[Size] = ()) -> Knobs:
    """The settings under which the largest of these images comes nearest to a number of tokens from below.

    The knob is changed that comes nearest; where every value of it gives more, a second one, and the fewest tokens
    where that does not help.
    sizes: of the images; a set of large ones where none is given.
    """
    shown = list(sizes) or list(LARGE)

    def count(settings: Mapping[str, Any]) -> Counted | None:
        try:
            values = changed(vision.rules.SETTINGS, vision.settings, settings, vision.family)
            counts = [count_one(vision, size, values, max(1, len(sizes))) for size in shown]
        except InputError:
            return None
        return max(counts, key=lambda one: one.visual_tokens)

    released = count({})
    if released is None:
        raise InputError(
            f"{vision.family} refuses images of these sizes.", code="refused_image", hint="Crop the images."
        )
    best: Row = ({}, released, _most({}, released))
    area = None if sizes else _area_of_a_token(vision)
    if area is not None and best[2] != tokens:
        for copies in (1, 2, 4):  # an image may count as several frames
            settings = _with_lower(AREA, copies * tokens * area, vision)
            counted = count(settings)
            if counted is not None and (copies == 1 or counted.visual_tokens <= tokens):
                best = settings, counted, max(tokens, counted.visual_tokens)
    for _ in range(0 if area is not None else TOGETHER):
        if best[2] == tokens or (best[0] and best[2] < tokens):
            break
        best = _improved(vision, tokens, best, count)
    settings, counted, most = best
    resize = (counted.resized_width, counted.resized_height) if limits_tokens(vision) else None
    return Knobs(settings, counted, most, resize)


def _improved(vision: VisionModel, tokens: int, best: Row, count: Count) -> Row:
    """The row, or the one that a further knob brings nearer."""
    base, rows = best[0], [best]

    def further(new: Mapping[str, Any]) -> Counted | None:
        return count({**base, **new})

    for setting in _limits(vision):
        for settings in _values(setting, vision, tokens, further):
            if (counted := further(settings)) is not None:
                rows.append(({**base, **settings}, counted, _most(settings, counted)))
    return min(rows, key=lambda row: (*_rank(row[2], tokens), len(row[0])))


def _most(settings: Mapping[str, Any], counted: Counted) -> int:
    """A limit in tokens holds for every image."""
    limits = [
        value for name, value in settings.items() if name.startswith("max_") and name.endswith("_tokens")
    ]
    return max([counted.visual_tokens, *limits])


def processor_arguments(vision: VisionModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as arguments of the processor in transformers; the edges of a size go together."""
    by_name = {setting.name: setting for setting in vision.rules.SETTINGS}
    arguments: dict[str, Any] = {}
    for name in settings:
        path = _image_path(by_name[name])
        if path is None:
            continue
        if path[0] != "size":
            arguments[path[0]] = settings[name]
            continue
        for other in vision.rules.SETTINGS:
            beside = _image_path(other)
            if beside and beside[0] == "size" and len(beside) == 2:
                value = settings.get(other.name, vision.settings[other.name])
                arguments.setdefault("size", {})[beside[1]] = value
    return arguments


def limits_tokens(vision: VisionModel) -> bool:
    """Whether the tokens follow from a limit of pixels or tokens, and not from tiles or a fixed size."""
    names = {setting.name for setting in vision.rules.SETTINGS if setting.knob}
    return bool(
        names & {"max_pixels", "max_soft_tokens", "max_image_tokens", "longest_edge"}
    ) and not names & {
        "do_image_splitting",
        "max_patches",
        "max_tiles",
    }


def _area_of_a_token(vision: VisionModel) -> int | None:
    """Pixels of one token, where a limit of the area in pixels limits the tokens of any image."""
    if AREA not in vision.settings or not hasattr(vision.rules, "STEP"):
        return None
    return int(vision.rules.STEP(vision.settings)) ** 2


def _rank(most: int, tokens: int) -> tuple[float, int]:
    """Nearer from below first, then the fewest above."""
    over = most - tokens
    return (0.0, -over) if over <= 0 else (1.0, over)


def _image_path(setting: Setting) -> tuple[str, ...] | None:
    """Where preprocessor_config.json holds a setting, `size.longest_edge` before `max_pixels`."""
    paths = [tuple(source.split(".")[1:]) for source in setting.sources if source.startswith("image.")]
    return min(paths, key=lambda path: (path[0] != "size", len(path)), default=None)


def _limits(vision: VisionModel) -> Iterator[Setting]:
    """The knobs of an image that an argument of the processor can change."""
    for setting in vision.rules.SETTINGS:
        if (
            setting.knob
            and not setting.name.startswith(("video_", "min_"))
            and _image_path(setting) is not None
        ):
            yield setting


def _values(setting: Setting, vision: VisionModel, tokens: int, count: Count) -> Iterator[dict[str, Any]]:
    """Candidate values: all of a few; of a range the largest that stays within the tokens."""
    if setting.allowed:
        yield from (_with_lower(setting.name, value, vision) for value in setting.allowed)
        return
    if not isinstance(setting.default, int):
        return
    low, high = int(setting.minimum or 1), int(setting.maximum or 1)
    if high - low <= 64:
        yield from (_with_lower(setting.name, value, vision) for value in range(low, high + 1))
        return
    least = count(_with_lower(setting.name, low, vision))
    tokens = max(tokens, least.visual_tokens if least else 0)
    while high - low > 1:
        middle = (low + high) // 2
        counted = count(_with_lower(setting.name, middle, vision))
        if counted is not None and counted.visual_tokens > tokens:
            high = middle
        else:
            low = middle
    yield _with_lower(setting.name, low, vision)


def _with_lower(name: str, value: Any, vision: VisionModel) -> dict[str, Any]:
    """The value, with the lower limit brought down to it where it would lie above."""
    settings = {name: value}
    lower = "shortest_edge" if name == "longest_edge" else name.replace("max_", "min_")
    if lower != name and lower in vision.settings and vision.settings[lower] > value:
        settings[lower] = value
    return settings


def _model_of(name: str, models: Any) -> Model | None:
    """The catalogue's entry; None for a size of the fit's own points."""
    try:
        return next(
            (model for model in find_models(models if models is not None else name) if model.name == name),
            None,
        )
    except InputError:
        return None


def _vision(family: str | None, name: str, found: Model | None, catalogue_name: str) -> VisionModel | None:
    """By the name that is given, by a folder's files, by what the names begin with."""
    if family is not None:
        return find_vision_model(family)
    for place in (name, found.source if found else ""):
        try:
            return find_vision_model(place) if "/" in place and not place.endswith(".gguf") else _no_model()
        except InputError as error:
            if error.code not in ("no_such_file", "unknown_model", "no_vision_part", "unsupported_family"):
                raise
    for text in (name.rsplit("/", 1)[-1], catalogue_name):
        if (known := named_family(text)) is not None:
            return find_vision_model(known)
    return None


def _no_model() -> VisionModel:
    raise InputError("There is no folder of a model.", code="no_such_file")


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
    knobs = [setting.name for setting in _limits(vision)]
    if not knobs:
        text = f"{vision.family} makes {tokens} visual tokens of every image, and has no setting that changes it."
        return ("visual_tokens_differ", f"{text} The plan has {wanted}.")
    return (
        "visual_tokens_differ",
        f"The plan has {wanted} visual tokens; the nearest that {vision.family} makes of {which} is {tokens}.",
    )
