"""Scores of one answer, in [0, 1], by the rules of the benchmarks that made them known."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b")
THRESHOLD = 0.5


def plain(text: str) -> str:
    """Lower case, one kind of blank, no articles, no punctuation but inside numbers and words."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"(?<!\w)[^\w\s]|[^\w\s](?!\w)", " ", text)
    return " ".join(ARTICLES.sub(" ", text).split())


def exact_match(output: str, answers: Sequence[str]) -> float:
    """1 where it is one of the answers, after `plain`."""
    return float(plain(output) in {plain(answer) for answer in answers})


def vqa_accuracy(output: str, answers: Sequence[str]) -> float:
    """min(1, people who said so / 3), averaged over leaving each person out (VQA, arXiv 1505.00468, section 4)."""
    ours, theirs = plain(output), [plain(answer) for answer in answers]
    if len(theirs) < 2:
        return float(ours in theirs)
    others = [theirs[:i] + theirs[i + 1 :] for i in range(len(theirs))]
    return sum(min(1.0, subset.count(ours) / 3) for subset in others) / len(others)


def anls(output: str, answers: Sequence[str]) -> float:
    """Best of 1 - edit distance / longer length over the answers; below one half it is 0 (arXiv 1907.00490, eq. 1)."""
    ours = " ".join(output.lower().split())
    best = 0.0
    for answer in (" ".join(a.lower().split()) for a in answers):
        longer = max(len(ours), len(answer))
        best = max(best, 1.0 if not longer else 1 - _distance(ours, answer) / longer)
    return best if best >= THRESHOLD else 0.0


def multiple_choice(output: str, answers: Sequence[str]) -> float:
    """1 where the first letter that stands alone (`B`, `(B)`, `B.`) is that of the answer."""
    match = re.search(r"(?<![A-Za-z])([A-Z])(?![A-Za-z'])", output.strip())
    return float(match is not None and match.group(1) in {answer.strip().upper()[:1] for answer in answers})


METRICS: dict[str, Callable[[str, Sequence[str]], float]] = {
    "anls": anls,
    "exact_match": exact_match,
    "multiple_choice": multiple_choice,
    "vqa_accuracy": vqa_accuracy,
}


def _distance(one: str, other: str) -> int:
    """Levenshtein's: insertions, deletions and replacements of characters."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
