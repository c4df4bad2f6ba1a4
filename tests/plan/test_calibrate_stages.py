"""Constants of stages: each comes back where the rows determine it, and bad rows do not move them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalelaw import cli
from scalelaw.costs import latency
from scalelaw.costs._workload import Device, Workload
from scalelaw.errors import InputError
from scalelaw.plan import calibrate, explain_columns, find_cost, models_in
from scalelaw.plan.catalogue import find_tower
from scalelaw.plan.hardware import find_device
from scalelaw.plan.stage_fit import _Pieces, predict, with_launches, with_scale, with_type
from scalelaw.plan.timings import read_csv, timings_of
from scalelaw.results.measurement import csv_of

TRUE = {"image": 1.7, "prefill": 1.4, "decode": 1.2, "host": 4.0}
COLUMNS = (
    "model", "visual_tokens", "text_tokens", "generate", "concurrency", "devices", "dtype", "images", "ttft_ms",
    "ms_per_token",
)  # fmt: skip
TOWER = "clip-vit-l-14-336"


def base() -> Device:
    device = find_device("h100-sxm")
    assert device is not None
    assert device.constants is not None
    return device


def true_device(**more: float) -> Device:
    device = base()
    constants: Any = device.constants
    for stage in ("image", "prefill", "decode"):
        constants = with_scale(constants, stage, TRUE[stage])
    for name, factor in more.items():
        constants = with_scale(constants, name, factor)
    return replace(device, constants=replace(constants, request_ms=TRUE["host"]))


def rows_of(
    device: Device, sizes: tuple[float, ...] = (1.8e9, 4e9, 7e9), devices: tuple[int, ...] = (1,),
    dtypes: tuple[str, ...] = ("bf16",), noise: float = 0.0, levels: tuple[int, ...] = (1, 16),
) -> list[dict[str, Any]]:  # fmt: skip
    """Times of a closed loop, as the latency cost gives them on a device."""
    random = np.random.default_rng(0)
    rows = []
    for model in (m for m in models_in("qwen1.5") if m.n_params in sizes):
        for visual in (0, 144, 576):
            for level in levels:
                for count in devices:
                    for dtype in dtypes:
                        work = Workload(
                            200, 63, level, tower=find_tower(TOWER), device=replace(device, count=count),
                            serving="closed", weight_type=dtype, images=1 if visual else 0,
                        )  # fmt: skip
                        parts = latency.parts(model.n_params, model.shape, visual, work)
                        times = latency.totals(parts, work)
                        noisy = np.exp(noise * random.normal(size=2))
                        rows.append(dict(zip(COLUMNS, (
                            model.name, visual, 200, 64, level, count, dtype, work.images,
                            float(times["ttft_ms"]) * noisy[0], float(times["ms_per_token"]) * noisy[1],
                        ), strict=True)))  # fmt: skip
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_every_stage_comes_back(tmp_path: Path) -> None:
    card = calibrate(write(tmp_path / "l.csv", rows_of(true_device())), "h100-sxm")
    for name, value in TRUE.items():
        assert card.constants[name]["value"] == pytest.approx(value, rel=0.01), name
        assert card.constants[name]["is_seen"], name
    assert card.not_seen == ("all_reduce",)
    assert card.outliers == []
    assert card.median_error < 1e-3


def test_the_card_file_gives_the_same_times(tmp_path: Path) -> None:
    card = calibrate(write(tmp_path / "l.csv", rows_of(true_device())), "h100-sxm")
    card.write(tmp_path / "card.yaml")
    device = find_device(str(tmp_path / "card.yaml"))
    assert device is not None
    assert device.calibrated
    bill = find_cost("qwen1.5-7b", 576, 50, generate=16, hardware=str(tmp_path / "card.yaml"))
    truth = find_cost("qwen1.5-7b", 576, 50, generate=16, hardware=true_device())
    assert bill.costs["latency_ms"] == pytest.approx(truth.costs["latency_ms"], rel=0.005)


def test_all_reduces_and_number_types_need_rows_that_have_them(tmp_path: Path) -> None:
    device = true_device(all_reduce=2.5)
    constants: Any = device.constants
    device = replace(device, constants=with_type(constants, "fp8", 1.5))
    rows = rows_of(device, devices=(1, 4), dtypes=("bf16", "fp8"))
    card = calibrate(write(tmp_path / "l.csv", rows), "h100-sxm")
    assert card.constants["all_reduce"]["value"] == pytest.approx(2.5, rel=0.03)
    assert card.constants["type:fp8"]["value"] == pytest.approx(1.5, rel=0.05)
    assert card.not_seen == ()


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_bad_rows_are_named_and_cost_at_most_a_point(tmp_path: Path, share: float) -> None:
    device = true_device()
    rows = rows_of(device, noise=0.05)
    clean = calibrate(write(tmp_path / "clean.csv", rows), "h100-sxm")
    random = np.random.default_rng(1)
    bad = random.choice(len(rows), round(share * len(rows)), replace=False)
    for at in bad:
        factor = random.choice([0.2, 3.0, 10.0])
        rows[at] = {
            **rows[at],
            "ttft_ms": factor * rows[at]["ttft_ms"],
            "ms_per_token": factor * rows[at]["ms_per_token"],
        }
    robust = calibrate(write(tmp_path / "bad.csv", rows), "h100-sxm")
    assert {one["row"] for one in robust.outliers} == {int(at) + 1 for at in bad}
    assert "outliers" in dict(robust.warnings)
    truth = rows_of(device)
    assert error_on(robust.device, truth, tmp_path) < error_on(clean.device, truth, tmp_path) + 0.01


def error_on(device: Device, rows: list[dict[str, Any]], folder: Path) -> float:
    """The median absolute error of a device on rows."""
    timings = timings_of(read_csv(write(folder / "held_out.csv", rows))[1], "", 1).values
    errors = [abs(predict(device, timing) / timing.measured - 1) for timing in timings]
    return float(np.median(errors))


def test_twelve_rows_of_one_model_predict_the_other_models(tmp_path: Path) -> None:
    device = true_device()
    few = rows_of(device, sizes=(4e9,), noise=0.03, levels=(1, 4, 16, 64))
    assert len(few) == 12
    card = calibrate(write(tmp_path / "few.csv", few), "h100-sxm")
    others = rows_of(device, sizes=(1.8e9, 7e9, 14e9))
    assert error_on(card.device, others, tmp_path) < 0.08


def test_the_time_to_the_first_token_does_not_charge_the_decode_step(tmp_path: Path) -> None:
    rows = [{**row, "ms_per_token": ""} for row in rows_of(true_device()) if row["concurrency"] == 1]
    card = calibrate(write(tmp_path / "l.csv", rows), "h100-sxm")
    assert "decode" in card.not_seen
    assert card.constants["decode"]["value"] == 1
    assert card.constants["prefill"]["is_seen"]


def test_the_sum_of_pieces_is_the_latency_cost(tmp_path: Path) -> None:
    """What the fit minimizes is what the cost says, for any constants."""
    rows = rows_of(true_device(), devices=(1, 2), dtypes=("bf16", "fp8"))
    rows += [{**row, "latency_ms": 1.0} for row in rows]
    timings = timings_of(read_csv(write(tmp_path / "l.csv", rows))[1], "", 1).values
    device = base()
    values = {"image": 0.3, "prefill": 0.2, "decode": -0.1, "all_reduce": 0.5, "launch": 0.4, "host": 3.0}
    constants: Any = device.constants
    for name in ("image", "prefill", "decode", "all_reduce"):
        constants = with_scale(constants, name, float(np.exp(values[name])))
    constants = replace(with_launches(constants, float(np.exp(0.4))), request_ms=constants.request_ms + 3.0)
    pieces = _Pieces(device, timings)
    changed = replace(device, constants=constants)
    expected = [predict(changed, timing) for timing in timings]
    assert pieces.predict({**values, "type:fp8": 0.0}) == pytest.approx(expected, rel=1e-6)


def test_rows_of_a_measurement_are_read(tmp_path: Path) -> None:
    rows = [
        {**row, "status": "ok", "image_size": "", "requests": 9, "spread": 0.01, "reason": ""}
        for row in rows_of(true_device())
    ]
    rows.append({"model": "qwen1.5-4b", "status": "unstable", "images": 1, "reason": "noise"})
    (tmp_path / "m.csv").write_text(csv_of(rows))
    card = calibrate(tmp_path / "m.csv", "h100-sxm")
    assert card.n == 3 * (len(rows) - 1) // 2 + 2 * (len(rows) - 1) // 2
    assert "rows_left_out" in dict(card.warnings)
    assert card.constants["decode"]["value"] == pytest.approx(TRUE["decode"], rel=0.01)


def test_the_size_of_an_image_gives_its_tokens_and_the_encoders_work(tmp_path: Path) -> None:
    head = "model,image_size,images,dtype,activation_dtype,cache_dtype,ttft_ms,ttft_ms_p90,visual_tokens\n"
    lines = [
        "qwen3-vl-8b,640x480,1,int8,bf16,fp8,40,50,",
        "qwen3-vl-8b,1280x720,2,int8,bf16,fp8,200,250,",
        "qwen3-vl-8b,1280x720,1,int8,bf16,fp8,100,130,900",
        "qwen3-vl-8b,,0,int8,bf16,fp8,10,12,0",
    ]
    (tmp_path / "l.csv").write_text(head + "\n".join(lines) + "\n")
    timings = timings_of(read_csv(tmp_path / "l.csv")[1], "", 1).values
    assert [timing.visual_tokens for timing in timings] == [300, 880, 900, 0]
    assert {str(timing.work.weight_type[0] if not isinstance(timing.work.weight_type, str) else timing.work.weight_type)
            for timing in timings} == {"w8a16"}  # fmt: skip
    one, two = timings[0].work.load, timings[1].work.load
    assert one is not None
    assert two is not None
    assert two.tower_flops > 3 * one.tower_flops
    assert calibrate(tmp_path / "l.csv", "h100-sxm").n == 4


def test_the_model_of_rows_that_name_none(tmp_path: Path) -> None:
    rows = rows_of(true_device(), sizes=(4e9,))
    text = (
        write(tmp_path / "l.csv", rows).read_text().replace("qwen1.5-4b", "").replace("model,", "model,", 1)
    )
    (tmp_path / "l.csv").write_text(text)
    assert calibrate(tmp_path / "l.csv", "h100-sxm", model="qwen1.5-4b").n == 5 * len(rows) // 2
    with pytest.raises(InputError):
        calibrate(tmp_path / "l.csv", "h100-sxm")


def test_an_arrival_rate_is_read_as_the_requests_in_flight(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text(
        "model,visual_tokens,generate,arrival_rate,ttft_ms,ms_per_token\nqwen1.5-4b,0,101,4,500,20\n"
    )
    timing = timings_of(read_csv(tmp_path / "l.csv")[1], "", 1).values[0]
    # 4 requests a second of 2.5 s each
    assert timing.work.batch == pytest.approx(10)
    assert (timing.work.serving, timing.work.generate) == ("closed", 100)


def test_the_columns_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    columns = explain_columns()
    assert {"devices", "concurrency", "images", "image_size", "tiles", "compressor", "ms_per_token", "ttft_ms_p99",
            "activation_dtype", "cache_dtype"} <= set(columns)  # fmt: skip
    assert cli.main(["calibrate", "--explain-columns"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in columns)
    assert cli.main(["calibrate", "--hardware", "h100-sxm", "--json"]) == 2


def test_times_in_another_unit_are_refused(tmp_path: Path) -> None:
    rows = [
        {**row, "ttft_ms": row["ttft_ms"] / 1e3, "ms_per_token": row["ms_per_token"] / 1e3}
        for row in rows_of(true_device())
    ]
    with pytest.raises(InputError) as refusal:
        calibrate(write(tmp_path / "seconds.csv", rows), "h100-sxm")
    assert refusal.value.code == "other_unit"


def test_a_few_times_of_batches_do_not_replace_the_operators_of_a_card(tmp_path: Path) -> None:
    """Three constants fit any few times; the card keeps the constants of its operator tables."""
    rows = [f"qwen1.5-{size},{v},{ms}" for size, ms in (("1.8b", 9.0), ("7b", 21.0)) for v in (16, 144, 576)]
    (tmp_path / "few.csv").write_text("model,visual_tokens,latency_ms\n" + "\n".join(rows) + "\n")
    card = calibrate(tmp_path / "few.csv", "h100-sxm")
    assert card.device.constants is not None
    assert card.constants["decode"] == {"value": 1.0, "is_seen": False}
