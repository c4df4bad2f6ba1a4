"""Rules that hold in every importer: what is no score, what is not used, what conflicts, whose layout it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.importers import (
    helm,
    lm_eval,
    lmms_eval,
    long_csv,
    published_table,
    vlmevalkit,
    wandb_export,
    wide_csv,
)
from scalelaw.importers.helm import benchmark_of

TINY: dict[str, Any] = {"models": {"*": {"n_params": 1e9, "visual_tokens": 16}}}


def codes(made: Any) -> list[str]:
    return [code for code, _ in made.warnings]


def message(made: Any, code: str) -> str:
    (text,) = [text for kind, text in made.warnings if kind == code]
    return text


def helm_run(root: Path, name: str, value: Any = 0.5, **adapter: Any) -> None:
    folder = root / f"run{len(list(root.iterdir())) if root.is_dir() else 0}"
    folder.mkdir(parents=True)
    spec = {"name": name, "adapter_spec": {"model": "acme/lens-7b", "max_eval_instances": 1000, **adapter}}
    (folder / "run_spec.json").write_text(json.dumps(spec))
    statistics = [("exact_match", value), ("num_instances", 135.0)]
    entries = [{"name": {"name": n, "split": "test"}, "count": 1, "mean": v} for n, v in statistics]
    (folder / "stats.json").write_text(json.dumps(entries))


def harness_run(file: Path, results: dict[str, Any], **more: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    run = {
        "results": results,
        "config": {"model_args": "pretrained=org/tiny"},
        "model_name": "org/tiny",
        **more,
    }
    file.write_text(json.dumps(run))


def sheet(folder: Path, content: str, name: str = "t.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    return folder / name


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("boolq", "boolq"),
        ("boolq:model=acme_lens-7b", "boolq"),
        ("boolq:model=acme_lens-7b,data_augmentation=canonical", "boolq:data_augmentation=canonical"),
        ("mmlu:subject=a,model=b,model_deployment=c_d", "mmlu:subject=a"),
        ("bbq:subject=all,model_deployment=together_x", "bbq:subject=all"),
        ("raft:subset=a,b,model=x", "raft:subset=a,b"),
        ("ice:args={a,model=z},model=y,groups=a|b", "ice:args={a,model=z},groups=a|b"),
        ("x:prompt=a:b,model=openai/gpt:4", "x:prompt=a:b"),
        ("x:subset=a(b,model=y", "x:subset=a(b"),
        ("boolq%3Amodel%3Dacme%2Cstop%3Dnone", "boolq:stop=none"),
        ("mmlu-subject=philosophy,method=joint,model=openai_gpt2", "mmlu:subject=philosophy,method=joint"),
        ("vqa-rad-model=acme,stop=none", "vqa-rad:stop=none"),
        ("gsm8k,model=x", "gsm8k"),
    ],
)
def test_a_run_name_of_helm_without_its_model(run: str, expected: str, tmp_path: Path) -> None:
    assert benchmark_of(run) == expected
    helm_run(tmp_path, run)
    made = helm.read(tmp_path, TINY)
    assert [row["benchmark"] for row in made.rows] == [expected]
    assert "model_in_benchmark" not in codes(made) or "model=" in expected


def test_a_model_that_stays_in_the_name_of_a_benchmark_is_reported(tmp_path: Path) -> None:
    helm_run(tmp_path, "boolq:deployed=acme_lens-7b")
    assert "model_in_benchmark" in codes(helm.read(tmp_path, TINY))


def test_the_examples_in_the_prompt_are_kept_and_set_apart(tmp_path: Path) -> None:
    for shots in (0, 5):
        helm_run(tmp_path / "h", "boolq:model=x", 0.5 + shots / 100, max_train_instances=shots)
        run = {"n-shot": {"arc": shots}, "date": 1.7e9 + shots}
        harness_run(tmp_path / "l" / f"results_{shots}.json", {"arc": {"acc,none": 0.5}}, **run)
    for made in (helm.read(tmp_path / "h", TINY), lm_eval.read(tmp_path / "l", TINY)):
        assert sorted(row["n_shot"] for row in made.rows) == [0, 5]
        assert "mixed_n_shot" in codes(made)


SCORES = "split,Overall\nnone,0.5\n"


def kit(root: Path, *names: str, status: dict[str, Any] | None = None) -> Path:
    folder = root / "tiny" / "T20260101_Gabcdef12"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(SCORES if name.endswith(".csv") else "")
    if status is not None:
        (folder / "status.json").write_text(json.dumps({"model_name": "tiny", "datasets": status}))
    return root


KIT: dict[str, Any] = {**TINY, "metrics": {"vlmevalkit": [{"task": "*", "metric": "Overall", "maximum": 1}]}}


def pairs(made: Any) -> set[tuple[str, str | None]]:
    return {(row["benchmark"], row["judge"]) for row in made.rows}


def test_one_usual_judge_shows_where_the_benchmark_ends(tmp_path: Path) -> None:
    kit(tmp_path, *(f"tiny_New_MINI_{judge}_score.csv" for judge in ("gpt-4o-mini", "kimi-k2", "llama31-8b")))
    made = vlmevalkit.read(tmp_path, KIT)
    assert pairs(made) == {("New_MINI", "gpt-4o-mini"), ("New_MINI", "kimi-k2"), ("New_MINI", "llama31-8b")}
    assert "mixed_judges" in codes(made)
    assert "judge_not_known" not in codes(made)


@pytest.mark.parametrize("ending", ["acc.csv", "score.csv", "rating.csv", "acc.xlsx", "score.json"])
def test_a_judge_that_nothing_shows_is_reported_and_can_be_named(ending: str, tmp_path: Path) -> None:
    folder = kit(tmp_path) / "tiny" / "T20260101_Gabcdef12"
    file = folder / f"tiny_New_MINI_kimi-k2_{ending}"
    if ending.endswith("xlsx"):
        pd.DataFrame({"split": ["none"], "Overall": [0.5]}).to_excel(file, index=False)
    else:
        file.write_text('{"Overall": 0.5}' if ending.endswith("json") else SCORES)
    made = vlmevalkit.read(tmp_path, KIT)
    assert pairs(made) == {("New_MINI_kimi-k2", None)}
    assert file.name in message(made, "judge_not_known")
    for options in ({"judges": ["kimi-k2"]}, {"benchmarks": ["New_MINI"]}):
        made = vlmevalkit.read(tmp_path, {**KIT, **options})
        assert pairs(made) == {("New_MINI", "kimi-k2")}
        assert "judge_not_known" not in codes(made)
    with pytest.raises(InputError) as caught:
        vlmevalkit.read(tmp_path, {**KIT, "judges": "kimi-k2"})
    assert caught.value.code == "bad_yaml"


def test_the_predictions_beside_a_score_show_where_the_benchmark_ends(tmp_path: Path) -> None:
    kit(tmp_path, "tiny_New_MINI.xlsx", "tiny_New_MINI_kimi-k2.xlsx", "tiny_New_MINI_kimi-k2_score.csv")
    assert pairs(vlmevalkit.read(tmp_path, KIT)) == {("New_MINI", "kimi-k2")}


@pytest.mark.parametrize(
    "name",
    [
        "MMMU_DEV_VAL",
        "MMBench_DEV_EN_V11",
        "Video-MME_64frame",
        "OCRBench_v2",
        "MVBench_MP4",
        "MMBench_dev_en",
    ],
)
def test_a_benchmark_with_underscores_stays_whole(name: str, tmp_path: Path) -> None:
    kit(tmp_path, f"tiny_{name}_acc.csv", "tiny_MMMU_DEV.xlsx")
    made = vlmevalkit.read(tmp_path, KIT)
    assert pairs(made) == {(name, None)}
    assert "judge_not_known" not in codes(made)


def test_status_json_says_which_end_is_the_judge(tmp_path: Path) -> None:
    done = {"status": "done", "judge_model": "acme_judge", "metrics": {"Overall": 0.5}}
    kit(tmp_path, "tiny_New_MINI_acme_judge_score.csv", status={"New_MINI": done})
    made = vlmevalkit.read(tmp_path, KIT)
    assert pairs(made) == {("New_MINI", "acme_judge")}
    assert "status.json" in message(made, "not_used")


def test_two_rows_for_one_label_are_refused(tmp_path: Path) -> None:
    file = kit(tmp_path, "tiny_New_acc.csv") / "tiny" / "T20260101_Gabcdef12" / "tiny_New_acc.csv"
    file.write_text(SCORES + "none,0.6\n")
    with pytest.raises(InputError) as caught:
        vlmevalkit.read(file, KIT)
    assert caught.value.code == "conflicting_scores"
    file.write_text("split,Overall,Overall\nnone,0.5,0.6\n")
    with pytest.raises(InputError) as caught:
        vlmevalkit.read(file, KIT)
    assert caught.value.code == "duplicate_column"


def without_score(importer: Any, written: str, folder: Path) -> Any:
    """What an importer makes of a good run and of one with `written` for its score."""
    if importer is helm:
        helm_run(folder, "boolq:model=x")
        helm_run(folder, "gsm:model=x", json.loads(written) if written else None)
        return helm.read(folder, TINY)
    if importer in (lmms_eval, lm_eval):
        tasks = {
            "gqa": {"exact_match,none": 0.5},
            "ai2d": {"exact_match,none": json.loads(written or "null")},
        }
        harness_run(folder / "results.json", tasks)
        return importer.read(folder, TINY)
    if importer is vlmevalkit:
        kit(folder, "tiny_MMStar_acc.csv", "tiny_RealWorldQA_acc.csv")
        file = folder / "tiny" / "T20260101_Gabcdef12" / "tiny_RealWorldQA_acc.csv"
        file.write_text(f"split,Overall,art\nnone,{written},0.5\nx,0.5,0.5\n")
        return vlmevalkit.read(folder, TINY)
    if importer is wandb_export and written:
        one = '{"name": "%s", "state": "finished", "config": {}, "summary": {"GQA": %s}}'
        runs = f"[{one % ('a', '0.5')}, {one % ('b', written)}]"
        return wandb_export.read(sheet(folder, runs, "runs.json"), {**TINY, "scores": {"GQA": 1}})
    if importer is wandb_export:
        runs = "Name,State,GQA\na,finished,0.5\nb,finished,\n"
        return wandb_export.read(sheet(folder, runs), {**TINY, "scores": {"GQA": 1}})
    if importer is wide_csv:
        return wide_csv.read(
            sheet(folder, f"model,GQA\na,0.5\nb,{written}\n"), {**TINY, "scores": {"GQA": 1}}
        )
    if importer is long_csv:
        content = f"model,benchmark,value\na,GQA,0.5\nb,GQA,{written}\n"
        return long_csv.read(sheet(folder, content), {**TINY, "scores": {"GQA": 1}})
    return published_table.read(sheet(folder, f"model,n_params,error\na,1e9,0.5\nb,1e9,{written}\n"), {})


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", ""])
@pytest.mark.parametrize("name", plugins.names("importers"))
def test_nan_infinity_and_nothing_give_no_row_and_one_warning(
    name: str, written: str, tmp_path: Path
) -> None:
    made = without_score(plugins.load("importers", name), written, tmp_path / "in")
    assert len(made.rows) == 1
    assert codes(made).count("no_score") == 1


@pytest.mark.parametrize("written", ["inf", "-inf", "+Inf", "nan", "N/A", "-"])
@pytest.mark.parametrize("importer", [wide_csv, long_csv, published_table])
def test_every_spelling_of_no_number_counts_as_none(importer: Any, written: str, tmp_path: Path) -> None:
    made = without_score(importer, written, tmp_path)
    assert len(made.rows) == 1
    assert "b (" in message(made, "no_score")


def test_a_csv_of_the_api_with_nan_is_read(tmp_path: Path) -> None:
    lines = "name,config,summary\na,\"{'n': 1e9}\",\"{'acc': nan}\"\nb,\"{'n': 1e9}\",\"{'acc': 0.5, 'd': -inf}\"\n"
    made = wandb_export.read(sheet(tmp_path, lines), {"columns": {"n_params": "n"}, "scores": {"acc": 1}})
    assert [row["model"] for row in made.rows] == ["b"]
    assert {"no_score", "no_run_state"} <= set(codes(made))


def layouts(root: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Importer -> a sample of its tool and options that would let anything in."""
    helm_run(root / "helm", "boolq:model=x")
    harness_run(root / "lm" / "results_2026.json", {"arc": {"acc,none": 0.5}}, date=1.7e9)
    lmms = root / "lmms" / "20260101_000000_results.json"
    harness_run(lmms, {"gqa": {"exact_match,none": 0.5}}, date="20260101_000000")
    kit(root / "kit", "tiny_MMStar_acc.csv")
    runs = sheet(root, "Name,State,n,GQA\na,crashed,1e9,0.5\n", "runs.csv")
    wide = sheet(root, "model,n,GQA\na,1e9,0.5\n", "wide.csv")
    long = sheet(root, "model,n,benchmark,value\na,1e9,GQA,0.5\n", "long.csv")
    published = sheet(root, "model,n_params,error\na,1e9,0.5\n", "published.csv")
    some: dict[str, Any] = {**TINY, "scores": {"GQA": 1}}
    return {
        "helm": (root / "helm", TINY), "lm_eval": (root / "lm", TINY), "lmms_eval": (root / "lmms", TINY),
        "vlmevalkit": (root / "kit", TINY), "wandb_export": (runs, some), "wide_csv": (wide, some),
        "long_csv": (long, some), "published_table": (published, {}),
    }  # fmt: skip


def test_no_importer_takes_anothers_layout_silently(tmp_path: Path) -> None:
    samples = layouts(tmp_path)
    assert set(samples) == set(plugins.names("importers"))
    for name, (own, options) in samples.items():
        assert plugins.load("importers", name).read(own, options).rows
        for other, (path, _) in samples.items():
            files = [path, *(Path(p, f) for p, _, fs in os.walk(path) for f in fs if f != "run_spec.json")]
            for file in files if other != name else ():
                try:
                    made = plugins.load("importers", name).read(file, options)
                except InputError:
                    continue
                assert made.warnings, f"{name} of {other}: {file.name}"


@pytest.mark.parametrize(
    ("importer", "other"),
    [("lmms_eval", "lm_eval"), ("lm_eval", "lmms_eval"), ("lmms_eval", "helm"), ("helm", "vlmevalkit"),
     ("vlmevalkit", "lmms_eval"), ("wide_csv", "wandb_export"), ("long_csv", "wandb_export"), ("wide_csv", "long_csv"),
     ("published_table", "wandb_export"), ("wide_csv", "vlmevalkit"), ("long_csv", "helm"),
     ("wandb_export", "lm_eval"), ("lm_eval", "vlmevalkit")],
)  # fmt: skip
def test_the_importer_that_reads_it_is_named(importer: str, other: str, tmp_path: Path) -> None:
    samples = layouts(tmp_path)
    options = samples[importer][1]
    path = samples[other][0]
    files = [Path(p, f) for p, _, names in os.walk(path) for f in names if f != "run_spec.json"]
    for source in (path, *(f for f in files if importer not in ("wide_csv", "long_csv", "wandb_export"))):
        with pytest.raises(InputError) as caught:
            plugins.load("importers", importer).read(source, options)
        assert f"scalelaw import {other}" in f"{caught.value.message} {caught.value.hint}"


def test_a_column_that_a_workbook_names_twice_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame([["a", 1e9, 0.5, 0.6]], columns=["model", "n_params", "GQA", "GQA "])
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    with pytest.raises(InputError) as caught:
        wide_csv.read(tmp_path / "t.xlsx", {"scores": {"GQA": 1}})
    assert caught.value.code == "duplicate_column"


def test_columns_files_metrics_and_patterns_that_are_not_used_are_named(tmp_path: Path) -> None:
    wide = sheet(tmp_path, "model,n_params,steps,GQA\na,1e9,300,0.5\n")
    assert "steps" in message(wide_csv.read(wide, {"scores": {"GQA": 1}}), "not_used")
    harness_run(tmp_path / "l" / "results.json", {"arc": {"acc,none": 0.5, "mcc,none": 0.1}})
    (tmp_path / "l" / "samples_arc.jsonl").write_text("{}")
    options = {**TINY, "metrics": {"lm_eval": [{"task": "arx", "metric": "acc", "maximum": 1}]},
               "task_families": {"hella*": "text"}}  # fmt: skip
    made = lm_eval.read(tmp_path / "l", options)
    used = " ".join(text for code, text in made.warnings if code == "not_used")
    assert "samples_arc.jsonl" in used
    assert "mcc" in used
    unused = " ".join(text for code, text in made.warnings if code == "unused_patterns")
    assert "arx/acc" in unused
    assert "hella*" in unused
    long = sheet(tmp_path, "model,n_params,benchmark,value\na,1e9,GQA,0.5\n")
    made = long_csv.read(long, {"scores": {"GQA": 1, "MMB": 1}, "models": {"b": {"seed": 1}}})
    assert {"unused_patterns", "unmatched_models"} <= set(codes(made))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"metrics": {"lmms-eval": []}}, "unknown_tool"),
        ({"average": {"over": ["GQA"], "benchmrk": "x"}}, "unknown_key"),
        ({"leave_out": [{"where": {"model": "b"}, "why": "x"}]}, "unknown_key"),
        ({"scores": {"GQA": {"maximum": 1, "unit": "x", "uint": "y"}}}, "unknown_key_of_a_metric"),
        ({"scores": {"GQA": {"direction": "loss", "maximum": 1}}}, "bad_metric"),
        ({"scores": {"GQA": {"maximum": 1, "se": "stderr"}}}, "unknown_column"),
    ],
)
def test_an_unknown_key_is_refused(options: dict[str, Any], code: str, tmp_path: Path) -> None:
    file = sheet(tmp_path, "model,n_params,GQA\na,1e9,0.5\n")
    with pytest.raises(InputError) as caught:
        wide_csv.read(file, {"scores": {"GQA": 1}, **options})
    assert caught.value.code == code


def test_a_loss_is_declared_as_one_in_every_row(tmp_path: Path) -> None:
    file = sheet(tmp_path, "model,n_params,loss,ppl,GQA\na,1e9,3.87,47.5,0.5\n")
    perplexity = {"direction": "loss", "unit": "perplexity"}
    made = wide_csv.read(file, {"scores": {"loss": "loss", "ppl": perplexity, "GQA": 1}})
    assert [(row["direction"], row["error"]) for row in made.rows] == [
        ("loss", 3.87), ("loss", 47.5), ("score", 0.5),
    ]  # fmt: skip
    file = sheet(tmp_path, "n_params,error\n1e9,3.87\n")
    made = published_table.read(file, {"constants": {"direction": "loss"}})
    assert [row["direction"] for row in made.rows] == ["loss"]
    with pytest.raises(InputError):
        published_table.read(file, {"constants": {"direction": "down"}})


def test_several_metrics_and_filters_of_a_task_stay_apart_and_are_reported(tmp_path: Path) -> None:
    names = {"exact_match,strict-match": 0.4, "exact_match,flexible-extract": 0.5}
    harness_run(tmp_path / "results.json", {"gsm8k": names})
    made = lm_eval.read(tmp_path, TINY)
    assert {row["metric"] for row in made.rows} == set(names)
    assert "metric=exact_match,flexible-extract" in message(made, "several_metrics")


def test_a_group_and_its_parts_are_reported(tmp_path: Path) -> None:
    tasks = {name: {"acc,none": 0.5} for name in ("mmlu_anatomy", "mmlu_law")}
    groups = {"groups": {"mmlu": {"acc,none": 0.5}}, "group_subtasks": {"mmlu": [*tasks]}}
    harness_run(tmp_path / "results.json", tasks, **groups)
    made = lm_eval.read(tmp_path, TINY)
    assert {(row["benchmark"], row["part_of"]) for row in made.rows} == {
        ("mmlu", None), ("mmlu_anatomy", "mmlu"), ("mmlu_law", "mmlu"),
    }  # fmt: skip
    assert "group_and_parts" in codes(made)


def test_settings_that_differ_within_one_model_are_reported(tmp_path: Path) -> None:
    for day, pixels in ((1, 256), (2, 1024)):
        more = {"config": {"model_args": f"pretrained=org/tiny,max_pixels={pixels}"}, "versions": {"gqa": day},
                "higher_is_better": {"gqa": {"exact_match": False}}, "date": f"2026010{day}_000000"}  # fmt: skip
        file = tmp_path / f"2026010{day}_000000_results.json"
        harness_run(file, {"gqa": {"exact_match,none": 0.5}}, **more)
    made = lmms_eval.read(tmp_path, TINY)
    assert {"duplicates", "mixed_arguments", "mixed_task_versions", "direction_differs"} <= set(codes(made))
    for day in (1, 2):
        assert f"2026010{day}_000000_results.json" in message(made, "duplicates")


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("importer", [wide_csv, long_csv, published_table])
def test_conflicting_values_are_never_fitted_and_copies_count_once(
    importer: Any, named: bool, tmp_path: Path
) -> None:
    lines = [f"{'a,' if named else ''}1e9,16,GQA,{value},{1 - value}" for value in (0.5, 0.6, 0.5)]
    content = f"{'model,' if named else ''}n_params,visual_tokens,benchmark,value,error\n" + "\n".join(lines)
    content = content.replace("benchmark,value", "name,GQA") if importer is wide_csv else content
    made = importer.read(
        sheet(tmp_path, content), {} if importer is published_table else {"scores": {"GQA": 1}}
    )
    assert [row["status"] for row in made.rows] == ["ambiguous", "ambiguous"]
    assert "data row 1 and data row 2" in message(made, "ambiguous_duplicates")
    assert "data row 1 and data row 3" in message(made, "duplicates")


def test_a_key_that_a_json_names_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"results": {"arc": {"acc,none": 0.5, "acc,none": 0.6}}}')
    with pytest.raises(InputError) as caught:
        lm_eval.read(tmp_path / "results.json", TINY)
    assert caught.value.code == "duplicate_key"


def test_two_values_of_one_statistic_are_refused(tmp_path: Path) -> None:
    helm_run(tmp_path, "boolq:model=x")
    file = tmp_path / "run0" / "stats.json"
    entries = json.loads(file.read_text())
    file.write_text(json.dumps([*entries, {**entries[0], "mean": 0.7}]))
    with pytest.raises(InputError) as caught:
        helm.read(tmp_path, TINY)
    assert caught.value.code == "conflicting_scores"


@pytest.mark.parametrize("name", plugins.names("importers"))
def test_a_named_pipe_is_refused_at_once(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "results.json")
    module = plugins.load("importers", name)
    with pytest.raises(InputError) as caught:
        module.read(tmp_path / "results.json", {**TINY} if "models" in module.OPTIONS else {})
    assert caught.value.code == "special_file"


TEXT_RUN = {"results": {"hellaswag": {"alias": "hellaswag", "acc,none": 0.5, "acc_norm,none": 0.6}}}
"""A result of lm-evaluation-harness without a date or a version."""


@pytest.mark.parametrize("tool", ["lmms_eval", "helm", "vlmevalkit", "long_csv"])
@pytest.mark.parametrize(
    "run",
    [TEXT_RUN, {**TEXT_RUN, "config": {"model": "hf", "model_args": "pretrained=m"}},
     {"results": {"gqa": {"exact_match,none": 0.5}}, "config": {"model": "local-completions"}}],
)  # fmt: skip
def test_plain_results_of_lm_eval_are_refused_with_the_importer_that_reads_them(
    tmp_path: Path, tool: str, run: dict[str, Any]
) -> None:
    (tmp_path / "results.json").write_text(json.dumps(run))
    for path in (tmp_path, tmp_path / "results.json"):
        with pytest.raises(InputError) as caught:
            plugins.load("importers", tool).read(path, {})
        assert "scalelaw import lm_eval" in caught.value.message + caught.value.hint
        if tool == "lmms_eval":
            assert caught.value.code == "other_format"


def test_an_unknown_judge_is_named_as_a_judge(tmp_path: Path) -> None:
    (tmp_path / "M").mkdir()
    (tmp_path / "M" / "M_MMStar_myjudge_acc.csv").write_text('"split","Overall"\n"none",0.531\n')
    options: dict[str, Any] = {"models": {"M": {"n_params": 7e9, "visual_tokens": 576}}}
    read = plugins.load("importers", "vlmevalkit").read
    with pytest.raises(InputError) as caught:
        read(tmp_path, options)
    assert caught.value.code == "unknown_metric"
    assert "judges: [myjudge]" in caught.value.hint
    assert "metrics:" not in caught.value.hint
    (row,) = read(tmp_path, {**options, "judges": ["myjudge"]}).rows
    assert (row["benchmark"], row["judge"]) == ("MMStar", "myjudge")
    (tmp_path / "M" / "M_NewBench_myjudge_acc.csv").write_text('"split","Overall"\n"none",0.531\n')
    with pytest.raises(InputError) as caught:
        read(tmp_path, options)
    assert caught.value.hint.index("judges: [myjudge]") < caught.value.hint.index("metrics:")


def test_a_benchmark_in_the_place_of_a_tool_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "M").mkdir()
    (tmp_path / "M" / "M_MMStar_acc.csv").write_text('"split","Overall"\n"none",0.531\n')
    with pytest.raises(InputError) as caught:
        plugins.load("importers", "vlmevalkit").read(tmp_path, {"metrics": {"MMStar": {"maximum": 1}}})
    assert caught.value.code == "unknown_tool"
    assert "'MMStar' is not a tool" in caught.value.message
    assert "vlmevalkit: [" in caught.value.hint


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_stray_quote_that_swallows_rows_of_a_sheet_is_refused(tmp_path: Path, separator: str) -> None:
    rows = ["model,n_params,GQA,note", 'a,1e9,0.5,"x', "b,2e9,0.6,y", 'c,4e9,0.7,z"', "d,7e9,0.8,w"]
    file = tmp_path / "t.csv"
    file.write_text("\n".join(rows).replace(",", separator) + "\n")
    with pytest.raises(InputError) as caught:
        wide_csv.read(file, {"scores": {"GQA": 1}})
    assert caught.value.code == "unreadable_file"
