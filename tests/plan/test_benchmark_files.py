"""Benchmark files of other tools: units, loads, failed requests, files that are cut off."""

from __future__ import annotations

# ruff: noqa: E501
import contextlib
import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalelaw import cli, plugins
from scalelaw.errors import InputError
from scalelaw.plan import calibrate
from scalelaw.plan.benchmark_files import read_benchmark

METRIC = {"successful": {"median": 20.0, "mean": 21.0}}
SERVE = {
    "backend": "openai-chat", "model_id": "Qwen/Qwen2.5-7B-Instruct", "num_prompts": 100, "completed": 100, "failed": 0,
    "request_rate": "inf", "max_concurrency": 8, "total_input_tokens": 51200, "total_output_tokens": 12800,
    "median_ttft_ms": 80.0, "median_tpot_ms": 10.0, "median_e2el_ms": 1350.0, "ttfts": [0.07, 0.08, 0.09],
}  # fmt: skip
FILES: dict[str, Any] = {
    "vllm_serve": SERVE,
    "vllm_latency": {"avg_latency": 1.5, "latencies": [1.4, 1.5, 1.9], "percentiles": {"50": 1.5}},
    "vllm_mm_processor": {
        "completed": 50, "failed": 0, "median_e2el_ms": 400.0, "p99_e2el_ms": 500.0,
        "mm_processor_stats": {"encoder_forward_time": {"mean": 0.05, "median": 0.05}},
    },
    "aiperf": {
        "input_config": {"endpoint": {"model_names": ["qwen2.5-7b"]}, "loadgen": {"concurrency": 8}},
        "request_count": {"unit": "requests", "avg": 100}, "error_request_count": {"unit": "requests", "avg": 1},
        "time_to_first_token": {"unit": "ms", "avg": 90, "p50": 80}, "inter_token_latency": {"unit": "ms", "p50": 10},
        "request_latency": {"unit": "sec", "p50": 1.35}, "input_sequence_length": {"unit": "tokens", "avg": 512},
        "output_sequence_length": {"unit": "tokens", "avg": 128},
    },
    "guidellm": {
        "args": {"model": "qwen2.5-7b"},
        "benchmarks": [
            {
                "config": {"strategy": {"type_": "concurrent", "streams": 8}},
                "metrics": {
                    "request_totals": {"successful": 100, "errored": 0, "total": 100},
                    "time_to_first_token_ms": {"successful": {"median": 80.0}},
                    "inter_token_latency_ms": {"successful": {"median": 10.0}},
                    "request_latency": {"successful": {"median": 1.35}},
                    "prompt_token_count": {"successful": {"median": 512}},
                    "output_token_count": {"successful": {"median": 128}},
                },
            },
            {"config": {"strategy": {"type_": "throughput"}}, "metrics": {"request_latency": METRIC}},
        ],
    },
    "llmperf": {
        "version": "2023-08-31", "model": "qwen2.5-7b", "mean_input_tokens": 512, "mean_output_tokens": 128,
        "num_concurrent_requests": 8, "results_ttft_s_quantiles_p50": 0.08, "results_num_completed_requests": 100,
        "results_end_to_end_latency_s_quantiles_p50": 1.35, "results_number_errors": 0,
        "results_number_output_tokens_mean": "128",
    },
    "inferencex": {
        "hw": "h100", "tp": 2, "conc": 8, "model": "qwen2.5-7b", "precision": "fp8", "isl": 512, "osl": 128,
        "median_ttft": 0.08, "median_tpot": 0.01, "median_e2el": 1.35, "median_intvty": 100.0,
    },
    "optimum_benchmark": {
        "config": {
            "backend": {"model": "qwen2.5-7b"},
            "scenario": {"input_shapes": {"batch_size": 8, "sequence_length": 512}, "generate_kwargs": {"max_new_tokens": 128}},
        },
        "report": {
            "prefill": {"latency": {"unit": "s", "p50": 0.08}},
            "decode": {"latency": {"unit": "s", "p50": 1.27}},
        },
    },
    "llama_bench": [
        {"model_type": "qwen2 7B Q4_K - Medium", "n_prompt": 512, "n_gen": 0, "avg_ns": 8e7, "avg_ts": 6400.0},
        {"model_type": "qwen2 7B Q4_K - Medium", "n_prompt": 0, "n_gen": 128, "avg_ns": 1.28e9, "avg_ts": 100.0, "n_depth": 512},
        {"model_type": "qwen2 7B Q4_K - Medium", "n_prompt": 512, "n_gen": 128, "avg_ns": 1.36e9, "avg_ts": 470.0},
    ],
}  # fmt: skip


def write(folder: Path, content: Any) -> Path:
    path = folder / "benchmark.json"
    path.write_text(json.dumps(content))
    return path


def rows_of(folder: Path, content: Any) -> list[dict[str, str]]:
    return read_benchmark(write(folder, content))[1]


def code_of(folder: Path, content: Any) -> str:
    with pytest.raises(InputError) as refusal:
        rows_of(folder, content)
    return refusal.value.code


def test_every_tool_has_a_file_here() -> None:
    assert set(FILES) == set(plugins.names("benchmarks"))


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_as_its_tools_and_as_no_others(name: str, tmp_path: Path) -> None:
    assert read_benchmark(write(tmp_path, FILES[name]))[0] == name
    assert [tool for tool in FILES if plugins.load("benchmarks", tool).matches(FILES[name])] == [name]


SERVED = ["vllm_serve", "aiperf", "guidellm", "llmperf", "inferencex"]


@pytest.mark.parametrize("name", SERVED)
def test_every_tool_gives_the_same_times_in_milliseconds(name: str, tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, FILES[name])
    assert {key: float(row[key]) for key in ("ttft_ms", "latency_ms", "text_tokens", "generate", "concurrency")} == {
        "ttft_ms": pytest.approx(80), "latency_ms": pytest.approx(1350), "text_tokens": 512, "generate": 128,
        "concurrency": 8,
    }  # fmt: skip
    if name != "llmperf":
        assert float(row["ms_per_token"]) == pytest.approx(10)


def test_batches_and_single_tests_are_read(tmp_path: Path) -> None:
    (whole,) = rows_of(tmp_path, FILES["vllm_latency"])
    assert float(whole["latency_ms"]) == 1500
    (parts,) = rows_of(tmp_path, FILES["optimum_benchmark"])
    assert (float(parts["ttft_ms"]), float(parts["ms_per_token"])) == (pytest.approx(80), pytest.approx(10))
    prompt, generation = rows_of(tmp_path, FILES["llama_bench"])
    assert (float(prompt["ttft_ms"]), prompt["text_tokens"], prompt["dtype"]) == (80, "512", "q4_k_m")
    assert (float(generation["ms_per_token"]), generation["text_tokens"]) == (10, "512")
    (images,) = rows_of(tmp_path, FILES["vllm_mm_processor"])
    assert float(images["latency_ms"]) == 400
    (inferencex,) = rows_of(tmp_path, FILES["inferencex"])
    assert (inferencex["dtype"], inferencex["devices"]) == ("fp8", "2")


def test_a_sweep_is_a_list_of_results_or_lines(tmp_path: Path) -> None:
    many = [{**SERVE, "max_concurrency": level} for level in (1, 2, 4)]
    assert [row["concurrency"] for row in rows_of(tmp_path, many)] == ["1", "2", "4"]
    path = tmp_path / "sweep.jsonl"
    path.write_text("\n".join(json.dumps(one) for one in many))
    assert len(read_benchmark(path)[1]) == 3


def changed(name: str, change: Callable[[Any], object]) -> Any:
    content = copy.deepcopy(FILES[name])
    change(content)
    return content


BAD = {
    "failed requests": ("vllm_serve", lambda c: c.update(completed=60, failed=40), "failed_requests"),
    "prompts without a reply": ("vllm_serve", lambda c: c.update(completed=60), "failed_requests"),
    "no bounded load": ("vllm_serve", lambda c: c.update(max_concurrency=None), "unbounded_load"),
    "seconds as milliseconds": ("vllm_serve", lambda c: c.update(median_e2el_ms=1.35, ttfts=[]), "contradictory_units"),
    "lists in milliseconds": ("vllm_serve", lambda c: c.update(ttfts=[80, 80, 80]), "contradictory_units"),
    "no time": ("vllm_serve", lambda c: [c.pop(k) for k in [*c] if k.startswith("median")], "cut_off"),
    "no tokens": ("vllm_serve", lambda c: c.pop("total_output_tokens"), "cut_off"),
    "text for a number": ("vllm_serve", lambda c: c.update(total_output_tokens="many"), "bad_value"),
    "errors of AIPerf": ("aiperf", lambda c: c["error_request_count"].update(avg=90), "failed_requests"),
    "an unknown unit": ("aiperf", lambda c: c["request_latency"].update(unit="fortnights"), "unknown_unit"),
    "a wrong unit": ("aiperf", lambda c: c["request_latency"].update(unit="ms"), "contradictory_units"),
    "no percentile": ("aiperf", lambda c: c["request_latency"].pop("p50"), "cut_off"),
    "errors of GuideLLM": ("guidellm", lambda c: c["benchmarks"][0]["metrics"]["request_totals"].update(errored=50), "failed_requests"),
    "no successful requests": ("guidellm", lambda c: c["benchmarks"][0]["metrics"]["request_latency"].clear(), "cut_off"),
    "throughput only": ("guidellm", lambda c: c["benchmarks"].pop(0), "unbounded_load"),
    "errors of LLMPerf": ("llmperf", lambda c: c.update(results_number_errors=90), "failed_requests"),
    "another version of LLMPerf": ("llmperf", lambda c: c.pop("results_end_to_end_latency_s_quantiles_p50"), "cut_off"),
    "milliseconds of InferenceX": ("inferencex", lambda c: c.update(median_tpot=10.0), "contradictory_units"),
    "expert parallelism": ("inferencex", lambda c: c.update(ep=8), "other_parallelism"),
    "a report alone": ("optimum_benchmark", lambda c: c.pop("config"), "cut_off"),
    "a unit of optimum": ("optimum_benchmark", lambda c: c["report"]["prefill"]["latency"].update(unit="h"), "unknown_unit"),
    "microseconds of llama-bench": ("llama_bench", lambda c: c[0].update(avg_ns=8e4), "contradictory_units"),
    "both parts at once": ("llama_bench", lambda c: [c.pop(0), c.pop(0)], "no_rows"),
    "milliseconds of batches": ("vllm_latency", lambda c: c.update(latencies=[1400, 1500]), "contradictory_units"),
    "a stage longer than the whole": ("vllm_mm_processor", lambda c: c.update(median_e2el_ms=0.4), "contradictory_units"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_a_file_is_a_sentence(case: str, tmp_path: Path) -> None:
    name, change, code = BAD[case]
    assert code_of(tmp_path, changed(name, change)) == code


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_off_is_refused(name: str, tmp_path: Path) -> None:
    text = json.dumps(FILES[name])
    for share in (0.2, 0.6, 0.95):
        path = tmp_path / "cut.json"
        path.write_text(text[: int(share * len(text))])
        with pytest.raises(InputError) as refusal:
            read_benchmark(path)
        assert refusal.value.code == "cut_off"


@pytest.mark.parametrize(
    "content", [{}, [], 3, None, "text", {"a": 1}, [{"a": 1}], [None], {"benchmarks": []}]
)
def test_json_of_no_tool_is_refused(content: Any, tmp_path: Path) -> None:
    assert code_of(tmp_path, content) == "unknown_benchmark"


ODD = [None, 0, -1, 3, 1e400, float("nan"), True, "x", "", [], [None], {}, {"a": 1}, [[]]]


def places(content: Any, at: tuple[Any, ...] = ()) -> Any:
    """The path of every value."""
    items = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in items:
        yield (*at, key)
        yield from places(value, (*at, key))


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_value_is_never_a_traceback(name: str, tmp_path: Path) -> None:
    for place in places(FILES[name]):
        for odd in ODD:
            content = copy.deepcopy(FILES[name])
            inner = content
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = odd
            with contextlib.suppress(InputError):
                rows_of(tmp_path, content)


def test_a_card_is_calibrated_from_a_benchmark_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [
        {**SERVE, "max_concurrency": level, "median_tpot_ms": 7 + 0.2 * level, "median_ttft_ms": 60.0 + level,
         "median_e2el_ms": 60 + level + 127 * (7 + 0.2 * level), "ttfts": []}
        for level in (1, 4, 16)
    ]  # fmt: skip
    path = write(tmp_path, many)
    words = [
        "calibrate",
        str(path),
        "--hardware",
        "h100-sxm",
        "--model",
        "qwen2.5-7b",
        "--value",
        "visual_tokens=0",
    ]
    assert cli.main([*words, "-o", str(tmp_path / "card.yaml"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)["data"]
    assert answer["constants"]["decode"]["is_seen"]
    assert "image" in answer["not_seen"]
    with pytest.raises(InputError) as refusal:
        calibrate(path, "h100-sxm", model="qwen2.5-7b")
    assert refusal.value.code == "missing_column"
    with pytest.raises(InputError) as refusal:
        calibrate(path, "h100-sxm", model="qwen2.5-7b", values={"tokens": 3})
    assert refusal.value.code == "unknown_column"
