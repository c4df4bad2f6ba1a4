"""Sides rounded to multiples of a factor, the area kept within limits, the aspect ratio nearly kept."""

from __future__ import annotations

import math

from scalelaw.families._contract import Counted, Setting, Settings, fixed, refuse

HIGHEST_RATIO = 200
"""Of the longer side to the shorter."""


def pixel_settings(
    min_pixels: int, max_pixels: int, *, part: str = "image", legacy: bool = True
) -> tuple[Setting, Setting]:
    """The two knobs that limit the area, `min_pixels` and `max_pixels`; of a video they start with `video_`.

    `legacy`: the files may also give them as `min_pixels` and `max_pixels`, which then win.
    """
    prefix = "" if part == "image" else f"{part}_"
    whole = "image" if part == "image" else "video, over all its frames"

    def sources(edge: str, name: str) -> tuple[str, ...]:
        return ((f"{part}.{name}",) if legacy else ()) + (f"{part}.size.{edge}", f"{part}.size.{name}")

    return (
        Setting(
            f"{prefix}min_pixels",
            f"smallest area of a resized {whole}",
            min_pixels,
            sources("shortest_edge", "min_pixels"),
            "pixels",
            minimum=1,
            maximum=10**9,
        ),
        Setting(
            f"{prefix}max_pixels",
            f"largest area of a resized {whole}",
            max_pixels,
            sources("longest_edge", "max_pixels"),
            "pixels",
            minimum=1,
            maximum=10**9,
        ),
    )


def patch_settings(patch_size: int, merge_size: int, *config: str) -> tuple[Setting, Setting]:
    """The two settings of the weights: the side of a patch, and of the square of patches that one token replaces."""
    return (
        fixed(
            "patch_size", "side of a patch", patch_size, "config.vision_config.patch_size", "image.patch_size"
        ),
        fixed(
            "merge_size",
            "patches along a side that become one token",
            merge_size,
            *(config or ("config.vision_config.spatial_merge_size",)),
            "image.merge_size",
            unit="patches",
        ),
    )


def resized_area(
    height: int, width: int, factor: int, min_pixels: float, max_pixels: float
) -> tuple[int, int]:
    """Height and width as multiples of `factor`, with an area within the limits. Refuses ratios above 200."""
    _check_ratio(height, width)
    high, wide = round(height / factor) * factor, round(width / factor) * factor
    if high * wide > max_pixels:
        return _shrunk(height, width, factor, math.sqrt(height * width / max_pixels))
    if high * wide < min_pixels:
        return _grown(height, width, factor, math.sqrt(min_pixels / (height * width)))
    return high, wide


def resized_volume(
    frames: int,
    size: tuple[int, int],
    factor: int,
    limits: tuple[float, float],
    temporal_factor: int,
    *,
    video: bool = True,
) -> tuple[int, int]:
    """The same for frames together: frames x height x width within the limits. An image counts as `temporal_factor`
    frames."""
    height, width = size
    if frames < temporal_factor:
        raise refuse(
            f"A video of {frames} frame is shorter than the {temporal_factor} frames that become one step.",
            video=True,
        )
    if height < factor or width < factor:
        scale = max(factor / height, factor / width)
        height, width = int(height * scale), int(width * scale)
    _check_ratio(height, width, video=video)
    high, wide = round(height / factor) * factor, round(width / factor) * factor
    steps = round(frames / temporal_factor) * temporal_factor
    if steps * high * wide > limits[1]:
        return _shrunk(height, width, factor, math.sqrt(frames * height * width / limits[1]))
    if steps * high * wide < limits[0]:
        return _grown(height, width, factor, math.sqrt(limits[0] / (frames * height * width)))
    return high, wide


def count_area(width: int, height: int, settings: Settings) -> Counted:
    """An image under `min_pixels` and `max_pixels`: one token for each `merge_size` x `merge_size` patches."""
    factor = settings["patch_size"] * settings["merge_size"]
    high, wide = resized_area(height, width, factor, settings["min_pixels"], settings["max_pixels"])
    return merged(high, wide, settings)


def merged(high: int, wide: int, settings: Settings, *, steps: int = 1, frames: int = 1) -> Counted:
    """The count of a resized image, or of a video whose frames became `steps` steps."""
    side, merge = settings["patch_size"], settings["merge_size"]
    patches = steps * (high // side) * (wide // side)
    return Counted(wide, high, patches, patches // merge**2, tiles=frames)


def step(settings: Settings) -> int:
    """The sides are multiples of this."""
    return int(settings["patch_size"] * settings["merge_size"])


def steps_of(frames: int, temporal_patch_size: int) -> int:
    """Frames are filled up with copies of the last one to whole steps."""
    return -(-frames // temporal_patch_size)


def _check_ratio(height: int, width: int, *, video: bool = False) -> None:
    ratio = max(height, width) / min(height, width)
    if ratio > HIGHEST_RATIO:
        raise refuse(
            f"The aspect ratio {ratio:.6g} is above {HIGHEST_RATIO}, which this family refuses.",
            "Crop the image.",
            video=video,
        )


def _shrunk(height: int, width: int, factor: int, beta: float) -> tuple[int, int]:
    return (
        max(factor, math.floor(height / beta / factor) * factor),
        max(factor, math.floor(width / beta / factor) * factor),
    )


def _grown(height: int, width: int, factor: int, beta: float) -> tuple[int, int]:
    return math.ceil(height * beta / factor) * factor, math.ceil(width * beta / factor) * factor
