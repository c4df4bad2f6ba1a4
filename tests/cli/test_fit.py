"""fit and compare."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from scalelaw.table.read import bundled_tables

Run = Callable[..., tuple[int, str, str]]
HEADER = "n_params,visual_tokens,error\n"


def test_fit_prints_one_json_object_and_writes_the_same(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "fit.json"
    code, out, err = run("fit", "vlm_reasoning", "--bootstrap", "50", "--json", "-o", str(file))
    reply = json.loads(out)
    assert code == 0
    assert out == file.read_text()
    assert reply["schema"] == "scalelaw.fit/1"
    assert reply["ok"] is True
    data = reply["data"]
    assert data["objective"] == pytest.approx(3.79380e-4, abs=5e-9)
    assert data["params"]["A"] == pytest.approx(0.59077, abs=5e-6)
    assert data["params"]["alpha"] == pytest.approx(0.07094, abs=5e-6)
    assert data["params"]["beta"] == pytest.approx(0.01510, abs=5e-6)
    assert data["params"]["D"] == 0
    assert data["derived"]["alpha_over_beta"]["value"] == pytest.approx(4.70, abs=5e-3)
    assert data["status"] == "at_bound"
    assert data["n_points"] == 28
    assert data["units"] == {"n_params": 1e9, "visual_tokens": 1}
    assert [w["code"] for w in reply["warnings"]].count("at_bound") == 1
    assert "warning:" in err


def test_the_words_of_fit_and_optimize(run: Run, fit_file: Path) -> None:
    code, out, _ = run("fit", "vlm_reasoning", "--bootstrap", "50")
    assert code == 0
    assert "product_power" in out
    assert "0.07094" in out
    assert "at_bound" in out
    code, out, _ = run("optimize", str(fit_file), "--budget", "8e11")
    assert code == 0
    assert "best" in out


def test_all_visual_tokens_equal_is_not_identified_and_says_why(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "equal.csv"
    table.write_text(
        HEADER + "".join(f"{n},16,{0.6 * (n / 1e9) ** -0.1}\n" for n in (5e8, 1e9, 2e9, 4e9, 7e9))
    )
    code, out, err = run("fit", str(table), "--bootstrap", "0", "--json")
    assert code == 0
    assert json.loads(out)["data"]["status"] == "not_identified"
    assert "visual_tokens" in err
    code, out, _ = run("fit", str(table), "--bootstrap", "0", "--strict", "--json")
    assert code == 3
    assert json.loads(out)["ok"] is False


def test_the_holdout_is_printed(run: Run) -> None:
    code, out, _ = run("fit", "vlm_reasoning", "--holdout", "largest", "--bootstrap", "0")
    assert code == 0
    assert "max absolute error 0.005" in out


def test_groups_ablation_influence_and_comparison(run: Run, tmp_path: Path) -> None:
    both = tmp_path / "both.csv"
    ocr, reasoning = (bundled_tables()[name].read_text() for name in ("vlm_ocr", "vlm_reasoning"))
    both.write_text(ocr + reasoning.split("\n", 1)[1])
    arguments = ["fit", str(both), "--by", "task_family", "--share", "alpha,beta", "--bootstrap", "50"]
    code, out, err = run(*arguments)
    assert code == 0, err
    assert "is not tenable" in out
    code, out, _ = run(*arguments, "--json")
    assert set(json.loads(out)["data"]["groups"]) == {"ocr", "reasoning"}
    assert run("fit", str(both), "--share", "alpha")[0] == 2
    arguments = ["fit", "vlm_reasoning", "--bootstrap", "50", "--ablate", "--influence"]
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    assert json.loads(out)["data"]["ablation"][0]["change"] == "as asked"
    assert len(json.loads(out)["data"]["influence"]) == 28
    assert "Ablation" in run(*arguments)[1]
    code, out, err = run("compare", "vlm_reasoning", "--laws", "product_power,log_linear")
    assert code == 0, err
    assert "log_linear" in out


BAD: dict[str, tuple[list[str], int, str]] = {
    "unknown table": (["fit", "vlm_resoning"], 2, "Did you mean 'vlm_reasoning'"),
    "no such file": (["fit", "nowhere.csv"], 2, "There is no file"),
    "not a csv": (["fit", "{bad}/not_csv.csv"], 2, "cannot be read as csv"),
    "a fit in place of a table": (["fit", "{fit}"], 2, "`scalelaw fit` wrote: `scalelaw optimize` and"),
    "an experiment in place of a table": (
        ["compare", "{bad}/good.yaml"],
        2,
        "an experiment: `scalelaw sweep`",
    ),
    "empty": (["fit", "{bad}/empty.csv"], 2, "cannot be read as csv"),
    "missing column": (["fit", "{bad}/no_column.csv"], 2, "Did you mean 'visual_token'"),
    "infinite": (["fit", "{bad}/inf.csv"], 2, "inf in data row 1 "),
    "negative": (["fit", "{bad}/negative.csv"], 2, "must not be negative"),
    "text for a number": (["fit", "{bad}/text.csv"], 2, "not a number"),
    "one point": (["fit", "{bad}/one_point.csv", "--strict"], 3, "not identified"),
    "unknown law": (["fit", "vlm_reasoning", "--law", "product_powr"], 2, "Did you mean 'product_power'"),
    "no such law file": (["fit", "vlm_reasoning", "--law", "./mine.py"], 2, "no file"),
    "a law that exits": (["fit", "vlm_reasoning", "--law", "{bad}/exits.py"], 2, "SystemExit"),
    "bad where": (["fit", "vlm_reasoning", "--where", "task_family=poetry"], 2, "No row has"),
    "where that compares": (["fit", "vlm_reasoning", "--where", "n_params>1e9"], 2, "are not supported"),
    "refits without end": (
        ["fit", "vlm_reasoning", "--bootstrap", "99999999999"],
        2,
        "between 0 and 1,000,000",
    ),
    "bad fix": (["fit", "vlm_reasoning", "--fix", "D"], 2, "name=value"),
    "fix of nothing": (["fit", "vlm_reasoning", "--fix", "Z=0"], 2, "Z"),
    "bad bound": (["fit", "vlm_reasoning", "--bound", "alpha=1"], 2, "low:high"),
    "bad loss": (["fit", "vlm_reasoning", "--loss", "cubic"], 2, "cubic"),
    "bad output": (["fit", "vlm_reasoning", "--bootstrap", "0", "-o", "{bad}/nan.csv/x"], 2, "Cannot write"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_sentence(refused: Callable[..., None], name: str) -> None:
    refused(*BAD[name])


def test_what_comes_on_stdin_is_read_once_for_all_answers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    csv = "n_params,visual_tokens,error\n" + "\n".join(
        f"{n * 1e9},{v},{0.6 * n**-0.07 * v**-0.02}" for n in (1, 2, 4, 8) for v in (1, 4, 16)
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(csv))
    code, out, _ = run("fit", "-", "--bootstrap", "0", "--ablate", "--influence", "--json")
    assert code == 0
    assert {"ablation", "influence"} <= set(json.loads(out)["data"])
