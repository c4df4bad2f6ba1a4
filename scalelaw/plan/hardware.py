"""The hardware: peak, bandwidth, memory and power of the devices a plan may name."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml

from scalelaw.costs._workload import Device
from scalelaw.errors import unknown
from scalelaw.files import bundled


def find_device(name: str | Device | None) -> Device | None:
    """The device of a name or an alias (`h100`), any case. Raises InputError for an unknown one."""
    if name is None or isinstance(name, Device):
        return name
    facts = _bundled()
    key = str(name).strip().lower()
    key = facts["aliases"].get(key, key)
    if key not in facts["devices"]:
        raise unknown("hardware", str(name), {*facts["devices"], *facts["aliases"]})
    row = facts["devices"][key]
    return Device(
        name=key,
        peak_flops=row["peak_tflops"] * 1e12,
        bandwidth_bytes=row["bandwidth_tb_s"] * 1e12,
        memory_bytes=row["memory_gb"] * 1e9,
        watts=row["watts"],
    )


def list_hardware() -> dict[str, str]:
    """The bundled devices: name -> what it is, in one line."""
    return {
        name: f"{row['title']}: {row['peak_tflops']:g} TFLOP/s dense bf16, {row['bandwidth_tb_s']:g} TB/s, "
        f"{row['memory_gb']:g} GB"
        for name, row in _bundled()["devices"].items()
    }


@cache
def _bundled() -> dict[str, Any]:
    facts: dict[str, Any] = yaml.safe_load(bundled("hardware.yaml").read_text(encoding="utf-8"))
    return facts
