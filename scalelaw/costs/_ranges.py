"""How far measured times lie from computed ones: 90% ranges as factors, by what the card's constants are.

Constants of operator tables: quantiles of measured / computed on half of 996 served configurations (seed 0); on the
other half the ranges held 91% (end to end), 89% (per token) and 90% (first token in a closed loop). Other constants: a
log-normal spread; of a class of cards with tables 0.3 (with each of three cards left out, 0.16 to 0.23), of the other
classes an assumption in data/hardware.yaml. Of a card in the older form 0.2 where it is calibrated, else 0.6.
"""

from __future__ import annotations

import math

from scalelaw.costs._workload import Workload

MEASURED = {"latency_ms": (-0.223, 0.243), "ms_per_token": (-0.421, 0.179), "ttft_ms": (-0.223, 0.243)}
"""Logs of measured / computed at 5% and 95%."""

BURST = (0.0, 3.18)
"""The same of the first token in a closed loop, which may begin with all queries at once."""

ROOFLINE = {True: 0.2, False: 0.6}
NORMAL_90 = 1.645


def time_factors(kind: str, workload: Workload) -> tuple[float, float]:
    """What to multiply a kind of latency with, for its 90% range."""
    device = workload.device
    assert device is not None
    constants = device.constants
    if kind == "ttft_ms" and workload.serving == "closed":
        return math.exp(BURST[0] - 0.1), math.exp(BURST[1])
    if constants is None:
        spread = ROOFLINE[device.calibrated]
    elif constants.spread:
        spread = constants.spread.get(kind, max(constants.spread.values()))
    else:
        low, high = MEASURED[kind]
        return math.exp(low), math.exp(high)
    return math.exp(-NORMAL_90 * spread), math.exp(NORMAL_90 * spread)
