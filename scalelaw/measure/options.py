"""The options of a measurement, checked: what is sent, how often, and within which limits."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from scalelaw.errors import InputError
from scalelaw.tokens.images import Size, read_image_size

MOST_SIDE = 8192
"""Pixels of a side of an image that is sent."""
MOST_CELLS = 500
MOST_CONCURRENCY = 4096


@dataclass(frozen=True)
class MeasureOptions:
    """What is measured.

    sizes: of the images; images: of a request. concurrency: requests in flight at once (a closed loop), or empty where
    arrival_rates gives requests per second (a Poisson process). generate: tokens of a reply. text_tokens: of a prompt,
    about; the server's own count goes into the rows. per_round: counted requests between two looks at the spread.
    spread: the widest relative half-interval of a median that is accepted. most_requests, most_seconds: of the whole
    run; timeout_s: of a request. max_pixels: the area to which the server reduces an image, None for its own.
    """

    sizes: tuple[Size, ...]
    images: int
    concurrency: tuple[int, ...]
    arrival_rates: tuple[float, ...]
    generate: tuple[int, ...]
    text_tokens: int
    per_round: int
    spread: float
    most_requests: int
    most_seconds: float
    timeout_s: float
    max_pixels: int | None
    devices: int
    dtype: str
    seed: int | None

    def to_dict(self) -> dict[str, Any]:
        """The options as plain values, for `settings` of the answer."""
        facts = asdict(self)
        facts["sizes"] = [f"{size.width}x{size.height}" for size in self.sizes]
        return facts


def make_options(
    *,
    image: Any,
    images: int,
    concurrency: Any,
    arrival_rate: Any,
    generate: Any,
    text_tokens: int,
    requests: int,
    spread: float,
    max_requests: int,
    max_seconds: float,
    timeout: float,
    max_pixels: int | None,
    devices: int,
    dtype: str,
    seed: int | None,
) -> MeasureOptions:
    """The options, checked. Raises InputError `bad_option` for a number out of range, `bad_image_size` for an image."""
    rates = tuple(_number("arrival_rate", rate, 1e-6, 1e6) for rate in _several(arrival_rate))
    levels = (
        () if rates else tuple(_whole("concurrency", c, 1, MOST_CONCURRENCY) for c in _several(concurrency))
    )
    options = MeasureOptions(
        sizes=tuple(dict.fromkeys(_size(size) for size in _several(image))),
        images=_whole("images", images, 1, 64),
        concurrency=tuple(dict.fromkeys(levels)),
        arrival_rates=tuple(dict.fromkeys(rates)),
        generate=tuple(
            dict.fromkeys(_whole("generate", tokens, 1, 100_000) for tokens in _several(generate))
        ),
        text_tokens=_whole("text_tokens", text_tokens, 1, 1_000_000),
        per_round=_whole("requests", requests, 2, 10_000),
        spread=_number("spread", spread, 0.001, 100),
        most_requests=_whole("max_requests", max_requests, 1, 10_000_000),
        most_seconds=_number("max_seconds", max_seconds, 1, 1e6),
        timeout_s=_number("timeout", timeout, 0.1, 1e5),
        max_pixels=None if max_pixels is None else _whole("max_pixels", max_pixels, 1, 1_000_000_000),
        devices=_whole("devices", devices, 1, 1_000_000),
        dtype=dtype,
        seed=None if seed is None else _whole("seed", seed, 0, 2**63),
    )
    for name, values in (("concurrency", options.concurrency or rates), ("generate", options.generate)):
        if not values:
            raise InputError(f"{name} is empty.", code="bad_option", hint="Give one or several numbers: 1,8.")
    count = (len(options.sizes) * 2 + 1) * len(options.concurrency or rates) * len(options.generate)
    if count > MOST_CELLS:
        raise InputError(
            f"These options are {count} cells; a measurement has at most {MOST_CELLS}.",
            code="bad_option",
            hint="Give fewer image sizes, concurrencies or numbers of generated tokens.",
        )
    return options


def _several(values: Any) -> list[Any]:
    if values is None:
        return []
    if isinstance(values, str):
        return [part.strip() for part in values.split(",") if part.strip()]
    if isinstance(values, Iterable):
        return [part for value in values for part in (_several(value) if isinstance(value, str) else [value])]
    return [values]


def _size(value: Any) -> Size:
    size = read_image_size(str(value)) if not isinstance(value, Size) else value
    if max(size) > MOST_SIDE:
        raise InputError(
            f"The image {size.width}x{size.height} is too large to send; a side has at most {MOST_SIDE} pixels.",
            code="bad_image_size",
        )
    return size


def _number(name: str, value: Any, least: float, most: float) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not least <= number <= most:
        raise InputError(
            f"{name} must be a number from {least:g} to {most:g}; it is {str(value)[:40]}.", code="bad_option"
        )
    return number


def _whole(name: str, value: Any, least: int, most: int) -> int:
    number = _number(name, value, least, most)
    if number != int(number):
        raise InputError(f"{name} must be a whole number; it is {str(value)[:40]}.", code="bad_option")
    return int(number)
