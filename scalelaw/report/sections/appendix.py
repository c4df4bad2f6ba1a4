"""The appendix: what it takes to make the report again: the command, versions, seeds, hashes, sources."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from scalelaw.report.collect import Contents
from scalelaw.report.study import Study, facts_of, source_of
from scalelaw.report.text import format as fmt
from scalelaw.report.text.sentences import target
from scalelaw.version import __version__

Row = tuple[str, str]
_MADE_WITH = ("numpy", "scipy", "pandas", "matplotlib")


_LOSS: Row = (
    "loss",
    "The training objective in its own unit (nats per token): lower is better; it is not a share of 1.",
)
_WORDS: tuple[Row, ...] = (
    ("error", "1 − score, as a fraction: 0 is perfect."),
    ("size, N", "Parameters (weights) of the LLM; 7B: 7 billion."),
    (
        "visual tokens, V",
        "The tokens that represent an image in the LLM; each costs about as much as a text token.",
    ),
    (
        "FLOPs",
        "Arithmetic operations of one query (GFLOPs: 10⁹, TFLOPs: 10¹²). Q: text tokens, G: generated tokens.",
    ),
    ("law", "A formula fitted to the measurements."),
    (
        "α, β, D",
        "The exponents of size and of visual tokens, and the irreducible error.",
    ),
    (
        "interval",
        "A range that contains the true value in about 95 of 100 such studies (95%), if the law is right.",
    ),
    (
        "refits, best in",
        "The law is fitted many times to resampled measurements (bootstrap): the share of these fits in which "
        "this LLM is best within the budget. It says nothing about the size of the difference.",
    ),
    ("profile", "The increase of the objective with one parameter fixed."),
    (
        "root mean square, R²",
        "The typical distance of the measurements from the law, and the share of their variance that it explains.",
    ),
    (
        "at bound, not identified",
        "A parameter lies on its bound, or the measurements do not determine it.",
    ),
    ("extrapolated", "Predicted outside the measured range: the further, the less certain."),
    ("held out", "Measurements left out of a fit to test it."),
)


def appendix(contents: Contents, command: str) -> Iterator[tuple[str, list[Row]]]:
    """Sections of rows (name, value), as the checklist has them."""
    yield (
        "Provenance",
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


def glossary(contents: Contents) -> Iterator[tuple[str, list[Row]]]:
    """Definitions of the terms of a report on fits or plans."""
    if contents.studies:
        losses = [target(study) == fmt.LOSS for study in contents.studies]
        meaning = [*([_LOSS] if any(losses) else []), *(_WORDS[1:] if losses and all(losses) else _WORDS)]
        yield "Terms", meaning


def _numbers(study: Study) -> list[Row]:
    fitted = study.fitted
    assert fitted is not None
    facts = fitted.checklist
    cited = facts_of(str(facts.get("table", ""))).get("citation")
    return [
        ("fitted to", source_of(fitted) or "a table without a name"),
        *([("cite", cited)] if cited else []),
        ("law from", fitted.source or "a custom law"),
        ("data hash", str(facts.get("data_hash", "not known"))),
        ("seed", fmt.plainly(facts.get("seed"))),
        ("draws", fmt.plainly(facts.get("bootstrap"))),
        ("fitted with", fmt.plainly(facts.get("versions", {}))),
    ]


def hashes(contents: Contents) -> Sequence[str]:
    """The hashes of all numbers in the report, each once."""
    digests = [str(s.fitted.checklist["data_hash"]) for s in contents.studies if s.fitted is not None]
    return list(dict.fromkeys([*digests, *(hash_of(frame) for _, frame in contents.tables)]))


def hash_of(frame: pd.DataFrame) -> str:
    """SHA-256 (16 hex digits) of a table's rows and columns."""
    content = np.asarray(pd.util.hash_pandas_object(frame, index=False)).tobytes()
    return hashlib.sha256(" ".join(map(str, frame.columns)).encode() + content).hexdigest()[:16]
