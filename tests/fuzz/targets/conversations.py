"""Aims at conversations in LLaVA's JSON and at the images they name."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import mutations as by
from PIL import Image

from scalelaw.datasets.llava_json import Conversations

from .shared import Chance, Target, _file


@cache
def _images() -> list[bytes]:
    made = []
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (200, 10, 90)).save(file, kind)
        made.append(file.getvalue())
    return made


CONVERSATIONS = [
    {"id": "1", "image": "a.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt",
    "value": "Red."}]},
    {"id": 2, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]},
    {"id": "3", "image": ["a.png", "sub/b.png"], "conversations": [{"from": "human",
    "value": "<image><image>"}, {"from": "gpt", "value": "x"}]},
]  # fmt: skip


def _conversations(chance: Chance) -> tuple[str, bytes]:
    image, words = (
        chance.choice(_images()),
        [
            "image",
            "conversations",
            "from",
            "value",
            "gpt",
            "human",
            "<image>",
            "../out.png",
            "/etc/passwd",
            "a.png",
            "id",
        ],
    )
    text = json.dumps(by.tree(chance, CONVERSATIONS, words, changes=4))
    text = by.text(chance, text, words) if chance.random() < 0.1 else text
    return text, by.binary(chance, image) if chance.random() < 0.6 else image


def _read_conversations(case: tuple[str, bytes], folder: Path) -> None:
    text, image = case
    inside = folder / "images"
    inside.mkdir(exist_ok=True)
    (inside / "a.png").write_bytes(image)
    (folder / "out.png").write_bytes(_images()[0])
    data = Conversations(0, files=[str(_file(folder, "talk.json", text))], images=str(inside))
    for index in range(min(len(data), 3)):
        assert all((inside / name).resolve().is_relative_to(inside) for name in data.records[index].images)
        data.pictures(index)
    assert data.digest


TARGETS = [
    Target("conversations, images", _conversations, _read_conversations, 4),
]
