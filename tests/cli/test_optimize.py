"""optimize, cost and calibrate."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]

DESIGNED = {
    "fit": (
        "law formula inputs units target loss n_points params intervals interval objective rmse r2 aicc status "
        "certificate derived holdout selection checklist"
    ),
    "optimize": "budget text_tokens best runners_up pareto continuous extrapolates warnings",
}


def test_the_answers_hold_every_name_of_the_contract(run: Run, fit_file: Path) -> None:
    fitted = json.loads(fit_file.read_text())["data"]
    assert set(DESIGNED["fit"].split()) <= set(fitted)
    assert {"gap", "starts", "agreeing", "gradient_norm", "seconds"} <= set(fitted["certificate"])
    code, out, _ = run("optimize", str(fit_file), "--budget", "8e11", "--json")
    assert code == 0
    best = json.loads(out)["data"]
    assert set(DESIGNED["optimize"].split()) <= set(best)
    names = "model n_params visual_tokens error error_interval costs p_best binding"
    assert set(names.split()) <= set(best["best"])


def test_the_bill_of_a_query(run: Run) -> None:
    code, out, _ = run("cost", "llava-1.5-7b", "--visual-tokens", "576", "--text-tokens", "50", "--json")
    reply = json.loads(out)
    assert code == 0
    assert reply["data"]["flops"] == pytest.approx(8.719755e12, abs=5e5)
    code, out, _ = run("cost", "llava-1.5-7b")
    assert code == 0
    assert "vision encoder" in out
    code, out, _ = run("cost", "llava-1.5-7b", "--explain", "3.82e12")
    assert code == 0
    assert "pyramiddrop" in out


def test_budgets_of_another_kind_and_inverse_questions(run: Run, fit_file: Path) -> None:
    arguments = ["optimize", str(fit_file), "--budget", "8e11", "--models", "qwen1.5", "--hardware", "h100"]
    code, out, _ = run(*arguments, "--contrast", "--inverse", "--json")
    assert code == 0
    data = json.loads(out)["data"]
    assert {row["kind"] for row in data["contrast"]["rows"]} >= {"flops", "latency_ms", "memory_gb"}
    assert {"switch_points", "tokens_against_text", "relaxation"} == set(data["inverse"])
    code, out, _ = run(*arguments, "--contrast", "--inverse")
    assert code == 0
    assert "visual tokens cost no latency" in out


def test_several_tasks_at_once(run: Run, fit_file: Path, tmp_path: Path) -> None:
    ocr = tmp_path / "ocr.json"
    assert run("fit", "vlm_ocr", "--bootstrap", "50", "-o", str(ocr))[0] == 0
    code, out, _ = run("optimize", "--fit", f"ocr={ocr}", "--fit", f"reasoning={fit_file}", "--weight", "ocr=0.3",
        "--budget", "8e11", "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["data"]["best"]["visual_tokens"] >= 1
    assert run("optimize", str(fit_file), "--fit", f"ocr={ocr}", "--budget", "8e11")[0] == 2


def test_a_calibrated_card_is_written_and_used(run: Run, fit_file: Path, tmp_path: Path) -> None:
    measured = tmp_path / "measured.csv"
    rows = [f"qwen1.5-{size},{v},{ms}" for size, ms in (("1.8b", 9.0), ("7b", 21.0)) for v in (16, 144, 576)]
    measured.write_text("model,visual_tokens,latency_ms\n" + "\n".join(rows) + "\n")
    card = tmp_path / "card.yaml"
    code, out, _ = run("calibrate", str(measured), "--hardware", "h100", "-o", str(card))
    assert code == 0
    assert "mfu" in out
    code, out, err = run(
        "optimize",
        str(fit_file),
        "--budget",
        "latency_ms=20",
        "--models",
        "qwen1.5",
        "--hardware",
        str(card),
    )
    assert code == 0, err


BAD: dict[str, tuple[list[str], int, str]] = {
    "budget of zero": (["optimize", "{fit}", "--budget", "0"], 2, "budget"),
    "budget of words": (["optimize", "{fit}", "--budget", "abc"], 2, "abc"),
    "budget too small": (["optimize", "{fit}", "--budget", "1"], 3, "cheapest"),
    "not a fit": (["optimize", "{bad}/not.yaml", "--budget", "1e12"], 2, "is not JSON"),
    "a table in place of a fit": (
        ["optimize", "{bad}/nan.csv", "--budget", "1e12"],
        2,
        "nan.csv -o fit.json` first",
    ),
    "an experiment in place of a fit": (
        ["optimize", "{bad}/good.yaml", "--budget", "1"],
        2,
        "`scalelaw sweep`",
    ),
    "a refusal in place of a fit": (
        ["optimize", "{bad}/refused.json", "--budget", "1"],
        2,
        "none: No row has a=1.",
    ),
    "a fit as a catalogue": (
        ["optimize", "{fit}", "--budget", "1e12", "--models", "{fit}"],
        2,
        "`scalelaw fit` wrote",
    ),
    "a catalogue as a card": (
        ["optimize", "{fit}", "--budget", "1e12", "--hardware", "{bad}/billions.yaml"],
        2,
        "`scalelaw import --models`",
    ),
    "a fit as a model": (["cost", "{fit}"], 2, "`scalelaw fit` wrote"),
    "a fit as latencies": (["calibrate", "{fit}", "--hardware", "h100"], 2, "`scalelaw fit` wrote"),
    "minimise without what it belongs to": (
        ["optimize", "{fit}", "--budget", "1e12", "--minimise", "flops"],
        2,
        "minimise needs within or target_error",
    ),
    "a tolerance without a contrast": (
        ["optimize", "{fit}", "--budget", "1e12", "--tolerance", ".1"],
        2,
        "--contrast",
    ),
    "a share of no card": (
        ["optimize", "{fit}", "--budget", "1e12", "--mfu", "0.4"],
        2,
        "no hardware is named",
    ),
    "a range that runs backwards": (
        ["cost", "qwen1.5-7b", "--hardware", "h100", "--mfu", "0.5:0.3"],
        2,
        "from low to high; it is 0.5:0.3",
    ),
    "a law's file that is not there": (
        ["optimize", "{fit}", "--budget", "1e12", "--law", "my.py"],
        2,
        "no file my.py",
    ),
    "one latency": (["calibrate", "{bad}/latency.csv", "--hardware", "h100"], 2, "Measure at least 3"),
    "a custom cost that counts nothing": (
        ["optimize", "{fit}", "--budget", "1e12", "--cost", "{bad}/nothing.py"],
        2,
        "lacks kinds",
    ),
    "no such fit": (["optimize", "nowhere.json", "--budget", "1e12"], 2, "no file"),
    "unknown family": (["optimize", "{fit}", "--budget", "1e12", "--models", "qwen1.6"], 2, "qwen1.5"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence(refused: Callable[..., None], name: str) -> None:
    refused(*BAD[name])


def test_an_empty_name_is_no_default(run: Run) -> None:
    for option in ("--tower=", "--compressor="):
        assert run("cost", "llama-2-7b", option)[0] == 2
    assert run("cost", "llama-2-7b", "--dtype", "fp8,int4")[0] == 2


def test_the_command_of_an_engine_is_printed_and_stored(run: Run, fit_file: Path) -> None:
    arguments = [
        "optimize",
        str(fit_file),
        "--budget",
        "5e13",
        "--models",
        "qwen2.5-7b",
        "--visual-tokens",
        "256",
    ]
    arguments += [
        "--engine",
        "vllm",
        "--engine-model",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        "--batch",
        "8",
        "--hardware",
        "h100",
    ]
    code, out, _ = run(*arguments, "--json")
    assert code == 0
    engine = json.loads(out)["data"]["best"]["engine"]
    assert engine["flags"]["--max-num-seqs"] == 8
    assert engine["flags"]["--mm-processor-kwargs"] == {
        "size": {"shortest_edge": 3136, "longest_edge": 200704}
    }
    code, out, _ = run(*arguments)
    assert code == 0
    assert engine["command"] in out
    assert f"{engine['memory']['kv_tokens']:,} tokens" in out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--engine-model", "x"], "belong to --engine"),
        (["--engine", "vlm"], "vllm"),
        (["--engine", "vllm", "--engine-family", "nothing"], "nothing"),
        (["--engine", "ollama", "--devices", "2", "--hardware", "h100"], "Ollama"),
    ],
)
def test_wrong_options_of_an_engine_are_refused(
    refused: Callable[..., None], more: list[str], message: str
) -> None:
    refused(["optimize", "{fit}", "--budget", "8e11", *more], 2, message)
