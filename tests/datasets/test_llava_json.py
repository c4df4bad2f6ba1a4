"""LLaVA's files with their traps, written here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scalelaw.datasets.llava_json import UNREAD, Conversations
from scalelaw.errors import InputError


def talk(question: str, answer: str = "Yes.") -> list[dict[str, str]]:
    return [{"from": "human", "value": question}, {"from": "gpt", "value": answer}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("a.png", "b.jpg"):
        Image.new("RGB", (8, 6), (200, 0, 0)).save(tmp_path / "images" / name)
    (tmp_path / "images" / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    records: list[Any] = [
        {"id": 1, "image": "a.png", "conversations": talk("<image>\nRed?")},
        {"id": "two", "image": "b.jpg", "conversations": talk("Blue?\n<image>") + talk("Sure?")},
        {"id": 3, "conversations": talk("No image here")},
        {"id": 4, "image": ["a.png", "b.jpg"], "conversations": talk("<image><image>Same?")},
        {"id": 5, "image": "gone.png", "conversations": talk("<image>")},
        {"id": 6, "image": "broken.jpg", "conversations": talk("<image>")},
        {"id": 7, "image": "a.png", "conversations": talk("no marker")},
        {"id": 8, "conversations": talk("<image> but none")},
        {"id": 9, "conversations": talk("Nothing to learn", " ")},
        {"id": 10, "conversations": "text"},
        "neither",
    ]
    (tmp_path / "mix.json").write_text(json.dumps(records))
    return tmp_path


def dataset(folder: Path, seed: int = 0, **options: Any) -> Conversations:
    return Conversations(seed, **{"files": folder / "mix.json", "images": folder / "images", **options})


def test_what_is_used_and_what_is_left_out(folder: Path) -> None:
    made = dataset(folder)
    assert [r.id for r in made.records] == ["1", "two", "3", "4"]
    assert [len(r.images) for r in made.records] == [1, 1, 0, 2]
    assert made.left_out == {
        "image missing": 1,
        "image corrupt": 1,
        "image markers do not match images": 2,
        "without an answer": 1,
        "not a conversation": 2,
    }
    assert [p.size for p in made.pictures(3)] == [(8, 6), (8, 6)]
    assert made.pictures(2) == []
    trusting = dataset(folder, check_images=False)
    assert len(trusting) == 6


def test_the_order_depends_on_the_seed_and_the_epoch_alone(folder: Path) -> None:
    one, same, other = dataset(folder), dataset(folder), dataset(folder, 1)
    assert one.digest == same.digest == other.digest
    run = one.rows(0, 40)
    assert run.tolist() == same.rows(0, 40).tolist()
    assert run.tolist() != other.rows(0, 40).tolist()
    assert run[7:19].tolist() == one.rows(7, 12).tolist()
    for epoch in range(10):
        assert sorted(run[4 * epoch : 4 * epoch + 4]) == [0, 1, 2, 3]
    assert not np.array_equal(run[:4], run[4:8]) or not np.array_equal(run[4:8], run[8:12])


def test_the_digest_is_of_what_is_used(folder: Path) -> None:
    before = dataset(folder).digest
    (folder / "images" / "gone.png").write_bytes((folder / "images" / "a.png").read_bytes())
    assert dataset(folder).digest != before


def test_one_object_a_line(folder: Path) -> None:
    lines = [json.dumps({"id": i, "conversations": talk("Hi")}) for i in range(3)]
    (folder / "lines.jsonl").write_text("\n".join(lines) + "\n")
    assert (
        len(Conversations(0, files=[folder / "lines.jsonl", folder / "mix.json"], images=folder / "images"))
        == 7
    )


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"files": "nowhere.json"}, "no_such_file"),
        ({}, "no_records"),
        ({"folder": "x"}, "unknown_option"),
    ],
)
def test_what_it_refuses(options: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as caught:
        Conversations(0, **options)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["{", '{"id": 1}'])
def test_a_file_of_another_form(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(InputError) as caught:
        Conversations(0, files=tmp_path / "f.json")
    assert caught.value.code == "bad_json"


def _talking_about(folder: Path, *images: str) -> Conversations:
    talks = [{"id": i, "image": image, "conversations": talk("<image>")} for i, image in enumerate(images)]
    (folder / "one.json").write_text(json.dumps([*talks, {"id": "x", "conversations": talk("?")}]))
    return dataset(folder, files=folder / "one.json")


def test_no_image_lies_outside_of_the_folder(folder: Path) -> None:
    Image.new("RGB", (8, 6)).save(folder / "out.png")
    records = _talking_about(
        folder, "../out.png", str(folder / "out.png"), "sub/../../out.png", "a\x00.png", "a.png"
    )
    assert [record.images for record in records.records] == [("a.png",), ()]
    assert records.left_out == {"image outside of the folder": 4}
    with pytest.raises(InputError, match="outside of the folder"):
        Conversations.opened(folder / "images", ["../out.png"])


def test_an_image_bomb_is_not_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, side in (("wide.png", 8_100), ("bomb.png", 14_000)):  # the second is refused by pillow itself
        Image.new("1", (side, side)).save(folder / "images" / name)
        assert (folder / "images" / name).stat().st_size < 100_000
    assert _talking_about(folder, "wide.png", "bomb.png").left_out == {"image too large": 2}
    monkeypatch.setattr("scalelaw.datasets.llava_json.MOST_BYTES", 20)
    assert _talking_about(folder, "a.png").left_out == {"image too large": 1}


def test_a_program_is_no_image(folder: Path) -> None:
    (folder / "images" / "a.eps").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    )
    assert _talking_about(folder, "a.eps").left_out == {UNREAD: 1}


def test_an_image_of_a_format_that_is_not_read_is_not_called_corrupt(folder: Path) -> None:
    """Told by its first bytes, whatever its name; a TGA, which has no mark, by its name."""
    (folder / "images" / "avif.jpg").write_bytes(b"\x00\x00\x00\x20ftypavif" + bytes(40))
    (folder / "images" / "a.jp2").write_bytes(b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40))
    for name in ("a.tga", "a.ico"):
        Image.new("RGB", (16, 16)).save(folder / "images" / name)
    records = _talking_about(folder, "avif.jpg", "a.jp2", "a.tga", "a.ico", "broken.jpg")
    assert records.left_out == {UNREAD: 4, "image corrupt": 1}


def test_an_image_that_breaks_off_is_found_before_training(folder: Path) -> None:
    """By reading it, for its head is whole; who trusts the images hears of it when it is read."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(folder / "images" / "half.jpg")
    whole = (folder / "images" / "half.jpg").read_bytes()
    (folder / "images" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "images" / "whole.jpg").write_bytes(whole)
    records = _talking_about(folder, "half.jpg", "whole.jpg")
    assert records.left_out == {"image corrupt": 1}
    assert records.records[0].images == ("whole.jpg",)
    with pytest.raises(InputError, match="image corrupt"):
        Conversations.opened(folder / "images", ["half.jpg"])


@pytest.mark.parametrize("image", [3, True, {"a": 1}, [["a.png"]], [None]])
def test_an_image_that_is_no_path_is_left_out(image: Any, folder: Path) -> None:
    assert _talking_about(folder, image).left_out == {"not a conversation": 1}
