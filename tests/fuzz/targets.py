"""What is fuzzed: every reader of somebody else's files and every small grammar of the command line.

A target makes an input by chance from valid ones, and runs it: an answer or a `ScalelawError` is right, all else a
fault.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mutations as by
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from PIL import Image

from scalelaw import plugins
from scalelaw.answers import answer, dumps
from scalelaw.cli import fit as fit_face
from scalelaw.cli.face import number, numbers, pairs
from scalelaw.columns import COLUMNS
from scalelaw.config import parse_experiment, read_experiment, read_mapping, read_resources
from scalelaw.datasets.llava_json import Conversations
from scalelaw.errors import InputError, ScalelawError
from scalelaw.files import SweepFolder
from scalelaw.fit import fit_law, load_fit
from scalelaw.fit.expression import FUNCTIONS, Expression
from scalelaw.fit.loading import load_law
from scalelaw.fit.parameters import freedom
from scalelaw.ladder import from_config, made_to_measure, tower_from_config
from scalelaw.plan import find_cost, find_models, find_optimum, load_optimum, parse_budget
from scalelaw.plan.budget import UNITS, kinds
from scalelaw.plan.hardware import find_device
from scalelaw.plan.tokens import token_counts
from scalelaw.report.items import gather
from scalelaw.sweep import grid, sweep_status
from scalelaw.table import points, read_table, write_table

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests" / "data" / "eval_formats"
Chance = random.Random


@dataclass(frozen=True)
class Target:
    """name; make: an input by chance; run: it, in a folder of one's own; share: of a long run's inputs, in
    thousandths."""

    name: str
    make: Callable[[Chance], Any]
    run: Callable[[Any, Path], None]
    share: float


# ---------------------------------------------------------------------------- small grammars

NAMES = [
    "N",
    "V",
    "x",
    "A",
    "alpha",
    "beta",
    "E",
    "n_params",
    "visual_tokens",
    "text_tokens",
    "Bq",
    "lambda",
    "if",
]
SIGNS = [
    "+",
    "-",
    "*",
    "/",
    "**",
    "^",
    "(",
    ")",
    " ",
    "=",
    ",",
    "//",
    "%",
    "@",
    "|",
    "<",
    "[",
    "{",
    ":",
    ";",
    "#",
    "\\",
    "'",
]
FORMULAS = [
    "E + A*N**-alpha", "E + A/N**alpha + B/V**beta", "A*exp(-alpha*log(N))*V**-beta + D", "error = c - a*log(n_params)",
    "sqrt(A*tanh(x/b))", "log1p(a*N)/expm1(b*V)", "-(-A*N**(-alpha))", "1e9*A*N**-.5",
]  # fmt: skip


def _formula(chance: Chance) -> str:
    if chance.random() < 0.35:
        return by.text(chance, chance.choice(FORMULAS), [*NAMES, *SIGNS, *FUNCTIONS])
    return _term(chance, chance.choice((1, 2, 3, 4, 6)))


def _term(chance: Chance, depth: int) -> str:
    kind = chance.randrange(8)
    if depth == 0 or kind == 0:
        return by.number(chance) if chance.random() < 0.3 else chance.choice(NAMES[:11])
    inner = _term(chance, depth - 1)
    if kind == 1:
        return f"{chance.choice([*FUNCTIONS, 'open', '__import__', 'eval'])}({inner})"
    if kind == 2:
        return f"{chance.choice('+-~')}{inner}"
    if kind == 3:
        return f"({inner}){chance.choice(('', '', '.real', '[0]', '()', ' if 1 else 2', ' for i in x'))}"
    return f"{inner}{chance.choice(SIGNS[:6] + ['*', '+'] * 3)}{_term(chance, depth - 1)}"


def _expression(text: str, folder: Path) -> None:
    parsed = Expression(text)
    parsed({name: np.array([0.5, 3.0, 1e9]) for name in parsed.names})
    parsed(dict.fromkeys(parsed.names, 0.0))


def _law(text: str, folder: Path) -> None:
    load_law(text)


KINDS = [*kinds(), "latency", "usd"]
UNIT_WORDS = sorted({unit for units in UNITS.values() for unit in units})


def _budget(chance: Chance) -> list[str]:
    def one() -> str:
        plain = (
            f"{chance.random() * 10 ** chance.randrange(15):.4g}"
            if chance.random() < 0.6
            else by.number(chance)
        )
        unit = chance.choice(["", "", "", *UNIT_WORDS]) if chance.random() < 0.9 else by.word(chance)
        kind = chance.choice(KINDS) if chance.random() < 0.9 else by.word(chance)
        amount = f"{plain}{chance.choice(('', '', ' '))}{unit}"
        named = f"{kind}={amount}" if chance.random() < 0.8 else amount
        return by.text(chance, named, [*KINDS, "=", ".", "e"]) if chance.random() < 0.2 else named

    return [one() for _ in range(chance.choice((1, 1, 1, 2, 3)))]


def _tokens(chance: Chance) -> str:
    def end() -> str:
        return str(chance.randrange(1, 700)) if chance.random() < 0.9 else by.number(chance)

    parts = [end() if chance.random() < 0.5 else f"{end()}:{end()}" for _ in range(chance.randrange(1, 5))]
    made = ",".join(parts)
    return (
        by.text(chance, made, [",", ":", "1e7"])
        if chance.random() < 0.3
        else made * chance.choice((1, 1, 1, 40))
    )


@cache
def _frame() -> pd.DataFrame:
    return read_table("vlm_reasoning").iloc[::4].reset_index(drop=True)


def _where(chance: Chance) -> list[str]:
    known = [*COLUMNS, "nothing"]
    values = ["reasoning", "500000000", "5e8", "16", "ok", "token_packer", "0.6145", "Qwen-1.5 0.5B"]

    def one() -> str:
        made = f"{by.word(chance, known)}{chance.choice('====:<')}{by.word(chance, values)}"
        return by.text(chance, made, known) if chance.random() < 0.2 else made

    return [one() for _ in range(chance.choice((1, 1, 2)))]


@cache
def _parquet() -> Path:
    folder = Path(os.environ.get("FUZZ_FOLDER", "/tmp"))
    write_table(_frame(), folder / "where.parquet")
    return folder / "where.parquet"


def _choose(terms: list[str], folder: Path) -> None:
    given = folder / "where.parquet"
    if not given.exists():
        write_table(_frame(), given)
    outcomes = []
    for source in (_frame(), read_table(given, where=terms)):
        try:
            outcomes.append(len(points(source, ["n_params", "visual_tokens"], where=terms)))
        except InputError as error:
            outcomes.append(error.code)
    assert outcomes[0] == outcomes[1], f"chosen while reading: {outcomes}"


def _options(chance: Chance) -> dict[str, list[str]]:
    names = ["A", "alpha", "beta", "D"]

    def terms(value: Callable[[], str]) -> list[str]:
        given = chance.sample(names, chance.choice((0, 0, 1, 1, 2)))
        made = [f"{name if chance.random() < 0.9 else by.word(chance)}={value()}" for name in given]
        return [by.text(chance, term, names) if chance.random() < 0.05 else term for term in made]

    return {
        "fix": terms(lambda: by.number(chance) if chance.random() < 0.3 else f"{chance.random():.3g}"),
        "bound": terms(lambda: ":".join(sorted((by.number(chance), by.number(chance))))),
        "tie": terms(lambda: _formula(chance) if chance.random() < 0.3 else by.word(chance, [*names, "2*beta"])),
        "tail": terms(lambda: by.number(chance)),
        "input": terms(lambda: by.word(chance, list(COLUMNS))),
    }  # fmt: skip


def _free(terms: dict[str, list[str]], folder: Path) -> None:
    bounds = {name: fit_face._ends(value) for name, value in pairs(terms["bound"], "--bound").items()}
    fit_face._tail(terms["tail"])
    fit_face._inputs(terms["input"])
    held = freedom(
        load_law("product_power"), numbers(terms["fix"], "--fix"), bounds, pairs(terms["tie"], "--tie")
    )
    held.expand(np.full((len(held.lower), 2), 0.3))
    number("1", "--x")


# ---------------------------------------------------------------------------- tables

CSV = _frame().to_csv(index=False)
COLUMN_WORDS = [*COLUMNS, "ok", "partial"]


def _table(text: str | bytes, folder: Path) -> None:
    file = folder / "table.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    _reduced(lambda: read_table(file))


def _stdin(text: str, folder: Path) -> None:
    _reduced(lambda: read_table(io.StringIO(text)))


def _reduced(read: Callable[[], pd.DataFrame]) -> None:
    frame = read()
    assert list(frame.columns[: len(COLUMNS)]) == list(COLUMNS)
    points(frame, ["n_params", "visual_tokens"])


def _csv(chance: Chance) -> str:
    return by.csv(chance, CSV, COLUMN_WORDS)


def _csv_bytes(chance: Chance) -> bytes:
    return by.binary(chance, CSV.encode())


@cache
def _parquets() -> list[bytes]:
    """The table as this package writes it, and as pandas and others would: nested, indexed, compressed otherwise."""
    frame, made = _frame(), []
    for compression in ("zstd", "snappy", None):
        file = io.BytesIO()
        frame.astype(object).infer_objects().to_parquet(file, compression=compression)
        made.append(file.getvalue())
    narrow = frame[["model", "n_params", "visual_tokens", "error"]]
    for other in (narrow.set_index("model"), narrow.assign(n_params=narrow["n_params"].astype("int32")),
                  narrow.assign(error=narrow["error"].astype("float32"), model=narrow["model"].astype("category")),
                  narrow.assign(error=[[0.5]] * len(narrow))):  # fmt: skip
        file = io.BytesIO()
        other.to_parquet(file)
        made.append(file.getvalue())
    return made


def _parquet_bytes(chance: Chance) -> bytes:
    return by.binary(chance, chance.choice(_parquets()), near_the_end=True)


KINDS_OF_COLUMN = (
    pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(),
    pa.large_string(),
    pa.binary(), pa.null(), pa.date32(), pa.timestamp("ns"), pa.timestamp("us", "UTC"),
    pa.duration("s"), pa.time64("us"),
    pa.decimal128(38, 2), pa.list_(pa.float64()), pa.struct([("a", pa.int64())]), pa.dictionary(pa.int8(), pa.string()),
    pa.map_(pa.string(), pa.int64()), pa.list_(pa.float32(), 2),
)  # fmt: skip
HELD: tuple[Any, ...] = (
    0,
    1,
    16,
    5e8,
    0.5,
    -1,
    True,
    "a",
    "0.5",
    "é",
    b"\xff",
    None,
    float("nan"),
    2**62,
    [1.0],
    [],
    {"a": 1},
)


NEEDED = ("n_params", "visual_tokens", "error")


def _one(value: Any, kind: pa.DataType) -> pa.Array:
    """A value in a column of that kind, nearly always something."""
    for tried in (value, 1, "a", [0.5], [0.5, 0.5], {"a": 1}):
        with contextlib.suppress(pa.ArrowException, TypeError, ValueError, OverflowError):
            return pa.array([tried], kind)
    return pa.nulls(1, kind)


def _parquet_shape(chance: Chance) -> bytes:
    """A whole parquet file with columns of any kind under the names of the table's."""
    count, columns = chance.choice((0, 1, 3, 3, 3)), {}
    for name in [*chance.sample([*COLUMNS, "other", ""], chance.randrange(1, 6)), *NEEDED]:
        kind = chance.choice(KINDS_OF_COLUMN) if chance.random() < 0.4 else pa.float64()
        odd = chance.choice((0.0, 0.0, 0.5, 1.0))
        values = [
            chance.choice(HELD) if chance.random() < odd else chance.choice((1, 0.5, "a"))
            for _ in range(count)
        ]
        columns[name] = (
            pa.concat_arrays([_one(value, kind) for value in values]) if values else pa.nulls(0, kind)
        )
    table, file = pa.table(columns), io.BytesIO()
    if chance.random() < 0.2:
        table = table.replace_schema_metadata(
            {b"pandas": by.word(chance, ["{}", '{"index_columns": ["n_params"]}']).encode("utf-8", "replace")}
        )
    try:
        pq.write_table(table, file)
    except (pa.ArrowException, OverflowError):
        return b""
    return by.binary(chance, file.getvalue(), near_the_end=True) if chance.random() < 0.1 else file.getvalue()


def _read_parquet(content: bytes, folder: Path) -> None:
    file = folder / "table.parquet"
    file.write_bytes(content)
    _reduced(lambda: read_table(file))
    _reduced(lambda: read_table(file, where=["status=ok", "n_params=5e8"]))


def _fit_csv(chance: Chance) -> tuple[str, str]:
    text = "n_params,visual_tokens,error\n"
    for _ in range(chance.randrange(1, 12)):
        odd = chance.random() < 0.15
        row = [by.number(chance) if odd else f"{10 ** chance.uniform(-2, 12):.6g}" for _ in range(2)]
        text += (
            ",".join([*row, by.number(chance) if chance.random() < 0.05 else f"{chance.random():.4g}"]) + "\n"
        )
    return text, chance.choice(
        ("product_power", "additive_power", "log_linear", "total_token_power", "E + A*N**-alpha")
    )


def _fit(given: tuple[str, str], folder: Path) -> None:
    text, law = given
    fitted = fit_law(read_table(io.StringIO(text)), law, bootstrap=0)
    dumps(answer("fit", fitted.to_dict()))


def _manifest(chance: Chance) -> dict[str, Any]:
    valid = {"experiment": "x", "cells": ["0123456789ab", "ba9876543210"]}
    return {
        "manifest": by.tree(chance, valid, ["cells", "experiment", "../../x", "/etc/passwd"]),
        "part": by.binary(chance, _parquets()[0], near_the_end=True) if chance.random() < 0.5 else _parquets()[0],
        "failure": by.tree(chance, {"reason": "r", "code": "c", "started_at": "t", "traceback": ""}),
        "experiment": by.tree(chance, EXPERIMENT),
    }  # fmt: skip


def _sweep_folder(given: dict[str, Any], folder: Path) -> None:
    from scalelaw.sweep.cell import run_one

    sweep = SweepFolder(folder / "sweep")
    shutil.rmtree(sweep.root, ignore_errors=True)
    stated = parse_experiment(EXPERIMENT)
    first = grid.cells(stated)[0].name
    for path in (sweep.cells, sweep.failure(first).parent):
        path.mkdir(parents=True)
    text = json.dumps(given["manifest"]).replace("0123456789ab", first)
    sweep.manifest.write_text(text)
    sweep.cell(first).write_bytes(given["part"])
    sweep.failure(first).write_text(json.dumps(given["failure"]))
    sweep.experiment.write_text(yaml.safe_dump(_written(given["experiment"])))
    sweep_status(stated, sweep.root)
    _either(lambda: run_one(sweep.root, "1", train=None if len(text) > 9000 else _Never()))
    _reduced(lambda: read_table(sweep.root))


class _Never:
    """A trainer that trains nothing."""

    def __getattr__(self, name: str) -> Any:
        raise InputError("Nothing is trained here.", code="stub")


def _either(call: Callable[[], Any]) -> None:
    with contextlib.suppress(ScalelawError):
        call()


# ---------------------------------------------------------------------------- YAML

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
        return {_written(key): _written(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_written(held) for held in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return int(str(value)[:50]) if type(value) is int and abs(value) > 10**50 else value


def _file(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return file


def _experiment(chance: Chance) -> str:
    return _yaml(chance, EXPERIMENT, TEXTS, KEYS)


def _read_experiment(text: str, folder: Path) -> None:
    stated = read_experiment(_file(folder, "experiment.yaml", text))
    inside = (folder / "sweeps" / stated.name).resolve()
    assert inside.is_relative_to((folder / "sweeps").resolve()), "its name leads out of the folder of sweeps"
    if len(text) % 8 == 0:
        grid.cells(stated)


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


def _read_small_yaml(given: tuple[str, str], folder: Path) -> None:
    kind, text = given
    if not (folder / "config.json").exists():
        (folder / "config.json").write_text(json.dumps(CONFIG))
    file = _file(folder, "small.yaml", text)
    {"resources": read_resources, "catalogue": find_models, "hardware": find_device}[kind](str(file))


CATALOGUE_WORDS = ["qwen1.5", "all", "llava-1.5-7b", "ladder:0.5e9:14e9", "vicuna", "ladder:", ",", ":"]


def _names(chance: Chance) -> tuple[str, str]:
    return by.text(
        chance, chance.choice(CATALOGUE_WORDS), CATALOGUE_WORDS
    ), f"{by.number(chance)}x{by.number(chance)}"


def _read_names(given: tuple[str, str], folder: Path) -> None:
    _either(lambda: made_to_measure(given[1], vocab=100))
    _either(lambda: find_device(given[0]))
    _either(lambda: fit_face._names(given[0]))
    _either(lambda: read_table(given[0]) if given[0].strip("-") else None)
    find_models(given[0])


# ---------------------------------------------------------------------------- JSON

CONFIG: dict[str, Any] = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32,
    "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 6144, "vocab_size": 151936, "num_experts": 128,
    "num_experts_per_tok": 8, "moe_intermediate_size": 768, "decoder_sparse_step": 1, "mlp_only_layers": [],
    "tie_word_embeddings": False, "sliding_window": None, "use_sliding_window": False, "max_window_layers": 48,
}  # fmt: skip
VIT = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
       "patch_size": 14,
       "image_size": 336, "model_type": "clip_vision_model", "projection_dim": 768}  # fmt: skip
FIELDS = [
    *CONFIG, *VIT, "text_config", "vision_config", "n_embd", "n_layer", "layer_types", "llama", "gemma3_text",
    "gpt2", "mixtral",
    "opt", "qwen2_moe", "qwen2", "num_local_experts", "sliding_window_pattern", "shared_expert_intermediate_size",
    "", "clip",
]  # fmt: skip


def _config(chance: Chance) -> str:
    valid: dict[str, Any] = {
        **CONFIG,
        "model_type": chance.choice(("llama", "gpt2", "mixtral", "qwen2", "qwen3_moe", "gemma2", "")),
    }
    if chance.random() < 0.4:
        valid = {"text_config": valid, "vision_config": VIT}
    made = by.tree(chance, valid, FIELDS, changes=4)
    if isinstance(made, dict) and chance.random() < 0.3:
        made[chance.choice(FIELDS)] = chance.choice(
            (1, 2, 10**5, 10**9, 10**9 + 1, 10**18, 1e300, -1, 0, 0.5, "7")
        )
    text = json.dumps(made)
    return by.text(chance, text, FIELDS) if chance.random() < 0.1 else text


def _read_config(text: str, folder: Path) -> None:
    file = _file(folder, "model.json", text)
    _either(lambda: tower_from_config(file))
    shape = from_config(file)
    assert shape.n_params >= 0
    if len(text) % 16 == 0:
        _file(folder, "models.yaml", f"models: [{{name: a, config: {file}}}]")
        if shape.family in ("llama", "gpt2", "mixtral", "qwen2", "qwen3_moe", "gemma2", ""):
            find_cost(str(folder / "models.yaml"), visual_tokens=16, text_tokens=50)


@cache
def _fit_json() -> Any:
    fitted = fit_law("vlm_reasoning", "product_power", bootstrap=20, seed=0)
    return json.loads(fitted.to_json())


@cache
def _optimum_json() -> Any:
    found = find_optimum(
        fit_law("vlm_reasoning", "product_power", bootstrap=20, seed=0), budget={"flops": 8e11}
    )
    return json.loads(found.to_json())


def _answers(chance: Chance) -> tuple[str, str]:
    kind, valid = chance.choice((("fit", _fit_json), ("optimum", _optimum_json)))
    keys = [
        "params",
        "alpha",
        "law",
        "formula",
        "inputs",
        "draws",
        "points",
        "status",
        "interval",
        "power",
        "derived",
        "target",
    ]
    text = json.dumps(by.tree(chance, valid(), keys, changes=4))
    return kind, by.text(chance, text, keys) if chance.random() < 0.1 else text


def _read_answer(given: tuple[str, str], folder: Path) -> None:
    kind, text = given
    file = _file(folder, "answer.json", text)
    if kind == "optimum":
        load_optimum(file)
        gather([str(file)])
        return
    fitted = load_fit(file)
    dumps(answer("fit", fitted.to_dict()))
    fitted.predict(n_params=1e9, visual_tokens=16)
    if len(text) % 8 == 0:
        find_optimum(fitted, budget={"flops": 8e11}, text_tokens=50)


def _told(chance: Chance) -> str:
    return by.word(chance)


# ---------------------------------------------------------------------------- importers

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
    "metrics": {"*": []}, "task_families": {"gqa": "reasoning"}, "experiment": "mine",
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
    found: dict[str, list[tuple[str, bytes]]] = {name: [] for name in OPTIONS}
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
                    told = [held for held in json.loads(content) if held["name"]["name"] in HELM_SCORES]
                    content = json.dumps(told[:8]).encode()
                folder = "vila_8b" if tool == "vlmevalkit" else "run"
                found[tool].append((f"{folder}/{file.name}", content))
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
    found["vlmevalkit"].append(("vila_8b/status.json", json.dumps(status).encode()))
    found["wide_csv"].append(("t.csv", WIDE.encode()))
    found["long_csv"].append(("t.csv", LONG.encode()))
    found["published_table"].append(("t.csv", b"n,v,e\n0.5,1,.61\n7,16,.5\n"))
    found["wandb_export"] += [
        ("runs.json", json.dumps(RUNS).encode()),
        ("runs.csv", WIDE.replace("model", "Name").encode()),
    ]
    lines = "name,config,summary\n" + "".join(
        f'{r["name"]},"{ {"n": 1, "v": 2} }","{ {"GQA": 5} }"\n' for r in RUNS
    )
    found["wandb_export"].append(("api.csv", lines.encode()))
    return found


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
    def run(given: tuple[str, bytes, Any], folder: Path) -> None:
        name, content, options = given
        place = folder / tool
        shutil.rmtree(place, ignore_errors=True)
        file = place / name
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        if tool == "helm":
            other = "run_spec.json" if file.name == "stats.json" else "stats.json"
            held = dict(_sample_files()["helm"])
            (file.parent / other).write_bytes(held[f"run/{other}"])
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


@cache
def _workbook() -> dict[str, bytes]:
    file = io.BytesIO()
    pd.DataFrame({"split": ["none"], "Overall": [0.41], "OCR": [0.5]}).to_excel(file, index=False)
    with zipfile.ZipFile(file) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


XML = ['r="A1"', 'r="XFD1048576"', "<c>", "</c>", "<v>", "1e999", 't="s"', 't="inlineStr"', 't="e"', 't="d"',
"<row>", 'r="1048577"', "&lt;",
       "<!DOCTYPE a [<!ENTITY a 'b'>]>", "&a;", 's="9"', 'ref="A1:XFD1048576"', "<sheet/>", 'count="-1"',
       "xml:space", "<f>1/0</f>"]  # fmt: skip


def _xlsx(chance: Chance) -> bytes:
    parts = dict(_workbook())
    for _ in range(chance.choice((0, 1, 1, 2))):
        name = chance.choice([*parts, *(p for p in parts if "sheet1" in p)] * 1)
        if chance.random() < 0.8:
            parts[name] = by.text(chance, parts[name].decode(), XML).encode("utf-8", "surrogatepass")
        else:
            parts.pop(name)
            parts[by.word(chance, list(_workbook()))[:200].strip("\x00\ud800") or "x"] = b"<a/>"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return by.binary(chance, file.getvalue(), near_the_end=True) if chance.random() < 0.4 else file.getvalue()


def _read_xlsx(content: bytes, folder: Path) -> None:
    (folder / "vila_8b").mkdir(exist_ok=True)
    file = _file(folder, "vila_8b/vila_8b_MMStar_acc.xlsx", content)
    plugins.load("importers", "vlmevalkit").read(file, MODELS)


# ---------------------------------------------------------------------------- conversations and images


@cache
def _images() -> list[bytes]:
    made = []
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"):
        file = io.BytesIO()
        Image.new("RGB", (8, 8), (200, 10, 90)).save(file, kind)
        made.append(file.getvalue())
    return made


CONVERSATIONS = [
    {"id": "1", "image": "a.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt",
    "value": "Red."}]},
    {"id": 2, "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]},
    {"id": "3", "image": ["a.png", "sub/b.png"], "conversations": [{"from": "human",
    "value": "<image><image>"}, {"from": "gpt", "value": "x"}]},
]  # fmt: skip


def _conversations(chance: Chance) -> tuple[str, bytes]:
    image, words = (
        chance.choice(_images()),
        [
            "image",
            "conversations",
            "from",
            "value",
            "gpt",
            "human",
            "<image>",
            "../out.png",
            "/etc/passwd",
            "a.png",
            "id",
        ],
    )
    text = json.dumps(by.tree(chance, CONVERSATIONS, words, changes=4))
    text = by.text(chance, text, words) if chance.random() < 0.1 else text
    return text, by.binary(chance, image) if chance.random() < 0.6 else image


def _read_conversations(given: tuple[str, bytes], folder: Path) -> None:
    text, image = given
    inside = folder / "images"
    inside.mkdir(exist_ok=True)
    (inside / "a.png").write_bytes(image)
    (folder / "out.png").write_bytes(_images()[0])
    data = Conversations(0, files=[str(_file(folder, "talk.json", text))], images=str(inside))
    for index in range(min(len(data), 3)):
        assert all((inside / name).resolve().is_relative_to(inside) for name in data.records[index].images)
        data.pictures(index)
    assert data.digest


# ---------------------------------------------------------------------------- the whole command line

WORDS = ["vlm_reasoning", "--json", "--law", "product_power", "--where", "task_family=reasoning", "--fix", "D=0",
"--bound", "alpha=0:1",
         "--tie", "alpha=beta", "--bootstrap", "0", "--budget", "8e11", "--text-tokens", "50", "--visual-tokens",
         "1,4,16", "--models",
         "qwen1.5", "-o", "--hardware", "h100", "--target", "error", "--input", "n_params=n_params", "--by",
         "task_family", "--seed", "1",
         "--loss", "huber", "--delta", "--residual", "log", "--generate", "--batch", "--level", "--dtype",
         "--cost", "--help"]  # fmt: skip
LINES = [
    ["fit", "vlm_reasoning", "--bootstrap", "0", "--json"],
    ["fit", "vlm_reasoning", "--bootstrap", "0", "--law", "E + A*N**-alpha", "--fix", "E=0"],
    ["optimize", "FIT", "--budget", "8e11", "--text-tokens", "50", "--json"],
    ["cost", "llava-1.5-7b", "--visual-tokens", "576", "--text-tokens", "50"],
    ["show", "vlm_reasoning"], ["list", "laws"], ["schema", "fit"],
]  # fmt: skip


def _line(chance: Chance) -> list[str]:
    made = list(chance.choice(LINES))
    for _ in range(chance.randrange(3)):
        at = chance.randrange(1, len(made) + 1)
        made[at:at] = [by.word(chance, WORDS)] * chance.choice((1, 1, 1, 2))
    if chance.random() < 0.5:
        at = chance.randrange(1, len(made))
        made[at] = by.text(chance, made[at], WORDS)
    return ["0" if word in ("200", "1000") else word.replace("\x00", "") for word in made]


def _run_line(given: list[str], folder: Path) -> None:
    from scalelaw.cli.face import main

    here = Path.cwd()
    fit = folder / "fit.json"
    if not fit.exists():
        fit.write_text(json.dumps(_fit_json()))
    said, errors = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict"), io.StringIO()
    place = folder / "here"
    place.mkdir(exist_ok=True)
    os.chdir(place)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
            code = main([str(fit) if word == "FIT" else word for word in given])
    finally:
        os.chdir(here)
    assert code in (0, 2, 3, 5), f"exit code {code}: {errors.getvalue()[-500:]}"
    said.flush()


# ---------------------------------------------------------------------------- all of them

TARGETS: tuple[Target, ...] = (
    Target("expression", _formula, _expression, 400),
    Target("--budget", _budget, lambda terms, folder: void(parse_budget(terms)), 300),
    Target("--fix, --bound, --tie", _options, _free, 110),
    Target("--set", _set, _change, 25),
    Target("config.json", _config, _read_config, 14),
    Target("parquet", _parquet_bytes, _read_parquet, 5),
    Target("xlsx", _xlsx, _read_xlsx, 4),
    *(Target(f"importer {tool}", _import(tool), _run_import(tool), 3) for tool in OPTIONS),
    Target("conversations, images", _conversations, _read_conversations, 4),
    Target("models.yaml", _models_yaml, _read_models, 5),
    Target("catalogue, hardware, rules", _small_yaml, _read_small_yaml, 14),
    Target("experiment YAML", _experiment, _read_experiment, 15),
    Target("--visual-tokens", _tokens, lambda text, folder: void(token_counts(text)), 50),
    Target("law formula", _formula, _law, 8),
    Target("fit.json, optimum.json", _answers, _read_answer, 4),
    Target("csv", _csv, _table, 2.5),
    Target("csv bytes", _csv_bytes, _table, 3),
    Target("stdin", _csv, _stdin, 1.5),
    Target("parquet of any kind", _parquet_shape, _read_parquet, 3),
    Target("names of models", _names, _read_names, 5),
    Target("--where", _where, _choose, 2),
    Target("fit of a table", _fit_csv, _fit, 1),
    Target("sweep's folder", _manifest, _sweep_folder, 0.7),
    Target("command line", _line, _run_line, 0.7),
)


def void(_: Any) -> None:
    """Nothing."""
