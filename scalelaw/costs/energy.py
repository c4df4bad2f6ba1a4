"""Energy: joules of one query, from the board power of the device while it serves.

    energy_j = devices x 0.67 x watts x latency of a batch / batch

Source: the definition, with the power limit that the maker publishes. Boards that serve draw 61% to 73% of it
(published measurements); the middle is taken.
Counts the board over the whole latency. Leaves out the host, cooling and idle time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scalelaw.costs import latency
from scalelaw.costs._workload import Workload
from scalelaw.errors import InputError
from scalelaw.model_shapes import LLMShape

kinds = {"energy_j": "joules per query"}
needs = ("shape", "device", "power")

DRAWN = (0.61, 0.73)
POWER_SHARE = 0.67
"""Share of the board's power limit that is drawn while it serves."""


def parts(n_params: Any, shape: LLMShape, visual_tokens: Any, workload: Workload) -> dict[str, Any]:
    """Joules of one query, by the stages of the latency. Raises InputError where the device's power is not known."""
    device = workload.device
    assert device is not None, "energy needs a device"
    if device.watts is None:
        raise InputError(f"The power of {device.name} is not published.", code="no_power")
    per_ms = device.count * POWER_SHARE * device.watts / 1e3 / np.asarray(workload.batch, dtype=float)
    stages = latency.parts(n_params, shape, visual_tokens, workload)
    return {stage: per_ms * milliseconds for stage, milliseconds in stages.items()}


def range_factors(kind: str, workload: Workload) -> tuple[float, float]:
    """What to multiply the energy with, for its 90% range: that of the latency, and of the power that is drawn."""
    low, high = latency.range_factors("latency_ms", workload)
    return low * DRAWN[0] / POWER_SHARE, high * DRAWN[1] / POWER_SHARE
