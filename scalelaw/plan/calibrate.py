"""Calibration: measured latencies tell how much of a device's peak and bandwidth is reached."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import yaml

from scalelaw.costs import latency
from scalelaw.costs._workload import Device, Workload
from scalelaw.errors import InputError, data_row, typed, unknown
from scalelaw.files.file_type import TABLE, otherwise
from scalelaw.files.paths import write_text
from scalelaw.files.safe_load import read_text
from scalelaw.model_shapes import LLMShape, TowerShape
from scalelaw.plan.catalogue import Model
from scalelaw.plan.cost_breakdown import find_model, workload_for
from scalelaw.plan.encoders import assumed
from scalelaw.plan.hardware import find_device, to_row
from scalelaw.plan.workload import RANGES, TYPES, make_query, number_within
from scalelaw.results.envelope import Answer
from scalelaw.results.warning import Warning, as_warnings

COLUMNS = (
    "model",
    "visual_tokens",
    "text_tokens",
    "generate",
    "batch",
    "dtype",
    "tower",
    "latency_ms",
    "ttft_ms",
)
NEEDED = ("model", "visual_tokens")
OPTIONS = ("text_tokens", "generate", "batch", "dtype", "tower")
"""Columns that are options of a query, under the rules of `make_query`; an empty cell is the default."""
KINDS = ("latency_ms", "ttft_ms")

LEAST, SLOWEST = 1e-3, 10.0
"""No efficiency is smaller, no overhead of a pass larger, in seconds."""

RANK = 1e-4
"""Singular values of the slopes (of length 1 each) that are smaller, beside the largest, are none."""


@dataclass(frozen=True)
class Calibration(Answer):
    """mfu, mbu, overhead_ms: fitted; rms, worst: relative residuals (0.05 = 5%); n: measurements.
    not_seen: of mfu and mbu those that no measurement depends on; they keep their default.
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

    def write(self, path: str | Path) -> None:
        """Write the device as a YAML file that `hardware=` takes."""
        write_text(path, yaml.safe_dump(to_row(self.device), sort_keys=False), by_user=True)


@typed(source=("str", "Path"), hardware=TYPES["hardware"], devices=TYPES["devices"])
def calibrate(source: str | Path, hardware: str, devices: int = 1) -> Calibration:
    """Fit mfu, mbu and the overhead of a pass to measured latencies, by least squares on the relative residuals.

    source: a csv with the columns model, visual_tokens, latency_ms or ttft_ms (or both), and, where they differ from
    50, 0, 1, bf16 and clip-vit-l-14-336: text_tokens, generate, batch, dtype, tower.
    Raises InputError for a csv that cannot be read, lacks a column or holds what is not a positive number, and for
    measurements that are too few or too alike to tell the constants apart.
    """
    device = find_device(hardware)
    if device is None:
        raise InputError("A calibration needs the hardware's name.", code="unknown_hardware")
    count = int(number_within("devices", devices, *RANGES["devices"]))
    # mfu, mbu and an overhead describe the roofline of whole stages
    device = replace(device, count=count, constants=None)
    shapes, works, measured = [], [], []
    read: dict[str, tuple[Model, TowerShape | None]] = {}
    for at, row in enumerate(_rows(Path(source)), start=1):
        model, work, visual, is_assumed = _query(row, at)
        shape = model.shape
        assert shape is not None
        read[f"{model.name} {is_assumed}"] = model, work.tower if is_assumed else None
        for kind in KINDS:
            if row.get(kind):
                shapes.append(shape)
                works.append((work, visual, kind))
                measured.append(_measured(row, kind, at))
    if len(measured) < 3:
        raise InputError(
            f"{len(measured)} measurement(s) do not tell mfu, mbu and overhead.",
            code="too_few_points",
            hint="Measure at least 3: several models or numbers of visual tokens, batches of 1 and of many.",
        )
    truth = np.array(measured)

    def residual(parameters: np.ndarray) -> np.ndarray:
        tried = replace(device, mfu=parameters[0], mbu=parameters[1], overhead_s=parameters[2])
        predicted = np.array([_predict(s, w, tried) for s, w in zip(shapes, works, strict=True)])
        return np.asarray(predicted / truth - 1)

    starts = [(f, b, 1e-4) for f in (0.2, 0.6) for b in (0.4, 0.8)]
    # here, as its import takes longer than a plan
    from scipy.optimize import least_squares

    fits = [least_squares(residual, start, bounds=([LEAST, LEAST, 0], [1, 1, SLOWEST]), x_scale=(0.1, 0.1, 1e-3),
                          xtol=1e-12, ftol=1e-12, gtol=1e-12) for start in starts]  # fmt: skip
    best = min(fits, key=lambda fit: fit.cost)
    mfu, mbu, overhead = map(float, best.x)
    slopes = np.abs(np.asarray(best.jac)).max(axis=0)
    unseen = tuple(name for name, slope in (("mfu", slopes[0]), ("mbu", slopes[1])) if slope < 1e-9)
    _check_rank(np.asarray(best.jac), len(truth))
    mfu, mbu = (device.mfu if "mfu" in unseen else mfu), (device.mbu if "mbu" in unseen else mbu)
    left = residual(np.array([mfu, mbu, overhead]))
    fitted = replace(device, mfu=mfu, mbu=mbu, overhead_s=overhead, calibrated=True)
    rms, worst = float(np.sqrt(np.mean(left**2))), float(np.abs(left).max())
    return Calibration(device.name, mfu, mbu, 1e3 * overhead, rms, worst, len(truth), unseen, fitted,
                       as_warnings([*_of_models(list(read.values())),
                                    *_warnings(unseen, worst, mfu, mbu, overhead)]))  # fmt: skip


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


def _warnings(unseen: tuple[str, ...], worst: float, mfu: float, mbu: float, overhead: float) -> Any:
    for name in unseen:
        bound = {"mfu": "compute", "mbu": "bandwidth"}[name]
        yield "not_seen", f"No measurement is bound by {bound}: {name} keeps its default."
    if worst > 0.2:
        yield (
            "poor_calibration",
            f"A measurement is missed by {100 * worst:.0f} %: the roofline does not describe it.",
        )
    for name, value in (("mfu", mfu), ("mbu", mbu)):
        if value >= 0.999 and name not in unseen:
            yield "at_bound", f"{name} is at its bound of 1: is the hardware the one that was measured?"
        if value <= 1.01 * LEAST and name not in unseen:
            yield "at_bound", f"{name} is at its bound of {LEAST:g}: are the latencies in milliseconds?"
    if overhead >= 0.999 * SLOWEST:
        yield "at_bound", f"The overhead is at its bound of {SLOWEST:g} s: are the latencies in milliseconds?"


def _predict(shape: LLMShape, query: tuple[Workload, float, str], device: Device) -> float:
    work, visual, kind = query
    work = replace(work, device=device)
    parts = latency.parts(shape.n_params, shape, visual, work)
    return float(latency.totals(parts, work)[kind])


def _rows(path: Path) -> list[dict[str, str]]:
    if wrong := otherwise(path, TABLE):
        raise InputError(f"{path} is not a csv of latencies.", code="wrong_kind", hint=wrong)
    try:
        reader = csv.DictReader(io.StringIO(read_text(path).removeprefix("\ufeff"), newline=""))
        names = [str(name).strip() for name in reader.fieldnames or []]
        reader.fieldnames = names
        rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in reader]
    except OSError as error:
        raise InputError(f"There is no file {path}.", code="no_such_file") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as csv: {error}.", code="unreadable_table") from error
    for name in names:
        if name not in COLUMNS:
            raise unknown("column", name, COLUMNS)
    if missing := [name for name in NEEDED if name not in names]:
        raise InputError(
            f"{path} has no column '{missing[0]}'.",
            code="missing_column",
            hint=f"It has: {', '.join(names)}.",
        )
    if not set(KINDS) & set(names):
        raise InputError(f"{path} has neither latency_ms nor ttft_ms.", code="missing_column")
    return rows


def _of_models(read: list[tuple[Model, TowerShape | None]]) -> list[tuple[str, str]]:
    """The warnings (code, message) of how the models were read, and of encoders that had to be assumed."""
    bare = [model for model, tower in read if tower]
    tower = next((tower for _, tower in read if tower), None)
    return [
        *dict.fromkeys(w for model, _ in read for w in model.warnings),
        *(assumed(bare, tower) if tower else ()),
    ]


def _query(row: dict[str, str], at: int) -> tuple[Model, Workload, float, bool]:
    """The model, workload, visual tokens and whether the encoder is assumed, by the rules of `find_cost`."""
    try:
        model = _model(row["model"])
        query = make_query(**{name: row[name] for name in OPTIONS if row.get(name)})  # type: ignore[arg-type]
        return model, *workload_for(model, query, row["visual_tokens"])
    except InputError as error:
        message = f"In {data_row(at)}: {error.message}"
        raise InputError(message, code=error.code, hint=error.hint) from error


@lru_cache(maxsize=64)
def _model(name: str) -> Model:
    return find_model(name)


def _measured(row: dict[str, str], name: str, at: int) -> float:
    """A measured latency. Raises InputError (`bad_value`) for what is not a positive number."""
    try:
        number = float(row[name])
    except ValueError:
        number = float("nan")
    if not 1e-9 <= number <= 1e9:
        raise InputError(
            f"{name} must be a positive number (1e-9 to 1e9); in {data_row(at)} it is '{row[name][:40]}'.",
            code="bad_value",
        )
    return number
