"""Aims at Excel workbooks, as the VLMEvalKit importer reads them."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

import mutations as by
import pandas as pd

from scalelaw import plugins

from .importers import MODELS
from .shared import Chance, Target, _file


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


TARGETS = [
    Target("xlsx", _xlsx, _read_xlsx, 4),
]
