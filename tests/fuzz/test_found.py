"""What the fuzzing found, kept: each input once gave a traceback, a hang, a full memory or the end of the process."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engines import Report, memory, tried, watched
from targets import CSV, TARGETS

BY_NAME = {target.name: target for target in TARGETS}
WIDE = "{n_params_billion:>999999999}"
TURNS = '[{"from": "human", "value": "<image>"}, {"from": "gpt", "value": "x"}]'
TALK = f'[{{"id": "1", "image": %s, "conversations": {TURNS}}}]'
TABLE = "n,v,e\n1,2,3\n"
HALF = {"benchmark": "\ud800"}  # of a pair of surrogates
BEYOND = {"columns": {"n_params": "n"}, "scale": {"n_params": 1e9}, "scores": {"e": 100}}

FAULTS: list[tuple[str, Any]] = [
    ("expression", "V/E"),  # a division by a plain 0
    ("expression", "A**-alpha"),
    ("expression", "A\ud800"),
    ("expression", "A\x00"),
    ("--budget", ["1" * 200_000 + "!"]),  # the pattern tried every place for the point
    ("--visual-tokens", "1:1e7," * 60 + "1"),
    ("--set", ["seeds=!!int "]),
    ("--set", ["seeds=!!timestamp "]),
    ("--set", ["seeds=2020-99-99"]),
    ("--where", ["n_params=1e300"]),
    ("--where", ["nothing=1"]),
    ("--where", ["benchmark=\ud800"]),
    ("names of models", ("qwen" * 1000, "1" * 5000 + "x1")),
    ("experiment YAML", "- " * 100_000 + "a"),
    ("experiment YAML", "question: q\nname: ..\nllms: [24x2]\nvisual_tokens: [1]\n"),
    ("experiment YAML", f"question: q\nllms: ['{'a' * 300}']\nvisual_tokens: [1]\n# {' ' * 0}"),
    ("config.json", '{"hidden_size": 64, "num_hidden_layers": 1000000000, "num_attention_heads": 1, "vocab_size": 9, '
                    '"intermediate_size": 9, "num_experts": 2, "num_experts_per_tok": 1}'),
    ("config.json", '{"hidden_size": 64, "num_hidden_layers": 1, "patch_size": 1, "image_size": 1000000000}'),
    ("fit.json, optimum.json", ("optimum", '{"schema": "scalelaw.optimize/1", "data": {}}')),
    ("fit.json, optimum.json", ("fit", "[" * 100_000)),
    ("csv", CSV.replace("500000000", "9" * 400, 1)),
    ("csv", "n_params,visual_tokens,error\n1e9,4,0.3,\n2e9,4,0.2,\n"),
    ("parquet", b""),
    ("conversations, images", (TALK % '"a.png"', b"\x89PNG\r\n\x1a\n")),
    ("conversations, images", (TALK % "3", b"")),
    ("conversations, images", (TALK % '["a.png"]', b"")),
    ("conversations, images", (TALK % '[{"a": 1}]', b"")),
    ("conversations, images", (TALK % "[true]", b"")),
    ("conversations, images", ("[" * 100_000, b"")),
    ("importer published_table", ("t.csv", TABLE.encode(), {"columns": "text"})),
    ("importer published_table", ("t.csv", TABLE.encode(), {"columns": {"error": "e"}, "constants": HALF})),
    ("importer wide_csv", ("t.csv", b"n,e\n1e308,3\n", BEYOND)),
    ("importer published_table", ("t.csv", TABLE.encode(), {"columns": {"n_params": {"": None}}})),
    ("importer published_table", ("t.csv", TABLE.encode(), {"scale": {"n_params": "x"}, "constants": [1]})),
    ("importer published_table", ("t.csv", TABLE.encode(), {"columns": {"n_params": "n"}, "model": WIDE})),
    ("importer wide_csv", ("t.csv", TABLE.encode(), {"scores": {"e": 100}, "model": "{n:>999999999}"})),
    ("importer wide_csv", ("t.csv", TABLE.encode(), {"scores": {"e": 100}, "model": "{n.__class__}"})),
    ("importer wandb_export", ("runs.json", b'[{"name": "a", "summary": {"GQA": 1}}]', {"columns": "x",
    "scores": {"GQA": 1}})),
    ("importer wide_csv", ("t.csv", TABLE.encode(), {"columns": {"visual_tokens": [{"{n}": 1}]}, "scores": {"e": 1}})),
    ("importer wide_csv", ("t.csv", TABLE.encode(), {"columns": {"model": "{n"}, "scores": {"e": 100}})),
    ("importer wide_csv", ("t.csv", TABLE.encode(), {"model": "n}", "scores": {"e": 100}})),
    ("importer wide_csv", ("t.csv", TABLE.encode(), {"rename": {"model": {"1": [2]}}, "scores": {"e": 100}})),
    ("importer long_csv", ("t.csv", TABLE.encode(), {"columns": {"value": "e"}, "leave_out": 3})),
    ("importer long_csv", ("t.csv", TABLE.encode(), {"columns": {"value": "e"}, "leave_out": {"where": 3}})),
    ("importer published_table", ("t.csv", TABLE.encode(), {"columns": {"error": "e"}, "constants": {"model": [{}]}})),
    ("importer wide_csv", ("t.csv", TABLE.encode(), {"scores": {"e": 100}, "constants": {"benchmark": {"a": 1}}})),
    ("catalogue, hardware, rules", ("catalogue", f"models: [{{name: a, n_params: 1e9, config: '{'9' * 300}'}}]")),
    ("catalogue, hardware, rules", ("catalogue", f"models: [{{name: a, n_params: 1e9, config: {'a/' * 3000}x}}]")),
    ("csv bytes", b"n_params,visual_tokens,error\n1e9,4,0.3\n2e9,\xff,0.2,4\n"),
    ("csv bytes", b"n_params,visual_tokens,error\n1e9,4,0.3\n2e9,\xe2\x82\n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "made"), FAULTS, ids=[f"{n}-{name}" for n, (name, _) in enumerate(FAULTS)])
def test_what_was_found_stays_mended(name: str, made: Any, tmp_path: Path) -> None:
    report = Report(name)
    with watched():
        assert tried(BY_NAME[name], made, tmp_path, report), str(report)


def _parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    return file.getvalue()


def _text_bomb() -> bytes:
    once = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), ["x" * 1_000_000])
    return _parquet(pa.table({"model": once, "error": np.full(100_000, 0.5)}))


def _workbook(sheet: str) -> bytes:
    from targets import _workbook as parts

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in parts().items():
            packed.writestr(name, sheet if name.endswith("sheet1.xml") else content)
    return file.getvalue()


SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'
BOMBS = {
    "rows": ("parquet", lambda: _parquet(pa.table({"error": pa.nulls(50_000_000, pa.float64())}))),
    "text": ("parquet", _text_bomb),
    "corner": ("xlsx", lambda: _workbook(SHEET % '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')),
    "row": ("xlsx", lambda: _workbook(SHEET % '<row r="1000000000"><c r="A1000000000"><v>1</v></c></row>')),
    "packed": ("xlsx", lambda: _workbook(SHEET % (" " * 9_000_000))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(name: str, tmp_path: Path) -> None:
    target, make = BOMBS[name]
    made, report, before = make(), Report(target), memory()
    assert len(made) < 10_000_000
    assert tried(BY_NAME[target], made, tmp_path, report), str(report)
    assert (report.answers, report.refusals) == (0, 1)
    assert memory() - before < 2**27


# A parquet of one number with a bit of its footer flipped: pyarrow ends the process when it is asked for the chunk.
ABORTS = (
    "P(e~L6#x|+6&x%T0u=xi1{DSz7zh9W00000;6E4$00000007`W762#+00000007`W7zh9W00000;6D)&00002000020RR910002sKNSQSEHw"
    "Za26JO*Wo=;<0ss{XBmx)(WpZ+FasU<r85|iLCIB223K=B^02vqsWpZ+Fauom;0v4J97McMj2s{`F00000007`W7zh9W00000;6D}sC<p)m0"
    "0000;6E4$00000007`W5fK0x92Ec+02KlNJShelCIA8e000)60Tu!#2o{<F04N}EVRCVGWppiLaBwYQa&m8XAa-SPb7^mGATl;CFfK6}92@`"
    "u0JH!A08l|vF#"
)


def test_a_parquet_that_ended_the_process(tmp_path: Path) -> None:
    report = Report("parquet")
    assert tried(BY_NAME["parquet"], base64.b85decode(ABORTS), tmp_path, report), str(report)
