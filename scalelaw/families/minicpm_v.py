"""MiniCPM-V 4.6: the whole image near 448 x 448 pixels in area, and slices of that area where it is larger.

    tokens = patches / 16 (or / 4) of the whole image and of each slice; a patch is 14 x 14 pixels

Source: arXiv 2408.01800, section 3.1, and the class MiniCPMV4_6ImageProcessor of transformers, whose defaults these
are.
Counts: the image tokens; markers: begin and end of the image and of each slice, and the line breaks between rows.
Leaves out: the image's number, which is text; a video's stacked frames (`stack_frames` above 1) and its sampling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scalelaw.families._contract import Counted, Setting, Settings, fixed, switch
from scalelaw.families._vision import LAYER_NORM, Fields, blocks, patch_tower, shrunk, square_side
from scalelaw.model_shapes.reading import number_of, whole
from scalelaw.model_shapes.vision import PROJECTOR, TOWER, Part, Seen, VisionShape

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


FACTORS = {"4x": 2, "16x": 4}
"""Patches along a side that become one token."""


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
    factor = settings["patch_size"] * FACTORS.get(settings.get("downsample_mode", ""), 1)
    return _nearest(height, factor), _nearest(width, factor)


def count_slices(width: int, height: int, settings: Settings, *, sliced: bool, most: int) -> Counted:
    """The whole image and its slices, `most` at most; the sides of each are multiples of what becomes one token."""
    patch, divisor = settings["patch_size"], FACTORS.get(settings.get("downsample_mode", ""), 1) ** 2
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
        views=(
            (high // patch, wide // patch, 1),
            (slice_high // patch, slice_wide // patch, slices),
        ),
    )


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """The whole image, and its slices."""
    return count_slices(
        width, height, settings, sliced=settings["slice_mode"], most=settings["max_slice_nums"]
    )


def count_video(frames: int, width: int, height: int, settings: Settings) -> Counted:
    """Each frame is an image of its own."""
    sliced, most = settings["video_slice_mode"], settings["video_max_slice_nums"]
    one = count_slices(width, height, settings, sliced=sliced, most=most)
    return Counted(
        one.resized_width,
        one.resized_height,
        frames * one.patches,
        frames * one.visual_tokens,
        frames * one.markers,
        frames * one.tiles,
        one.columns,
        one.rows,
        views=tuple(
            (rows, columns, frames * number)
            for rows, columns, number in one.views or (_grid_of(one, settings),)
        ),
    )


def _grid_of(one: Counted, settings: Settings) -> tuple[int, int, int]:
    """The patches of an image that is not cut."""
    patch = settings["patch_size"]
    return one.resized_height // patch, one.resized_width // patch, 1


@dataclass(frozen=True)
class TwoWays(VisionShape):
    """An encoder that merges patches between two of its layers, or with `downsample_mode` 4x does not."""

    parts_4x: tuple[Part, ...] = ()

    def flops(self, seen: Seen) -> dict[str, float]:
        """The patches of a token give the way."""
        if seen.patches < 8 * seen.visual_tokens:
            return VisionShape(self.name, self.parts_4x, self.width, self.patch).flops(seen)
        return super().flops(seen)


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP on each slice; attention among 2 x 2 patches merges them behind one of its layers, and two matrices merge
    2 x 2 of what remains."""
    width, patch = whole(vision, "hidden_size"), square_side(vision, "patch_size")
    feed_forward, layers = whole(vision, "intermediate_size"), whole(vision, "num_hidden_layers")
    inserted = top.get("insert_layer_id", vision.get("insert_layer_id", 6))
    before = min(int(number_of("insert_layer_id", inserted)) + 1, layers)
    embedded, _ = tower = patch_tower(vision, (square_side(vision, "image_size") // patch) ** 2)
    times, llm = whole(top, "merger_times", 1), text_width
    widths = [width] * (times - 1) + [llm]
    steps = [
        Part(PROJECTOR, "nothing", 16 * width**2 + 4 * width * out, 4 * width + LAYER_NORM * 4 * width + out)
        for out in widths
    ]

    def mergers(shrink: int) -> tuple[Part, ...]:
        return tuple(shrunk(step, shrink * 4 ** (place + 1)) for place, step in enumerate(steps))

    merging = Part(TOWER, "patch", 4 * width**2, (4 + LAYER_NORM) * width, 0)
    four = 4 * width * 4 * feed_forward + 4 * feed_forward * width
    widened = Part(TOWER, "nothing", four, LAYER_NORM * 4 * width + 4 * feed_forward + width)

    def within_fours(rows: int, columns: int) -> int:
        return 2 * width * 4 * rows * columns

    insert = (merging, Part(TOWER, "nothing", 0, work=within_fours), shrunk(widened, 4))
    first, second = (blocks(number, width, feed_forward) for number in (before, layers - before))
    parts = (embedded, first, *insert, shrunk(second, 4), *mergers(4))
    unused = tuple(replace(part, on="nothing", pair=0, work=None) for part in insert)
    if before < 1:
        parts = (*tower, *unused, *mergers(1))
    return TwoWays("minicpmv4_6_vision", parts, width, patch, parts_4x=(*tower, *unused, *mergers(1)))
