"""The appendix: what it takes to make the report again: the command, versions, seeds, hashes, sources."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from scalelaw.report.blocks import Block, Heading, Row
from scalelaw.report.collect import Contents
from scalelaw.report.study import Study, facts_of, source_of
from scalelaw.report.text import format as fmt
from scalelaw.report.text.sentences import target
from scalelaw.version import __version__

_MADE_WITH = ("numpy", "scipy", "pandas", "matplotlib")


_LOSS = Row(
    "loss",
    "The training objective in its own unit (nats per token): lower is better; it is not a share of 1.",
)
_WORDS: tuple[Row, ...] = (
    Row("error", "1 − score, as a fraction: 0 is perfect."),
    Row("size, N", "Parameters (weights) of the LLM; 7B: 7 billion."),
    Row(
        "visual tokens, V",
        "The tokens that represent an image in the LLM; each costs about as much as a text token.",
    ),
    Row(
        "FLOPs",
        "Arithmetic operations of one query (GFLOPs: 10⁹, TFLOPs: 10¹²). Q: text tokens, G: generated tokens.",
    ),
    Row("law", "A formula fitted to the measurements."),
    Row(
        "α, β, D",
        "The exponents of size and of visual tokens, and the irreducible error.",
    ),
    Row(
        "interval",
        "A range that contains the true value in about 95 of 100 such studies (95%), if the law is right.",
    ),
    Row(
        "refits, best in",
        "The law is fitted many times to resampled measurements (bootstrap): the share of these fits in which "
        "this LLM is best within the budget. It says nothing about the size of the difference.",
    ),
    Row("profile", "The increase of the objective with one parameter fixed."),
    Row(
        "root mean square, R²",
        "The typical distance of the measurements from the law, and the share of their variance that it explains.",
    ),
    Row(
        "at bound, not identified",
        "A parameter lies on its bound, or the measurements do not determine it.",
    ),
    Row("extrapolated", "Predicted outside the measured range: the further, the less certain."),
    Row("held out", "Measurements left out of a fit to test it."),
)


def appendix(contents: Contents, command: str) -> Iterator[Block]:
    """The command, versions, hashes and sources: headings with rows."""
    yield Heading("Provenance")
    yield Row("command", command or "scalelaw.write_report, from Python")
    yield Row("scalelaw", __version__)
    yield Row("Python", platform.python_version())
    for name in _MADE_WITH:
        yield Row(name, version(name))
    for study in contents.studies:
        if study.fitted is not None:
            yield Heading(f"Numbers and draws{study.tag}")
            yield from _numbers(study)
    for name, frame in contents.tables:
        facts = facts_of(name)
        yield Heading(f"Table {Path(name).name}".strip())
        yield Row("rows", str(len(frame)))
        yield Row("hash", hash_of(frame))
        for key in ("citation", "licence"):
            if facts.get(key):
                yield Row(key, str(facts[key]))


def glossary(contents: Contents) -> Iterator[Block]:
    """Definitions of the terms of a report on fits or plans."""
    if contents.studies:
        losses = [target(study) == fmt.LOSS for study in contents.studies]
        yield Heading("Terms")
        yield from [_LOSS] if any(losses) else []
        yield from _WORDS[1:] if losses and all(losses) else _WORDS


def _numbers(study: Study) -> list[Row]:
    fitted = study.fitted
    assert fitted is not None
    facts = fitted.checklist
    cited = facts_of(str(facts.get("table", ""))).get("citation")
    return [
        Row("fitted to", source_of(fitted) or "a table without a name"),
        *([Row("cite", cited)] if cited else []),
        Row("law from", fitted.source or "a custom law"),
        Row("data hash", str(facts.get("data_hash", "not known"))),
        Row("seed", fmt.plainly(facts.get("seed"))),
        Row("draws", fmt.plainly(facts.get("bootstrap"))),
        Row("fitted with", fmt.plainly(facts.get("versions", {}))),
    ]


def hashes(contents: Contents) -> Sequence[str]:
    """The hashes of all numbers in the report, each once."""
    digests = [str(s.fitted.checklist["data_hash"]) for s in contents.studies if s.fitted is not None]
    return list(dict.fromkeys([*digests, *(hash_of(frame) for _, frame in contents.tables)]))


def hash_of(frame: pd.DataFrame) -> str:
    """SHA-256 (16 hex digits) of a table's rows and columns."""
    content = np.asarray(pd.util.hash_pandas_object(frame, index=False)).tobytes()
    return hashlib.sha256(" ".join(map(str, frame.columns)).encode() + content).hexdigest()[:16]
