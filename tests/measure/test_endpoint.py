"""A fake server with known times and faults: tokens exactly, times within what the server sleeps, faults by status."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import pytest
from fake_server import PIXELS_PER_TOKEN, TEMPLATE_TOKENS, Behavior, serve

from scalelaw import cli
from scalelaw.errors import InputError, NoAnswer
from scalelaw.measure import Measurement, measure_latency
from scalelaw.measure.questions import QuestionMaker
from scalelaw.plan import find_cost
from scalelaw.tokens.images import Size

QUICK: dict[str, Any] = {
    "image": "64x64", "concurrency": "1", "generate": "8", "text_tokens": 8, "requests": 5, "spread": 100,
    "timeout": 5, "max_seconds": 60,
}  # fmt: skip


def measure(behavior: Behavior, **options: Any) -> Measurement:
    with serve(behavior) as url:
        return measure_latency(url, **{**QUICK, **options})


def rows_of(measurement: Measurement, kind: str) -> list[dict[str, Any]]:
    """The rows of pictures, of their text twins, or of plain text."""
    kinds = {
        "picture": lambda row: row["images"] > 0,
        "twin": lambda row: bool(row["twin_of"]),
        "text": lambda row: not row["images"] and not row["twin_of"],
    }
    return [row for row in measurement.rows if kinds[kind](row)]


def codes(measurement: Measurement) -> set[str]:
    return {code for code, _ in measurement.warnings}


def test_tokens_are_those_of_the_server() -> None:
    measured = measure(Behavior(), image="64x64,256x128", text_tokens=8)
    small, large = rows_of(measured, "picture")
    assert (small["visual_tokens"], large["visual_tokens"]) == (4, 32)
    assert small["prompt_tokens"] == TEMPLATE_TOKENS + 8 + 4
    assert small["text_tokens"] == TEMPLATE_TOKENS + 8
    assert [row["prompt_tokens"] for row in rows_of(measured, "twin")] == [
        small["prompt_tokens"],
        large["prompt_tokens"],
    ]
    assert measured.settings["tokens_per_word"] == 1
    assert measured.settings["template_tokens"] == TEMPLATE_TOKENS
    assert [row["status"] for row in measured.rows] == ["ok"] * 5


def test_the_time_per_token_counts_tokens_and_not_chunks() -> None:
    measured = measure(Behavior(chunk_tokens=4, token_s=0.005), generate="16")
    for row in measured.rows:
        # 3 waits of 20 ms between 4 chunks, over 15 tokens
        assert 4.0 <= row["ms_per_token"] < 15
        assert row["tokens_per_chunk"] == 4


def test_the_text_twin_separates_the_image_stage() -> None:
    measured = measure(Behavior(visual_s=0.002), image="64x64,320x320")
    small, large = rows_of(measured, "picture")
    # 8 and 200 ms at the server; the twins' own times are taken off, so that a busy machine moves both
    assert 0 < small["image_ms"] < 0.5 * large["image_ms"]
    assert 100 < large["image_ms"] < 1000
    assert all("image_ms" not in row for row in rows_of(measured, "twin"))


def test_every_image_and_text_is_new() -> None:
    behavior = Behavior()
    measure(behavior, image="64x64")
    pictures = [
        json.dumps(body["messages"])
        for body in behavior.bodies
        if isinstance(body["messages"][0]["content"], list)
    ]
    assert len(pictures) > 5
    assert len(set(pictures)) == len(pictures)
    assert len({picture[:2000] for picture in pictures}) == len(pictures)


def test_two_runs_share_nothing_unless_they_have_a_seed() -> None:
    make = [QuestionMaker(seed).make(Size(32, 32), 1, 20, 4) for seed in (None, None, 3, 3)]
    assert make[0] != make[1]
    assert make[2] == make[3]


def test_a_closed_loop_keeps_its_concurrency() -> None:
    behavior = Behavior(token_s=0.003)
    measured = measure(behavior, image="", concurrency="4", requests=8)
    assert behavior.most_in_flight == 4
    (row,) = measured.rows
    assert row["concurrency"] == 4
    assert row["requests"] >= 8
    assert row["requests_per_s"] > 0


def test_arrivals_come_at_their_rate() -> None:
    behavior = Behavior()
    measured = measure(behavior, image="", arrival_rate="50", requests=40, seed=1)
    (row,) = measured.rows
    assert row["concurrency"] is None
    assert row["arrival_rate"] == 50
    assert 5 < row["requests_per_s"] < 200


def test_percentiles_are_in_order() -> None:
    (row,) = measure(Behavior(), image="", requests=12).rows
    for name in ("ttft_ms", "ms_per_token", "latency_ms"):
        assert 0 < row[name] <= row[f"{name}_p90"] <= row[f"{name}_p99"]
    assert row["ttft_ms"] < row["latency_ms"]


FAULTS = {
    "error_frame": "error_frame",
    "http_500": "http_error",
    "redirect": "http_error",
    "html": "not_json",
    "not_json": "not_json",
    "disconnect": "disconnected",
    "cut_off": "cut_off",
    "no_usage": "no_usage",
}


@pytest.mark.parametrize(("fault", "code"), FAULTS.items())
def test_a_fault_of_every_reply_ends_the_measurement_with_its_reason(fault: str, code: str) -> None:
    with pytest.raises(NoAnswer) as refusal:
        measure(Behavior(fault=fault))
    assert refusal.value.code == code
    assert refusal.value.exit_code == 3


def test_a_server_that_never_answers_ends_at_the_timeout() -> None:
    with pytest.raises(NoAnswer) as refusal:
        measure(Behavior(fixed_s=30), timeout=0.5)
    assert refusal.value.code == "timeout"


@pytest.mark.parametrize("fault", ["one_chunk", "whole", "buffered"])
def test_text_that_comes_at_once_has_a_latency_and_no_time_per_token(fault: str) -> None:
    measured = measure(Behavior(fault=fault, token_s=0.003))
    for row in measured.rows:
        assert row["status"] == "one_chunk"
        assert row["latency_ms"] >= 24
        assert "ttft_ms" not in row
        assert "ms_per_token" not in row
    assert "one_chunk" in codes(measured)


def test_an_image_over_the_servers_budget_is_refused_with_the_servers_words() -> None:
    measured = measure(Behavior(most_pixels=100 * 100), image="64x64,320x320")
    small, large = rows_of(measured, "picture")
    assert small["status"] == "ok"
    assert (large["status"], large["visual_tokens"]) == ("error_frame", None)
    assert "longer than the maximum" in large["reason"]
    assert "cell_error_frame" in codes(measured)


@pytest.mark.parametrize("names_field", [True, False])
def test_a_refused_knob_is_replaced_by_resizing(names_field: bool) -> None:
    behavior = Behavior(refuses=("mm_processor_kwargs",), names_field=names_field)
    measured = measure(behavior, image="320x320", max_pixels=128 * 128)
    (row,) = rows_of(measured, "picture")
    assert row["image_size"] == "128x128"
    assert row["visual_tokens"] == 128 * 128 // PIXELS_PER_TOKEN
    assert "knob_refused" in codes(measured)
    assert measured.settings["refused"] == ["mm_processor_kwargs"]


def test_a_knob_that_the_server_ignores_is_noticed() -> None:
    measured = measure(Behavior(ignores=True), image="320x320,64x64", max_pixels=128 * 128)
    assert [row["image_size"] for row in rows_of(measured, "picture")] == ["128x128", "64x64"]
    assert "knob_refused" in codes(measured)


def test_an_accepted_knob_stays() -> None:
    behavior = Behavior()
    measured = measure(behavior, image="320x320", max_pixels=128 * 128)
    (row,) = rows_of(measured, "picture")
    assert (row["image_size"], row["visual_tokens"]) == ("320x320", 16)
    assert "knob_refused" not in codes(measured)


@pytest.mark.parametrize(
    "refuses", [("ignore_eos",), ("min_tokens", "ignore_eos"), ("max_tokens",), ("temperature", "min_tokens")]
)
def test_refused_fields_are_left_out(refuses: tuple[str, ...]) -> None:
    measured = measure(Behavior(refuses=refuses))
    assert sorted(measured.settings["refused"]) == sorted(refuses)
    assert "field_refused" in codes(measured)
    assert {row["status"] for row in measured.rows} == {"ok"}


def test_a_server_that_refuses_to_state_usage_cannot_be_measured() -> None:
    with pytest.raises(NoAnswer) as refusal:
        measure(Behavior(refuses=("stream_options",)))
    assert refusal.value.code == "no_usage"


def test_replies_that_end_early_are_counted_by_their_tokens() -> None:
    measured = measure(Behavior(refuses=("ignore_eos", "min_tokens"), ends_early=True), generate="8")
    assert {row["generate"] for row in measured.rows} == {4}
    assert {"field_refused", "short_replies"} <= codes(measured)


def test_a_median_that_does_not_settle_has_no_time() -> None:
    with pytest.raises(NoAnswer) as refusal:
        measure(Behavior(), image="", spread=0.001, requests=5, max_requests=60)
    assert refusal.value.code == "nothing_measured"
    (row,) = refusal.value.best["rows"]
    assert row["status"] in ("unstable", "limit")
    assert "ttft_ms" not in row


def test_the_run_ends_at_its_limits() -> None:
    behavior = Behavior()
    measured = measure(behavior, image="64x64", max_requests=20)
    assert len(behavior.bodies) <= 20
    assert measured.settings["requests_sent"] == len(behavior.bodies)
    assert next(row["status"] for row in measured.rows) == "ok"
    assert "limit" in {row["status"] for row in measured.rows}
    started = time.perf_counter()
    slow = measure(Behavior(fixed_s=0.2), image="", concurrency="1,2,3,4", max_seconds=3)
    assert time.perf_counter() - started < 4
    assert [row["status"] for row in slow.rows][:: len(slow.rows) - 1] == ["ok", "limit"]


def test_a_request_in_flight_does_not_outlive_the_run() -> None:
    started = time.perf_counter()
    with pytest.raises(NoAnswer) as refusal:
        measure(Behavior(fixed_s=30), timeout=60, max_seconds=1)
    assert refusal.value.code in ("limit", "nothing_measured")
    assert time.perf_counter() - started < 5


def test_the_key_comes_from_the_environment_and_is_written_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    behavior = Behavior(key="sk-secret-1")
    monkeypatch.setenv("SCALELAW_API_KEY", "sk-secret-1")
    measured = measure(behavior)
    assert set(behavior.keys) == {"Bearer sk-secret-1"}
    assert "sk-secret-1" not in measured.to_json()
    monkeypatch.setenv("SCALELAW_API_KEY", "sk-other-2")
    with pytest.raises(InputError) as refusal:
        measure(behavior)
    assert refusal.value.code == "unauthorized"
    assert "sk-other-2" not in refusal.value.message + refusal.value.hint


def test_no_other_key_of_the_environment_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    behavior = Behavior()
    monkeypatch.delenv("SCALELAW_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-elsewhere")
    measure(behavior, image="")
    assert set(behavior.keys) == {""}


def test_a_proxy_of_the_environment_is_not_used_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert measure(Behavior(), image="").rows[0]["status"] == "ok"


def test_the_model_is_named_where_there_are_several() -> None:
    with pytest.raises(InputError) as refusal:
        measure(Behavior(models=("a", "b")))
    assert refusal.value.code == "no_model"
    behavior = Behavior(models=("a", "b"))
    assert (
        measure(behavior, image="", model="b", calibrate_as="qwen3-vl-8b").rows[0]["model"] == "qwen3-vl-8b"
    )
    assert {body["model"] for body in behavior.bodies} == {"b"}


def test_a_server_that_is_not_there_is_a_sentence() -> None:
    with serve(Behavior()) as url:
        pass
    with pytest.raises(InputError) as refusal:
        measure_latency(url, **QUICK)
    assert refusal.value.code == "unreachable"


def test_what_the_cells_leave_unseen_and_the_next_three() -> None:
    measured = measure(Behavior(), image="64x64")
    unseen = [gap["constant"] for gap in measured.unseen]
    assert unseen == ["prefill", "image", "batch", "all_reduce"]
    assert 1 <= len(measured.next) <= 3
    better = measure(Behavior(), image="64x64,256x256", concurrency="1,4")
    assert [gap["constant"] for gap in better.unseen] == ["all_reduce"]
    assert [cell["devices"] for cell in better.next] == [2]


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("localhost:8000", "bad_endpoint"),
        ("ftp://localhost/v1", "bad_endpoint"),
        ("http://", "bad_endpoint"),
        ("http://user:pass@localhost/v1", "bad_endpoint"),
        ("http://localhost/v1?key=1", "bad_endpoint"),
        ("http://localhost:99999/v1", "bad_endpoint"),
        ("http://local host/v1", "bad_endpoint"),
        ("http://[::1/v1", "bad_endpoint"),
    ],
)
def test_a_wrong_endpoint_is_refused_before_anything_is_sent(target: str, code: str) -> None:
    with pytest.raises(InputError) as refusal:
        measure_latency(target, dry_run=True)
    assert refusal.value.code == code
    assert "pass@" not in refusal.value.message


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"image": "big"}, "bad_image_size"),
        ({"image": "9000x9000"}, "bad_image_size"),
        ({"concurrency": "0"}, "bad_option"),
        ({"concurrency": "many"}, "bad_option"),
        ({"concurrency": ""}, "bad_option"),
        ({"generate": "1.5"}, "bad_option"),
        ({"arrival_rate": "nan"}, "bad_option"),
        ({"spread": 0}, "bad_option"),
        ({"max_requests": 0}, "bad_option"),
        ({"max_seconds": float("inf")}, "bad_option"),
        ({"concurrency": ",".join(map(str, range(1, 400)))}, "bad_option"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as refusal:
        measure_latency("http://localhost:1/v1", dry_run=True, **options)
    assert refusal.value.code == code


def test_the_plan_bounds_what_is_sent() -> None:
    behavior = Behavior()
    with serve(behavior) as url:
        plan = measure_latency(url, **QUICK, dry_run=True)
        assert behavior.bodies == []
        assert plan.rows == []
        measure_latency(url, **QUICK)
    least = sum(line["least_requests"] for line in plan.plan)
    most = sum(line["most_requests"] for line in plan.plan)
    assert least <= len(behavior.bodies) <= most
    assert statistics.mean(line["generate"] for line in plan.plan) > 4


def test_the_command_writes_a_csv_and_one_json_object(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--image", "64x64", "--concurrency", "1", "--generate", "8", "--spread", "100"]
    with serve(Behavior()) as url:
        assert cli.main(["measure", url, *words, "-o", str(tmp_path / "l.csv"), "--json"]) == 0
        shown = capsys.readouterr()
        assert cli.main(["measure", url, *words]) == 0
    answer = json.loads(shown.out)
    assert answer["schema"] == "scalelaw.measure/1"
    assert {"rows", "settings", "unseen"} <= set(answer["data"])
    assert "Contacting 127.0.0.1:" in shown.err
    header, *lines = (tmp_path / "l.csv").read_text().splitlines()
    assert len(lines) == len(answer["data"]["rows"]) == 3
    assert header.split(",")[:3] == ["model", "status", "images"]


def test_the_command_needs_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "httpx2", None)
    assert cli.main(["measure", "http://127.0.0.1:9/v1", "--json"]) == 5
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "missing_dependency"
    assert "scalelaw[measure]" in error["hint"]


def test_a_measurement_calibrates_a_card(tmp_path: Path) -> None:
    """From a served model to a card whose time per token is the server's, by the two commands."""
    latencies, card = str(tmp_path / "latencies.csv"), str(tmp_path / "card.yaml")
    words = [
        "--image",
        "64x64,640x480",
        "--concurrency",
        "1,2",
        "--generate",
        "16",
        "--spread",
        "100",
        "--requests",
        "5",
    ]
    with serve(Behavior(fixed_s=0.02, token_s=0.01, visual_s=1e-4)) as url:
        assert cli.main(["measure", url, *words, "--calibrate-as", "qwen2.5-vl-7b", "-o", latencies]) == 0
    assert cli.main(["calibrate", latencies, "--hardware", "h100-sxm", "-o", card]) == 0
    bill = find_cost("qwen2.5-vl-7b", 300, 50, generate=16, hardware=card)
    assert 10 <= bill.costs["ms_per_token"] < 40
