"""Conversations about images in LLaVA's files: LLaVA-Pretrain, mix665k, and whatever is written like them.

A file is a list of {id, image, conversations: [{from: human|gpt, value}, ...]} (or one such object a line). `<image>`
in a text stands for the image; a record without `image` is about none; `image` may be a list. Ids mix numbers and
texts.

Every record is looked at once, before anything is trained: what cannot be used is left out, counted and named
(`left_out`); what is left has a `digest`. The order of an epoch depends on the seed alone: every cell of a seed,
whatever its LLM and its number of visual tokens, sees the same records in the same order.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from scalelaw.errors import InputError, unknown
from scalelaw.files.safe_load import open_input, read_text, special_file

MARKER = "<image>"
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is opened as an image: pixels alone, nothing that is a program (PostScript)."""
UNREAD = f"image of another format than {', '.join(FORMATS)}"
MOST_PIXELS, MOST_BYTES = 64_000_000, 64 * 2**20
"""Of one image, unpacked and as a file."""
MOST_RECORDS = 4 * 2**30
"""Bytes of a file of conversations; the largest published ones have 1 to 2 GB."""
SPOILT = (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError, TypeError, KeyError,
          IndexError, OverflowError, EOFError, struct.error, zlib.error)  # fmt: skip
"""What pillow raises for a file that is no image, or half of one."""


@dataclass(frozen=True)
class Record:
    """One conversation: turns as in the file ({from, value}), image paths (relative to the folder of images)."""

    id: str
    images: tuple[str, ...]
    turns: tuple[dict[str, str], ...]


class Conversations:
    """The records of `files` that can be used. images: the folder that their paths are relative to.

    check_images: False trusts that they are there and whole; else each is read once (about a millisecond, in as many
    threads as there are cores), for a JPEG that breaks off is found in no other way. Raises InputError for an unknown
    option, a file that is missing or of another form, and where nothing can be used.
    """

    def __init__(self, seed: int, **options: Any) -> None:
        for option in options:
            if option not in ("files", "images", "check_images"):
                raise unknown("option of llava_json", option, ("files", "images", "check_images"),
                              code="unknown_option")  # fmt: skip
        files = options.get("files") or []
        self.files = [Path(file) for file in ([files] if isinstance(files, str | Path) else files)]
        self.seed, self.folder = seed, Path(options.get("images") or ".")
        self.left_out: Counter[str] = Counter()
        self.records: list[Record] = []
        self._orders: dict[int, np.ndarray] = {}  # of the epochs asked for last
        known: dict[str, str] = {}
        for file in self.files:
            records = read_records(file)
            if options.get("check_images", True):
                new = {image for raw in records for image in _named(raw) or ()} - known.keys()
                with ThreadPoolExecutor() as pool:
                    known.update(
                        zip(new, pool.map(partial(_trouble, self.folder, whole=True), new), strict=True)
                    )
            for raw in records:
                record, reason = self._checked(raw, known)
                if record is None:
                    self.left_out[reason] += 1
                else:
                    self.records.append(record)
        if not self.records:
            reasons = ", ".join(f"{n} {reason}" for reason, n in self.left_out.items()) or "no file"
            raise InputError(f"No conversation can be used: {reasons}.", code="no_records",
                             hint="Give `files` and the folder of `images`.")  # fmt: skip

    def __len__(self) -> int:
        return len(self.records)

    @property
    def digest(self) -> str:
        """A hash of all that is used: ids, turns and names of images, in their order."""
        digest = hashlib.sha256()
        for record in self.records:
            digest.update(json.dumps([record.id, record.images, record.turns], ensure_ascii=False).encode())
        return digest.hexdigest()[:16]

    def order(self, epoch: int) -> np.ndarray:
        """The records of an epoch, in its order: a permutation of 0..len-1 by the seed."""
        return np.random.default_rng((self.seed, epoch)).permutation(len(self.records))

    def _order(self, epoch: int) -> np.ndarray:
        known = self._orders.get(epoch)
        return self.order(epoch) if known is None else known

    def rows(self, start: int, count: int) -> np.ndarray:
        """The records number start..start+count-1 of an endless run through the epochs."""
        places = np.arange(start, start + count)
        self._orders = {epoch: self._order(epoch) for epoch in np.unique(places // len(self)).tolist()}
        orders = self._orders
        return np.array([orders[place // len(self)][place % len(self)] for place in places.tolist()])

    def pictures(self, index: int) -> list[Image.Image]:
        """The images of a record, RGB."""
        return self.opened(self.folder, self.records[index].images)

    @staticmethod
    def opened(folder: Path, names: Sequence[str]) -> list[Image.Image]:
        """Images of a folder, RGB. Raises InputError for one that cannot be read."""
        pictures = []
        for name in names:
            if trouble := _trouble(folder, name):
                raise InputError(f"{trouble}: {folder / name}.", code="bad_image")
            try:
                with open_input(folder / name) as file, Image.open(file, formats=FORMATS) as image:
                    pictures.append(image.convert("RGB"))
            except SPOILT as error:  # what is found only when all of it is read
                raise InputError(f"image corrupt: {folder / name}: {error}.", code="bad_image") from error
        return pictures

    @staticmethod
    def _checked(raw: Any, known: dict[str, str]) -> tuple[Record | None, str]:
        turns = raw.get("conversations") if isinstance(raw, dict) else None
        if not isinstance(turns, list) or not all(
            isinstance(t, dict)
            and t.get("from") in ("human", "gpt", "system")
            and isinstance(t.get("value"), str)
            for t in turns
        ):
            return None, "not a conversation"
        if not any(t["from"] == "gpt" and t["value"].strip() for t in turns):
            return None, "without an answer"
        if (images := _named(raw)) is None:
            return None, "not a conversation"
        if sum(t["value"].count(MARKER) for t in turns) != len(images):
            return None, "image markers do not match images"
        for image in images:
            if known.get(image):
                return None, known[image]
        kept = tuple({"from": t["from"], "value": t["value"]} for t in turns)
        return Record(str(raw.get("id", "")), tuple(images), kept), ""


def _named(raw: Any) -> list[str] | None:
    """The images that a record names; None where what it names are none."""
    named = raw.get("image") or [] if isinstance(raw, dict) else None
    images = [named] if isinstance(named, str) else named
    return images if isinstance(images, list) and all(isinstance(image, str) for image in images) else None


def _trouble(folder: Path, name: str, whole: bool = False) -> str:
    """Why an image cannot be used, or nothing. whole: it is read to its end (a JPEG at an eighth of its size)."""
    if outside := _outside(name):
        return outside
    path = folder / name
    if not os.path.isfile(path):
        return "image missing"
    if special_file(path):
        return "image is a special file"
    if path.stat().st_size > MOST_BYTES:
        return "image too large"
    try:
        with open_input(path) as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                return "image too large"
            image.verify()
        if whole:
            with open_input(path) as file, Image.open(file, formats=FORMATS) as image:
                image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
                image.load()
    except Image.DecompressionBombError:
        return "image too large"
    except UnidentifiedImageError:
        return "image corrupt" if _likely(path) & {"", *FORMATS} else UNREAD
    except SPOILT:
        return "image corrupt"
    return ""


SAMPLE = 64
"""Images that `survey` decodes."""


@dataclass(frozen=True)
class Survey:
    """What a look at records found without decoding every image. records: of all. left_out: those that cannot be used,
    by reason. sampled, unreadable: images that were decoded, and those of them that could not be.
    """

    records: int
    left_out: Counter[str]
    sampled: int
    unreadable: int


def survey(records: Sequence[Any], folder: Path) -> Survey:
    """Look for the images of conversations, folder by folder, and decode a sample of them."""
    names = sorted({image for raw in records for image in _named(raw) or ()})
    missing = {name: trouble for name in names if (trouble := _outside(name))}
    inside = [name for name in names if name not in missing]
    missing |= dict.fromkeys(_absent(inside, folder), "image missing")
    left_out = Counter(reason for raw in records if (reason := Conversations._checked(raw, missing)[1]))
    there = [name for name in inside if name not in missing]
    sample = there[:: max(1, len(there) // SAMPLE)][:SAMPLE]
    unreadable = sum(bool(_trouble(folder, name, whole=True)) for name in sample)
    return Survey(len(records), left_out, len(sample), unreadable)


def _absent(names: Sequence[str], folder: Path) -> set[str]:
    """Those of the images that are no file: one listing for each folder, as there may be a million."""
    by_folder: dict[str, list[str]] = {}
    for name in names:
        by_folder.setdefault(os.path.dirname(name), []).append(name)
    absent = set[str]()
    for place, files in by_folder.items():
        try:
            with os.scandir(folder / place) as entries:
                there = {entry.name for entry in entries if entry.is_file()}
        except OSError:
            there = set()
        absent |= {name for name in files if os.path.basename(name) not in there}
    return absent


def _outside(name: str) -> str:
    """A name that leads out of the folder is not followed; a link that whoever made the folder has put there is."""
    outside = os.path.isabs(name) or ".." in Path(name).parts or "\x00" in name
    return "image outside of the folder" if outside else ""


def trouble_with(folder: Path, names: Sequence[str]) -> str:
    """Why one of these images cannot be used, each read to its end; empty where all can."""
    return next((trouble for name in names if (trouble := _trouble(folder, name, whole=True))), "")


def _likely(path: Path) -> set[str]:
    """What pillow would take a file for, by its first bytes, else (a TGA) by its name; of all that it knows."""
    with open_input(path) as file:
        head = file.read(16)
    if len(head) < 16:  # shorter than any image, and some of pillow's tests would read beyond its end
        return set(FORMATS)
    formats = {form for form, (_, accepts) in Image.OPEN.items() if accepts and accepts(head)}
    return formats or {Image.registered_extensions().get(path.suffix.lower(), "")}


def count_records(file: str | Path) -> int:
    """How many records a file holds, usable or not. Raises InputError where it cannot be read."""
    return len(read_records(Path(file)))


def read_records(file: Path) -> Sequence[Any]:
    """The raw records of a file: a JSON list, or one object a line (.jsonl). Raises InputError for another form."""
    try:
        text = read_text(file, MOST_RECORDS)
        if file.suffix == ".jsonl":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        records = json.loads(text)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror or error}.", code="no_such_file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON: {error}.", code="bad_json") from error
    if not isinstance(records, list):
        raise InputError(f"{file} is not a list of conversations.", code="bad_json")
    return records
