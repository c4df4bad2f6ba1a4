"""Calibration against latencies of known efficiencies, and custom devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scalelaw.costs import latency
from scalelaw.costs._workload import Workload
from scalelaw.errors import InputError
from scalelaw.plan import calibrate, find_optimum, models_in
from scalelaw.plan.catalogue import find_tower
from scalelaw.plan.hardware import find_device

TRUE = {"mfu": 0.42, "mbu": 0.71, "overhead_s": 0.0008}


def measure(path: Path, noise: float = 0.0, generate: tuple[int, ...] = (0, 16)) -> Path:
    """A csv of latencies as the roofline gives them with TRUE efficiencies."""
    rng = np.random.default_rng(0)
    card = find_device("h100")
    assert card is not None
    device = replace(card, constants=None, **TRUE)
    lines = ["model,visual_tokens,text_tokens,generate,batch,latency_ms"]
    for model in (m for m in models_in("qwen1.5") if m.n_params in (1.8e9, 4e9, 7e9)):
        for tokens in (16, 576):
            for batch in (1, 16):
                for steps in generate:
                    work = Workload(50, steps, batch, tower=find_tower("clip-vit-l-14-336"), device=device)
                    parts = latency.parts(model.n_params, model.shape, tokens, work)
                    measured = float(sum(parts.values())) * np.exp(noise * rng.normal())
                    lines.append(f"{model.name},{tokens},50,{steps},{batch},{measured:.12g}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_true_efficiencies_come_back(tmp_path: Path) -> None:
    calibration = calibrate(measure(tmp_path / "exact.csv"), "h100")
    assert (calibration.mfu, calibration.mbu, calibration.overhead_ms) == pytest.approx(
        (0.42, 0.71, 0.8), rel=1e-6
    )
    assert calibration.rms < 1e-8
    assert (calibration.n, calibration.not_seen) == (24, ())
    assert [code for code, _ in calibration.warnings] == ["assumed_encoder"]
    noisy = calibrate(measure(tmp_path / "noisy.csv", noise=0.03), "h100")
    assert (noisy.mfu, noisy.mbu) == pytest.approx((0.42, 0.71), rel=0.04)
    assert 0.015 < noisy.rms < 0.045


def test_latencies_in_another_unit_end_at_a_bound_and_that_is_said(tmp_path: Path) -> None:
    header, *rows = measure(tmp_path / "exact.csv").read_text().splitlines()
    slow = [f"{row.rsplit(',', 1)[0]},{1e4 * float(row.rsplit(',', 1)[1])}" for row in rows]
    (tmp_path / "slow.csv").write_text("\n".join([header, *slow]))
    calibration = calibrate(tmp_path / "slow.csv", "h100")
    assert any(code == "at_bound" and "bound of 0.001" in message for code, message in calibration.warnings)


def test_latencies_in_seconds_are_refused(tmp_path: Path) -> None:
    header, *rows = measure(tmp_path / "exact.csv").read_text().splitlines()
    fast = [f"{row.rsplit(',', 1)[0]},{1e-3 * float(row.rsplit(',', 1)[1])}" for row in rows]
    (tmp_path / "fast.csv").write_text("\n".join([header, *fast]))
    with pytest.raises(InputError) as caught:
        calibrate(tmp_path / "fast.csv", "h100")
    assert caught.value.code == "other_unit"
    assert "1000" in caught.value.hint


def test_a_plan_says_that_it_is_calibrated(tmp_path: Path, reasoning: Any) -> None:
    calibrate(measure(tmp_path / "exact.csv"), "h100").write(tmp_path / "card.yaml")
    optimum = find_optimum(
        reasoning, {"latency_ms": 80}, models="qwen1.5", hardware=str(tmp_path / "card.yaml")
    )
    assert optimum.searched["calibrated"]
    assert not find_optimum(reasoning, {"latency_ms": 80}, models="qwen1.5", hardware="h100").searched[
        "calibrated"
    ]
    device = find_device(str(tmp_path / "card.yaml"))
    assert device is not None
    assert (device.mfu, device.overhead_s) == pytest.approx((0.42, 0.0008), rel=1e-6)


def test_what_no_measurement_depends_on_keeps_its_default(tmp_path: Path) -> None:
    rows = measure(tmp_path / "all.csv", generate=(0,)).read_text().splitlines()
    bound_by_compute = [row for row in rows if row.startswith("model") or ",576," in row]
    (tmp_path / "some.csv").write_text("\n".join(bound_by_compute))
    calibration = calibrate(tmp_path / "some.csv", "h100")
    assert calibration.not_seen == ("mbu",)
    assert calibration.mbu == 0.8
    assert calibration.mfu == pytest.approx(0.42, rel=1e-4)
    assert "not_seen" in dict(calibration.warnings)


def test_measurements_that_cannot_tell_the_constants_apart_get_a_sentence(tmp_path: Path) -> None:
    head = "model,visual_tokens,generate,latency_ms\n"
    (tmp_path / "same.csv").write_text(head + "qwen1.5-7b,576,0,60\n" * 4)
    with pytest.raises(InputError, match="4 measurements do not tell mfu and the overhead apart") as refusal:
        calibrate(tmp_path / "same.csv", "h100")
    assert refusal.value.code == "not_identified"
    (tmp_path / "many.csv").write_text(head + "qwen1.5-7b,577,0,60\n" * 4)
    with pytest.raises(InputError, match="data row 1 .*: 577 visual tokens are more than the 576 patches"):
        calibrate(tmp_path / "many.csv", "h100")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "missing_column"),
        ("model,visual_tokens\na,1\n", "missing_column"),
        ("model,visual_tokens,latency\na,1,1\n", "unknown_column"),
        ("model,visual_tokens,latency_ms,latency_ms\na,1,1,2\n", "duplicate_column"),
        ("model,visual_tokens, latency_ms ,model,latency_ms\na,1,1,a,1\n", "duplicate_column"),
        ("model,visual_tokens,latency_ms\na,1,1,2\n", "unreadable_table"),
        ("model\tvisual_tokens\tlatency_ms\na\t1\t1\n", "unreadable_table"),
        ('model,visual_tokens,latency_ms,reason\na,1,1,"b\na,1,2,c"\n', "unreadable_table"),
        ("model,visual_tokens,latency_ms\nqwen1.5-7b,1,0\n", "bad_value"),
        ("model,visual_tokens,latency_ms\nqwen1.5-7b,1,fast\n", "bad_value"),
        ("model,visual_tokens,latency_ms\nqwen9,1,3\n", "unknown_model"),
        ("model,visual_tokens,latency_ms\nqwen1.5-7b,1,3\n", "too_few_points"),
        ("model,visual_tokens,latency_ms,dtype\nqwen1.5-7b,1,3,bf7\n", "unknown_dtype"),
        ("model,visual_tokens,ttft_ms,concurrency\nqwen1.5-7b,1,3,0\n", "bad_value"),
        ("model,visual_tokens,ttft_ms,arrival_rate\nqwen1.5-7b,1,3,2\n", "bad_value"),
        ("model,visual_tokens,ttft_ms,concurrency,arrival_rate\nqwen1.5-7b,1,3,2,2\n", "bad_value"),
        ("model,ttft_ms\nqwen1.5-7b,3\n", "missing_column"),
        ("model,image_size,ttft_ms\nqwen3-vl-8b,big,3\n", "bad_image_size"),
    ],
)
def test_bad_measurements_get_a_sentence(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(InputError) as refusal:
        calibrate(tmp_path / "m.csv", "h100")
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("3", "bad_hardware"),
        ("{peak_tflops: 100}", "bad_hardware"),
        ("{peak_tflops: 100, bandwidth_tb_s: 1, memory_gb: many}", "bad_hardware"),
        ("{peak_tflops: -1, bandwidth_tb_s: 1, memory_gb: 24}", "bad_hardware"),
        ("{peak_tflops: 100, bandwidth_tb_s: 1, memory_gb: 24, mfu: 2}", "bad_hardware"),
        ("{peak_tflops: 100, bandwidth_tb_s: 1, memory_gb: 24, overhead_ms: -1}", "bad_hardware"),
        ("{peak_tflops: 100, bandwidth_tb_s: 1, memory_gb: 24, overhead_ms: .nan}", "bad_hardware"),
        ("{peak_tflops: 100, bandwidth_tb_s: 1, memory_gb: 24, watts: -5}", "bad_hardware"),
        ("{peak_tflops: 100, bandwidth_tb_s: 1, memory_gb: 24, watts: .nan}", "bad_hardware"),
        ("{peak_tflops: 1e400, bandwidth_tb_s: 1, memory_gb: 24}", "bad_hardware"),
        (f"{{peak_tflops: {10**400}, bandwidth_tb_s: 1, memory_gb: 24}}", "bad_hardware"),
        ("{peak_tflops: true, bandwidth_tb_s: 1, memory_gb: 24}", "bad_hardware"),
        ("{peak_tflops: [1], bandwidth_tb_s: 1, memory_gb: 24}", "bad_hardware"),
        ("{peak_tflops: 100, bandwidth_tb_s: 1, memory_gb: 24, calibrated: maybe}", "bad_hardware"),
        ("{peak_tflops: 100, bandwidth_tb_s: 1, memory_gb: 1e-300}", "bad_hardware"),
        ("{peak_flops: 100}", "unknown_key"),
        ("[", "bad_yaml"),
    ],
)
def test_a_bad_device_gets_a_sentence(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "card.yaml").write_text(text)
    with pytest.raises(InputError) as refusal:
        find_device(str(tmp_path / "card.yaml"))
    assert refusal.value.code == code
