"""Aims at YAML: experiments and changes of them, resources, catalogues, hardware; and at the names of models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mutations as by
import yaml

from scalelaw.cli import fit as fit_face
from scalelaw.config import read_experiment, read_resources
from scalelaw.model_shapes import custom_shape
from scalelaw.plan import find_models
from scalelaw.plan.hardware import find_device
from scalelaw.sweep import grid
from scalelaw.table.read import read_table

from .json_files import CONFIG
from .shared import ROOT, Chance, Target, _either, _file

EXPERIMENT: dict[str, Any] = {
    "question": "?", "name": "x", "llms": ["24x2", "48x2"], "visual_tokens": [1, 4],
    "compressors": ["quecc"], "seeds": [0],
    "dataset": {"name": "scenes", "seed": 0, "options": {}},
    "vision": {"width": 64, "features": [0, 1, 2], "select": -2},
    "text": {"steps": 10}, "recipe": {"images": 512, "batch": 128, "steps": 3}, "evaluation": {"split": "dev"},
    "resources": {"rules": [{"work": "cell", "above": 1e6, "gpus": 0.5, "minutes": 10}], "settings": {"slurm": {}}},
}  # fmt: skip
KEYS = [
    *EXPERIMENT,
    "finetune",
    "recipe",
    "width",
    "heads",
    "layers",
    "seed",
    "steps",
    "name",
    "rules",
    "options",
    "24x2",
    "quecc",
]
TEXTS = [
    yaml.safe_dump(EXPERIMENT),
    (ROOT / "experiments" / "demo.yaml").read_text(),
    (ROOT / "experiments" / "llava_qwen.yaml").read_text(),
]
TAGS = [
    "&a ", "*a", "<<: *a", "!!int ", "!!float ", "!!timestamp ", "!!binary ", "!!set ", "!!python/name:os.system ",
    "? ", "- ", ": ", "|\n", ">-\n",
    "---\n", "...\n", "%YAML 1.2\n", "{", "}", "[", "]", "'", '"', "\\x00", "#", "  ", "\n", "\t", "!!bool ",
    "!!null ", "!<", "@", "`",
]  # fmt: skip


def _laughs(chance: Chance) -> str:
    """Aliases of aliases: little text that stands for very much."""
    wide, deep, key = chance.randrange(2, 12), chance.randrange(2, 12), chance.choice(KEYS)
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * wide)}]" for i in range(1, deep)]
    return "\n".join([*lines, f"{key}: *a{deep - 1}", ""])


def _yaml(chance: Chance, valid: Any, texts: list[str], keys: list[str]) -> str:
    kind = chance.random()
    if kind < 0.45:
        made = by.tree(chance, valid, keys)
        return yaml.dump(_written(made), Dumper=DUMPER, allow_unicode=True, sort_keys=False)
    if kind < 0.95:
        return by.text(chance, chance.choice(texts), [*TAGS, *keys])
    if kind < 0.97:
        return _laughs(chance)
    return chance.choice("[{- ") * chance.choice((10, 1000, 100_000))


DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _written(value: Any) -> Any:
    """What YAML's writer takes: texts without lone surrogates."""
    if isinstance(value, dict):
        return {_written(key): _written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_written(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return int(str(value)[:50]) if type(value) is int and abs(value) > 10**50 else value


def _experiment(chance: Chance) -> str:
    return _yaml(chance, EXPERIMENT, TEXTS, KEYS)


def _read_experiment(text: str, folder: Path) -> None:
    config = read_experiment(_file(folder, "experiment.yaml", text))
    inside = (folder / "sweeps" / config.name).resolve()
    assert inside.is_relative_to((folder / "sweeps").resolve()), "its name leads out of the folder of sweeps"
    if len(text) % 8 == 0:
        grid.cells(config)


def _set(chance: Chance) -> list[str]:
    places = [
        "recipe.steps",
        "recipe",
        "llms",
        "vision.width",
        "dataset.options.x",
        "resources.rules",
        "name",
        "seeds",
        "a.b.c",
    ]

    def one() -> str:
        made = f"{by.word(chance, places)}={by.word(chance, ['[1, 2]', '{a: 1}', '3', *TAGS])}"
        return by.text(chance, made, [*places, *TAGS, "."]) if chance.random() < 0.4 else made

    return [one() for _ in range(chance.choice((1, 1, 2)))]


def _change(changes: list[str], folder: Path) -> None:
    if not (file := folder / "plain.yaml").exists():
        file.write_text(TEXTS[1])
    read_experiment(file, changes)


RULES = {"rules": EXPERIMENT["resources"]["rules"], "settings": {"local": {}, "slurm": {"partition": "main"}}}
CATALOGUE = {
    "models": [{"name": "a", "n_params": 1e9}, {"name": "b", "n_params": "7e9"}, {"config": "config.json"}]
}
HARDWARE = {
    "name": "card", "peak_tflops": 989, "bandwidth_tb_s": 3.35, "memory_gb": 80, "watts": 700, "mfu": 0.5, "mbu": 0.8,
    "overhead_ms": 0.1, "calibrated": False,
}  # fmt: skip


def _small_yaml(chance: Chance) -> tuple[str, str]:
    kind = chance.choice(("resources", "catalogue", "hardware"))
    valid: Any = {"resources": RULES, "catalogue": CATALOGUE, "hardware": HARDWARE}[kind]
    keys = [
        "models",
        "name",
        "n_params",
        "config",
        *HARDWARE,
        "rules",
        "settings",
        "config.json",
        "../../etc/passwd",
    ]
    return kind, _yaml(chance, valid, [yaml.safe_dump(valid)], keys)


def _read_small_yaml(case: tuple[str, str], folder: Path) -> None:
    kind, text = case
    if not (folder / "config.json").exists():
        (folder / "config.json").write_text(json.dumps(CONFIG))
    file = _file(folder, "small.yaml", text)
    {"resources": read_resources, "catalogue": find_models, "hardware": find_device}[kind](str(file))


CATALOGUE_WORDS = ["qwen1.5", "all", "llava-1.5-7b", "ladder:0.5e9:14e9", "vicuna", "ladder:", ",", ":"]


def _names(chance: Chance) -> tuple[str, str]:
    return by.text(
        chance, chance.choice(CATALOGUE_WORDS), CATALOGUE_WORDS
    ), f"{by.number(chance)}x{by.number(chance)}"


def _read_names(case: tuple[str, str], folder: Path) -> None:
    _either(lambda: custom_shape(case[1], vocab=100))
    _either(lambda: find_device(case[0]))
    _either(lambda: fit_face._names(case[0]))
    _either(lambda: read_table(case[0]) if case[0].strip("-") else None)
    find_models(case[0])


TARGETS = [
    Target("--set", _set, _change, 25),
    Target("catalogue, hardware, rules", _small_yaml, _read_small_yaml, 14),
    Target("experiment YAML", _experiment, _read_experiment, 15),
    Target("names of models", _names, _read_names, 5),
]
