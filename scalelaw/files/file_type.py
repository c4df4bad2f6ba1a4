"""What a file plainly is, and which command reads it: said where another kind of file was wanted.

By its first bytes and its name; nothing is parsed, and what is not plain is not named.
"""

from __future__ import annotations

import re
from pathlib import Path

from scalelaw.errors import InputError
from scalelaw.files.safe_load import is_pipe, open_input

TABLE, EXPERIMENT, CONFIGURATION, CARD = "a table", "an experiment", "a model's configuration", "a card"
ANSWER = "an answer"
"""What a reader may want."""

_READERS = {
    TABLE: "`scalelaw fit`, `show`, `compare` and `report` read it",
    EXPERIMENT: "`scalelaw sweep` reads it",
    CONFIGURATION: "`scalelaw cost` reads it, and a catalogue (`models: [{name: ..., config: FILE}]`) names it",
    "a catalogue of models": "`scalelaw optimize --models` reads it",
    "what an import needs to know of models": "`scalelaw import --models` reads it",
    CARD: "`scalelaw optimize --hardware` and `scalelaw cost --hardware` read it",
    "a spreadsheet": "`scalelaw import wide_csv` and `long_csv` read it",
    "Python": "`scalelaw fit --law` reads a law file",
    "a PDF": "no command reads it",
}
_ANSWERS = {
    "fit": "`scalelaw optimize` and `scalelaw report` read it",
    "fit_groups": "`scalelaw report` reads it",
    "optimize": "`scalelaw report` reads it",
    "compare": "`scalelaw report` reads it",
    "cost": "`scalelaw report` reads it",
}
_BY_NAME = {
    ".py": "Python",
    ".xlsx": "a spreadsheet",
    ".csv": TABLE,
    ".tsv": TABLE,
    ".parquet": TABLE,
    ".pdf": "a PDF",
}
_SCHEMA = re.compile(rb'\s*\{\s*"schema"\s*:\s*"scalelaw\.([\w-]+)/')
_KEY = re.compile(rb"^(\w+)[ \t]*:[ \t]*(.?)", re.MULTILINE)
_HEAD = 2**14


def otherwise(path: str | Path, wanted: str) -> str:
    """What a file is and what reads it, a sentence, where it is plainly something else than `wanted`; else nothing."""
    file = Path(path)
    if is_pipe(file):
        return ""  # what is read from it is gone
    try:
        with open_input(file) as opened:
            head = opened.read(_HEAD)
    except (OSError, ValueError, InputError):
        return ""
    if answer := answer_in(head):
        return "" if wanted == ANSWER else answer
    kind = _kind(file.suffix.lower(), head)
    return f"It is {kind}: {_READERS[kind]}." if kind and kind != wanted else ""


def answer_in(head: bytes) -> str:
    """Which command wrote an answer that begins with these bytes, and what reads it, a sentence; else nothing."""
    if not (match := _SCHEMA.match(head[:_HEAD])):
        return ""
    command = match.group(1).decode()
    written = "scalelaw fit --by" if command == "fit_groups" else f"scalelaw {command}"
    return f"It is what `{written}` wrote: {_ANSWERS.get(command, 'no command reads it')}."


def is_answer(path: str | Path) -> bool:
    """Whether a file begins as an answer of scalelaw, whatever its name; False for a pipe, which is read only once."""
    try:
        if is_pipe(path):
            return False
        with open_input(path) as opened:
            return bool(answer_in(opened.read(_HEAD)))
    except (OSError, ValueError, InputError):
        return False


def _kind(suffix: str, head: bytes) -> str:
    if head.startswith(b"PAR1"):
        return TABLE
    if head.startswith(b"%PDF"):
        return "a PDF"
    if suffix == ".json" or head.lstrip().startswith(b"{"):
        return CONFIGURATION if b'"model_type"' in head or b'"hidden_size"' in head else ""
    if suffix in (".yaml", ".yml"):
        keys = dict(_KEY.findall(head))
        if b"llms" in keys or b"question" in keys:
            return EXPERIMENT
        if b"peak_tflops" in keys:
            return CARD
        if b"models" in keys:
            listed = re.search(rb"^models[ \t]*:\s*(\[|-)", head, re.MULTILINE)
            return "a catalogue of models" if listed else "what an import needs to know of models"
        return ""
    return _BY_NAME.get(suffix, "")
