"""`count_tokens`: how many visual tokens images or videos become, under which settings."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scalelaw.errors import InputError, typed
from scalelaw.families._contract import Counted
from scalelaw.tokens.effects import cheapest_covering, knob_effects
from scalelaw.tokens.images import Size, checked, read_image_size, read_image_sizes
from scalelaw.tokens.models import VisionModel, find_vision_model
from scalelaw.tokens.settings import changed

BINS = 10
MOST_FRAMES = 10**6


@dataclass(frozen=True)
class TokenCount:
    """The visual tokens of images or videos.

    Attributes:
        model, family: what was counted.
        images: one entry for each, with width, height, resized_width, resized_height, patches, visual_tokens,
            prompt_tokens, tiles, columns, rows. Empty for a video and for a file of sizes.
        videos: the same for each video, with its frames (and seconds, where the rate is known).
        visual_tokens: of all of them; of a file of sizes the mean.
        prompt_tokens: places in the LLM's sequence: visual tokens and the markers around them, without the chat
        template.
        patches: that the vision encoder reads, of all of them.
        settings: every setting and its value.
        knobs: what other values of each knob would give: rows of knob, value, visual_tokens, patches.
        cheapest: the settings with the fewest tokens under which no image is reduced, or None.
        distribution: of a file of sizes: n, mean, min, p50, p95, max, histogram.
        files: the model's own files that were read.
        warnings: (code, message) pairs.
    """

    model: str
    family: str
    images: list[dict[str, Any]]
    videos: list[dict[str, Any]]
    visual_tokens: float
    prompt_tokens: float
    patches: float
    settings: dict[str, Any]
    knobs: list[dict[str, Any]]
    cheapest: dict[str, Any] | None
    distribution: dict[str, Any] | None = None
    files: tuple[str, ...] = ()
    warnings: list[tuple[str, str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        content = dict(vars(self))
        del content["warnings"]
        return content


@typed(
    model=("str", "Path"), images=("list", "tuple"), image_sizes=("None", "str", "Path", "list", "tuple"),
    frames=("None", "int"), fps=("None", "int", "float"), settings=("None", "Mapping"),
)  # fmt: skip
def count_tokens(
    model: str | os.PathLike[str],
    images: Sequence[str | tuple[int, int]] = (),
    *,
    image_sizes: str | os.PathLike[str] | Sequence[tuple[int, int]] | None = None,
    frames: int | None = None,
    fps: float | None = None,
    settings: Mapping[str, Any] | None = None,
) -> TokenCount:
    """How many visual tokens these images become, or with `frames` these videos.

    Args:
        model: a family's name (`qwen2.5-vl`), or a folder that has a config.json and a preprocessor_config.json.
        images: (width, height) in pixels, or "1920x1080", or the path of a photo; all in one prompt.
        image_sizes: many images, each alone in its prompt: a csv with width, height and perhaps count, or a list.
        frames: of a video, as many as the model is shown; `images` are then the sizes of frames.
        fps: rate of these frames, which gives the seconds that they span.
        settings: knobs of the family and their values: {"max_pixels": 602112}.

    Raises:
        InputError: `bad_image_size`, `refused_image`, `refused_video`, `no_video`, `unknown_knob`, `knob_out_of_range`,
            `fixed_setting`, and those of `find_vision_model`.
    """
    result = find_vision_model(model)
    values = changed(result.rules.SETTINGS, result.settings, settings or {}, result.family)
    if image_sizes is not None:
        if images or frames is not None:
            raise InputError("Image sizes stand alone: give no image and no frames besides.", code="usage")
        many = read_image_sizes(image_sizes) if isinstance(image_sizes, (str, os.PathLike)) else None
        pairs = many if many is not None else [(size_of(one), 1) for one in image_sizes]  # type: ignore[union-attr]
        return _distribution(result, values, pairs)
    sizes = [size_of(image) for image in images]
    if not sizes:
        raise InputError("There is no image.", code="usage", hint="Give a size such as 1920x1080.")
    if frames is None:
        if fps is not None:
            raise InputError("fps needs the number of frames.", code="usage", hint="Give frames, too.")
        return _images(result, values, sizes)
    return _videos(result, values, sizes, frames_of(frames), fps)


def count_one(model: VisionModel, size: Size, values: Mapping[str, Any], together: int = 1) -> Counted:
    """The count of one image that shares its prompt with `together` - 1 others."""
    if getattr(model.rules, "TOGETHER", False):
        counted: Counted = model.rules.count_image(size.width, size.height, values, together)
    else:
        counted = model.rules.count_image(size.width, size.height, values)
    return counted


def check_video(model: VisionModel) -> None:
    """Raises InputError `no_video` for a family that takes none."""
    if not hasattr(model.rules, "count_video"):
        raise InputError(
            f"{model.family} takes no video.",
            code="no_video",
            hint="Give its frames as images, or leave out frames.",
        )


def size_of(image: str | tuple[int, int] | Sequence[int]) -> Size:
    """The size of an image: (width, height), "1920x1080" or the path of a photo. Raises InputError `bad_image_size`."""
    if isinstance(image, (str, os.PathLike)):
        return read_image_size(os.fspath(image))
    try:
        width, height = (int(side) for side in image)
        if (width, height) != tuple(image):
            raise ValueError("a part of a pixel")
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{image!r} is not a width and a height.", code="bad_image_size") from error
    return checked(width, height, "The image")


def frames_of(frames: int) -> int:
    """The number of frames. Raises InputError `bad_frames` for what is none."""
    if not float(frames).is_integer() or not 1 <= frames <= MOST_FRAMES:
        raise InputError(
            f"A video of {frames} frames cannot be counted.",
            code="bad_frames",
            hint=f"Give a whole number from 1 to {MOST_FRAMES:,}.",
        )
    return int(frames)


def _entry(model: VisionModel, size: Size, counted: Counted) -> dict[str, Any]:
    inside = 0 if getattr(model.rules, "CROSS_ATTENTION", False) else counted.visual_tokens
    return {
        "width": size.width,
        "height": size.height,
        "resized_width": counted.resized_width,
        "resized_height": counted.resized_height,
        "patches": counted.patches,
        "visual_tokens": counted.visual_tokens,
        "prompt_tokens": inside + counted.markers,
        "tiles": counted.tiles,
        "columns": counted.columns,
        "rows": counted.rows,
    }


def _total(entries: Sequence[Mapping[str, Any]], name: str) -> int:
    return sum(entry[name] for entry in entries)


def _images(model: VisionModel, values: dict[str, Any], sizes: list[Size]) -> TokenCount:
    def count(settings: Mapping[str, Any]) -> list[Counted]:
        return [count_one(model, size, settings, len(sizes)) for size in sizes]

    entries = [_entry(model, size, counted) for size, counted in zip(sizes, count(values), strict=True)]
    return TokenCount(
        model=model.name,
        family=model.family,
        images=entries,
        videos=[],
        visual_tokens=_total(entries, "visual_tokens"),
        prompt_tokens=_total(entries, "prompt_tokens"),
        patches=_total(entries, "patches"),
        settings=values,
        knobs=knob_effects(model, values, count, video=False),
        cheapest=cheapest_covering(model, values, count, [(size.width, size.height) for size in sizes]),
        files=model.files,
        warnings=list(model.warnings),
    )


def _videos(
    model: VisionModel, values: dict[str, Any], sizes: list[Size], frames: int, fps: float | None
) -> TokenCount:
    check_video(model)
    if fps is not None and not 0 < fps <= 10**6:
        raise InputError(f"fps = {fps} is not a rate of frames.", code="bad_frames")

    def count(settings: Mapping[str, Any]) -> list[Counted]:
        return [model.rules.count_video(frames, size.width, size.height, settings) for size in sizes]

    entries = [_entry(model, size, counted) for size, counted in zip(sizes, count(values), strict=True)]
    seconds = {} if fps is None else {"seconds": frames / fps}
    entries = [{"frames": frames, **seconds, **entry} for entry in entries]
    return TokenCount(
        model=model.name,
        family=model.family,
        images=[],
        videos=entries,
        visual_tokens=_total(entries, "visual_tokens"),
        prompt_tokens=_total(entries, "prompt_tokens"),
        patches=_total(entries, "patches"),
        settings=values,
        knobs=knob_effects(model, values, count, video=True),
        cheapest=None,
        files=model.files,
        warnings=[
            *model.warnings,
            ("video_text", "The text that a processor writes between frames is not counted."),
        ],
    )


def _distribution(model: VisionModel, values: dict[str, Any], sizes: list[tuple[Size, int]]) -> TokenCount:
    """Each size is counted once."""
    numbers: dict[Size, int] = {}
    for size, number in sizes:
        numbers[size] = numbers.get(size, 0) + number
    if not numbers:
        raise InputError("There is no image.", code="bad_image_sizes")
    entries = []
    for size in numbers:
        try:
            entries.append(_entry(model, size, count_one(model, size, values)))
        except InputError as error:
            where = f"The image of {size.width} x {size.height} pixels: {error.message}"
            raise InputError(where, code=error.code, hint=error.hint) from error
    weights = np.array(list(numbers.values()), dtype=float)
    tokens = np.array([entry["visual_tokens"] for entry in entries], dtype=float)

    def mean(name: str) -> float:
        return float(np.average([entry[name] for entry in entries], weights=weights))

    def count(settings: Mapping[str, Any]) -> list[Counted]:
        return [count_one(model, size, settings) for size in numbers]

    rows = knob_effects(model, values, count, video=False) if len(numbers) <= 2000 else []
    for row in rows:
        settings = {**values, row["knob"]: row["value"]}
        result = count(settings)
        row["visual_tokens"] = float(np.average([one.visual_tokens for one in result], weights=weights))
        row["patches"] = float(np.average([one.patches for one in result], weights=weights))
    return TokenCount(
        model=model.name,
        family=model.family,
        images=[],
        videos=[],
        visual_tokens=mean("visual_tokens"),
        prompt_tokens=mean("prompt_tokens"),
        patches=mean("patches"),
        settings=values,
        knobs=rows,
        cheapest=None,
        distribution=_summary(tokens, weights),
        files=model.files,
        warnings=list(model.warnings),
    )


def _summary(tokens: np.ndarray, weights: np.ndarray) -> dict[str, Any]:
    """A percentile is a number of tokens that occurs, the smallest that this share of the images does not exceed."""
    order = np.argsort(tokens, kind="stable")
    shares = np.cumsum(weights[order]) / weights.sum()

    def percentile(share: float) -> float:
        return float(tokens[order][min(int(np.searchsorted(shares, share - 1e-12)), len(tokens) - 1)])

    counts, edges = np.histogram(tokens, bins=BINS if tokens.min() < tokens.max() else 1, weights=weights)
    bins = [
        {"from": float(low), "to": float(high), "images": int(number)}
        for low, high, number in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    return {
        "n": int(weights.sum()),
        "mean": float(np.average(tokens, weights=weights)),
        "min": float(tokens.min()),
        "p50": percentile(0.5),
        "p95": percentile(0.95),
        "max": float(tokens.max()),
        "histogram": bins,
    }
