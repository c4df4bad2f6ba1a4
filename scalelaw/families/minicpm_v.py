"""MiniCPM-V 4.6: the whole image near 448 x 448 pixels in area, and slices of that area where it is larger.

    tokens = patches / 16 (or / 4) of the whole image and of each slice; a patch is 14 x 14 pixels

Source: arXiv 2408.01800, section 3.1, and the class MiniCPMV4_6ImageProcessor of transformers, whose defaults these
are.
Counts: the image tokens; markers: begin and end of the image and of each slice, and the line breaks between rows.
Leaves out: the image's number, which is text; a video's stacked frames (`stack_frames` above 1) and its sampling.
"""

from __future__ import annotations

import math

from scalelaw.families._contract import Counted, Setting, Settings, fixed, switch

MODEL_TYPES = ("minicpmv4_6", "minicpmv4_7")
SETTINGS = (
    Setting("max_slice_nums", "most slices of an image", 9, ("image.max_slice_nums",), "slices", 1, 64),
    Setting(
        "scale_resolution",
        "side of the square whose area the image and each slice get",
        448,
        ("image.scale_resolution",),
        "pixels",
        56,
        4096,
    ),
    switch("slice_mode", "cut a large image into slices", True, "image.slice_mode"),
    Setting(
        "downsample_mode",
        "patches that become one token",
        "16x",
        ("image.downsample_mode", "config.downsample_mode"),
        allowed=("4x", "16x"),
    ),
    Setting("video_max_slice_nums", "most slices of a frame", 9, ("video.max_slice_nums",), "slices", 1, 64),
    switch("video_slice_mode", "cut a large frame into slices", True, "video.slice_mode"),
    fixed("patch_size", "side of a patch", 14, "image.patch_size"),
)


def _grid(width: int, height: int, most: int, scale: int) -> tuple[int, int] | None:
    """(rows, columns), or None for no slices."""
    target = math.log(width / height)
    wanted = min(math.ceil(width * height / (scale * scale)), most)
    if wanted <= 1:
        return None
    best, least = (1, 1), float("inf")
    for slices in (wanted - 1, wanted, wanted + 1):
        if slices == 1 or slices > most:
            continue
        for rows in range(1, slices + 1):
            if slices % rows == 0:
                error = abs(target - math.log(slices // rows / rows))
                if error < least or (error == least and rows > best[0]):
                    best, least = (rows, slices // rows), error
    return best


def _nearest(length: float, divisor: int) -> int:
    return max(round(length / divisor) * divisor, divisor)


def _resized(height: float, width: float, settings: Settings, *, enlarge: bool) -> tuple[int, int]:
    scale = settings["scale_resolution"]
    if height * width > scale * scale or enlarge:
        ratio = width / height
        height = int(scale / math.sqrt(ratio))
        width = int(height * ratio)
    factor = settings["patch_size"] * (2 if settings["downsample_mode"] == "4x" else 4)
    return _nearest(height, factor), _nearest(width, factor)


def _count(width: int, height: int, settings: Settings, *, sliced: bool, most: int) -> Counted:
    patch, divisor = settings["patch_size"], 4 if settings["downsample_mode"] == "4x" else 16
    grid = _grid(width, height, most, settings["scale_resolution"]) if sliced else None
    high, wide = _resized(height, width, settings, enlarge=grid is None)
    patches = (high // patch) * (wide // patch)
    if grid is None:
        return Counted(wide, high, patches, patches // divisor, 2)
    rows, columns = grid
    inner = _nearest(height, rows) / rows, _nearest(width, columns) / columns
    slice_high, slice_wide = _resized(*inner, settings, enlarge=True)
    of_slice = (slice_high // patch) * (slice_wide // patch)
    slices = rows * columns
    return Counted(
        slice_wide * columns,
        slice_high * rows,
        patches + slices * of_slice,
        patches // divisor + slices * (of_slice // divisor),
        2 + 2 * slices + rows - 1,
        1 + slices,
        columns,
        rows,
    )


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """The whole image, and its slices."""
    return _count(width, height, settings, sliced=settings["slice_mode"], most=settings["max_slice_nums"])


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Each frame is an image of its own."""
    sliced, most = settings["video_slice_mode"], settings["video_max_slice_nums"]
    one = _count(width, height, settings, sliced=sliced, most=most)
    return Counted(
        one.resized_width,
        one.resized_height,
        frames * one.patches,
        frames * one.visual_tokens,
        frames * one.markers,
        frames * one.tiles,
        one.columns,
        one.rows,
    )
