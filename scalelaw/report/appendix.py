"""The appendix: what it takes to make the report again: the command, versions, seeds, hashes, sources."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from scalelaw import __version__
from scalelaw.report import words
from scalelaw.report.items import Contents, Study
from scalelaw.report.subjects import facts_of, source_of

Row = tuple[str, str]
_MADE_WITH = ("numpy", "scipy", "pandas", "matplotlib")


def appendix(contents: Contents, command: str) -> Iterator[tuple[str, list[Row]]]:
    """Sections of rows (name, value), as the checklist has them."""
    yield (
        "How this was made",
        [
            ("command", command or "scalelaw.write_report, from Python"),
            ("scalelaw", __version__),
            ("Python", platform.python_version()),
            *((name, version(name)) for name in _MADE_WITH),
        ],
    )
    for study in contents.studies:
        if study.fitted is not None:
            yield "Numbers and draws" + (f": {study.name}" if study.name else ""), _numbers(study)
    for name, frame in contents.tables:
        facts = facts_of(name)
        yield (
            f"Table {Path(name).name}".strip(),
            [
                ("rows", str(len(frame))),
                ("hash", hash_of(frame)),
                *((key, str(facts[key])) for key in ("citation", "licence") if facts.get(key)),
            ],
        )


def _numbers(study: Study) -> list[Row]:
    fitted = study.fitted
    assert fitted is not None
    held = fitted.checklist
    cited = facts_of(str(held.get("table", ""))).get("citation")
    return [
        ("fitted to", source_of(fitted) or "a table without a name"),
        *([("cite", cited)] if cited else []),
        ("law from", fitted.source or "the user's own"),
        ("data hash", str(held.get("data_hash", "not known"))),
        ("seed", words.plainly(held.get("seed"))),
        ("draws", words.plainly(held.get("bootstrap"))),
        ("fitted with", words.plainly(held.get("versions", {}))),
    ]


def hashes(contents: Contents) -> Sequence[str]:
    """The hashes of all numbers in the report, each once."""
    held = [str(s.fitted.checklist["data_hash"]) for s in contents.studies if s.fitted is not None]
    return list(dict.fromkeys([*held, *(hash_of(frame) for _, frame in contents.tables)]))


def hash_of(frame: pd.DataFrame) -> str:
    """SHA-256 (16 hex digits) of a table's rows and columns."""
    held = np.asarray(pd.util.hash_pandas_object(frame, index=False)).tobytes()
    return hashlib.sha256(" ".join(map(str, frame.columns)).encode() + held).hexdigest()[:16]
