"""The constants of a card's stages, fitted to measured times: each a factor on what its operator tables give.

    time = image x T_image + prefill x (T_rest + launch x T_launch + type x T_type) + all_reduce x T_links + request_ms
    and the same for a decode step

Where times are of whole stages, sums and the closed loop are those of the latency cost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scalelaw.costs import latency
from scalelaw.costs._constants import NUMBER_TYPES, Constants, Rate
from scalelaw.costs._serving import closed_loop
from scalelaw.costs._workload import Device, Workload
from scalelaw.plan.robust_fit import RobustFit, fit_log
from scalelaw.plan.timings import Timing

STAGES = ("image", "prefill", "decode", "all_reduce", "launch")
"""Stages whose time has a factor; `launch` is that on every kernel's start."""
HOST = "host"
"""Milliseconds of a request, added to the time to the first token."""
WIDTHS = {"image": 0.7, "prefill": 0.4, "decode": 0.4, "all_reduce": 0.7, "launch": 0.7, HOST: 30.0}
TYPE_WIDTH = 0.3
"""Widths of the priors: of a factor's logarithm, and of the host's milliseconds."""
LARGEST = np.log(1000.0)
"""No factor is larger than 1000 or smaller than its inverse."""
SLOWEST_HOST_MS = 1e5
TWICE = 2.0


@dataclass(frozen=True)
class StageFit:
    """names, values: of the constants, factors or milliseconds; fit: how rows determine them; device: calibrated."""

    names: tuple[str, ...]
    values: dict[str, float]
    fit: RobustFit
    device: Device


def fit_stages(device: Device, timings: Sequence[Timing]) -> StageFit:
    """Fit the constants of a device that has operator constants."""
    constants = device.constants
    assert constants is not None
    pieces = _Pieces(device, timings)
    types = pieces.other_types
    names = (*STAGES, HOST, *(f"type:{name}" for name in types))
    start = np.zeros(len(names))
    prior = np.array([WIDTHS.get(name, TYPE_WIDTH) for name in names])
    low = np.array([0.0 if name == HOST else -LARGEST for name in names])
    high = np.array([SLOWEST_HOST_MS if name == HOST else LARGEST for name in names])
    truth = np.array([timing.measured for timing in timings])

    def log_ratio(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.log(pieces.predict(dict(zip(names, values, strict=True))) / truth))

    kinds = np.array([timing.kind for timing in timings])
    free = np.array([pieces.depends_on(name) for name in names])
    fit = fit_log(log_ratio, start, prior, (low, high), kinds, free)
    values = {
        name: float(value if name == HOST else np.exp(value))
        for name, value in zip(names, fit.values, strict=True)
    }
    return StageFit(names, values, fit, _calibrated(device, values, fit, len(timings)))


def predict(device: Device, timing: Timing) -> float:
    """Milliseconds of a row, by the latency cost."""
    shape = timing.model.shape
    assert shape is not None
    work = replace(timing.work, device=replace(device, count=timing.devices))
    parts = latency.parts(shape.n_params, shape, timing.visual_tokens, work)
    return float(np.ravel(latency.totals(parts, work)[timing.kind])[0])


class _Pieces:
    """The times of each row's stages in milliseconds, apart by the constant that scales them; arrays over the rows."""

    def __init__(self, device: Device, timings: Sequence[Timing]) -> None:
        types = [str(np.ravel(np.asarray(timing.work.weight_type, dtype=object))[0]) for timing in timings]
        common = max(dict.fromkeys(types), key=types.count)
        self.other_types = tuple(name for name in dict.fromkeys(types) if name != common)
        self.types = np.array(types, dtype=object)
        self.kinds = np.array([timing.kind for timing in timings])
        self.serving = np.array([timing.work.serving for timing in timings])
        self.generate = np.array([float(timing.work.generate) for timing in timings])
        self.batch = np.array([float(np.ravel(timing.work.batch)[0]) for timing in timings])
        # of one query for a loop, of the batch where a batch comes together
        alone = [_batch(timing.work, None if timing.work.serving == "batch" else 1.0) for timing in timings]
        whole = [_batch(timing.work, None) for timing in timings]
        self.first = self._split(device, timings, alone, ("prefill", "question_pass"))
        self.step = self._split(device, timings, whole, ("decode",))
        self.image = self._split(device, timings, alone, ("image",))
        pairs = zip(timings, alone, strict=True)
        self.host = np.array([_stage_ms(device, timing, work, (HOST,)) for timing, work in pairs])
        per = np.maximum(self.generate, 1.0)
        self.step = {name: value / per for name, value in self.step.items()}

    def depends_on(self, name: str) -> bool:
        """Whether a row is of the stage. The wait before a prefill holds a part of a step and tells nothing of it."""
        after = (self.kinds == "ms_per_token") | ((self.kinds == "latency_ms") & (self.generate > 0))
        before = self.kinds != "ms_per_token"
        rows = {
            "image": before & (self.image["rest"] > 0),
            "prefill": before,
            HOST: before,
            "decode": after,
            "all_reduce": self.first["links"] + self.step["links"] > 0,
        }
        return bool(np.any(rows.get(name, True)))

    def predict(self, values: Mapping[str, float]) -> np.ndarray:
        """Milliseconds of every row; values: logarithms of the factors, and the host's milliseconds."""
        factor = {name: float(np.exp(value)) for name, value in values.items() if name != HOST}
        typed = np.array([factor.get(f"type:{name}", 1.0) for name in self.types])
        work = self._sum(self.image, factor["image"], factor, typed)
        work = work + self._sum(self.first, factor["prefill"], factor, typed)
        step = self._sum(self.step, factor["decode"], factor, typed)
        host = self.host + values[HOST] * np.where(self.serving == "batch", self.batch, 1.0)
        per_token, wait = step.copy(), np.zeros_like(step)
        for tokens in np.unique(self.generate[self.serving == "closed"]):
            rows = (self.serving == "closed") & (self.generate == tokens)
            loop = closed_loop(_always(step[rows]), work[rows], float(tokens), self.batch[rows])
            per_token[rows], wait[rows] = loop.per_token, loop.wait
        ttft = work + host + wait
        return np.select(
            [self.kinds == "ttft_ms", self.kinds == "ms_per_token"],
            [ttft, per_token],
            ttft + self.generate * per_token,
        )

    @staticmethod
    def _sum(
        pieces: Mapping[str, np.ndarray], own: float, factor: Mapping[str, float], typed: np.ndarray
    ) -> np.ndarray:
        inner = pieces["rest"] + factor["launch"] * pieces["launch"] + typed * pieces["type"]
        return np.asarray(own * inner + factor["all_reduce"] * pieces["links"])

    def _split(
        self, device: Device, timings: Sequence[Timing], works: Sequence[Workload], stages: tuple[str, ...]
    ) -> dict[str, np.ndarray]:
        """What a stage takes, apart: launches, products of the row's type, links between devices, and the rest."""
        constants = device.constants
        assert constants is not None
        names = ("launch", "type", "links")
        pieces = {name: np.zeros(len(timings)) for name in (*names, "rest")}
        for at, (timing, work) in enumerate(zip(timings, works, strict=True)):
            base = _stage_ms(device, timing, work, stages)
            changed = {
                "launch": with_launches(constants, TWICE),
                "type": with_type(constants, self.types[at], TWICE),
                "links": with_scale(constants, "all_reduce", TWICE),
            }
            for name in names if timing.devices > 1 else names[:2]:
                varied = replace(device, constants=changed[name])
                pieces[name][at] = _stage_ms(varied, timing, work, stages) - base
            pieces["rest"][at] = base - sum(pieces[name][at] for name in names)
        return pieces


def _always(value: np.ndarray) -> Callable[[Any], np.ndarray]:
    return lambda _: value


def _batch(work: Workload, batch: float | None) -> Workload:
    return replace(work, serving="batch", batch=work.batch if batch is None else batch)


def _stage_ms(device: Device, timing: Timing, work: Workload, stages: tuple[str, ...]) -> float:
    shape = timing.model.shape
    assert shape is not None
    placed = replace(work, device=replace(device, count=timing.devices))
    parts = latency.parts(shape.n_params, shape, timing.visual_tokens, placed)
    return float(sum(np.ravel(parts[stage])[0] for stage in stages if stage in parts))


def with_launches(constants: Constants, factor: float) -> Constants:
    """The constants with every launch of a kernel, but for those of all-reduces, this many times as long."""

    def slower(rate: Rate) -> Rate:
        return replace(rate, launch_us=factor * rate.launch_us)

    return replace(
        constants,
        products={name: slower(rate) for name, rate in constants.products.items()},
        decode_attention={name: slower(rate) for name, rate in constants.decode_attention.items()},
        prefill_attention=slower(constants.prefill_attention),
        small_kernel=slower(constants.small_kernel),
    )


def with_type(constants: Constants, name: str, factor: float) -> Constants:
    """The constants with products of a number type this many times as long, launches apart."""
    named = next((rate for rate in NUMBER_TYPES[name].rates if rate in constants.products), "bf16")
    rate = constants.products[named]
    slower = replace(rate, compute=rate.compute / factor, bandwidth=rate.bandwidth / factor)
    return replace(constants, products={**constants.products, named: slower})


def with_scale(constants: Constants, stage: str, factor: float) -> Constants:
    """The constants with a stage this many times as long."""
    return replace(constants, scale={**constants.scale, stage: factor * constants.factor(stage)})


def _calibrated(device: Device, values: Mapping[str, float], fit: RobustFit, count: int) -> Device:
    constants: Any = device.constants
    for name in ("image", "prefill", "decode", "all_reduce"):
        if values[name] != 1.0:
            constants = with_scale(constants, name, values[name])
    constants = with_launches(constants, values["launch"]) if values["launch"] != 1.0 else constants
    for name, value in values.items():
        if name.startswith("type:") and value != 1.0:
            constants = with_type(constants, name.removeprefix("type:"), value)
    constants = replace(
        constants,
        request_ms=constants.request_ms + values[HOST],
        measured=True,
        spread={**constants.spread, **fit.spread},
        source=f"calibrated on {count} measurements; before: {constants.source}"[:400],
    )
    return replace(device, constants=constants, calibrated=True)
