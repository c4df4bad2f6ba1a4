"""A stand-in for torchvision that knows sizes only, so that the processors of transformers run on meta tensors.

torchvision is no dependency of this project. The processors use it to resize, crop and pad; how many tokens an image
becomes depends on the sizes alone. `install` must run before transformers is imported, in a process of its own.
"""

from __future__ import annotations

import enum
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch


class InterpolationMode(enum.Enum):
    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def resize(image: torch.Tensor, size: Any, *_: Any, **__: Any) -> torch.Tensor:
    """The tensor that a resize gives, without its pixels; a side of 0 is refused, as torch refuses it."""
    height, width = (int(side) for side in size)
    if min(height, width, *image.shape[-2:]) <= 0:
        raise ValueError(f"Input and output sizes should be greater than 0, but got {height} x {width}")
    return image.new_empty((*image.shape[:-2], height, width))


def pad(image: torch.Tensor, padding: Any, *_: Any, **__: Any) -> torch.Tensor:
    """left, top, right, bottom."""
    left, top, right, bottom = (int(side) for side in padding)
    height, width = image.shape[-2:]
    return image.new_empty((*image.shape[:-2], height + top + bottom, width + left + right))


def crop(image: torch.Tensor, top: int, left: int, height: int, width: int) -> torch.Tensor:
    return image.new_empty((*image.shape[:-2], height, width))


def same(image: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return image


def install() -> None:
    """Put the stand-in where `import torchvision` finds it."""
    modules = {
        name: ModuleType(name)
        for name in (
            "torchvision",
            "torchvision.io",
            "torchvision.ops",
            "torchvision.ops.boxes",
            "torchvision.transforms",
            "torchvision.transforms.functional",
            "torchvision.transforms.v2",
            "torchvision.transforms.v2.functional",
        )
    }
    for name, module in modules.items():
        module.__spec__ = ModuleSpec(name, None, is_package=True)
        module.__path__ = []  # type: ignore[attr-defined]
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(modules[parent], child, module)
    functions: dict[str, Any] = {
        "InterpolationMode": InterpolationMode,
        "resize": resize,
        "pad": pad,
        "crop": crop,
    }
    functions.update(dict.fromkeys(("normalize", "grayscale_to_rgb", "rgb_to_grayscale", "to_dtype"), same))
    functions.update(dict.fromkeys(("to_image", "to_tensor", "pil_to_tensor", "to_pil_image"), same))
    for name in ("torchvision.transforms.functional", "torchvision.transforms.v2.functional"):
        vars(modules[name]).update(functions)
    modules["torchvision.transforms"].InterpolationMode = InterpolationMode  # type: ignore[attr-defined]
    modules["torchvision.io"].ImageReadMode = modules["torchvision.io"].decode_image = None  # type: ignore[attr-defined]
    modules["torchvision.ops.boxes"].batched_nms = None  # type: ignore[attr-defined]
    modules["torchvision"].__version__ = "0.28.0"  # type: ignore[attr-defined]
    modules["torchvision"].__file__ = __file__
    sys.modules.update(modules)
