"""The hardware: peak, bandwidth, memory and power of the bundled devices, or of a device that a YAML file describes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from scalelaw.costs._constants import Constants
from scalelaw.costs._workload import Device
from scalelaw.errors import InputError, unknown
from scalelaw.files.file_type import CARD, otherwise
from scalelaw.files.paths import bundled
from scalelaw.files.safe_load import is_pipe, read_yaml
from scalelaw.plan.latency_constants import constants_for, constants_row, number_of, read_constants

FIELDS = (
    "name",
    "title",
    "peak_tflops",
    "bandwidth_tb_s",
    "memory_gb",
    "watts",
    "mfu",
    "mbu",
    "overhead_ms",
    "calibrated",
    "peaks",
    "link_gb_s",
    "group",
    "constants",
)

PEAKS = ("tf32", "fp32", "fp8", "int8", "fp4")
"""Number types whose peak a device may have beside bf16's."""

POSITIVE = (1e-6, 1e9)
"""From where to where a peak, a bandwidth, a memory and a power may lie, in their units."""


def find_device(name: str | Device | None) -> Device | None:
    """The device of a name or an alias (`h100`, any case), or of a YAML file with the fields of a bundled device.

    Raises InputError for an unknown name or field and for a file that cannot be read.
    """
    if name is None or isinstance(name, Device):
        return name
    if str(name).endswith((".yaml", ".yml")) or is_pipe(str(name)):
        return _from_file(Path(name))
    facts = _bundled()
    key = str(name).strip().lower()
    key = facts["aliases"].get(key, key)
    if key not in facts["devices"]:
        raise unknown("hardware", str(name), {*facts["devices"], *facts["aliases"]})
    return _device({"name": key, **facts["devices"][key]}, "data/hardware.yaml")


def uncalibrated(device: Device) -> list[tuple[str, str]]:
    """The warning (code, message) of a device on which no request was timed: what its constants are instead."""
    if device.calibrated:
        return []
    constants = device.constants
    if constants is not None:
        message = (
            f"{device.name} is not calibrated: its latency constants are {_origin(constants)}. Measure some "
        )
        return [("uncalibrated", f"{message}latencies and run `scalelaw calibrate`.")]
    message = (
        f"{device.name} is not calibrated: latency, energy and dollars assume that it reaches {100 * device.mfu:g}% of "
        f"its peak and {100 * device.mbu:g}% of its bandwidth. Measure some latencies and run `scalelaw calibrate`."
    )
    return [("uncalibrated", message)]


def _listed(name: str, row: Mapping[str, Any]) -> str:
    """What the constants of a bundled card are, and the median error of the operators that they were read from."""
    constants = constants_for(name, row["group"], None)
    if not constants.measured:
        return constants.source
    rates = [*constants.products.values(), *constants.decode_attention.values(), constants.prefill_attention]
    error = float(np.median([rate.error for rate in rates if rate.rows]))
    return f"operator tables, median error {100 * error:.0f}%"


def _origin(constants: Constants) -> str:
    if constants.measured:
        return "read from tables of single operators, without a served request"
    return f"those of its class ({constants.source.removeprefix('class default: ')})"


def list_hardware() -> dict[str, str]:
    """The bundled devices: name -> what it is, in one line."""
    return {
        name: f"{row['title']}: {row['peak_tflops']:g} TFLOP/s dense bf16, {row['bandwidth_tb_s']:g} TB/s, "
        f"{row['memory_gb']:g} GB; latency constants: {_listed(name, row)}"
        for name, row in _bundled()["devices"].items()
    }


def to_row(device: Device) -> dict[str, Any]:
    """The fields of a device as a YAML file holds them."""
    return {
        "name": device.name,
        "peak_tflops": device.peak_flops / 1e12,
        "bandwidth_tb_s": device.bandwidth_bytes / 1e12,
        "memory_gb": device.memory_bytes / 1e9,
        "watts": device.watts,
        "mfu": device.mfu,
        "mbu": device.mbu,
        "overhead_ms": 1e3 * device.overhead_s,
        "calibrated": device.calibrated,
        **({"peaks": {name: value / 1e12 for name, value in device.peaks.items()}} if device.peaks else {}),
        **({} if device.link_bytes is None else {"link_gb_s": device.link_bytes / 1e9}),
        **({} if device.constants is None else {"constants": constants_row(device.constants)}),
    }


def _from_file(path: Path) -> Device:
    try:
        row = read_yaml(path)
    except OSError as error:
        raise InputError(f"There is no hardware file {path}.", code="no_such_file") from error
    if not isinstance(row, dict):
        raise InputError(f"{path} is not a device: it holds no fields.", code="bad_hardware")
    for field in row:
        if field not in FIELDS:
            if wrong := otherwise(path, CARD):
                raise InputError(f"{path} is not a card.", code="bad_hardware", hint=wrong)
            raise unknown("key", str(field), FIELDS)
    return _device({"name": path.stem, **row}, str(path))


def _device(row: Mapping[str, Any], origin: str) -> Device:
    def number(field: str, least: float, most: float, default: float | None = None) -> float:
        value = row.get(field, default)
        if value is None:
            raise InputError(
                f"{origin} lacks the field '{field}'.", code="bad_hardware", hint=", ".join(FIELDS)
            )
        return number_of(field, value, (least, most), origin)

    if not isinstance(row.get("calibrated", False), bool):
        raise InputError(f"{origin}: calibrated must be true or false.", code="bad_hardware")
    peaks = row.get("peaks") or {}
    if not isinstance(peaks, Mapping) or (other := [name for name in peaks if name not in PEAKS]):
        named = other[0] if isinstance(peaks, Mapping) else peaks
        raise unknown("number type of a peak", str(named), PEAKS, code="bad_hardware")
    link = None if row.get("link_gb_s") is None else number("link_gb_s", *POSITIVE) * 1e9
    constants = _constants(row, link, origin)
    return Device(
        name=str(row["name"]),
        peak_flops=number("peak_tflops", *POSITIVE) * 1e12,
        bandwidth_bytes=number("bandwidth_tb_s", *POSITIVE) * 1e12,
        memory_bytes=number("memory_gb", *POSITIVE) * 1e9,
        watts=None if row.get("watts") is None else number("watts", *POSITIVE),
        mfu=number("mfu", 1e-6, 1, Device.mfu),
        mbu=number("mbu", 1e-6, 1, Device.mbu),
        overhead_s=number("overhead_ms", 0, 1e9, 0.0) / 1e3,
        calibrated=row.get("calibrated", False),
        peaks={name: _peak(name, peaks, origin) for name in peaks},
        link_bytes=link,
        constants=constants,
    )


def _peak(name: str, peaks: Mapping[str, Any], origin: str) -> float:
    return 1e12 * number_of(f"peaks.{name}", peaks[name], POSITIVE, origin)


def _constants(row: Mapping[str, Any], link: float | None, origin: str) -> Constants | None:
    """The card's own constants, those of its name or its class; None where mfu, mbu or an overhead is all it has."""
    if row.get("constants") is not None:
        return read_constants(row["constants"], origin)
    if any(field in row for field in ("mfu", "mbu", "overhead_ms")):
        return None
    return constants_for(str(row["name"]), str(row.get("group") or "pcie"), link)


@cache
def _bundled() -> dict[str, Any]:
    facts: dict[str, Any] = yaml.safe_load(bundled("hardware.yaml").read_text(encoding="utf-8"))
    return facts
