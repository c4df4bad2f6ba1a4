"""What each knob would change, and the cheapest setting that still shows the whole image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from scalelaw.errors import InputError
from scalelaw.families._contract import Counted, Setting
from scalelaw.tokens.models import VisionModel
from scalelaw.tokens.settings import check_pairs

FACTORS = (0.25, 0.5, 2, 4)
"""Of the value from which a knob has an effect: what is tried of a knob with many values."""
FEW = 64
"""Values of a knob that are all tried; of more, the smallest that covers is searched by halving."""
Count = Callable[[Mapping[str, Any]], list[Counted]]
"""The counts of all images under these settings."""


def knob_effects(
    model: VisionModel, values: Mapping[str, Any], count: Count, *, video: bool
) -> list[dict[str, Any]]:
    """For each knob that matters here, other values and what they would give.

    Returns rows {knob, value, visual_tokens, patches}; a value that changes nothing, or that the model refuses for
    these images, is left out.
    """
    now, rows = _try(count, values), []
    for setting in knobs_for(model, video=video):
        for value in _others(setting, binding_value(setting, values, count), values[setting.name]):
            counts = _try(count, {**values, setting.name: value})
            if counts is not None and counts != now:
                rows.append({"knob": setting.name, "value": value, **_sums(counts)})
    return rows


def cheapest_covering(
    model: VisionModel, values: Mapping[str, Any], count: Count, sizes: list[tuple[int, int]]
) -> dict[str, Any] | None:
    """The one changed knob (or none) with the fewest visual tokens under which no image is reduced.

    Returns {settings, visual_tokens, patches}, or None where no single knob does it.
    """

    def covers(changed: Mapping[str, Any]) -> dict[str, Any] | None:
        settings = {**values, **changed}
        counts = _try(count, settings)
        if counts is None or not all(
            _covers(model, settings, one, size) for one, size in zip(counts, sizes, strict=True)
        ):
            return None
        return {"settings": dict(changed), **_sums(counts)}

    best = [counts] if (counts := covers({})) else []
    for setting in knobs_for(model, video=False):
        best += [
            counts
            for value in _covering(setting, values, covers)
            if (counts := covers({setting.name: value}))
        ]
    return min(
        best, key=lambda row: (row["visual_tokens"], row["patches"], len(row["settings"])), default=None
    )


def _covers(model: VisionModel, settings: Mapping[str, Any], counted: Counted, size: tuple[int, int]) -> bool:
    """A side may lose half a step, by rounding to the nearest multiple."""
    if counted.kept is not None:
        return counted.kept[0] >= size[0] and counted.kept[1] >= size[1]
    half = model.rules.STEP(settings) / 2 if hasattr(model.rules, "STEP") else 0
    width, height = counted.resized_width, counted.resized_height
    return width >= size[0] - half and height >= size[1] - half


def _covering(setting: Setting, values: Mapping[str, Any], covers: Callable[..., Any]) -> Iterator[Any]:
    if setting.allowed:
        yield from (value for value in setting.allowed if value != values[setting.name])
        return
    low, high = int(setting.minimum or 1), int(setting.maximum or 1)
    if not isinstance(setting.default, int):
        return
    if high - low <= FEW:
        yield from range(low, high + 1)
        return
    if setting.name.startswith("min_"):  # raising it only enlarges; its upper limit does not bind there
        return
    if covers({setting.name: high}) is None:
        return
    while low < high:
        middle = (low + high) // 2
        if covers({setting.name: middle}) is None:
            low = middle + 1
        else:
            high = middle
    yield low


def knobs_for(model: VisionModel, *, video: bool) -> Iterator[Setting]:
    """The knobs that matter to images, or to videos."""
    both = {s.name.removeprefix("video_") for s in model.rules.SETTINGS if s.name.startswith("video_")}
    for setting in model.rules.SETTINGS:
        of_video = setting.name.startswith("video_") or setting.name == "cap_pixels_per_frame"
        if setting.knob and (of_video or setting.name not in both if video else not of_video):
            yield setting


def binding_value(setting: Setting, values: Mapping[str, Any], count: Count) -> Any:
    """The present value of a limit, or where it does not bind the value at which it would begin to."""
    present = values[setting.name]
    upper = "max_" in setting.name or setting.name == "longest_edge"
    lower = "min_" in setting.name or setting.name == "shortest_edge"
    if (
        setting.allowed
        or not isinstance(setting.default, int)
        or (setting.maximum or 0) <= FEW
        or not (upper or lower)
    ):
        return present
    now = _try(count, values)
    inner, outer = present, int((setting.minimum if upper else setting.maximum) or 1)
    while abs(inner - outer) > 1:
        middle = (inner + outer) // 2
        if _try(count, {**values, setting.name: middle}) == now:
            inner = middle
        else:
            outer = middle
    return inner


def _others(setting: Setting, base: Any, present: Any) -> list[Any]:
    if setting.allowed:
        others = [value for value in setting.allowed if value != present]
        if len(others) > 12:
            at = setting.allowed.index(present)
            others = [
                setting.allowed[i] for i in sorted({0, at // 2, min(2 * at, len(setting.allowed) - 1)} - {at})
            ]
        return others
    low, high = setting.minimum, setting.maximum
    kind = int if isinstance(setting.default, int) else float
    scaled = (kind(base * factor) for factor in FACTORS)
    inside = (
        min(max(value, kind(low if low is not None else value)), kind(high if high is not None else value))
        for value in scaled
    )
    return sorted(set(inside) - {present})


def _try(count: Count, settings: Mapping[str, Any]) -> list[Counted] | None:
    try:
        check_pairs(settings)
        return count(settings)
    except InputError:
        return None


def _sums(counts: list[Counted]) -> dict[str, int]:
    return {
        "visual_tokens": sum(one.visual_tokens for one in counts),
        "patches": sum(one.patches for one in counts),
    }
