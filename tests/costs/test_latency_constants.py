"""The latency constants: from operator tables alone, and what milliseconds follow from them."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from scalelaw.costs import dollars, energy, latency
from scalelaw.costs._constants import NUMBER_TYPES
from scalelaw.costs._workload import Device, Workload
from scalelaw.errors import InputError
from scalelaw.model_shapes import LLMShape
from scalelaw.plan import find_cost
from scalelaw.plan.hardware import find_device, list_hardware, to_row

FOLDER = Path(__file__).parents[2] / "experiments" / "latency"
LLAMA_70B = LLMShape("llama-3.1-70b", 80, 8192, 64, 8, 128, 28672, 128256)


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def card(name: str, **change: object) -> Device:
    device = find_device(name)
    assert device is not None
    return replace(device, **change)  # type: ignore[arg-type]


def milliseconds(device: Device, dtype: str = "bf16", **more: object) -> dict[str, float]:
    options = {"text_tokens": 1024, "generate": 1023, "batch": 64, "images": 0, "serving": "closed", **more}
    work = Workload(**options, weight_type=dtype, cache_bytes=1.0, device=device)  # type: ignore[arg-type]
    totals = latency.totals(latency.parts(0, LLAMA_70B, 0.0, work), work)
    return {kind: float(value) for kind, value in totals.items()}


def test_constants_are_what_the_operator_rows_give() -> None:
    pd = pytest.importorskip("pandas")
    extract = script("extract_constants")
    rows = pd.read_parquet(extract.OPERATORS)
    assert not [
        name for name in rows.columns if any(word in name for word in ("ttft", "tpot", "isl", "concurrency"))
    ]
    assert set(rows.operator) == set(script("sample_operators").TABLES)
    bundled = yaml.safe_load(extract.OUT.read_text(encoding="utf-8"))["cards"]
    assert set(bundled) == set(rows.card)
    again = extract.extract(rows, ["h100-sxm"])["h100-sxm"]
    for kind, rates in again["products"].items():
        assert rates == pytest.approx(bundled["h100-sxm"]["products"][kind], rel=0.01)
    assert again["all_reduce"][8] == pytest.approx(bundled["h100-sxm"]["all_reduce"][8], rel=0.01)


def test_the_sampling_opens_only_tables_of_single_operators() -> None:
    tables = script("sample_operators").TABLES.values()
    kinds = {
        "gemm",
        "context_attention",
        "generation_attention",
        "encoder_attention",
        "custom_allreduce",
        "scale_matrix",
    }
    assert {Path(pattern).name for pattern in tables} == {f"{kind}_perf.parquet" for kind in kinds}


def test_tensor_parallel_costs_what_it_costs() -> None:
    prices, joules = [], []
    for count in (1, 2, 4, 8):
        work = Workload(1024, 1023, 64, images=0, weight_type="fp8", cache_bytes=1.0, price_per_hour=3.0,
                        device=card("h200", count=count), serving="closed")  # fmt: skip
        prices.append(float(sum(dollars.parts(0, LLAMA_70B, 0.0, work).values())))
        joules.append(float(sum(energy.parts(0, LLAMA_70B, 0.0, work).values())))
    # measured: 747, 915, 1293, 1980 dollars for a million queries
    truth = np.array([747, 915, 1293, 1980])
    assert np.array(prices) / prices[0] == pytest.approx(truth / truth[0], rel=0.1)
    assert joules == sorted(joules)


def test_a_narrow_type_helps_where_it_should() -> None:
    step = {kind: milliseconds(card("h100"), kind, batch=1)["ms_per_token"] for kind in NUMBER_TYPES}
    assert step["w4a16"] < step["fp8"] < step["bf16"] < step["fp32"]
    one = {"batch": 1, "serving": "batch", "text_tokens": 8192, "generate": 0}
    first = {
        kind: milliseconds(card("h100"), kind, **one)["ttft_ms"] for kind in ("bf16", "w4a16", "int8", "fp8")
    }
    # a prompt is bound by compute: widened weights gain nothing, eight bits double the peak
    assert first["w4a16"] == pytest.approx(first["bf16"], rel=0.15)
    assert first["int8"] < 0.75 * first["bf16"]
    old = milliseconds(card("a100"), "fp8", **one)["ttft_ms"]
    assert old == pytest.approx(milliseconds(card("a100"), "bf16", **one)["ttft_ms"], rel=0.4)


def test_group_scales_are_counted() -> None:
    assert NUMBER_TYPES["q4_k_m"].weight_bytes == pytest.approx(0.60, abs=0.01)
    assert (
        find_cost("qwen3-8b", 0, tower="none", dtype="w4a16").costs["memory_gb"]
        > 1.03 * (find_cost("qwen3-8b", 0, tower="none", dtype="int4").costs["memory_gb"])
    )


def test_a_short_prompt_does_not_cost_less() -> None:
    one = {"batch": 1, "serving": "batch", "generate": 0}
    short, longer, long = (
        milliseconds(card("h100"), text_tokens=t, **one)["ttft_ms"] for t in (16, 128, 2048)
    )
    assert longer < 1.2 * short
    assert long > 3 * short


def test_prefills_of_others_come_between_the_steps() -> None:
    closed, batch = (milliseconds(card("h200"), serving=how) for how in ("closed", "batch"))
    assert closed["ms_per_token"] > batch["ms_per_token"]
    assert closed["ttft_ms"] < batch["ttft_ms"]
    assert closed["latency_ms"] == pytest.approx(batch["latency_ms"], rel=0.05)
    answer = find_cost("qwen3-8b", 0, 500, tower="none", hardware="h100", generate=100, concurrency=16)
    assert answer.batch == 16
    assert "wait" in answer.stages["latency_ms"]


def test_a_batch_and_a_concurrency_contradict() -> None:
    with pytest.raises(InputError) as refusal:
        find_cost("qwen3-8b", 0, tower="none", hardware="h100", batch=4, concurrency=16)
    assert refusal.value.code == "usage"


def test_thirty_cards_answer() -> None:
    names = list_hardware()
    assert len(names) >= 30
    for name in names:
        for count in (1, 2, 8):
            values = milliseconds(card(name, count=count), "fp8")
            assert 0 < values["ttft_ms"] < values["latency_ms"] < np.inf
    assert sum("operator tables" in line for line in names.values()) >= 10


def test_a_card_file_keeps_its_constants(tmp_path: Path) -> None:
    device = card("b200")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(to_row(device)))
    read = card(str(tmp_path / "mine.yaml"))
    assert milliseconds(read, "nvfp4") == pytest.approx(milliseconds(device, "nvfp4"), rel=1e-9)


def test_a_card_file_of_the_older_form_means_what_it_meant(tmp_path: Path) -> None:
    text = "{peak_tflops: 100, bandwidth_tb_s: 1, memory_gb: 24, mfu: 0.4, mbu: 0.7, overhead_ms: 1, calibrated: true}"
    (tmp_path / "old.yaml").write_text(text)
    device = card(str(tmp_path / "old.yaml"))
    assert device.constants is None
    work = Workload(100, 0, 1, images=0, device=device, weight_bytes=2.0)
    flops = 2 * 100 * LLAMA_70B.block_params + 4 * 80 * 64 * 128 * 100**2 + LLAMA_70B.head_flops
    moved = 2 * (LLAMA_70B.n_params - LLAMA_70B.vocab * LLAMA_70B.width)
    assert float(latency.parts(0, LLAMA_70B, 0.0, work)["prefill"]) == pytest.approx(
        1e3 * max(flops / 40e12, moved / 0.7e12) + 1, rel=1e-9
    )


@pytest.mark.parametrize(
    "constants",
    ["3", "{products: {}}", "{colour: 1}", "{products: {bf16: {compute: -1, bandwidth: 1, launch_us: 1}}}"],
)
def test_constants_that_are_none_are_refused(tmp_path: Path, constants: str) -> None:
    fields = "peak_tflops: 100, bandwidth_tb_s: 1, memory_gb: 24"
    (tmp_path / "bad.yaml").write_text(f"{{{fields}, constants: {constants}}}")
    with pytest.raises(InputError) as refusal:
        find_device(str(tmp_path / "bad.yaml"))
    assert refusal.value.code in ("bad_hardware", "unknown_key")


def test_ranges_are_wider_where_constants_are_defaults() -> None:
    def width(name: str) -> float:
        answer = find_cost("qwen3-8b", 0, tower="none", hardware=name, generate=10, usd_per_hour=1)
        assert {"latency_ms", "ttft_ms", "ms_per_token", "usd_per_million"} <= set(answer.costs_interval)
        low, high = answer.costs_interval["latency_ms"]
        assert low < answer.costs["latency_ms"] < high
        return high / low

    assert width("h100") < width("h20") < width("mi300x") < width("epyc-9654")
    energy_low, energy_high = find_cost("qwen3-8b", 0, tower="none", hardware="h100").costs_interval[
        "energy_j"
    ]
    assert energy_high / energy_low > width("h100")


def test_one_answer_takes_milliseconds() -> None:
    device = card("h100")
    milliseconds(device)
    started = time.process_time()
    for _ in range(20):
        milliseconds(device)
    assert (time.process_time() - started) / 20 < 0.01
