"""Training speed, share of the peak (MFU) and energy of a device.

peak      dense bf16 of the data sheet (data/hardware.yaml) for a card that is known by its whole name, and of no other:
          a GH200, an H100 NVL, a part of a card (MIG) is none of those;
          of a processor what a float32 product of 512 x 512 matrices reaches here and now, on as many threads as
          training has
energy    a card's own counter (NVML), else that of the processor (RAPL) where it may be read; of the whole device:
          what else runs there is in it
"""

from __future__ import annotations

import ctypes
import math
import re
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from scalelaw.files.paths import bundled
from scalelaw.files.safe_load import read_yaml

CARDS = {"h100": "h100-sxm", "h100 pcie": "h100-pcie", "h200": "h200-sxm", "b200": "b200", "l40s": "l40s",
         "a100": "a100-sxm-80", "a100 pcie": "a100-sxm-80", "a10g": "a10g", "mi300x": "mi300x"}  # fmt: skip
"""The distinctive words in the name of a card, and the entry of data/hardware.yaml with the same peak."""
NOT_DISTINCTIVE = re.compile(r"nvidia|amd|instinct|tesla|oam|sxm\d?|hbm\w+|\d+gb")
"""A word in the name of a card that does not affect its peak."""
RAPL = Path("/sys/class/powercap")
SIDE = 512


class Energy:
    """The energy of a device between calls, joules; NaN if it has no counter."""

    def __init__(self, device: torch.device) -> None:
        self._card = _card(device) if device.type == "cuda" else None
        self._before = self._read()

    def spent(self) -> float:
        """Joules since the last call. A counter wraps after about 20 minutes at full power; call this more often."""
        before, self._before = self._before, self._read()
        if not self._before or before.keys() != self._before.keys():
            return math.nan
        return sum((now - before[name][0]) % full for name, (now, full) in self._before.items())

    def _read(self) -> dict[str, tuple[float, float]]:
        """counter -> (joules, joules at which it wraps)"""
        if self._card is not None:
            return {} if math.isnan(joules := self._card()) else {"card": (joules, math.inf)}
        counters = {}
        for zone in sorted(RAPL.glob("intel-rapl:*")):
            if zone.name.count(":") == 1:  # a package; what is below it is in it
                try:
                    values = [int((zone / name).read_text()) for name in ("energy_uj", "max_energy_range_uj")]
                except (OSError, ValueError):
                    return {}
                counters[zone.name] = (values[0] / 1e6, values[1] / 1e6)
        return counters


def _card(device: torch.device) -> Any:
    """A function that reads a CUDA device's counter, joules; it gives NaN where the driver does not tell."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
        name = f"GPU-{torch.cuda.get_device_properties(device).uuid}".encode()
    except (OSError, AttributeError, RuntimeError):
        return lambda: math.nan
    handle, value = ctypes.c_void_p(), ctypes.c_ulonglong()
    known = library.nvmlInit_v2() == 0 and library.nvmlDeviceGetHandleByUUID(name, ctypes.byref(handle)) == 0

    def read() -> float:
        ok = known and library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(value)) == 0
        return value.value / 1e3 if ok else math.nan

    return read


class Meter:
    """Adds the seconds and joules of training to `totals` (as train_s, train_j), step by step.

    Values in `totals` at the first step, for example from a checkpoint, are added to; the time between two processes is
    not counted.
    """

    def __init__(self, totals: dict[str, Any], device: torch.device) -> None:
        self.totals, self._energy = totals, Energy(device)
        totals.update(train_s=0.0, train_j=0.0)
        self._last = time.perf_counter()

    def tick(self) -> None:
        """All since the last tick was training."""
        now = time.perf_counter()
        self.totals["train_s"] += now - self._last
        self.totals["train_j"] += self._energy.spent()
        self._last = now


def rates(
    flops: float, totals: Mapping[str, Any], tokens: float, device: torch.device, devices: int = 1
) -> dict[str, Any]:
    """{tokens_per_s, mfu, energy_j} of training that took `totals["train_s"]` and `train_j`; None where unknown."""
    seconds = max(float(totals["train_s"]), 1e-9)
    joules, peak = float(totals["train_j"]), peak_flops(device)
    return {
        "tokens_per_s": tokens / seconds,
        "mfu": flops / seconds / (peak * devices) if peak else None,
        "energy_j": joules if math.isfinite(joules) else None,
    }


def peak_flops(device: torch.device) -> float | None:
    """FLOP/s, None where it is not known: see the head of this file."""
    if device.type == "cuda":
        if (card := known_card(torch.cuda.get_device_name(device))) is None:
            return None
        facts: dict[str, Any] = read_yaml(bundled("hardware.yaml"))
        return float(facts["devices"][card]["peak_tflops"]) * 1e12
    return _measured_peak(str(device), torch.get_num_threads())


def known_card(name: str) -> str | None:
    """The entry of data/hardware.yaml that has the peak of a card of this name (as CUDA gives it); None for none.

    What the name says beside the vendor, the socket and the memory must be known word for word.
    """
    words = re.split(r"[ -]+", name.lower())
    return CARDS.get(" ".join(word for word in words if not NOT_DISTINCTIVE.fullmatch(word)))


@cache
def _measured_peak(device: str, threads: int) -> float:
    matrix, best = torch.ones(SIDE, SIDE, device=device), math.inf
    for _ in range(20):
        start = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - start)
    return 2 * SIDE**3 / best
