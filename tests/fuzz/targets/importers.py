"""Aims at the importers: other tools' files, the options they are read with, and the file of models."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import mutations as by
import yaml

from scalelaw import plugins
from scalelaw.config import read_mapping
from scalelaw.results.envelope import answer, dumps
from scalelaw.table.read import write_table

from .shared import ROOT, Chance, Target, _file
from .yaml_files import _yaml

SAMPLES = ROOT / "tests" / "data" / "eval_formats"
WIDE = "model,n,v,GQA,MME,date\n" + "".join(
    f"llava {n},{n},{v},{60 + v},{1400 + v},2026\n" for n in (1, 7) for v in (1, 16)
)
LONG = "model,n,v,bench,score\n" + "".join(
    f"m{n},{n},16,{b},{60 + n}\n" for n in (1, 7) for b in ("GQA", "MME")
)
RUNS = [
    {
        "name": "a",
        "state": "finished",
        "config": {"n": 1e9, "v": {"value": 16}},
        "summary": {"GQA": 61.5, "_runtime": 5},
    },
    {
        "name": "b",
        "state": "crashed",
        "config": json.dumps({"n": 7e9, "v": 4}),
        "summary_metrics": {"GQA": 50},
    },
]
MAPPED = {"columns": {"model": "model", "n_params": "n", "visual_tokens": "v"}, "scale": {"n_params": 1e9}}
MODELS: dict[str, Any] = {
    "models": {"*Qwen*": {"n_params": 3.09e9, "visual_tokens": 358, "compressor": "none"},
               "*": {"n_params": 1e9, "seed": 0}},
    "metrics": {"lmms_eval": []}, "task_families": {"gqa": "reasoning"}, "experiment": "mine",
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {
    "lmms_eval": MODELS, "lm_eval": MODELS, "helm": MODELS, "vlmevalkit": MODELS,
    "wide_csv": {**MAPPED, "scores": {"GQA": 100, "MME": 2000},
                 "average": {"benchmark": "both", "over": ["GQA", "MME"]}},
    "long_csv": {**MAPPED, "columns": {**MAPPED["columns"], "value": "score", "benchmark": "bench"},
                 "scores": {"GQA": 100, "*": {"maximum": 2000, "aggregate": "proportion"}},
                 "leave_out": [{"where": {"bench": "MME"}, "because": "x"}]},
    "wandb_export": {"columns": {"n_params": "n", "visual_tokens": "v"}, "scores": {"GQA": 100}},
    "published_table": {"columns": {"n_params": "n", "visual_tokens": "v", "error": "e"}, "scale": {"n_params": 1e9},
                        "model": "made of {n_params_billion:g}B", "constants": {"benchmark": "x"}},
}  # fmt: skip
TOOL_WORDS = [
    "results", "config", "gqa", "exact_match,none", "exact_match_stderr,none", "n-samples", "effective",
    "original", "date", "mean",
    "name", "split", "test", "model", "adapter_spec", "Overall", "none", "n", "v", "GQA", "state", "summary",
    "models", "metrics",
    "maximum", "columns", "scores", "scale", "*", "{n}", "limit", "model_args", "timezone", "pretty_env_info",
    "value", "error_se",
]  # fmt: skip


HELM_SCORES = ("exact_match", "num_instances", "num_prompt_tokens", "quasi_exact_match")


@cache
def _sample_files() -> dict[str, list[tuple[str, bytes]]]:
    """Importer -> its samples, each a name to write it under and its content; large ones cut to a few entries."""
    samples: dict[str, list[tuple[str, bytes]]] = {name: [] for name in OPTIONS}
    for tool in ("lmms_eval", "lm_eval", "helm", "vlmevalkit"):
        for file in sorted((SAMPLES / tool).rglob("*")):
            wanted = (
                file.is_file()
                and file.suffix in (".json", ".csv")
                and file.name not in ("flops.json", "scenario.json")
            )
            if wanted and file.stat().st_size < 60_000:
                content = file.read_bytes()
                if file.name == "stats.json":
                    scores = [score for score in json.loads(content) if score["name"]["name"] in HELM_SCORES]
                    content = json.dumps(scores[:8]).encode()
                folder = "vila_8b" if tool == "vlmevalkit" else "run"
                samples[tool].append((f"{folder}/{file.name}", content))
    status = {
        "model_name": "vila_8b",
        "datasets": {
            "MMStar": {
                "status": "done",
                "metrics": {"split=none|Overall": 0.4},
                "updated_at": "2026-01-01T00:00:00+00:00",
            }
        },
    }
    samples["vlmevalkit"].append(("vila_8b/status.json", json.dumps(status).encode()))
    samples["wide_csv"].append(("t.csv", WIDE.encode()))
    samples["long_csv"].append(("t.csv", LONG.encode()))
    samples["published_table"].append(("t.csv", b"n,v,e\n0.5,1,.61\n7,16,.5\n"))
    samples["wandb_export"] += [
        ("runs.json", json.dumps(RUNS).encode()),
        ("runs.csv", WIDE.replace("model", "Name").encode()),
    ]
    lines = "name,config,summary\n" + "".join(
        f'{r["name"]},"{ {"n": 1, "v": 2} }","{ {"GQA": 5} }"\n' for r in RUNS
    )
    samples["wandb_export"].append(("api.csv", lines.encode()))
    return samples


def _import(tool: str) -> Callable[[Chance], tuple[str, bytes, Any]]:
    def make(chance: Chance) -> tuple[str, bytes, Any]:
        name, content = chance.choice(_sample_files()[tool])
        kind = chance.random()
        if kind < 0.15:
            content = by.binary(chance, content)
        elif kind < 0.25:
            content = by.text(chance, content.decode(), TOOL_WORDS).encode("utf-8", "surrogatepass")
        elif kind < 0.85 and name.endswith(".json"):
            content = json.dumps(by.tree(chance, json.loads(content), TOOL_WORDS, changes=4)).encode()
        elif kind < 0.85:
            content = by.csv(chance, content.decode(), TOOL_WORDS).encode("utf-8", "surrogatepass")
        options = by.tree(chance, OPTIONS[tool], TOOL_WORDS) if chance.random() < 0.4 else OPTIONS[tool]
        return name, content, options

    return make


def _run_import(tool: str) -> Callable[[Any, Path], None]:
    def run(case: tuple[str, bytes, Any], folder: Path) -> None:
        name, content, options = case
        place = folder / tool
        shutil.rmtree(place, ignore_errors=True)
        file = place / name
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        if tool == "helm":
            other = "run_spec.json" if file.name == "stats.json" else "stats.json"
            files = dict(_sample_files()["helm"])
            (file.parent / other).write_bytes(files[f"run/{other}"])
        if not isinstance(options, dict):
            return
        whole_folder = tool in ("lmms_eval", "lm_eval", "helm", "vlmevalkit") and len(content) % 2
        made = plugins.load("importers", tool).read(place if whole_folder else file, options)
        if len(content) % 3 == 0:
            write_table(made.rows, folder / "rows.parquet")
        dumps(answer("import", made.to_dict(), made.warnings))

    return run


def _models_yaml(chance: Chance) -> str:
    return _yaml(chance, MODELS, [yaml.safe_dump(MODELS)], TOOL_WORDS)


@cache
def _lmms_run() -> Path:
    return next((SAMPLES / "lmms_eval").rglob("*_results.json"))


def _read_models(text: str, folder: Path) -> None:
    options = read_mapping(_file(folder, "models.yaml", text))
    plugins.load("importers", "lmms_eval").read(_lmms_run(), options)


TARGETS = [
    *(Target(f"importer {tool}", _import(tool), _run_import(tool), 3) for tool in OPTIONS),
    Target("models.yaml", _models_yaml, _read_models, 5),
]
