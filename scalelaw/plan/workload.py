"""The query in numbers: options as a person gives them, checked, and made a workload."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalelaw.costs._compressor import reads_question
from scalelaw.costs._constants import NUMBER_TYPES
from scalelaw.costs._workload import Device, Workload
from scalelaw.errors import InputError, typed, unknown
from scalelaw.plan.catalogue import find_tower
from scalelaw.plan.hardware import find_device

DTYPES = {name: kind.weight_bytes for name, kind in NUMBER_TYPES.items()}
"""Bytes of one weight, group scales included; the law knows nothing of the error that narrow weights add."""

CACHE_DTYPES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.5}
"""Bytes of one number of the key-value cache."""

DEFAULT_TOWER = "clip-vit-l-14-336"

TYPES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("text_tokens", "generate", "images", "tiles", "cached_prefix", "questions_per_image"),
        ("int", "float"),
    ),
    "tower": ("None", "str", "TowerShape"),
    "compressor": ("None", "str"),
    "hardware": ("None", "str", "Path", "Device"),
    "usd_per_hour": ("None", "int", "float"),
    "devices": ("int",),
    "seed": ("int",),
}
"""Types of the options of a query in every function that takes them (see `errors.typed`)."""

RANGES: dict[str, tuple[float, float]] = {
    "text_tokens": (0, 1e9),
    "generate": (0, 1e9),
    "images": (0, 1e6),
    "tiles": (1, 1e6),
    "cached_prefix": (0, 1),
    "questions_per_image": (1, 1e9),
    "batch": (1, 1e9),
    "devices": (1, 1e6),
    "usd_per_hour": (0, 1e9),
}
"""From where to where each number may lie; beyond, nothing is meant and products overflow."""
COUNTS = ("generate", "images", "tiles", "batch", "concurrency", "devices")
"""Numbers that must be whole; text_tokens may be a mean over queries, as visual tokens may."""


@dataclass(frozen=True)
class Setup:
    """One way to serve: the weights' type and how many queries at once."""

    dtype: str
    batch: float


@dataclass(frozen=True)
class Query:
    """A workload and the ways to serve it. `work` holds one value a setup where they differ [S];
    `scenarios` are devices over the range of the efficiencies; `stated_tower`: the tower was named, not assumed.
    """

    work: Workload
    setups: tuple[Setup, ...]
    scenarios: tuple[Device, ...] = ()
    stated_tower: bool = False


@typed()
def make_query(
    text_tokens: float = 50,
    generate: float = 0,
    batch: Any = 1,
    hardware: Any = None,
    *,
    images: float = 1,
    tiles: float = 1,
    cached_prefix: float = 0,
    questions_per_image: float = 1,
    dtype: Any = "bf16",
    cache_dtype: str = "bf16",
    tower: Any = "",
    compressor: str | None = None,
    devices: int = 1,
    mfu: Any = None,
    mbu: Any = None,
    usd_per_hour: float | None = None,
    concurrency: Any = None,
    seed: int = 0,
) -> Query:
    """The query of these options.

    batch, dtype: one or several (a list, or separated by commas): the planner chooses among them. tower: a bundled
    tower or "none"; `clip-vit-l-14-336` unless named. compressor: none that costs, unless named. mfu, mbu: a
    number, or a range (low, high) over which p_best is taken; either brings the roofline of whole stages instead of the
    card's constants of operators. usd_per_hour: the price of one device. concurrency: queries that are always in
    flight, instead of a batch that comes together; one or several.
    generate, batch, images, tiles and devices are whole numbers; text_tokens may be a mean over queries.
    Raises InputError for an unknown name, for a number out of range and for a count that is not whole.
    """
    numbers: dict[str, Any] = {name: number_within(name, value, *RANGES[name]) for name, value in (
        ("text_tokens", text_tokens), ("generate", generate), ("images", images), ("tiles", tiles),
        ("cached_prefix", cached_prefix), ("questions_per_image", questions_per_image))}  # fmt: skip
    if concurrency is not None and _several(batch) not in ([1], ["1"]):
        raise InputError(
            "A batch comes together, and a concurrency keeps queries in flight: give one of the two.",
            code="usage",
            hint="Leave out --batch.",
        )
    at_once = "batch" if concurrency is None else "concurrency"
    several = _several(batch if concurrency is None else concurrency)
    batches = [number_within(at_once, number, *RANGES["batch"]) for number in several]
    types = [_dtype(t) for t in _several(dtype)]
    setups = tuple(Setup(t, b) for t in dict.fromkeys(types) for b in dict.fromkeys(batches))
    if not setups:
        raise InputError("There is no batch or no dtype to choose from.", code="bad_workload")
    compressor = None if compressor in (None, "", "none") else compressor
    reads_question(compressor)
    device, count = find_device(hardware), int(number_within("devices", devices, *RANGES["devices"]))
    scenarios: tuple[Device, ...] = ()
    if device is not None:
        device = replace(device, count=count)
        device, scenarios = _efficiency(device, mfu, mbu, seed)
    elif shares := [name for name, value in (("mfu", mfu), ("mbu", mbu)) if value is not None]:
        raise InputError(
            f"{shares[0]} is a share of what a card can do, and no hardware is named.",
            code="bad_workload",
            hint="Name it: h100, for example (scalelaw list hardware).",
        )
    work = Workload(
        **numbers,
        batch=np.array([s.batch for s in setups]),
        weight_bytes=np.array([DTYPES[s.dtype] for s in setups]),
        weight_type=np.array([s.dtype for s in setups], dtype=object),
        cache_bytes=CACHE_DTYPES[_one_dtype("cache_dtype", cache_dtype)],
        tower=find_tower(tower or DEFAULT_TOWER),
        compressor=compressor,
        device=device,
        serving="batch" if concurrency is None else "closed",
        price_per_hour=None
        if usd_per_hour is None
        else number_within("usd_per_hour", usd_per_hour, *RANGES["usd_per_hour"]),
    )
    return Query(work, setups, scenarios, stated_tower=bool(tower))


def without_images(what: str) -> InputError:
    """The refusal of visual tokens in a query of 0 images."""
    return InputError(
        f"A query of 0 images has no visual tokens, and there are {what}.",
        code="usage",
        hint="Set images to 1 or more. `scalelaw cost MODEL --images 0` is the cost of a text query.",
    )


def _efficiency(device: Device, mfu: Any, mbu: Any, seed: int) -> tuple[Device, tuple[Device, ...]]:
    if mfu is None and mbu is None:
        return device, ()
    device = replace(device, constants=None)
    low, high = np.array([_range("mfu", mfu, device.mfu), _range("mbu", mbu, device.mbu)]).T
    middle = replace(
        device,
        mfu=float((low[0] + high[0]) / 2),
        mbu=float((low[1] + high[1]) / 2),
        calibrated=False,
    )
    if np.all(low == high):
        return middle, ()
    drawn = np.random.default_rng(seed).uniform(low, high, (16, 2))
    return middle, tuple(replace(device, mfu=float(f), mbu=float(b)) for f, b in drawn)


def _range(name: str, share: Any, default: float) -> tuple[float, float]:
    if share is None:
        return default, default
    ends = [
        number_within(name, value, 1e-6, 1)
        for value in (share if isinstance(share, tuple | list) else [share])
    ]
    if len(ends) > 2 or ends[0] > ends[-1]:
        text = ":".join(f"{end:g}" for end in ends)
        raise InputError(
            f"{name} is a number, or a range from low to high; it is {text}.", code="bad_workload"
        )
    return ends[0], ends[-1]


def _one_dtype(option: str, name: Any) -> str:
    """A number type. Raises InputError for several and for an unknown one."""
    names = name.split(",") if isinstance(name, str) else name if isinstance(name, list | tuple) else [name]
    several = list(dict.fromkeys(_dtype(one, CACHE_DTYPES) for one in names))
    if len(several) != 1:
        raise InputError(
            f"{option} takes one number type, not {', '.join(several) or 'none'}.",
            code="bad_workload",
            hint="Run the command once for each.",
        )
    return several[0]


def _dtype(name: Any, types: Mapping[str, float] = DTYPES) -> str:
    key = str(name).strip().lower()
    if key not in types:
        raise unknown("dtype", str(name), types)
    return key


def _several(values: Any) -> list[Any]:
    if isinstance(values, str):
        return [part.strip() for part in values.split(",") if part.strip()]
    return list(values) if isinstance(values, Iterable) else [values]


def number_within(name: str, value: Any, least: float, most: float) -> float:
    """A number in a range, from a number or its text. Raises InputError (`bad_workload`)."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and least <= number <= most):
        raise InputError(
            f"{name} must be a number from {least:g} to {most:g}; it is {str(value)[:40]}.",
            code="bad_workload",
        )
    if name in COUNTS and not number.is_integer():
        raise InputError(
            f"{name} must be a whole number; it is {number:g}.",
            code="bad_workload",
            hint="Compute the costs of the numbers below and above for a mean.",
        )
    return number
