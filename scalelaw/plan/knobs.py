"""The settings of a family's knobs under which images become a number of visual tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scalelaw.errors import InputError
from scalelaw.families._contract import Counted, Setting
from scalelaw.tokens.count import count_one
from scalelaw.tokens.images import Size
from scalelaw.tokens.models import VisionModel
from scalelaw.tokens.settings import changed, with_lower_limit

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


def exact(vision: VisionModel, settings: Mapping[str, Any], sizes: Sequence[Size] = ()) -> Knobs:
    """These settings, with the largest of these images under them."""
    values = changed(vision.rules.SETTINGS, vision.settings, settings, vision.family)
    counts = [count_one(vision, size, values, max(1, len(sizes))) for size in sizes or LARGE]
    counted = max(counts, key=lambda one: one.visual_tokens)
    resize = (counted.resized_width, counted.resized_height) if limits_tokens(vision) else None
    return Knobs(dict(settings), counted, counted.visual_tokens, resize)


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
            settings = with_lower_limit(AREA, copies * tokens * area, vision.settings)
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

    for setting in limiting_knobs(vision):
        for settings in _values(setting, vision, tokens, further):
            if (counted := further(settings)) is not None:
                rows.append(({**base, **settings}, counted, _most(settings, counted)))
    return min(rows, key=lambda row: (*_rank(row[2], tokens), len(row[0])))


def _most(settings: Mapping[str, Any], counted: Counted) -> int:
    """A limit in tokens holds for every image."""
    limits = [
        value for name, value in settings.items() if name.startswith("max_") and name.endswith("_tokens")
    ]
    return int(max([counted.visual_tokens, *limits]))


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


def limiting_knobs(vision: VisionModel) -> Iterator[Setting]:
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
        yield from (with_lower_limit(setting.name, value, vision.settings) for value in setting.allowed)
        return
    if not isinstance(setting.default, int):
        return
    low, high = int(setting.minimum or 1), int(setting.maximum or 1)
    if high - low <= 64:
        yield from (with_lower_limit(setting.name, value, vision.settings) for value in range(low, high + 1))
        return
    least = count(with_lower_limit(setting.name, low, vision.settings))
    tokens = max(tokens, least.visual_tokens if least else 0)
    while high - low > 1:
        middle = (low + high) // 2
        counted = count(with_lower_limit(setting.name, middle, vision.settings))
        if counted is not None and counted.visual_tokens > tokens:
            high = middle
        else:
            low = middle
    yield with_lower_limit(setting.name, low, vision.settings)
