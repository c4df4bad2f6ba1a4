"""Idefics2: the image keeps its size between 378 and 980 pixels a side; a resampler makes 64 tokens of it.

    tokens = 64, or 5 x 64 with splitting: four quarters and the whole image

Source: arXiv 2405.02246, section 3; defaults of HuggingFaceM4/idefics2-8b.
Counts: the image tokens; markers: the token around images.
Leaves out: the chat template.
"""

from __future__ import annotations

from scalelaw.families._contract import Counted, Setting, Settings, fixed, refuse, switch
from scalelaw.families._vision import Fields, inner_fields, linear, patch_tower
from scalelaw.model_shapes.reading import whole
from scalelaw.model_shapes.vision import PROJECTOR, Part, VisionShape

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


PERCEIVER = {
    "resampler_n_latents": 64, "resampler_depth": 3, "resampler_n_heads": 16, "resampler_head_dim": 96,
    "num_key_value_heads": 4,
}  # fmt: skip
"""Of the resampler, where its configuration leaves them out."""


def vision_shape(vision: Fields, top: Fields, text_width: int) -> VisionShape:
    """SigLIP on each image, a gated feed-forward at each patch, and a resampler with learned queries."""
    patch = whole(vision, "patch_size")
    reader = {**PERCEIVER, **inner_fields(top, "perceiver_config")}
    latents, depth = whole(reader, "resampler_n_latents"), whole(reader, "resampler_depth")
    head, heads = whole(reader, "resampler_head_dim"), whole(reader, "resampler_n_heads")
    shared, inner = whole(reader, "num_key_value_heads") * head, heads * head
    wide, middle = text_width, whole(top["language"], "intermediate_size")
    both = wide * (2 * inner + 12 * wide)
    keys = 2 * wide * shared

    def work(rows: int, columns: int) -> int:
        tokens = rows * columns + latents
        return depth * (both * latents + keys * tokens + 2 * inner * latents * tokens)

    first = whole(vision, "hidden_size")
    parts = (
        *patch_tower(vision, (whole(vision, "image_size") // patch) ** 2),
        linear(first, middle, "patch", bias=False, times=2),
        linear(middle, wide, "patch", bias=False),
        Part(PROJECTOR, "nothing", depth * (both + keys), (latents + 3 * depth + 1) * wide, work=work),
    )
    return VisionShape("idefics2_vision", parts, first, patch)
