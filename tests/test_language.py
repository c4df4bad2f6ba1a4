"""The word list of CONTRIBUTING.md holds in texts and in names."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORDS = re.compile(
    r"\b(drawers?|rungs?|the house|wings?|doubts?|doubted|doubtful|reckon(ed|s|ing)?|hangs? on|held to|made to measure|"
    r"anew|begun again|dearer|made ready|make room|makes room|as strangers|of one.s own|so many (passes|tokens)|"
    r"is to be had|are to be had|to be had|to mind)\b",
    re.IGNORECASE,
)
NAMES = frozenset({"told", "held", "said", "asked", "given", "wish", "wishes", "found", "chosen", "stated"})
TEXTS = sorted(
    path
    for pattern in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/*.md",
        "data/**/*.yaml",
        "experiments/*.yaml",
        "examples/*.ipynb",
    )
    for path in ROOT.glob(pattern)
)
CODE = sorted(
    path for folder in ("scalelaw", "tests", "experiments", "docs") for path in (ROOT / folder).rglob("*.py")
)
KEY = re.compile(r"""(["'`])doubts\1""")
"""The JSON key of `scalelaw show`, which stays."""
EXEMPT = {"CONTRIBUTING.md", "tests/test_language.py"}
"""Files that quote the list."""
PARTS = frozenset(
    {
        "told",
        "wish",
        "wishes",
        "wished",
        "doubt",
        "doubts",
        "doubted",
        "doubtful",
        "anew",
        "rung",
        "rungs",
        "ladder",
        "ladders",
        "drawer",
        "drawers",
        "reckon",
        "dearer",
    }
)
"""Words that are not part of a name either."""


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _checked(path: Path) -> bool:
    return _name(path) not in EXEMPT


def _in_text(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for match in WORDS.finditer(KEY.sub("", line)):
            yield f"{number}: {match.group()}"


def _in_code(source: str) -> Iterator[str]:
    """Words in comments and strings, and names of variables, parameters, functions and classes."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            for match in WORDS.finditer(KEY.sub("", token.string)):
                yield f"{token.start[0]}: {match.group()}"
    for node in ast.walk(ast.parse(source)):
        name, line = None, getattr(node, "lineno", 0)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = node.name
        if name is None:
            continue
        plain = name.strip("_").lower()
        if plain in NAMES or not PARTS.isdisjoint(plain.split("_")):
            yield f"{line}: the name '{name}'"


@pytest.mark.parametrize("path", TEXTS, ids=_name)
def test_a_text_uses_plain_words(path: Path) -> None:
    if _checked(path):
        assert list(_in_text(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_code_uses_plain_words(path: Path) -> None:
    if _checked(path):
        assert list(_in_code(path.read_text(encoding="utf-8"))) == []


def test_the_list_finds_what_it_should() -> None:
    assert list(_in_text("a drawer\nfine")) == ["1: drawer"]
    assert list(_in_code("held = 1  # made to measure\n")) == ["1: made to measure", "1: the name 'held'"]
    assert list(_in_code("def test_it_is_told(): ...\n")) == ["1: the name 'test_it_is_told'"]
