"""Idefics2: the image keeps its size between 378 and 980 pixels a side; a resampler makes 64 tokens of it.

    tokens = 64, or 5 x 64 with splitting: four quarters and the whole image

Source: arXiv 2405.02246, section 3; defaults of HuggingFaceM4/idefics2-8b.
Counts: the image tokens; markers: the token around images.
Leaves out: the chat template.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Setting, Settings, fixed, refuse, switch

MODEL_TYPES = ("idefics2",)
SETTINGS = (
    switch("do_image_splitting", "add the four quarters of the image", False, "image.do_image_splitting"),
    Setting("shortest_edge", "shortest side", 378, ("image.size.shortest_edge",), "pixels", 14, 980),
    Setting("longest_edge", "longest side", 980, ("image.size.longest_edge",), "pixels", 14, 980),
    fixed("patch_size", "side of a patch", 14, "config.vision_config.patch_size"),
    fixed(
        "image_seq_len",
        "tokens of an image",
        64,
        "config.perceiver_config.resampler_n_latents",
        unit="tokens",
    ),
)


def _resized(height: int, width: int, settings: Settings) -> tuple[int, int]:
    shortest, longest, ratio = settings["shortest_edge"], settings["longest_edge"], width / height
    if width >= height and width > longest:
        width, height = longest, int(longest / ratio)
    elif height > width and height > longest:
        height, width = longest, int(longest * ratio)
    return max(height, shortest), max(width, shortest)


def count_image(width: int, height: int, settings: Settings) -> Counted:
    """The tokens do not depend on the size; the patches do: all parts are padded to the largest."""
    high, wide = _resized(height, width, settings)
    sizes = [(high, wide)]
    if settings["do_image_splitting"]:
        halves = [(height // 2, height - height // 2), (width // 2, width - width // 2)]
        if min(halves[0][0], halves[1][0]) < 1:
            raise refuse(f"An image of {width} x {height} pixels cannot be cut into quarters.")
        sizes += [_resized(part_y, part_x, settings) for part_y in halves[0] for part_x in halves[1]]
    patch, images = settings["patch_size"], len(sizes)
    patches = images * (max(size[0] for size in sizes) // patch) * (max(size[1] for size in sizes) // patch)
    return Counted(wide, high, patches, images * settings["image_seq_len"], images + 1, images)
