"""What every family is made of: its settings, and the count of one image or video."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scalelaw.errors import InputError

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """A number that the count depends on.

    Attributes:
        name: as the model's own files call it where they do.
        meaning: what it is, in a few words.
        default: of the released checkpoint that the family's docstring names, or of its processor's class.
        sources: where a model's files give it, the first one that is there wins: `image.size.height` is in
            preprocessor_config.json, `video.` in video_preprocessor_config.json, `processor.` in processor_config.json,
            `config.` in config.json. Sources of a setting that is no knob must agree.
        unit: of the value.
        minimum, maximum: the range, both ends allowed.
        allowed: the values, where only these are.
        knob: whether a user may change it without other weights.
    """

    name: str
    meaning: str
    default: Any
    sources: tuple[str, ...] = ()
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[Any, ...] = ()
    knob: bool = True


@dataclass(frozen=True)
class Counted:
    """One image, or one video.

    Attributes:
        resized_width, resized_height: of the image that the encoder sees, in pixels: before it is cut into tiles, with
            what is padded; of one frame of a video.
        patches: that the encoder reads, over all tiles, the thumbnail and the frames; without class tokens.
        visual_tokens: that the LLM reads, with learned row breaks among them where the model has such.
        markers: other tokens that the processor writes around and between them in the prompt: begin and end of the
        image,
            names of tiles, breaks. A run of line breaks is one token.
        tiles: images that the encoder sees: tiles, thumbnail, frames.
        columns, rows: of the grid of tiles.
        kept: width and height of the image itself at its smallest, where they are not the resized ones: before padding,
            or before it is enlarged again.
        views: (rows, columns, number) in patches of the images that the encoder sees, where they differ in size.
        pooled: patches that are pooled into tokens, each as often as it is, with padding; 0 where each is one time.
    """

    resized_width: int
    resized_height: int
    patches: int
    visual_tokens: int
    markers: int = 0
    tiles: int = 1
    columns: int = 1
    rows: int = 1
    kept: tuple[int, int] | None = None
    views: tuple[tuple[int, int, int], ...] = ()
    pooled: int = 0


def fixed(name: str, meaning: str, default: Any, *sources: str, unit: str = "pixels") -> Setting:
    """A setting that belongs to the weights."""
    return Setting(name, meaning, default, sources, unit, knob=False)


def switch(name: str, meaning: str, default: bool, *sources: str) -> Setting:
    """A knob that is on or off."""
    return Setting(name, meaning, default, sources, allowed=(False, True))


def refuse(message: str, hint: str = "", *, video: bool = False) -> InputError:
    """The error for an image (or video) that the model's own processor refuses."""
    return InputError(message, code="refused_video" if video else "refused_image", hint=hint)
