"""The three constants of a card without operator constants, fitted to measured times: mfu, mbu, overhead of a pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalelaw.costs._workload import Device
from scalelaw.errors import InputError
from scalelaw.plan.stage_fit import predict
from scalelaw.plan.timings import Timing

LEAST, SLOWEST = 1e-3, 10.0
"""No efficiency is smaller, no overhead of a pass larger, in seconds."""
RANK = 1e-4
"""Singular values of the slopes (of length 1 each) that are smaller, beside the largest, are none."""
FIRST_SCALE, LEAST_SCALE = 0.1, 1e-3
OUTLYING = (6.0, 0.3)
MOST_OUTLYING = 0.35
STARTS = [(f, b, 1e-4) for f in (0.2, 0.6) for b in (0.4, 0.8)]


@dataclass(frozen=True)
class RooflineFit:
    """residuals: log(predicted / measured) of every row; is_outlying: the rows left out; not_seen: of mfu and mbu those
    that no row depends on, which keep the card's value."""

    mfu: float
    mbu: float
    overhead_s: float
    residuals: np.ndarray
    is_outlying: np.ndarray
    not_seen: tuple[str, ...]
    device: Device


def fit_roofline(device: Device, timings: Sequence[Timing]) -> RooflineFit:
    """Fit by soft-L1 on the logarithms; rows far outside the spread are left out of the last round.

    Raises InputError `not_identified` where the rows cannot tell the constants apart.
    """
    truth = np.array([timing.measured for timing in timings])

    def residual(parameters: np.ndarray) -> np.ndarray:
        trial = replace(device, mfu=parameters[0], mbu=parameters[1], overhead_s=parameters[2])
        return np.asarray(np.log(np.array([predict(trial, timing) for timing in timings]) / truth))

    used, scale = np.ones(len(truth), dtype=bool), FIRST_SCALE
    starts: list[np.ndarray] = [np.array(start) for start in STARTS]
    for _ in range(2):
        fits = [_minimize(residual, start, used, scale) for start in starts]
        best = min(fits, key=lambda fit: fit.cost)
        left = residual(best.x)
        scale = max(1.4826 * float(np.median(np.abs(left[used]))), LEAST_SCALE)
        far = np.abs(left) > max(OUTLYING[0] * scale, OUTLYING[1])
        if not far.any() or far.mean() > MOST_OUTLYING:
            break
        used, starts = ~far, [best.x]
    jacobian = np.asarray(best.jac) * scale
    slopes = np.abs(jacobian).max(axis=0)
    unseen = tuple(name for name, slope in (("mfu", slopes[0]), ("mbu", slopes[1])) if slope < 1e-9)
    _check_rank(jacobian, len(truth))
    mfu, mbu, overhead = map(float, best.x)
    mfu, mbu = (device.mfu if "mfu" in unseen else mfu), (device.mbu if "mbu" in unseen else mbu)
    fitted = replace(device, mfu=mfu, mbu=mbu, overhead_s=overhead, calibrated=True)
    return RooflineFit(mfu, mbu, overhead, residual(np.array([mfu, mbu, overhead])), ~used, unseen, fitted)


def _minimize(
    residual: Callable[[np.ndarray], np.ndarray], start: np.ndarray, used: np.ndarray, scale: float
) -> Any:
    # here, as its import takes longer than a plan
    from scipy.optimize import least_squares

    return least_squares(
        lambda parameters: residual(parameters)[used] / scale, start, bounds=([LEAST, LEAST, 0], [1, 1, SLOWEST]),
        x_scale=(0.1, 0.1, 1e-3), loss="soft_l1", xtol=1e-12, ftol=1e-12, gtol=1e-12,
    )  # fmt: skip


def _check_rank(slopes: np.ndarray, n: int) -> None:
    """Raises InputError where the measurements cannot tell the constants apart, whatever their values."""
    size = np.linalg.norm(slopes, axis=0)
    names = np.array(["mfu", "mbu", "the overhead"])[size >= 1e-9]
    values = np.linalg.svd(slopes[:, size >= 1e-9] / size[size >= 1e-9], compute_uv=False)
    if len(values) < len(names) or values[-1] < RANK * values[0]:
        raise InputError(
            f"{n} measurements do not tell {' and '.join(names)} apart: they rise and fall together in all of them.",
            code="not_identified",
            hint="Measure several models or numbers of visual tokens, batches of 1 and of many, with and without an "
            "answer.",
        )
