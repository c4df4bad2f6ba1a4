"""What a file plainly is, said where another kind was wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalelaw.files.file_type import ANSWER, CARD, CONFIGURATION, EXPERIMENT, TABLE, otherwise

FILES = {
    "fit.json": (
        b'{"schema": "scalelaw.fit/1", "ok": true}',
        "what `scalelaw fit` wrote: `scalelaw optimize`",
        ANSWER,
    ),
    "fit.txt": (b'\n {\n "schema" : "scalelaw.fit_groups/1"', "what `scalelaw fit --by` wrote", ANSWER),
    "list.json": (b'{"schema": "scalelaw.list/1"', "what `scalelaw list` wrote: no command reads it", ANSWER),
    "config.json": (b'{"model_type": "llama"}', "a model's configuration: `scalelaw cost`", CONFIGURATION),
    "one.yaml": (b"question: q\nllms: [16x1]\n", "an experiment: `scalelaw sweep`", EXPERIMENT),
    "catalogue.yml": (b"models:\n  - {name: a}\n", "a catalogue of models: `scalelaw optimize --models`", ""),
    "models.yaml": (b"models:\n  '*': {n_params: 1e9}\n", "what an import needs to know", ""),
    "mine.yaml": (b"peak_tflops: 3\n", "a card: `scalelaw optimize --hardware`", CARD),
    "a.csv": (b"n_params,error\n", "a table: `scalelaw fit`", TABLE),
    "a.bin": (b"PAR1\x00\xff", "a table: `scalelaw fit`", TABLE),
    "a.xlsx": (b"PK\x03\x04", "a spreadsheet: `scalelaw import wide_csv`", ""),
    "law.py": (b"formula = 'a'", "Python: `scalelaw fit --law`", ""),
    "report.pdf": (b"%PDF-1.4", "a PDF: no command reads it", ""),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_named_where_it_is_not_wanted_and_nowhere_else(name: str, tmp_path: Path) -> None:
    content, kind, own = FILES[name]
    (tmp_path / name).write_bytes(content)
    for wanted in (TABLE, EXPERIMENT, CONFIGURATION, CARD, ANSWER, ""):
        hint = otherwise(tmp_path / name, wanted)
        assert hint.startswith(f"It is {kind}") if wanted != own or not own else hint == ""


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a", "a.txt"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"a: 1", b"\xff\xfe\x00", b'{"schema": 3}'])
def test_what_is_not_plain_is_not_named(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert otherwise(tmp_path / name, TABLE) == ""
    assert (
        otherwise(tmp_path, TABLE) == otherwise(tmp_path / "nowhere", TABLE) == otherwise("a\0b", TABLE) == ""
    )
