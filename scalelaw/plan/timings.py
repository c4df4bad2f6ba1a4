"""Measured times as rows of a csv: which columns there are, and the query that each row describes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from scalelaw.costs._workload import Workload
from scalelaw.errors import InputError, data_row, unknown
from scalelaw.files.csv_text import read_records
from scalelaw.files.file_type import TABLE, otherwise
from scalelaw.files.safe_load import read_text
from scalelaw.plan.catalogue import Model
from scalelaw.plan.cost_breakdown import count_of, find_model, one_work, workload_for
from scalelaw.plan.images import each_query, see, vision_model_of, workload_with
from scalelaw.plan.workload import RANGES, make_query, number_within
from scalelaw.tokens.pictures import read_pictures

KINDS = ("latency_ms", "ttft_ms", "ms_per_token")
PERCENTILES = tuple(f"{kind}_p{level}" for kind in KINDS for level in (50, 90, 95, 99))
NEEDED = ("model", "visual_tokens")
OPTIONS = (
    "text_tokens",
    "generate",
    "batch",
    "dtype",
    "cache_dtype",
    "tower",
    "images",
    "tiles",
    "compressor",
)
"""Columns that are options of a query, under the rules of `make_query`; an empty cell is the default."""

COLUMNS: dict[str, str] = {
    "model": "a name of the catalogue, or a config.json; needed unless --model names it",
    "visual_tokens": "of one image, as the LLM sees them; 0 for text only; needed unless image_size gives them",
    "image_size": "width x height in pixels (1280x720): the encoder's work follows from it by the model's family",
    "images": "images of a query; 1 unless it is stated",
    "tiles": "tiles of an image, each a pass of the encoder; 1 unless it is stated",
    "text_tokens": "tokens of the prompt without the images; 50 unless it is stated",
    "generate": "generated tokens; 0 unless it is stated",
    "batch": "queries that come together and are served to the end; 1 unless it is stated",
    "concurrency": "requests in flight at once (a closed loop); in place of batch",
    "arrival_rate": "requests per second that arrive at random; in place of batch and concurrency",
    "devices": "cards that serve the model together; --devices unless it is stated",
    "dtype": "number type of the weights; bf16 unless it is stated",
    "activation_dtype": "number type of the activations: bf16 with dtype int8 or int4 is a weight-only type",
    "cache_dtype": "number type of the key-value cache; bf16 unless it is stated",
    "tower": "another vision encoder than the model's own, or none",
    "compressor": "the compressor between encoder and LLM",
    "latency_ms": "milliseconds to the last token, the median",
    "ttft_ms": "milliseconds to the first token, the median",
    "ms_per_token": "milliseconds between generated tokens, the median",
    **{name: f"the {name[-2:]}th percentile of {name[:-4]}" for name in PERCENTILES},
    "status": "rows of another status than ok and one_chunk are left out",
}
"""What `scalelaw calibrate` reads of a csv, in words."""

PASSED = ("prompt_tokens", "image_ms", "prefill_ms", "step_ms", "requests_per_s", "tokens_per_s", "requests",
          "failed", "spread", "reason", "twin_of")  # fmt: skip
"""Columns that `scalelaw measure` writes beside those."""
USED_STATUSES = ("", "ok", "one_chunk")
WEIGHT_ONLY = {("int8", "bf16"): "w8a16", ("fp8", "bf16"): "w8a16", ("int4", "bf16"): "w4a16"}
"""(weights, activations) -> the number type of both."""


@dataclass(frozen=True)
class Timing:
    """One measured time. row: its place among the rows of data; kind: of `KINDS`; measured: in milliseconds.

    is_assumed: the vision encoder is a default. The workload has no device, but the number of them in `devices`.
    """

    row: int
    model: Model
    work: Workload
    visual_tokens: float
    kind: str
    measured: float
    devices: int
    is_assumed: bool


@dataclass(frozen=True)
class Timings:
    """Every measured time of a file, and how many rows were left out, by reason."""

    values: list[Timing]
    left_out: Mapping[str, int]


def read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns of a csv and its rows as text. Raises InputError for another file, and for an unknown column."""
    if wrong := otherwise(path, TABLE):
        raise InputError(f"{path} is not a csv of latencies.", code="wrong_kind", hint=wrong)
    try:
        names, rows = read_records(read_text(path), str(path))
    except OSError as error:
        raise InputError(f"There is no file {path}.", code="no_such_file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read as csv: {error}.", code="unreadable_table") from error
    for name in names:
        if name not in COLUMNS and name not in PASSED:
            raise unknown("column", name, COLUMNS)
    return names, rows


def check_columns(names: Iterable[str], path: Path, has_model: bool) -> None:
    """Raises InputError `missing_column` for rows that cannot be understood."""
    known = set(names)
    for name in NEEDED:
        is_known = (
            name in known or (name == "model" and has_model) or (name != "model" and "image_size" in known)
        )
        if not is_known:
            hint = f"It has: {', '.join(sorted(known))}."
            raise InputError(f"{path} has no column '{name}'.", code="missing_column", hint=hint)
    if not {*KINDS, *(f"{kind}_p50" for kind in KINDS)} & known:
        raise InputError(f"{path} has none of {', '.join(KINDS)}.", code="missing_column")


def timings_of(rows: Iterable[Mapping[str, str]], model: str, devices: int) -> Timings:
    """The measured times of the rows. model: of rows that name none. Raises InputError with the row's place."""
    values: list[Timing] = []
    left_out: dict[str, int] = {}
    for at, row in enumerate(rows, start=1):
        if (status := row.get("status", "")) not in USED_STATUSES:
            left_out[status] = left_out.get(status, 0) + 1
            continue
        if not any(_cell(row, kind) for kind in KINDS):
            left_out["no time"] = left_out.get("no time", 0) + 1
            continue
        named, work, visual, is_assumed = _query(row, at, model)
        count = int(_number(row, "devices", at) or devices)
        values += [
            Timing(at, named, work, visual, kind, value, count, is_assumed)
            for kind, value in _times(row, at, work).items()
        ]
    return Timings(values, left_out)


def _times(row: Mapping[str, str], at: int, work: Workload) -> dict[str, float]:
    """The measured times of a row that tell of the card, with the latency that follows from the other two.

    Under load the time to the first token is mostly a wait in the engine's queue: it counts only where the row has
    nothing else.
    """
    times = {kind: _measured(row, kind, at) for kind in KINDS if _cell(row, kind)}
    if not work.generate:
        times.pop("ms_per_token", None)
    if "latency_ms" not in times and len(times) == 2:
        times["latency_ms"] = times["ttft_ms"] + work.generate * times["ms_per_token"]
    is_loaded = work.serving != "batch" and float(np.ravel(work.batch)[0]) > 1
    if is_loaded and len(times) > 1:
        times.pop("ttft_ms", None)
    return times


def _query(row: Mapping[str, str], at: int, model: str) -> tuple[Model, Workload, float, bool]:
    """The model, workload, visual tokens and whether the encoder is assumed, by the rules of `find_cost`."""
    try:
        named = _model(row.get("model") or model)
        options: dict[str, Any] = {name: row[name] for name in OPTIONS if row.get(name)}
        if narrow := row.get("activation_dtype"):
            weights = options.get("dtype", "bf16")
            options["dtype"] = WEIGHT_ONLY.get((weights, "bf16" if narrow == "fp16" else narrow), weights)
        served = _serving(row, at)
        if served:
            # of n tokens the first comes with the prefill
            tokens = number_within("generate", options.get("generate", 0), *RANGES["generate"])
            options["generate"] = max(tokens - 1, 0)
            options.pop("batch", None)
        query = make_query(**options)
        visual = row.get("visual_tokens", "")
        sees = row.get("image_size") and query.work.images and count_of(visual or 1)
        if sees and (seen := _from_pixels(named, row["image_size"], query)) is not None:
            work, tokens_seen = seen
            return named, replace(work, **served), count_of(visual) if visual else tokens_seen, False
        if not visual and not query.work.images:
            visual = "0"
        if not visual:
            raise InputError("The row has neither visual_tokens nor an image_size.", code="bad_tokens")
        work, count, is_assumed = workload_for(named, query, visual)
        return named, replace(work, **served), count, is_assumed
    except InputError as error:
        message = f"In {data_row(at)}: {error.message}"
        raise InputError(message, code=error.code, hint=error.hint) from error


def _from_pixels(model: Model, size: str, query: Any) -> tuple[Workload, float] | None:
    """The workload with the encoder's work on images of a size; None where the model's family is not known."""
    try:
        vision = vision_model_of(model)
    except InputError:
        return None
    number = int(query.work.images)
    pictures = read_pictures((size,) * number, None, None)
    assert pictures is not None
    seen = see(model, vision, pictures, vision.settings, query.work.tower if query.stated_tower else "own")
    return each_query(workload_with(one_work(query), seen, number))[0], seen.mean_tokens


def _serving(row: Mapping[str, str], at: int) -> dict[str, Any]:
    """How requests come, as fields of a workload; empty for a batch."""
    level, rate = _number(row, "concurrency", at), _number(row, "arrival_rate", at)
    if level is not None and rate is not None:
        raise InputError("The row has both a concurrency and an arrival_rate.", code="bad_value")
    if rate is not None:
        # Little's law: requests in flight = arrivals a second x seconds of a request
        level = max(1.0, rate * _latency_s(row, at))
    return {} if level is None else {"serving": "closed", "batch": level}


def _latency_s(row: Mapping[str, str], at: int) -> float:
    """Seconds of a whole request, measured."""
    if _cell(row, "latency_ms"):
        return _measured(row, "latency_ms", at) / 1e3
    if not (_cell(row, "ttft_ms") and _cell(row, "ms_per_token") and row.get("generate")):
        raise InputError(
            "A row with an arrival_rate needs latency_ms, or ttft_ms, ms_per_token and generate.",
            code="bad_value",
        )
    tokens = _positive("generate", row["generate"], at)
    return (_measured(row, "ttft_ms", at) + (tokens - 1) * _measured(row, "ms_per_token", at)) / 1e3


@lru_cache(maxsize=64)
def _model(name: str) -> Model:
    return find_model(name)


def _cell(row: Mapping[str, str], kind: str) -> str:
    return row.get(kind) or row.get(f"{kind}_p50") or ""


def _measured(row: Mapping[str, str], kind: str, at: int) -> float:
    """A measured time. Raises InputError (`bad_value`) for what is not a positive number."""
    return _positive(kind, _cell(row, kind), at)


def _number(row: Mapping[str, str], name: str, at: int) -> float | None:
    return _positive(name, row[name], at) if row.get(name) else None


def _positive(name: str, text: str, at: int) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 1e-9 <= number <= 1e9:
        raise InputError(
            f"{name} must be a positive number (1e-9 to 1e9); in {data_row(at)} it is '{text[:40]}'.",
            code="bad_value",
        )
    return number
