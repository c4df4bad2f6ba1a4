"""Calibration: measured times tell the constants of a card, each only where the measurements determine it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import yaml

from scalelaw.costs._workload import Device
from scalelaw.errors import InputError, data_row, typed
from scalelaw.files.paths import write_text
from scalelaw.plan.benchmark_files import is_json, read_benchmark, with_values
from scalelaw.plan.encoders import assumed
from scalelaw.plan.hardware import find_device, to_row
from scalelaw.plan.roofline_fit import LEAST, SLOWEST, fit_roofline
from scalelaw.plan.stage_fit import fit_stages, predict
from scalelaw.plan.timings import COLUMNS, Timing, check_columns, read_csv, timings_of
from scalelaw.plan.workload import RANGES, TYPES, number_within
from scalelaw.results.envelope import Answer
from scalelaw.results.warning import Warning, as_warnings

LEAST_ROWS = 3
MOST_TRIED, BETTER, LEAST_APART = 200, 0.5, 6
"""Up to this many times of batches the roofline of whole stages is fitted, too. It is taken where its median error is
less than this share of that of the operators, over at least this many different times: its 3 constants fit any few."""
OTHER_UNIT = 100.0
"""A median factor between measured and computed times that no card explains."""
IMPOSSIBLE = 30.0
"""A median factor by which measured times are shorter than a fully used card gives, beyond errors of its data sheet."""
FAR = 0.2
"""A residual (20%) above which the model does not describe a row."""


@dataclass(frozen=True)
class Calibration(Answer):
    """The constants of a card, fitted to measured times.

    mfu, mbu, overhead_ms: of the card; fitted where it has no constants of operators. constants: {name: {value,
    is_seen}} of a card that has: factors on the time of a stage, of launches and of number types, and the host's
    milliseconds of a request. not_seen: those that the measurements do not determine; they keep their value. rms,
    worst: relative residuals (0.05 = 5%) of the measurements that were used; median_error: the median absolute one, of
    all. n: measured times. outliers: [{row, kind, measured, predicted}] that were left out.
    """

    command: ClassVar[str] = "calibrate"

    hardware: str
    mfu: float
    mbu: float
    overhead_ms: float
    rms: float
    worst: float
    n: int
    not_seen: tuple[str, ...]
    device: Device
    warnings: list[Warning]
    constants: dict[str, dict[str, Any]] = field(default_factory=dict)
    median_error: float = 0.0
    outliers: list[dict[str, Any]] = field(default_factory=list)

    def write(self, path: str | Path) -> None:
        """Write the device as a YAML file that `hardware=` takes."""
        write_text(path, yaml.safe_dump(to_row(self.device), sort_keys=False), by_user=True)


@typed(
    source=("str", "Path"), hardware=TYPES["hardware"], devices=TYPES["devices"], model=("str",),
    values=("None", "Mapping"),
)  # fmt: skip
def calibrate(
    source: str | Path,
    hardware: str,
    devices: int = 1,
    *,
    model: str = "",
    values: Mapping[str, Any] | None = None,
) -> Calibration:
    """Fit a card's constants to measured times: soft-L1 on the logarithms, with outlying rows left out and named.

    source: a csv with the columns of `explain_columns`, as `scalelaw measure` writes it, or the JSON file of
    a benchmark tool. model: of rows that name none, or another name than the catalogue's. devices: cards that serve the
    model together, unless a row states it. values: of columns that the rows lack, {"visual_tokens": 576}.
    Raises InputError for a file that cannot be read, lacks a column or holds what is not a positive number, and for
    measurements that are too few or too alike to tell the constants apart.
    """
    device = find_device(hardware)
    if device is None:
        raise InputError("A calibration needs the hardware's name.", code="unknown_hardware")
    count = int(number_within("devices", devices, *RANGES["devices"]))
    path = Path(source)
    timings = timings_of(
        _rows(path, model, {name: str(value) for name, value in (values or {}).items()}), model, count
    )
    read = timings.values
    if len(read) < LEAST_ROWS:
        raise InputError(
            f"{len(read)} measurement(s) do not tell the constants of a card.",
            code="too_few_points",
            hint="Measure at least 3: several models or numbers of visual tokens, batches of 1 and of many.",
        )
    device = replace(device, count=count)
    warnings = [*_of_models(read), *_left_out(timings.left_out)]
    if device.constants is None or _are_alike(read):
        return _of_roofline(replace(device, constants=None), read, warnings)
    plain = None
    if len(read) <= MOST_TRIED and all(timing.work.serving == "batch" for timing in read):
        plain = _roofline_instead(replace(device, constants=None), read, warnings)
    try:
        staged = _of_stages(device, read, warnings)
    except InputError:
        if plain is None:
            raise
        return plain
    is_plain = plain is not None and plain.median_error < BETTER * staged.median_error
    apart = len({float(f"{timing.measured:.3g}") for timing in read})
    return plain if plain is not None and is_plain and apart >= LEAST_APART else staged


def explain_columns() -> dict[str, str]:
    """The columns of a csv that `calibrate` reads, and what each holds."""
    return dict(COLUMNS)


def _rows(path: Path, model: str, values: Mapping[str, str]) -> list[dict[str, str]]:
    """The rows of a csv or of a benchmark file, with the values of the columns that they lack."""
    if is_json(path):
        _, rows = read_benchmark(path)
        if model:
            # the name that a server goes by is not always the catalogue's
            rows = [{**row, "model": model} for row in rows]
        rows = with_values(rows, values)
        check_columns({name for row in rows for name in row}, path, bool(model))
        return rows
    names, listed = read_csv(path)
    check_columns({*names, *values}, path, bool(model))
    return with_values(listed, values)


def _of_roofline(device: Device, timings: Sequence[Timing], warnings: list[tuple[str, str]]) -> Calibration:
    limit = replace(device, mfu=1.0, mbu=1.0, overhead_s=0.0)
    ahead = float(np.exp(np.median([np.log(predict(limit, t) / t.measured) for t in timings])))
    if ahead > IMPOSSIBLE:
        raise InputError(
            f"The times are {ahead:.3g} times shorter than {device.name} can reach: their unit or the card differs.",
            code="other_unit",
            hint="Times are in milliseconds; multiply times in seconds by 1000.",
        )
    fit = fit_roofline(device, timings)
    outliers = _outliers(timings, fit.residuals, fit.is_outlying)
    relative = np.expm1(fit.residuals[~fit.is_outlying])
    worst = float(np.abs(relative).max())
    own = [*_at_bounds(fit.not_seen, fit.mfu, fit.mbu, fit.overhead_s), *_misfit(outliers, worst)]
    return Calibration(
        device.name, fit.mfu, fit.mbu, 1e3 * fit.overhead_s, float(np.sqrt(np.mean(relative**2))), worst, len(timings),
        fit.not_seen, fit.device, as_warnings([*warnings, *own]), {}, _median(fit.residuals), outliers,
    )  # fmt: skip


def _of_stages(device: Device, timings: Sequence[Timing], warnings: list[tuple[str, str]]) -> Calibration:
    factor = float(np.exp(np.median([np.log(predict(device, t) / t.measured) for t in timings])))
    if not 1 / OTHER_UNIT < factor < OTHER_UNIT:
        raise InputError(
            f"The times are {1 / factor:.3g} times what {device.name} gives: their unit or the card differs.",
            code="other_unit",
            hint="Times are in milliseconds; multiply times in seconds by 1000.",
        )
    staged = fit_stages(device, timings)
    fit = staged.fit
    seen = {name: bool(is_seen) for name, is_seen in zip(staged.names, fit.is_seen, strict=True)}
    if not any(seen.values()):
        raise InputError(
            f"{len(timings)} measurements determine none of the card's constants.",
            code="not_identified",
            hint="Measure several models or numbers of visual tokens, batches of 1 and of many.",
        )
    constants = {name: {"value": staged.values[name], "is_seen": seen[name]} for name in staged.names}
    unseen = tuple(name for name in staged.names if not seen[name])
    outliers = _outliers(timings, fit.residuals, fit.is_outlying)
    relative = np.expm1(fit.residuals[~fit.is_outlying])
    worst = float(np.abs(relative).max())
    own = [*_not_seen(unseen), *_misfit(outliers, worst)]
    return Calibration(
        device.name, device.mfu, device.mbu, 1e3 * device.overhead_s, float(np.sqrt(np.mean(relative**2))), worst,
        len(timings), unseen, staged.device, as_warnings([*warnings, *own]), constants, _median(fit.residuals),
        outliers,
    )  # fmt: skip


def _are_alike(timings: Sequence[Timing]) -> bool:
    """Whether every row is of one configuration and one kind of time: the constants cannot be separated."""
    places = {
        (t.model.name, t.visual_tokens, float(np.ravel(t.work.batch)[0]), t.work.text_tokens, t.work.generate, t.kind,
         t.devices, t.work.serving, str(t.work.weight_type))
        for t in timings
    }  # fmt: skip
    return len(places) == 1


def _roofline_instead(
    device: Device, timings: Sequence[Timing], warnings: list[tuple[str, str]]
) -> Calibration | None:
    """The card as a roofline of whole stages; None where the rows do not determine that."""
    try:
        return _of_roofline(device, timings, warnings)
    except InputError:
        return None


def _outliers(
    timings: Sequence[Timing], residuals: np.ndarray, is_outlying: np.ndarray
) -> list[dict[str, Any]]:
    return [
        {
            "row": timing.row,
            "kind": timing.kind,
            "measured": timing.measured,
            "predicted": float(timing.measured * np.exp(residual)),
        }
        for timing, residual, is_far in zip(timings, residuals, is_outlying, strict=True)
        if is_far
    ]


def _median(residuals: np.ndarray) -> float:
    return float(np.median(np.abs(np.expm1(residuals))))


def _not_seen(unseen: Sequence[str]) -> Iterator[tuple[str, str]]:
    if unseen:
        message = f"The measurements do not determine {', '.join(unseen)}: these keep the card's values."
        yield "not_seen", message


def _misfit(outliers: Sequence[Mapping[str, Any]], worst: float) -> Iterator[tuple[str, str]]:
    if outliers:
        shown = "; ".join(
            f"{data_row(one['row']).partition(' (')[0]}: {one['kind']} {one['measured']:.4g}, predicted "
            f"{one['predicted']:.4g}"
            for one in outliers[:5]
        )
        more = f"; and {len(outliers) - 5} more" if len(outliers) > 5 else ""
        yield (
            "outliers",
            f"{len(outliers)} measurements lie far from the others and were left out: {shown}{more}.",
        )
    if worst > FAR:
        yield (
            "poor_calibration",
            f"A measurement is missed by {100 * worst:.0f} %: the latency cost does not describe it.",
        )


def _left_out(reasons: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    if reasons:
        shown = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        yield "rows_left_out", f"Rows without a usable time were left out: {shown}."


def _at_bounds(unseen: tuple[str, ...], mfu: float, mbu: float, overhead: float) -> Iterator[tuple[str, str]]:
    for name in unseen:
        bound = {"mfu": "compute", "mbu": "bandwidth"}[name]
        yield "not_seen", f"No measurement is bound by {bound}: {name} keeps its default."
    for name, value in (("mfu", mfu), ("mbu", mbu)):
        if value >= 0.999 and name not in unseen:
            yield "at_bound", f"{name} is at its bound of 1: is the hardware the one that was measured?"
        if value <= 1.01 * LEAST and name not in unseen:
            yield "at_bound", f"{name} is at its bound of {LEAST:g}: are the latencies in milliseconds?"
    if overhead >= 0.999 * SLOWEST:
        yield "at_bound", f"The overhead is at its bound of {SLOWEST:g} s: are the latencies in milliseconds?"


def _of_models(timings: Sequence[Timing]) -> list[tuple[str, str]]:
    """The warnings (code, message) of how the models were read, and of encoders that had to be assumed."""
    models = {(timing.model.name, timing.is_assumed): timing for timing in timings}
    bare = [timing for timing in models.values() if timing.is_assumed and timing.work.tower]
    tower = bare[0].work.tower if bare else None
    return [
        *dict.fromkeys(warning for timing in models.values() for warning in timing.model.warnings),
        *(assumed([timing.model for timing in bare], tower) if tower else ()),
    ]
