"""What transformers' own processors count: the numbers that the families are compared with.

Run as a program: reads a JSON list of requests on stdin, {family, settings, images: [[width, height], ...], videos:
[[frames, width, height], ...], together}, and writes for each image and video [visual tokens, markers, patches], or the
processor's own error as a string. Images are meta tensors: they have a size and no pixels. With `--pil` they are real,
and image processors are those that use pillow.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
from collections.abc import Callable
from typing import Any

import torch
from builders import BUILDERS
from pieces import PIL, Made, Settings
from PIL import Image
from torch.overrides import TorchFunctionMode
from transformers.video_utils import VideoMetadata

_MARKER = re.compile(r"<[^<>\s]+>|</[^<>]+>|\[IMG\w*\]|\|[A-Z]+\||TILE_GLOBAL|TILE_\d+|\n+")


class OnCpu(TorchFunctionMode):
    """Small tensors that a processor computes numbers from are made on the CPU, whatever device is asked for."""

    names = (torch.ones, torch.tensor, torch.arange)

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if function in self.names:
            kwargs.pop("device", None)
        return function(*args, **kwargs)


READS_VALUES = ("gemma4", "llama4", "molmo2", "phi4_multimodal")
"""Families whose processors compute numbers from small tensors; these need real ones."""


def images(family: str, made: Made, sizes: list[list[int]], together: int = 1) -> list[Any]:
    """[visual tokens, markers] of each image, or the processor's error."""
    processor, call, _ = made
    processor.defaults = processor._merge_kwargs()["images_kwargs"]
    return [
        _attempt(family, lambda size=size: _image(processor, dict(call), size, together)) for size in sizes
    ]


def videos(family: str, made: Made, sizes: list[list[int]]) -> list[Any]:
    processor, _, call = made
    processor.defaults = processor._merge_kwargs()["videos_kwargs"]
    return [_attempt(family, lambda size=size: _video(family, processor, dict(call), size)) for size in sizes]


def _attempt(family: str, run: Callable[[], Any]) -> Any:
    try:
        with OnCpu() if family in READS_VALUES else contextlib.nullcontext():
            return run()
    except (
        ValueError,
        RuntimeError,
        ZeroDivisionError,
        IndexError,
        AttributeError,
        TypeError,
        KeyError,
    ) as error:
        return f"{type(error).__name__}: {error}"


def _image(processor: Any, call: Settings, size: list[int], together: int) -> list[int]:
    width, height = size
    if call.pop("arithmetic", False):
        return [
            *processor._get_num_multimodal_tokens(image_sizes=[[height, width]])["num_image_tokens"],
            -1,
            -1,
        ]
    device = "cpu" if call.pop("real", False) else "meta"
    picture: Any = torch.empty(3, height, width, dtype=torch.uint8, device=device)
    how = {"input_data_format": "channels_first"}
    if PIL:
        picture, how = Image.new("RGB", (width, height), (200, 100, 50)), {}
    pictures = [[picture] * together] if together > 1 else [picture]
    if hasattr(processor, "tokens_of"):
        inputs = processor.image_processor(pictures, **how, **call)
        return [*processor.tokens_of(inputs), _patches(processor, inputs)]
    defaults = dict(processor.defaults)
    inputs, texts = processor._process_images(pictures, **{**defaults, **how, **call})
    return [*_counts(processor, texts[0]), -1 if together > 1 else _patches(processor, inputs)]


def _patches(processor: Any, inputs: Any) -> int:
    """The patches of the encoder, read off what it is handed; -1 where that does not say."""
    if "num_tiles" in inputs:
        height, width = inputs["pixel_values"].shape[-2:]
        return (
            sum(inputs["num_tiles"][0]) * (height // processor.patch_side) * (width // processor.patch_side)
        )
    if "image_position_ids" in inputs:
        return int((inputs["image_position_ids"][0, :, 0] >= 0).sum())
    if PIL and "pixel_values" in inputs and str(getattr(inputs["pixel_values"], "dtype", "")) == "object":
        return -1
    for name in ("image_grid_thw", "spatial_shapes", "target_sizes"):
        if name in inputs:
            return sum(math.prod(int(n) for n in row) for row in inputs[name])
    total = 0
    for name in ("pixel_values", "pixel_values_local", "image_pixel_values"):
        for part in inputs.get(name, ()):
            *outer, height, width = part.shape
            if not outer or outer[-1] != 3:
                return -1
            side = processor.patch_side
            total += math.prod(outer[:-1]) * (height // side) * (width // side)
    return total or -1


def _counts(processor: Any, text: str) -> list[int]:
    token = ""
    for known in (
        getattr(processor, "counted_token", ""),
        "<patch>",
        "<IMG_ATOM>",
        "<context>",
        "[IMG]",
        "<image>",
        "<imgpad>",
        "|SPEAKER|",
        "<video>",
    ):
        if known and known in text:
            token = known
            break
    if not token:
        return [0, len(_MARKER.findall(text))]
    return [text.count(token), len(_MARKER.findall(text.replace(token, "")))]


def _video(family: str, processor: Any, call: Settings, size: list[int]) -> list[int]:
    frames, width, height = size
    clip = torch.empty(frames, 3, height, width, dtype=torch.uint8, device="meta")
    about = VideoMetadata(
        total_num_frames=frames,
        fps=2.0,
        duration=frames / 2,
        frames_indices=list(range(frames)),
        width=width,
        height=height,
    )
    defaults = dict(processor.defaults)
    call = {
        **defaults,
        "do_sample_frames": False,
        "input_data_format": "channels_first",
        "return_metadata": True,
        **call,
    }
    if family == "ernie4_5_vl":
        call["draw_on_frames"] = False
    _, texts = processor._process_videos([clip], video_metadata=[about], **call)
    return _counts(processor, texts[0])


def answer(family: str, request: dict[str, Any]) -> dict[str, Any]:
    """What the processors count for one request."""
    try:
        made = BUILDERS[family](request["settings"])
    except ImportError as error:  # with pillow: there is only one for torchvision
        return {"unavailable": str(error)}
    made[0].patch_side = request["settings"].get("patch_size", 1)
    return {
        "images": images(family, made, request.get("images", []), request.get("together", 1)),
        "videos": videos(family, made, request.get("videos", [])),
    }


if __name__ == "__main__":
    requests = json.load(sys.stdin)
    json.dump([answer(request["family"], request) for request in requests], sys.stdout)
