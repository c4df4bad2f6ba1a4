"""The hardware: peak, bandwidth, memory and power of the devices a plan may name, or of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from scalelaw.costs._workload import Device
from scalelaw.errors import InputError, unknown
from scalelaw.files import bundled

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
)


def find_device(name: str | Device | None) -> Device | None:
    """The device of a name or an alias (`h100`, any case), or of a YAML file with the fields of a bundled device.

    Raises InputError for an unknown name or field and for a file that cannot be read.
    """
    if name is None or isinstance(name, Device):
        return name
    if str(name).endswith((".yaml", ".yml")):
        return _from_file(Path(name))
    facts = _bundled()
    key = str(name).strip().lower()
    key = facts["aliases"].get(key, key)
    if key not in facts["devices"]:
        raise unknown("hardware", str(name), {*facts["devices"], *facts["aliases"]})
    return _device({"name": key, **facts["devices"][key]}, "data/hardware.yaml")


def list_hardware() -> dict[str, str]:
    """The bundled devices: name -> what it is, in one line."""
    return {
        name: f"{row['title']}: {row['peak_tflops']:g} TFLOP/s dense bf16, {row['bandwidth_tb_s']:g} TB/s, "
        f"{row['memory_gb']:g} GB"
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
    }


def _from_file(path: Path) -> Device:
    try:
        row = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"There is no hardware file {path}.", code="no_such_file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not YAML: {error}.", code="bad_yaml") from error
    if not isinstance(row, dict):
        raise InputError(f"{path} is not a device: it holds no fields.", code="bad_hardware")
    for field in row:
        if field not in FIELDS:
            raise unknown("key", str(field), FIELDS)
    return _device({"name": path.stem, **row}, str(path))


def _device(row: Mapping[str, Any], origin: str) -> Device:
    try:
        device = Device(
            name=str(row["name"]),
            peak_flops=float(row["peak_tflops"]) * 1e12,
            bandwidth_bytes=float(row["bandwidth_tb_s"]) * 1e12,
            memory_bytes=float(row["memory_gb"]) * 1e9,
            watts=None if row.get("watts") is None else float(row["watts"]),
            mfu=float(row.get("mfu", Device.mfu)),
            mbu=float(row.get("mbu", Device.mbu)),
            overhead_s=float(row.get("overhead_ms", 0.0)) / 1e3,
            calibrated=bool(row.get("calibrated", False)),
        )
    except KeyError as error:
        raise InputError(
            f"{origin} lacks the field {error}.", code="bad_hardware", hint=", ".join(FIELDS)
        ) from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{origin} holds a field that is not a number: {error}.", code="bad_hardware"
        ) from error
    positive = (device.peak_flops, device.bandwidth_bytes, device.memory_bytes, device.mfu, device.mbu)
    if not all(0 < value < float("inf") for value in positive) or max(device.mfu, device.mbu) > 1:
        raise InputError(
            f"{origin}: peak, bandwidth and memory must be positive, mfu and mbu in (0, 1].",
            code="bad_hardware",
        )
    if not 0 <= device.overhead_s < float("inf"):
        raise InputError(f"{origin}: overhead_ms must be a number of at least 0.", code="bad_hardware")
    if device.watts is not None and not 0 < device.watts < float("inf"):
        raise InputError(f"{origin}: watts must be positive, or left out.", code="bad_hardware")
    return device


@cache
def _bundled() -> dict[str, Any]:
    facts: dict[str, Any] = yaml.safe_load(bundled("hardware.yaml").read_text(encoding="utf-8"))
    return facts
