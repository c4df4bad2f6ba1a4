"""The commands as a person types them: exit codes, one JSON object, and a sentence for every mistake."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scalelaw import cli, schemas
from scalelaw.table import bundled_tables


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = cli.main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def fit_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fit") / "fit.json"
    assert cli.main(["fit", "vlm_reasoning", "--bootstrap", "200", "-o", str(path)]) == 0
    return path


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from scalelaw import cli; cli.main(['--help']); cli.main(['fit', '--help']);"
        "print([m for m in ('torch', 'transformers', 'pandas', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_face_for_python_loads_no_heavy_library() -> None:
    code = (
        "import sys, scalelaw; dir(scalelaw);"
        "print([m for m in ('torch', 'transformers', 'pandas', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


@pytest.mark.parametrize("command", cli.commands())
def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert "Example: scalelaw " + command in out
    assert "--json" in out


def test_fit_prints_one_json_object_and_writes_the_same(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "fit.json"
    code, out, err = run(capsys, "fit", "vlm_reasoning", "--bootstrap", "50", "--json", "-o", str(file))
    held = json.loads(out)
    assert code == 0
    assert out == file.read_text()
    assert held["schema"] == "scalelaw.fit/1"
    assert held["ok"] is True
    data = held["data"]
    assert data["objective"] == pytest.approx(3.79380e-4, abs=5e-9)
    assert data["params"]["A"] == pytest.approx(0.59077, abs=5e-6)
    assert data["params"]["alpha"] == pytest.approx(0.07094, abs=5e-6)
    assert data["params"]["beta"] == pytest.approx(0.01510, abs=5e-6)
    assert data["params"]["D"] == 0
    assert data["derived"]["alpha_over_beta"]["value"] == pytest.approx(4.70, abs=5e-3)
    assert data["status"] == "at_bound"
    assert data["n_points"] == 28
    assert data["units"] == {"n_params": 1e9, "visual_tokens": 1}
    assert [w["code"] for w in held["warnings"]].count("at_bound") == 1
    assert "warning:" in err


DESIGNED = {
    "fit": (
        "law formula inputs units target loss n_points params intervals interval objective rmse r2 aicc status "
        "certificate derived holdout selection checklist"
    ),
    "optimize": "budget text_tokens best runners_up pareto continuous extrapolates warnings",
}


def test_the_answers_hold_every_name_of_the_contract(
    capsys: pytest.CaptureFixture[str], fit_file: Path
) -> None:
    fitted = json.loads(fit_file.read_text())["data"]
    assert set(DESIGNED["fit"].split()) <= set(fitted)
    assert {"gap", "starts", "agreeing", "gradient_norm", "seconds"} <= set(fitted["certificate"])
    code, out, _ = run(capsys, "optimize", str(fit_file), "--budget", "8e11", "--json")
    assert code == 0
    best = json.loads(out)["data"]
    assert set(DESIGNED["optimize"].split()) <= set(best)
    names = "model n_params visual_tokens error error_interval costs p_best binding"
    assert set(names.split()) <= set(best["best"])


def test_the_words_of_fit_and_optimize(capsys: pytest.CaptureFixture[str], fit_file: Path) -> None:
    code, out, _ = run(capsys, "fit", "vlm_reasoning", "--bootstrap", "50")
    assert code == 0
    assert "product_power" in out
    assert "0.070937" in out
    assert "at_bound" in out
    code, out, _ = run(capsys, "optimize", str(fit_file), "--budget", "8e11")
    assert code == 0
    assert "best" in out


def test_a_csv_on_stdin(tmp_path: Path) -> None:
    text = "n_params,visual_tokens,error\n" + "".join(
        f"{n},{v},{0.6 * (n / 1e9) ** -0.1 * v**-0.05 + 0.1!r}\n" for n in (5e8, 1e9, 4e9) for v in (1, 8, 64)
    )
    command = [sys.executable, "-m", "scalelaw.cli", "fit", "-", "--bootstrap", "0", "--json"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=tmp_path)
    params = json.loads(done.stdout)["data"]["params"]
    assert params["alpha"] == pytest.approx(0.1, rel=1e-5)
    assert params["beta"] == pytest.approx(0.05, rel=1e-5)


HEADER = "n_params,visual_tokens,error\n"
GRID = [(n, v) for n in (5e8, 1e9, 4e9) for v in (1, 8, 64)]
TABLES = {
    "not_csv.csv": b"\x00\xff\xfe",
    "empty.csv": b"",
    "no_column.csv": b"n_params,visual_token,error\n5e8,1,0.5\n1e9,2,0.4\n",
    "nan.csv": (HEADER + "".join(f"{n},{v},\n" for n, v in GRID[:1]) + "1e9,1,0.5\n").encode(),
    "inf.csv": (HEADER + "5e8,1,inf\n1e9,1,0.5\n").encode(),
    "negative.csv": (HEADER + "5e8,1,-0.5\n1e9,1,0.5\n").encode(),
    "one_point.csv": (HEADER + "5e8,1,0.5\n").encode(),
    "text.csv": (HEADER + "5e8,1,good\n").encode(),
}
BAD: dict[str, tuple[list[str], int, str]] = {
    "unknown command": (["fitt"], 2, "No such command"),
    "unknown option": (["fit", "vlm_reasoning", "--lau", "x"], 2, "No such option"),
    "unknown table": (["fit", "vlm_resoning"], 2, "Did you mean 'vlm_reasoning'"),
    "no such file": (["fit", "nowhere.csv"], 2, "There is no file"),
    "not a csv": (["fit", "{tables}/not_csv.csv"], 2, "cannot be read as csv"),
    "empty": (["fit", "{tables}/empty.csv"], 2, "cannot be read as csv"),
    "missing column": (["fit", "{tables}/no_column.csv"], 2, "Did you mean 'visual_token'"),
    "nan": (["fit", "{tables}/nan.csv"], 2, "holds nan in row 1"),
    "infinite": (["fit", "{tables}/inf.csv"], 2, "holds inf in row 1"),
    "negative": (["fit", "{tables}/negative.csv"], 2, "must not be negative"),
    "text for a number": (["fit", "{tables}/text.csv"], 2, "not a number"),
    "one point": (["fit", "{tables}/one_point.csv", "--strict"], 3, "not identified"),
    "unknown law": (["fit", "vlm_reasoning", "--law", "product_powr"], 2, "Did you mean 'product_power'"),
    "no such law file": (["fit", "vlm_reasoning", "--law", "./mine.py"], 2, "no file"),
    "bad where": (["fit", "vlm_reasoning", "--where", "task_family=poetry"], 2, "No row has"),
    "bad fix": (["fit", "vlm_reasoning", "--fix", "D"], 2, "name=value"),
    "fix of nothing": (["fit", "vlm_reasoning", "--fix", "Z=0"], 2, "Z"),
    "bad bound": (["fit", "vlm_reasoning", "--bound", "alpha=1"], 2, "low:high"),
    "bad loss": (["fit", "vlm_reasoning", "--loss", "cubic"], 2, "cubic"),
    "bad output": (
        ["fit", "vlm_reasoning", "--bootstrap", "0", "-o", "{tables}/nan.csv/x"],
        2,
        "Cannot write",
    ),
    "budget of zero": (["optimize", "{fit}", "--budget", "0"], 2, "budget"),
    "budget of words": (["optimize", "{fit}", "--budget", "abc"], 2, "abc"),
    "budget too small": (["optimize", "{fit}", "--budget", "1"], 3, "cheapest"),
    "not a fit": (["optimize", "{tables}/nan.csv", "--budget", "1e12"], 2, "is not JSON"),
    "a table in place of a fit": (
        ["optimize", "{tables}/nan.csv", "--budget", "1e12"],
        2,
        "scalelaw fit TABLE",
    ),
    "no such fit": (["optimize", "nowhere.json", "--budget", "1e12"], 2, "no file"),
    "unknown family": (["optimize", "{fit}", "--budget", "1e12", "--models", "qwen1.6"], 2, "qwen1.5"),
    "no experiment": (["sweep", "nowhere.yaml"], 2, "nowhere.yaml"),
    "unknown key": (["sweep", "{tables}/key.yaml"], 2, "Did you mean 'visual_tokens'"),
    "unknown inner key": (["sweep", "{tables}/inner.yaml"], 2, "Did you mean 'learning_rate'"),
    "set what is no yaml": (["sweep", "{tables}/good.yaml", "--set", "llms=[16x1"], 2, "not YAML"),
    "a law that exits": (["fit", "vlm_reasoning", "--law", "{tables}/exits.py"], 2, "SystemExit"),
    "not yaml": (["sweep", "{tables}/not.yaml"], 2, "not YAML"),
    "report on nothing there": (["report", "nowhere.json", "-o", "{tables}/r.pdf"], 2, "nowhere.json"),
    "unknown list": (["list", "lawz"], 2, "Did you mean 'laws'"),
    "unknown importer": (["import", "excel", "x", "-o", "y"], 2, "published_table"),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, fit_file: Path) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("bad")
    for name, content in TABLES.items():
        (folder / name).write_bytes(content)
    base = "question: q\nllms: [32x2]\nvisual_tokens: [1]\n"
    (folder / "key.yaml").write_text(base.replace("visual_tokens", "visual_token"))
    (folder / "inner.yaml").write_text(base + "recipe: {learning_rat: 1}\n")
    (folder / "good.yaml").write_text(base)
    (folder / "exits.py").write_text("raise SystemExit(0)")
    (folder / "not.yaml").write_text("a: [")
    return {"tables": str(folder), "fit": str(fit_file)}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence(
    capsys: pytest.CaptureFixture[str], places: dict[str, str], name: str
) -> None:
    arguments, code, said = BAD[name]
    given = [a.format(**places) for a in arguments]
    got, out, err = run(capsys, *given)
    assert got == code
    assert said in err
    assert "Traceback" not in err
    got, out, err = run(capsys, *given, "--json")
    assert got == code
    held: dict[str, Any] = json.loads(out)
    assert held["ok"] is False
    assert said in held["error"]["message"] + held["error"]["hint"]
    assert held["error"]["code"].replace("_", "").isalnum()


def test_all_visual_tokens_equal_is_not_identified_and_says_why(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    table = tmp_path / "equal.csv"
    table.write_text(
        HEADER + "".join(f"{n},16,{0.6 * (n / 1e9) ** -0.1}\n" for n in (5e8, 1e9, 2e9, 4e9, 7e9))
    )
    code, out, err = run(capsys, "fit", str(table), "--bootstrap", "0", "--json")
    assert code == 0
    assert json.loads(out)["data"]["status"] == "not_identified"
    assert "visual_tokens" in err
    code, out, _ = run(capsys, "fit", str(table), "--bootstrap", "0", "--strict", "--json")
    assert code == 3
    assert json.loads(out)["ok"] is False


def test_an_unwritable_folder_is_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = run(capsys, "report", "vlm_reasoning", "-o", str(tmp_path / "file" / "r.pdf"))
    assert code == 2
    assert "Cannot write" in err


def test_import_then_fit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "found.csv").write_text(
        "size,tokens,err\n" + "".join(f"{n},{v},{0.5 / n / v}\n" for n, v in GRID)
    )
    (tmp_path / "columns.yaml").write_text("columns: {n_params: size, visual_tokens: tokens, error: err}\n")
    made = tmp_path / "made.parquet"
    code, out, _ = run(
        capsys, "import", "published_table", str(tmp_path / "found.csv"), "--models", str(tmp_path / "columns.yaml"),
        "-o", str(made), "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["data"]["rows"] == 9
    code, _, _ = run(capsys, "fit", str(made), "--bootstrap", "0", "--json")
    assert code == 0


@pytest.mark.parametrize(
    "what", ["laws", "costs", "compressors", "datasets", "executors", "models", "hardware", "tables"]
)
def test_list_names_what_there_is(capsys: pytest.CaptureFixture[str], what: str) -> None:
    code, out, _ = run(capsys, "list", what, "--json")
    assert code == 0
    assert len(json.loads(out)["data"][what]) >= 1


def test_the_bill_of_a_query(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(
        capsys, "cost", "llava-1.5-7b", "--visual-tokens", "576", "--text-tokens", "50", "--json"
    )
    held = json.loads(out)
    assert code == 0
    assert held["data"]["flops"] == pytest.approx(8.719755e12, abs=5e5)
    code, out, _ = run(capsys, "cost", "llava-1.5-7b")
    assert code == 0
    assert "tower" in out
    code, out, _ = run(capsys, "cost", "llava-1.5-7b", "--explain", "3.82e12")
    assert code == 0
    assert "pyramiddrop" in out


def test_budgets_of_another_kind_and_inverse_questions(
    capsys: pytest.CaptureFixture[str], fit_file: Path
) -> None:
    given = ["optimize", str(fit_file), "--budget", "8e11", "--models", "qwen1.5", "--hardware", "h100"]
    code, out, _ = run(capsys, *given, "--contrast", "--inverse", "--json")
    assert code == 0
    data = json.loads(out)["data"]
    assert {row["kind"] for row in data["contrast"]["rows"]} >= {"flops", "latency_ms", "memory_gb"}
    assert {"switch_points", "tokens_against_text", "relaxation"} == set(data["inverse"])
    code, out, _ = run(capsys, *given, "--contrast", "--inverse")
    assert code == 0
    assert "visual tokens are free" in out


def test_several_tasks_at_once(capsys: pytest.CaptureFixture[str], fit_file: Path, tmp_path: Path) -> None:
    ocr = tmp_path / "ocr.json"
    assert run(capsys, "fit", "vlm_ocr", "--bootstrap", "50", "-o", str(ocr))[0] == 0
    code, out, _ = run(
        capsys, "optimize", "--fit", f"ocr={ocr}", "--fit", f"reasoning={fit_file}", "--weight", "ocr=0.3",
        "--budget", "8e11", "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["data"]["best"]["visual_tokens"] >= 1
    assert run(capsys, "optimize", str(fit_file), "--fit", f"ocr={ocr}", "--budget", "8e11")[0] == 2


def test_groups_ablation_influence_and_comparison(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    both = tmp_path / "both.csv"
    ocr, reasoning = (bundled_tables()[name].read_text() for name in ("vlm_ocr", "vlm_reasoning"))
    both.write_text(ocr + reasoning.split("\n", 1)[1])
    given = ["fit", str(both), "--by", "task_family", "--share", "alpha,beta", "--bootstrap", "50"]
    code, out, err = run(capsys, *given)
    assert code == 0, err
    assert "is not tenable" in out
    code, out, _ = run(capsys, *given, "--json")
    assert set(json.loads(out)["data"]["groups"]) == {"ocr", "reasoning"}
    assert run(capsys, "fit", str(both), "--share", "alpha")[0] == 2
    given = ["fit", "vlm_reasoning", "--bootstrap", "50", "--ablate", "--influence"]
    code, out, err = run(capsys, *given, "--json")
    assert code == 0, err
    assert json.loads(out)["data"]["ablation"][0]["change"] == "as asked"
    assert len(json.loads(out)["data"]["influence"]) == 28
    assert "Under other choices" in run(capsys, *given)[1]
    code, out, err = run(capsys, "compare", "vlm_reasoning", "--laws", "product_power,log_linear")
    assert code == 0, err
    assert "log_linear" in out


def test_what_a_table_covers(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", "vlm_reasoning")
    assert code == 0
    assert "missing: nothing" in out
    code, out, _ = run(capsys, "show", "vlm_reasoning", "--json")
    assert json.loads(out)["data"]["n_rows"] == 28


def test_a_calibrated_card_is_written_and_used(
    capsys: pytest.CaptureFixture[str], fit_file: Path, tmp_path: Path
) -> None:
    measured = tmp_path / "measured.csv"
    rows = [f"qwen1.5-{size},{v},{ms}" for size, ms in (("1.8b", 9.0), ("7b", 21.0)) for v in (16, 144, 576)]
    measured.write_text("model,visual_tokens,latency_ms\n" + "\n".join(rows) + "\n")
    card = tmp_path / "card.yaml"
    code, out, _ = run(capsys, "calibrate", str(measured), "--hardware", "h100", "-o", str(card))
    assert code == 0
    assert "mfu" in out
    code, out, err = run(
        capsys,
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


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--version")
    assert code == 0
    assert out.startswith("scalelaw 0.")


def test_an_unexpected_fault_is_a_sentence_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scalelaw.table.bundled_tables", lambda: 1 / 0)
    code, out, err = run(capsys, "list", "tables", "--json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "unexpected"
    assert "SCALELAW_DEBUG" in err


def test_an_interrupt_ends_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scalelaw.table.bundled_tables", interrupt)
    code, out, err = run(capsys, "list", "tables", "--json")
    assert code == 130
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert "Interrupted" in err


def test_no_command_at_all_is_answered_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys)
    assert code == 0
    assert "Commands:" in out


def test_a_reader_that_stops_reading_is_no_fault() -> None:
    listing = f"{sys.executable} -m scalelaw.cli list models"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {listing} | head -1"], capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.returncode == 0


def test_the_holdout_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "fit", "vlm_reasoning", "--holdout", "largest", "--bootstrap", "0")
    assert code == 0
    assert "largest error 0.005" in out


def test_show_compares_pair_by_pair(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = ["benchmark,model,n_params,visual_tokens,seed,compressor,error"]
    for name, errors in {"downsample": (0.3, 0.4, 0.36), "quecc": (0.28, 0.35, 0.33)}.items():
        lines += [f"b,m,1e5,4,{seed},{name},{error}" for seed, error in enumerate(errors)]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    code, out, _ = run(
        capsys, "show", str(tmp_path / "table.csv"), "--paired", "compressor=downsample", "--json"
    )
    assert code == 0
    jsonschema.validate(json.loads(out), schemas.schema("show"))
    rows = {row["compressor"]: row for row in json.loads(out)["data"]["rows"]}
    assert rows["quecc"]["difference"] == pytest.approx(-0.1 / 3)
    assert rows["quecc"]["p_holm"] == pytest.approx(0.0634, abs=1e-3)
    assert rows["downsample"]["p"] is None
    code, out, _ = run(capsys, "show", str(tmp_path / "table.csv"), "--paired", "compressor=downsample")
    assert "-0.033333" in out
    assert code == 0


def test_the_answer_is_in_its_file_though_nobody_reads_the_words(tmp_path: Path) -> None:
    answer = tmp_path / "fit.json"
    command = [
        sys.executable,
        "-m",
        "scalelaw",
        "fit",
        "vlm_reasoning",
        "--bootstrap",
        "0",
        "-o",
        str(answer),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.close()
    process.wait(timeout=60)
    assert json.loads(answer.read_text())["ok"] is True
