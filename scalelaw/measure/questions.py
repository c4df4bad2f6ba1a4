"""The prompts of a measurement: text of a known length and pictures that no cache has seen."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from scalelaw.tokens.images import Size

WORDS = (
    "time", "year", "work", "life", "hand", "part", "case", "week", "side", "line", "name", "home", "word", "book",
    "room", "area", "view", "road", "form", "city", "door", "idea", "body", "face", "team", "hour", "game", "rate",
    "land", "food", "wall", "tree",
)  # fmt: skip
"""Words of four letters, so that prompts of equally many words have about equally many tokens."""

BLOCK, QUALITY = 16, 90
"""Pixels of a colored block of a picture; quality of its JPEG."""


@dataclass(frozen=True)
class Question:
    """What one request sends: the words of its text, pictures as JPEG files, and how many tokens to generate."""

    text: str
    pictures: tuple[bytes, ...]
    generate: int

    def content(self) -> list[dict[str, Any]]:
        """The content of a chat message; pictures come first, so that no prefix is shared with another request."""
        pictures = [
            {
                "type": "image_url",
                "image_url": {"url": "data:image/jpeg;base64," + base64.b64encode(picture).decode()},
            }
            for picture in self.pictures
        ]
        return [*pictures, {"type": "text", "text": self.text}]


class QuestionMaker:
    """Makes questions that differ from each other: random words, and random blocks of color as pictures."""

    def __init__(self, seed: int | None) -> None:
        self._seeds = np.random.SeedSequence(seed)

    def make(self, size: Size | None, images: int, words: int, generate: int) -> Question:
        """A question with its own text and pictures. None for `size`: without pictures."""
        random = np.random.default_rng(self._seeds.spawn(1)[0])
        text = " ".join(WORDS[index] for index in random.integers(0, len(WORDS), words))
        pictures = () if size is None else tuple(picture(size, random) for _ in range(images))
        return Question(text, pictures, generate)


def picture(size: Size, random: np.random.Generator) -> bytes:
    """A JPEG file of random blocks of color, blurred into each other, about as large as a photo's."""
    from PIL import Image

    columns, rows = (max(1, -(-side // BLOCK)) for side in size)
    blocks = random.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize((size.width, size.height), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def reduced(size: Size, max_pixels: int) -> Size:
    """The size scaled down to an area of at most `max_pixels`; the ratio of its sides stays."""
    factor = min(1.0, (max_pixels / (size.width * size.height)) ** 0.5)
    return Size(max(1, int(size.width * factor)), max(1, int(size.height * factor)))
