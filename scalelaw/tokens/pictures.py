"""The images or videos of the queries that a cost is computed for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.errors import InputError
from scalelaw.families._contract import Counted
from scalelaw.tokens.count import check_video, count_one, frames_of, size_of
from scalelaw.tokens.images import Size, read_image_sizes
from scalelaw.tokens.models import VisionModel

MOST_SIZES = 2000
"""Different sizes of images that a cost is computed for."""


@dataclass(frozen=True)
class Pictures:
    """Queries with their images.

    Attributes:
        queries: the sizes of each query's images, all queries with the same number.
        weights: share of each query; together 1.
        frames: where they are videos, of each.
    """

    queries: tuple[tuple[Size, ...], ...]
    weights: np.ndarray
    frames: int | None = None

    @property
    def number(self) -> int:
        """Images of a query."""
        return len(self.queries[0])

    @property
    def is_distribution(self) -> bool:
        """Whether queries differ."""
        return len(self.queries) > 1


def read_pictures(
    images: Sequence[str | tuple[int, int]] = (),
    image_sizes: str | os.PathLike[str] | Sequence[tuple[int, int]] | None = None,
    frames: int | None = None,
) -> Pictures | None:
    """One query with these images, or a query for each size of a file or list; None where there is neither.

    Raises InputError: `usage` for both, and for frames without a size; those of `read_image_sizes`; `too_many_sizes`.
    """
    images = [images] if isinstance(images, str) else images
    if image_sizes is not None:
        if images:
            raise InputError("Image sizes stand alone: give no image besides.", code="usage")
        many = read_image_sizes(image_sizes) if isinstance(image_sizes, (str, os.PathLike)) else None
        pairs = many if many is not None else [(size_of(one), 1) for one in image_sizes]  # type: ignore[union-attr]
        numbers: dict[Size, float] = {}
        for size, number in pairs:
            numbers[size] = numbers.get(size, 0.0) + number
        if not numbers:
            raise InputError("There is no image.", code="bad_image_sizes")
        if len(numbers) > MOST_SIZES:
            raise InputError(
                f"There are {len(numbers):,} different sizes of images, above {MOST_SIZES:,}.",
                code="too_many_sizes",
                hint="Take a sample, or round the sizes.",
            )
        weights = np.array(list(numbers.values()), dtype=float)
        queries = tuple((size,) for size in numbers)
        return Pictures(queries, weights / weights.sum(), None if frames is None else frames_of(frames))
    if not images:
        if frames is not None:
            raise InputError(
                "frames needs the size of a frame.", code="usage", hint="Give --image 1280x720, too."
            )
        return None
    sizes = tuple(size_of(image) for image in images)
    return Pictures((sizes,), np.ones(1), None if frames is None else frames_of(frames))


def count_queries(model: VisionModel, pictures: Pictures, settings: Mapping[str, Any]) -> list[list[Counted]]:
    """The counts of each query's images.

    Raises InputError: `refused_image`, `refused_video`, `no_video`.
    """
    if pictures.frames is not None:
        check_video(model)
        return [
            [model.rules.count_video(pictures.frames, *size, settings) for size in query]
            for query in pictures.queries
        ]
    return [[count_one(model, size, settings, len(query)) for size in query] for query in pictures.queries]
