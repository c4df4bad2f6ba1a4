"""The planner's commands: what a person mistypes, and what a plain decoder's bill says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import scalelaw as sl
from scalelaw import cli


def test_a_range_with_one_end_names_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cost", "llava-1.5-7b", "--hardware", "h100", "--mfu", "0.3:"]) == 2
    assert "--mfu: '' is not a number" in capsys.readouterr().err


def test_a_number_beyond_all_flops_gets_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cost", "llava-1.5-7b", "--explain", "1e400"]) == 2
    assert "'1e400' is not a number of FLOPs" in capsys.readouterr().err


def test_models_towers_and_hardware_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    for what, printed in (("models", "the geometric mean of all and of active"), ("towers", "381.918 GFLOPs an image"),
                       ("hardware", "989 TFLOP/s dense bf16")):  # fmt: skip
        assert cli.main(["list", what]) == 0
        assert printed in capsys.readouterr().out
    assert cli.main(["list", "cards"]) == 2


@pytest.fixture
def fit_file(tmp_path: Path) -> str:
    path = tmp_path / "fit.json"
    path.write_text(sl.fit_law("vlm_reasoning", bootstrap=20).to_json())
    return str(path)


def test_a_budget_of_ones_own_cost(tmp_path: Path, fit_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    cost = tmp_path / "carbon.py"
    cost.write_text(
        '"""Counts grams; leaves out all else."""\nkinds = {"flops": "FLOPs", "carbon_g": "grams"}\nneeds = ()\n\n'
        "def parts(n_params, shape, visual_tokens, workload):\n"
        "    return {'all': 2 * n_params * (workload.text_tokens + visual_tokens)}\n\n"
        "def totals(parts, workload):\n    return {'flops': parts['all'], 'carbon_g': parts['all'] / 1e12}\n"
    )
    arguments = ["optimize", fit_file, "--budget", "carbon_g=0.8", "--cost", str(cost), "--inverse"]
    assert cli.main([*arguments, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert (data["best"]["n_params"], data["best"]["visual_tokens"]) == (7e9, 7)
    assert data["inverse"]["relaxation"][0]["kind"] == "carbon_g"
    assert cli.main(arguments) == 0
    assert "carbon_g" in capsys.readouterr().out


def test_the_terminal_shows_the_budgets_own_quantity_and_the_way_to_serve(
    fit_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "optimize",
        fit_file,
        "--budget",
        "latency_ms=80",
        "--budget",
        "memory_gb=20",
        "--hardware",
        "h100",
    ]
    assert (
        cli.main(
            [*arguments, "--models", "qwen1.5", "--batch", "1,8", "--dtype", "int8,bf16", "--generate", "8"]
        )
        == 0
    )
    printed = capsys.readouterr().out
    header = printed.split("interval", 1)[1].split("Binding constraint", 1)[0]
    assert header.index("latency_ms") < header.index("memory_gb")
    assert "int8 x 1" in printed
    assert "vision encoder clip-vit-l-14-336" in " ".join(printed.split())
    assert "Binding constraint: latency_ms." in printed
    assert cli.main([*arguments, "--models", "qwen1.5", "--tie", "0.1"]) == 0
    assert "models are nearly tied; the cheapest of them is" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rule", "printed"),
    [
        (
            ["--within", "0.01"],
            "Within flops <= 800 GFLOPs, the least flops within 0.01 of the least error at 50 text",
        ),
        (
            ["--target-error", "0.52"],
            "Within flops <= 800 GFLOPs, the least flops that reaches an error of 0.52 at 50",
        ),
    ],
)
def test_the_heading_says_the_rule_and_what_is_least(
    fit_file: str, capsys: pytest.CaptureFixture[str], rule: list[str], printed: str
) -> None:
    assert cli.main(["optimize", fit_file, "--budget", "8e11", "--tie", "0.05", *rule]) == 0
    words = capsys.readouterr().out
    assert printed in " ".join(words.split())
    assert "the best is the cheapest of them" in words


def test_a_contrast_from_a_target_is_refused(fit_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["optimize", fit_file, "--budget", "8e11", "--target-error", "0.5", "--contrast"]) == 2
    assert "start from a budget" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["tie", "tolerance", "within", "text-tokens", "batch", "mfu", "tower"])
def test_what_an_option_cannot_be_gets_a_sentence(
    fit_file: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "optimize",
        fit_file,
        "--budget",
        "8e11",
        "--hardware",
        "h100",
        "--contrast",
        f"--{option}=-1",
        "--json",
    ]
    assert cli.main(arguments) == 2
    answer = json.loads(capsys.readouterr().out)
    assert answer["error"]["message"].endswith((".", "?"))


def test_a_command_counts_what_it_does_not_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({
        "model_type": "granite", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 128, "vocab_size": 100}))  # fmt: skip
    assert cli.main(["cost", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert "counted" in {warning["code"] for warning in answer["warnings"]}


def test_the_terminal_says_what_a_compressor_gives(fit_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["optimize", fit_file, "--budget", "8e11", "--compressor", "quecc"]) == 0
    assert "quecc gives 1, 4, 9, 16, 36, 64, 144, 576 tokens only" in " ".join(
        capsys.readouterr().out.split()
    )


def test_many_switches_are_shown_as_a_table_that_can_be_read(
    fit_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["optimize", fit_file, "--budget", "8e11", "--models", "ladder:0.5e9:14e9", "--inverse"]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    table = printed.split("Smallest budget for each model")[1].split("Visual tokens by text length")[0]
    assert len(table.strip().splitlines()) < 25
    assert "20 of " in table
    assert "--json" in table


def test_a_bill_says_whose_parts_it_shows_and_what_is_not_to_be_had(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (
        cli.main(["cost", "llava-1.5-7b", "--convention", "2N", "--hardware", "a10g", "--batch", "9000"]) == 0
    )
    printed = capsys.readouterr().out
    assert "The parts are those of the exact count, 8.7197" in printed
    assert "ms_per_token" in printed
    assert next(line for line in printed.splitlines() if "ms_per_token" in line).split()[-1] == "-"
