"""Sizes of images: as `1920x1080`, from a photo's header, or from a csv of many."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from scalelaw.errors import InputError, MissingDependency, data_row
from scalelaw.files.csv_text import read_records
from scalelaw.files.safe_load import open_input, read_text

SIZE = re.compile(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*")
LARGEST_SIDE = 10**6
MOST_SIZES = 10**6
ROTATED = (5, 6, 7, 8)
"""Values of the Exif orientation that swap width and height; processors apply it."""


class Size(NamedTuple):
    """Of an image, in pixels."""

    width: int
    height: int


def checked(width: int, height: int, where: str) -> Size:
    """The size. Raises InputError `bad_image_size` for a side of no pixels or too many."""
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise InputError(
            f"{where} is {width} x {height} pixels; each side must have 1 to {LARGEST_SIDE:,}.",
            code="bad_image_size",
        )
    return Size(int(width), int(height))


def read_image_size(text: str) -> Size:
    """The size that `1920x1080` gives, or that the header of the photo at this path gives.

    Raises:
        InputError: `bad_image_size`, `no_such_file`, `unreadable_image`.
        MissingDependency: a photo without pillow.
    """
    if matched := SIZE.fullmatch(text):
        if max(len(part) for part in matched.groups()) > len(str(LARGEST_SIDE)):
            raise InputError(f"The image '{text[:40]}' is too large.", code="bad_image_size")
        return checked(int(matched[1]), int(matched[2]), f"The image '{text}'")
    if not os.path.isfile(text):
        raise InputError(
            f"The image '{text}' is neither a size nor a file.",
            code="bad_image_size" if not re.search(r"[./\\]", text) else "no_such_file",
            hint="Give width x height in pixels, as 1920x1080, or the path of a photo.",
        )
    return _photo(text)


def _photo(path: str) -> Size:
    try:
        from PIL import ExifTags, Image
    except ImportError as error:
        raise MissingDependency(
            "Reading the size of a photo needs pillow.", code="missing_pillow", hint="pip install pillow"
        ) from error
    try:
        with open_input(path) as opened, Image.open(opened) as image:
            width, height = image.size
            turned = image.getexif().get(ExifTags.Base.Orientation) in ROTATED
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as an image: {type(error).__name__}.", code="unreadable_image"
        ) from error
    return checked(height, width, path) if turned else checked(width, height, path)


def read_image_sizes(path: str | os.PathLike[str]) -> list[tuple[Size, int]]:
    """The sizes in a csv with the columns `width` and `height`, and `count` where a row stands for several images.

    Raises InputError: `no_such_file`, `bad_image_sizes` with the row, `bad_image_size`, `duplicate_column`.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise InputError(f"There is no file {os.fspath(path)}.", code="no_such_file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{os.fspath(path)} is not a csv file.", code="bad_image_sizes") from error
    names, rows = read_records(text, os.fspath(path), code="bad_image_sizes", lower=True)
    if missing := sorted({"width", "height"} - set(names)):
        raise InputError(
            f"{os.fspath(path)} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.",
            code="bad_image_sizes",
            hint="It needs a header with width and height in pixels, and may have count.",
        )
    matched = [_row(row, number, os.fspath(path)) for number, row in enumerate(rows, 1)]
    if not any(count for _, count in matched):
        raise InputError(f"{os.fspath(path)} has no image.", code="bad_image_sizes")
    if len(matched) > MOST_SIZES:
        raise InputError(
            f"{os.fspath(path)} has {len(matched):,} rows, more than {MOST_SIZES:,}.",
            code="too_large",
            hint="Join equal sizes and give their number in a column count.",
        )
    return [(size, count) for size, count in matched if count]


def _row(row: dict[str, str], number: int, path: str) -> tuple[Size, int]:
    where = f"{path}, {data_row(number)}"
    values = []
    for name in ("width", "height", "count"):
        text = row.get(name, "1")
        try:
            value = float(text)
            if value != int(value) or not 0 <= value < 1e12:
                raise ValueError
        except (ValueError, OverflowError) as error:
            raise InputError(
                f"{where}: {name} is '{text[:40]}', not a whole number.", code="bad_image_sizes"
            ) from error
        values.append(int(value))
    return checked(values[0], values[1], where), values[2]
