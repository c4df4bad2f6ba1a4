"""Wide and long csv, exports of Weights & Biases, published tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scalelaw.errors import InputError
from scalelaw.importers import long_csv, published_table, wandb_export, wide_csv
from scalelaw.table.points import points
from scalelaw.table.read import read_table, write_table

WIDE = "method,N,tokens,GQA,MME,loss\nQueCC,7,16,59.0,1408.0,1.5\nQueCC,7,4,56.5,,1.75\nold,13,4,50.0,1000.0,2.0\n"
MAPPING: dict[str, Any] = {
    "columns": {"n_params": "N", "visual_tokens": "tokens", "compressor": "method"},
    "scale": {"n_params": 1e9},
    "rename": {"compressor": {"QueCC": "quecc"}},
    "model": "LLM {n_params_billion:g}B",
    "scores": {
        "GQA": {"maximum": 100, "aggregate": "proportion", "n_examples": 12578},
        "MME": 2000,
        "loss": "loss",
    },
}


def codes(made: Any) -> list[str]:
    return [code for code, _ in made.warnings]


def write(folder: Path, content: str, name: str = "found.csv") -> Path:
    (folder / name).write_text(content)
    return folder / name


def test_a_wide_csv(tmp_path: Path) -> None:
    made = wide_csv.read(write(tmp_path, WIDE), MAPPING)
    assert len(made.rows) == 8
    first = made.rows[0]
    assert (first["model"], first["n_params"], first["visual_tokens"], first["compressor"]) == (
        "LLM 7B", 7_000_000_000, 16, "quecc",
    )  # fmt: skip
    assert first["error"] == 0.41
    assert first["error_se"] == pytest.approx((0.59 * 0.41 / 12578) ** 0.5)
    assert [r["error"] for r in made.rows if r["benchmark"] == "loss"] == [1.5, 1.75, 2.0]
    assert "no_score" in codes(made)


def test_rows_can_be_left_out_with_a_reason_and_averages_added(tmp_path: Path) -> None:
    options = {
        **MAPPING,
        "leave_out": [{"where": {"method": "old"}, "because": "it is a duplicate"}],
        "average": {"benchmark": "average of 2", "over": ["GQA", "MME"], "task_family": "mixed"},
    }
    made = wide_csv.read(write(tmp_path, WIDE), options)
    average = [r for r in made.rows if r["benchmark"] == "average of 2"]
    assert [r["error"] for r in average] == [pytest.approx((0.41 + 1 - 1408 / 2000) / 2)]
    assert average[0]["task_family"] == "mixed"
    assert ("left_out", "1 row(s) left out: it is a duplicate.") in made.warnings
    assert "no_average" in codes(made)


def test_a_score_without_a_unit_is_an_error_that_says_what_to_add(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not stated") as caught:
        wide_csv.read(write(tmp_path, WIDE), {"columns": MAPPING["columns"]})
    assert '"GQA": 100' in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"columns": {"n_parms": "N"}}, "Did you mean 'n_params'"),
        ({"columns": {"n_params": "NN"}}, "Unknown column 'NN'"),
        ({"scale": {"visual_tokens": "x"}}, "must be a positive number"),
        ({"scale": {"text_tokens": 3}}, "Unknown column 'text_tokens'"),
        ({"scores": {"GQA": "much"}}, "must be a number"),
        ({"scores": {"GQA": 10}}, "not between 0 and 10"),
        ({"scores": {"GQ": 100}}, "Did you mean 'GQA'"),
        ({"scores": [1]}, "'scores' must map"),
        ({"model": "{nothing}"}, "cannot be filled"),
        ({"model": "{N.real.imag.x}"}, "cannot be filled"),
        ({"constants": {"visual_token": 3}}, "Did you mean 'visual_tokens'"),
        ({"leave_out": [{"where": {"metod": "old"}}]}, "Did you mean 'method'"),
        ({"average": {"over": ["GQB"]}}, "Did you mean 'GQA'"),
        ({"rename": {"compressor": 3}}, "'rename' must map"),
    ],
)
def test_a_wrong_mapping_is_said(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        wide_csv.read(write(tmp_path, WIDE), {**MAPPING, **changes})


def test_values_that_nothing_tells_apart_are_kept_and_never_fitted(tmp_path: Path) -> None:
    made = wide_csv.read(write(tmp_path, WIDE + "QueCC,7,16,60.0,1408.0,1.5\n"), MAPPING)
    assert [r["value"] for r in made.rows if r["benchmark"] == "GQA" and r["visual_tokens"] == 16] == [
        59.0,
        60.0,
    ]
    message = dict(made.warnings)["ambiguous_duplicates"]
    assert "data row 1 and data row 4" in message
    assert [r["status"] for r in made.rows if r["benchmark"] == "GQA"] == [
        "ambiguous",
        "ok",
        "ok",
        "ambiguous",
    ]
    assert "of LLM 7B (data row 1 and data row 4)" in dict(made.warnings)["duplicates"]  # MME and the loss
    assert [r["status"] for r in made.rows if r["benchmark"] == "MME"] == ["ok", "ok"]
    assert len({r["cell"] for r in made.rows}) == len(made.rows)
    seeded = "method,N,tokens,GQA,MME,loss,seed\na,7,1,50,1000,1,0\na,7,1,51,1000,1,1\n"
    made = wide_csv.read(write(tmp_path, seeded), MAPPING)
    assert [r["seed"] for r in made.rows if r["benchmark"] == "GQA"] == [0, 1]
    assert {r["status"] for r in made.rows} == {"ok"}


def test_a_long_csv(tmp_path: Path) -> None:
    path = write(tmp_path, "task,V,size,score,n\nGQA,4,7e9,60.0,100\nMME_P,4,7e9,1500,\nMME_P,1,7e9,,\n")
    options: dict[str, Any] = {
        "columns": {
            "benchmark": "task",
            "visual_tokens": "V",
            "n_params": "size",
            "value": "score",
            "n_examples": "n",
        },
        "scores": {"GQA": {"maximum": 100, "aggregate": "proportion"}, "MME_*": 2000},
    }
    made = long_csv.read(path, options)
    assert [(r["benchmark"], r["error"]) for r in made.rows] == [("GQA", 0.4), ("MME_P", 0.25)]
    assert made.rows[0]["error_se"] == pytest.approx((0.6 * 0.4 / 100) ** 0.5)
    assert "no_score" in codes(made)
    with pytest.raises(InputError, match="not guessed") as caught:
        long_csv.read(path, {**options, "scores": {"GQA": 100}})
    assert 'task: "MME_P"' in caught.value.hint
    with pytest.raises(InputError, match="Which column holds the value"):
        long_csv.read(path, {"columns": {"benchmark": "task"}})


RUNS = [
    {"name": "a", "state": "finished", "created_at": "2026-01-01T00:00:00",
     "config": {"llm": {"n": 5e8}, "V": {"value": 4}}, "summary": {"acc": 0.25, "V": 3}},
    {"name": "b", "state": "crashed", "config": {"llm": {"n": 1e9}, "V": 16}, "summary": {"acc": 0.5}},
    {"name": "c", "state": "finished", "config": {"llm": {"n": 1e9}, "V": 16}, "summary": {}},
]  # fmt: skip


@pytest.mark.parametrize("form", ["json", "jsonl", "strings"])
def test_runs_of_weights_and_biases_as_json(form: str, tmp_path: Path) -> None:
    if form == "jsonl":
        path = write(tmp_path, "\n".join(map(json.dumps, RUNS)), "runs.jsonl")
    else:
        runs = [{**r, "config": json.dumps(r["config"])} for r in RUNS] if form == "strings" else RUNS
        path = write(tmp_path, json.dumps(runs), "runs.json")
    made = wandb_export.read(
        path, {"columns": {"n_params": "llm.n", "visual_tokens": "config.V"}, "scores": {"acc": 1}}
    )
    assert [(r["model"], r["n_params"], r["visual_tokens"], r["error"], r["status"]) for r in made.rows] == [
        ("a", 500_000_000, 4, 0.75, "ok"), ("b", 1_000_000_000, 16, 0.5, "crashed"),
    ]  # fmt: skip
    assert {"unfinished_runs", "no_score"} <= set(codes(made))


def test_the_runs_table_of_weights_and_biases_as_csv(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '"Name","State","Created","Runtime","n","acc"\n"a","finished","2026-01-01T00:00:00","60","5e8","0.25"\n',
    )
    made = wandb_export.read(path, {"columns": {"n_params": "n"}, "scores": {"acc": 1}})
    assert [(r["model"], r["seconds"], r["n_params"]) for r in made.rows] == [("a", 60.0, 500_000_000)]
    api = write(tmp_path, "summary,config,name\n\"{'acc': 0.25}\",\"{'n': 500000000.0}\",a\n", "api.csv")
    assert (
        wandb_export.read(api, {"columns": {"n_params": "n"}, "scores": {"acc": 1}}).rows[0]["error"] == 0.75
    )


def test_the_export_of_a_chart_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, '"Step","a - acc","a - acc__MIN","a - acc__MAX"\n"1","0.1","0.1","0.1"\n')
    with pytest.raises(InputError, match="curves, not results"):
        wandb_export.read(path, {"scores": {"a - acc": 1}})


def test_a_published_table_keeps_its_error(tmp_path: Path) -> None:
    path = write(tmp_path, "N_billion,V,err\n0.5,4,0.6083\n")
    made = published_table.read(
        path,
        {
            "columns": {"n_params": "N_billion", "visual_tokens": "V", "error": "err"},
            "scale": {"n_params": 1e9},
        },
    )
    assert [(r["n_params"], r["visual_tokens"], r["error"]) for r in made.rows] == [(500_000_000, 4, 0.6083)]


def test_only_what_is_counted_is_rounded(tmp_path: Path) -> None:
    path = write(tmp_path, "n_params,visual_tokens,error\n0.0672,4,38.7\n7,16,31.2\n")
    made = published_table.read(path, {"scale": {"n_params": 1e9, "error": 0.01}})
    assert [r["n_params"] for r in made.rows] == [67_200_000, 7_000_000_000]
    assert [r["error"] for r in made.rows] == pytest.approx([0.387, 0.312])
    path = write(tmp_path, "model,n_params,text_tokens,GQA\na,7,57.00001,60\n")
    (row,) = wide_csv.read(path, {"scale": {"n_params": 1e9, "text_tokens": 1}, "scores": {"GQA": 100}}).rows
    assert (row["n_params"], row["text_tokens"]) == (7_000_000_000, 57.00001)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("model;visual_tokens;GQA\na;16;61,3\n", "commas"),
        ("model,visual_tokens,GQA\na,7B,61.3\n", "--scale visual_tokens=1e9"),
        ('model,visual_tokens,GQA\na,16,"1,431.2"\n', "--decimal ."),
        ("model,visual_tokens,GQA\na,16,63.1*\n", "mark"),
        ("# May\nmodel,visual_tokens,GQA\na,16,63.1\n", "above the header"),
        ("model,visual_tokens,GQA\na,16,613\n", "stated maximum is 100"),
    ],
)
def test_a_number_or_a_separator_that_is_meant_otherwise_gets_a_hint(
    content: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        wide_csv.read(write(tmp_path, content), {"scores": {"GQA": 100}})
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"model;visual_tokens;GQA\na;2880;61.3\n", {}),
        (b"model\tvisual_tokens\tGQA\na\t2880\t61.3\n", {}),
        (b"model;visual_tokens;GQA\na;2.880;61,3\n", {"decimal": ","}),
        (b'model,visual_tokens,GQA\na,"2,880",61.3\n', {"decimal": "."}),
        (b"model,visual_tokens,GQA\na,2880,61.3 %\n", {}),
        (b"model,visual_tokens,GQA,,\na,2880,61.3,,\n", {}),
        (b"\xef\xbb\xbfmodel,visual_tokens,GQA\r\na,2880,61.3\r\n", {}),
        ("model,visual_tokens,GQA\na,2880,61.3\n".encode("utf-16"), {}),
        (b"model\tvisual_tokens\tGQA\tnote, or none\na\t2880\t61.3\tb\n", {}),
        (b"model\tvisual_tokens\tGQA\tnote, or none\na\t2880\t61.3\tb, c\n", {}),
        (b"model;visual_tokens;GQA;this, that, or both, or none\na;2880;61.3;b\n", {}),
        (b"model,visual_tokens,GQA,this;that;or;both|none\na,2880,61.3,b\n", {}),
    ],
)
def test_a_table_from_a_spreadsheet_reads_alike_however_it_was_saved(
    content: bytes, options: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    models = {"a": {"n_params": 7e9}}
    (row,) = wide_csv.read(tmp_path / "a.csv", {"scores": {"GQA": 100}, "models": models, **options}).rows
    assert (row["visual_tokens"], row["value"], row["error"]) == (2880, 61.3, pytest.approx(0.387))


def test_a_workbook_is_a_table_too(tmp_path: Path) -> None:
    frame = pd.DataFrame({"model": ["a"], "n_params": [7e9], "visual_tokens": [16], "GQA": [61.3]})
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    (row,) = wide_csv.read(tmp_path / "a.xlsx", {"scores": {"GQA": 100}}).rows
    assert (row["n_params"], row["visual_tokens"], row["value"]) == (7_000_000_000, 16, 61.3)


def test_a_percentage_of_another_maximum_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'61\.3%'") as caught:
        wide_csv.read(write(tmp_path, "model,visual_tokens,GQA\na,16,61.3%\n"), {"scores": {"GQA": 1}})
    assert "the maximum 100" in caught.value.hint


def test_a_fraction_among_percentages_is_said(tmp_path: Path) -> None:
    sheet = "model,visual_tokens,GQA\na,16,61.3\nb,4,0.583\n"
    made = wide_csv.read(write(tmp_path, sheet), {"scores": {"GQA": 100}})
    (messages,) = (message for code, message in made.warnings if code == "looks_like_fraction")
    assert "GQA/score of b (0.583 of 100)" in messages
    assert [row["value"] for row in made.rows] == [61.3, 0.583]


def test_a_standard_error_that_is_no_number_is_said(tmp_path: Path) -> None:
    sheet = "model,visual_tokens,GQA,se\na,16,61.3,0.4 points\n"
    with pytest.raises(InputError, match="'0.4 points' in column 'se' is not a number"):
        wide_csv.read(write(tmp_path, sheet), {"scores": {"GQA": {"maximum": 100, "se": "se"}}})
    sheet = "model,visual_tokens,benchmark,value,n_examples\na,16,GQA,61.3,many\n"
    with pytest.raises(InputError, match="'many' in column 'n_examples' is not a number"):
        long_csv.read(write(tmp_path, sheet), {"scores": {"GQA": 100}})


def test_a_file_in_another_encoding_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("model,visual_tokens,GQA\né,16,61.3\n".encode("latin-1"))
    with pytest.raises(InputError) as caught:
        wide_csv.read(tmp_path / "a.csv", {"scores": {"GQA": 100}})
    assert "UTF-8" in caught.value.hint


def test_a_scale_of_the_value_is_of_its_standard_error_too(tmp_path: Path) -> None:
    path = write(tmp_path, "benchmark,value,error_se,visual_tokens\nGQA,0.61,0.01,16\n")
    (row,) = long_csv.read(path, {"scale": {"value": 100}, "scores": {"GQA": 100}})
    assert (row["value"], row["error"], row["error_se"]) == pytest.approx((61, 0.39, 0.01))
    options = {"scale": {"value": 100, "error_se": 50}, "scores": {"GQA": 100}}
    assert long_csv.read(path, options).rows[0]["error_se"] == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("scale", "says"),
    [
        ({"GQA": 0.01}, "'GQA' has no scale"),
        ({"value": 0.01}, "'value' has no scale"),
        ({"compressor": 2}, "'compressor' holds text"),
        ({"visual_tokens": 0}, "must be a positive number, not 0"),
        ({"visual_tokens": "many"}, "must be a positive number, not many"),
    ],
)
def test_what_has_no_scale_is_said(scale: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        wide_csv.read(write(tmp_path, WIDE), {**MAPPING, "scale": scale})
    if not {"GQA", "value"} & set(scale):
        with pytest.raises(InputError, match=says):
            published_table.read(write(tmp_path, WIDE), {"columns": MAPPING["columns"], "scale": scale})


def test_a_row_is_named_by_its_place_among_the_rows_of_data(tmp_path: Path) -> None:
    text = "benchmark,n_params,value\n\nGQA,7e9,60\n\nGQA,3.1,61\nGQA,7e9,good\n"
    options = {"scores": {"GQA": 100}}
    with pytest.raises(InputError, match="not billions, in data row 2 ") as refusal:
        long_csv.read(write(tmp_path, text), options)
    assert "--scale n_params=1e9" in refusal.value.hint
    with pytest.raises(InputError, match="'good' is not a number, in data row 3 "):
        long_csv.read(write(tmp_path, text.replace("3.1", "3e9")), options)
    with pytest.raises(InputError, match="data row 2 .* has 4 fields, the header 3"):
        long_csv.read(write(tmp_path, text.replace("61", "61,9")), options)
    with pytest.raises(InputError, match="'good' in column 'error' is not a number, in data row 3 "):
        published_table.read(write(tmp_path, text.replace("value", "error").replace(",6", ",.6")), {})
    unnamed = long_csv.read(write(tmp_path, text.replace("3.1", "3e9").replace("good", "")), options)
    assert [row["model"] for row in unnamed] == ["row 1", "row 2"]
    assert "in data row 3" in dict(unnamed.warnings)["no_score"]


def test_the_experiment_of_a_published_table_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, "n_params,error\n1e9,.5\n")
    assert published_table.read(path, {"experiment": "mine"}).rows[0]["experiment"] == "mine"


def test_a_long_csv_knows_the_same_signs_for_no_score(tmp_path: Path) -> None:
    sheet = "model,visual_tokens,benchmark,value\na,16,GQA,61.3\na,16,MMB,-\na,16,POPE,n/a\n"
    made = long_csv.read(write(tmp_path, sheet), {"scores": {"GQA": 100, "MMB": 100, "POPE": 100}})
    assert [row["benchmark"] for row in made.rows] == ["GQA"]
    assert "no_score" in codes(made)


@pytest.mark.parametrize("importer", [wide_csv, long_csv, published_table])
def test_a_mean_number_of_visual_tokens_is_imported_as_it_is(importer: Any, tmp_path: Path) -> None:
    """Pruners that work layer by layer keep 170.5 tokens on average, and a keep ratio of 0.1 keeps 57.6 of 576."""
    sheet = "model,n_params,keep,benchmark,value,error\na,7e9,0.1,gqa,60,0.4\nb,7e9,1.0,gqa,61,0.3\n"
    options = {"columns": {"visual_tokens": "keep"}, "scale": {"visual_tokens": 576}, "scores": {"*": 100}}
    if importer is wide_csv:
        sheet, options["scores"] = sheet.replace("benchmark,value", "name,gqa"), {"gqa": 100}
    if importer is published_table:
        names = ("model", "n_params", "error", "benchmark")
        options = {**options, "columns": {c: c for c in names} | options["columns"]}
    made = importer.read(write(tmp_path, sheet), options)
    assert [row["visual_tokens"] for row in made.rows] == [57.6, 576]
    assert isinstance(made.rows[1]["visual_tokens"], int)
    write_table(made.rows, tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert list(points(table, ["n_params", "visual_tokens"]).inputs["visual_tokens"]) == [57.6, 576]


def test_no_visual_token_is_no_count(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'visual_tokens' must be a positive number") as caught:
        wide_csv.read(write(tmp_path, "n_params,visual_tokens,GQA\n7e9,0,60\n"), {"scores": {"GQA": 100}})
    assert caught.value.code == "bad_value"


def test_only_likely_scores_are_proposed_with_their_maximum(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text(
        "model,Tokens,Params (B),GQA,EM,MME,Epoch\na,576,7,61.5,0.4,1500,3\nb,144,13,60.1,0.3,1400,3\n"
    )
    with pytest.raises(InputError) as caught:
        wide_csv.read(file, {})
    lines = [line.strip() for line in caught.value.hint.splitlines() if line.startswith("  ")]
    assert lines == ['"GQA": 100', '"EM": 1']
