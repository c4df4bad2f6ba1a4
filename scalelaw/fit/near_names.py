"""Which column a name of a formula probably means: other spellings, parts of names, plurals, and common words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from scalelaw.errors import LONGEST_NAME

NEAR = 0.8
"""Similarity (difflib) from which a name is a misspelled column."""
SHORTEST = 4
"""Length of the shortest name that is compared by its similarity; shorter ones only without regard to case."""
SHORTEST_WORD = 3
"""Length of the shortest word that stands for a name of several words, or for a longer word."""
_COUNTING = {"n", "num", "no", "nr", "number", "of", "count", "total", "per", "the", "avg", "mean"}
"""Words of a name that do not say what is counted."""
_MEANINGS: dict[str, str] = {
    "n_params": "size param parameter nparam modelsize llm llmsize billion",
    "visual_tokens": "token tok vtok vtoken patch visual vision image resolution res context sequence seqlen length",
    "image_pixels": "pixel resolution res imagesize side",
    "frames": "frame video fps",
    "train_tokens": "data dataset token sample corpus train training",
    "train_samples": "data dataset sample example image train training",
    "train_flops": "compute flop budget",
    "text_tokens": "token text prompt question",
}
"""Words, in the singular, that people write for a column of the results table."""


def nearest(name: str, columns: Iterable[str], present: Iterable[str]) -> str:
    """The column that a name probably means; "" without one.

    Args:
        columns: columns that it may be a misspelling of.
        present: those of them with numbers in the table, which a part of their name or a common word may mean.
    """
    plain = {column: _plain(column) for column in columns}
    present = [column for column in plain if column in set(present)]
    for column, text in plain.items():
        if text == _plain(name):
            return column
    if len(name) > LONGEST_NAME:
        return ""
    if len(_plain(name)) >= SHORTEST:
        texts = {text: column for column, text in plain.items() if len(text) >= SHORTEST}
        near = difflib.get_close_matches(_plain(name), texts, n=1, cutoff=NEAR)
        if near:
            return texts[near[0]]
    words = _words(name)
    for column in present:
        if _share_words(words, _words(column)):
            return column
    joined = _singular(_plain(name))
    for column in present:
        if {*words, joined}.intersection(_MEANINGS.get(column, "").split()):
            return column
    return ""


def _share_words(words: set[str], others: set[str]) -> bool:
    """Whether all words of one name are words, or beginnings of words, of the other."""
    few, many = sorted((words, others), key=len)
    return bool(few) and all(
        len(word) >= SHORTEST_WORD and any(_begins(word, one) for one in many) for word in few
    )


def _begins(word: str, other: str) -> bool:
    short, long = sorted((word, other), key=len)
    return len(short) >= SHORTEST_WORD and long.startswith(short)


def _words(name: str) -> set[str]:
    """The words of a name in the singular, without those that only say that something is counted."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return {_singular(part.lower()) for part in parts if part.lower() not in _COUNTING}


def _singular(word: str) -> str:
    if word.endswith(("ches", "shes", "xes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and len(word) > SHORTEST_WORD and not word.endswith("ss") else word


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
