"""Scores of one answer in [0, 1], and of a benchmark, by the rules of the benchmarks' public evaluation code."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from scalelaw.vlm.answer_text import textvqa_text, vqa_text

ARTICLES = re.compile(r"\b(a|an|the)\b")
THRESHOLD = 0.5
RELATIVE = 0.05
"""ChartQA: the largest relative error of a number that is right."""
_CHOICE = re.compile(r"^\s*\(?([A-Z])\)?\s*[.):]\s*(\S.*)$", re.MULTILINE)
_BARE = re.compile(r"[\s\"'*(\[]*([A-Za-z])[\s\"'*)\].:,]*")
_EXPLICIT = re.compile(
    r"\b(?:answer|option|choice)\b(?:\s+(?:is|would\s+be|should\s+be))?[\s:*\"']*(?:option\s+)?"
    r"(?:\(([A-Z])\)|\[([A-Z])\]|([A-Z])(?![A-Za-z']))",
    re.IGNORECASE,
)
_LEADING = re.compile(r"[\s\"'*]*(?:\(([A-Z])\)|\[([A-Z])\]|([A-Z])[.):])")
_ALONE = re.compile(r"(?<![A-Za-z'.])([A-Z])(?![A-Za-z'])")


def plain(text: str) -> str:
    """Lower case, one kind of blank, no articles, no punctuation but inside numbers and words."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"(?<!\w)[^\w\s]|[^\w\s](?!\w)", " ", text)
    return " ".join(ARTICLES.sub(" ", text).split())


def exact_match(output: str, answers: Sequence[str]) -> float:
    """1 where it is one of the answers, after `plain`."""
    return float(plain(output) in {plain(answer) for answer in answers})


def vqa_accuracy(output: str, answers: Sequence[str]) -> float:
    """min(1, matching people / 3), averaged over leaving each person out (arXiv 1505.00468, section 4).

    Output and answers are normalized as the evaluation of VQA v2 does (`answer_text.vqa_text`), also where all people
    agree. With a single answer, 1 where it matches.
    """
    return _consensus(vqa_text(output), [vqa_text(answer) for answer in answers])


def textvqa_accuracy(output: str, answers: Sequence[str]) -> float:
    """As `vqa_accuracy`, normalized as the evaluation of TextVQA does (arXiv 1904.08920)."""
    return _consensus(textvqa_text(output), [textvqa_text(answer) for answer in answers])


def _consensus(ours: str, theirs: Sequence[str]) -> float:
    if len(theirs) < 2:
        return float(ours in theirs)
    matches = list(theirs).count(ours)
    others = [matches - (answer == ours) for answer in theirs]
    return sum(min(1.0, count / 3) for count in others) / len(theirs)


def anls(output: str, answers: Sequence[str]) -> float:
    """Best of 1 - edit distance / longer length over the answers; below one half it is 0 (arXiv 1907.00490, eq. 1)."""
    ours = " ".join(output.lower().split())
    best = 0.0
    for answer in (" ".join(a.lower().split()) for a in answers):
        longer = max(len(ours), len(answer))
        best = max(best, 1.0 if not longer else 1 - _distance(ours, answer) / longer)
    return best if best >= THRESHOLD else 0.0


def relaxed_accuracy(output: str, answers: Sequence[str]) -> float:
    """1 for a number within 5% of an answer, or for the same text in any case (ChartQA, arXiv 2203.10244, section 5.1).

    `12%` is 0.12; an answer of 0 is compared as a text, as in the evaluation code.
    """
    return float(any(_relaxed(output.strip(), answer.strip()) for answer in answers))


def _relaxed(output: str, answer: str) -> bool:
    ours, theirs = _number(output), _number(answer)
    if ours is not None and theirs:
        return abs(ours - theirs) / abs(theirs) <= RELATIVE
    return output.lower() == answer.lower()


def _number(text: str) -> float | None:
    try:
        return float(text.rstrip("%")) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None


def multiple_choice(output: str, answers: Sequence[str], question: str = "") -> float:
    """1 where the choice that the output makes is the answer, a letter or the text of a choice (see `choice_of`)."""
    choices = choices_of(question)
    wanted = {_letter_of(answer, choices) for answer in answers} - {None}
    return float(choice_of(output, choices) in wanted)


def choices_of(question: str) -> dict[str, str]:
    """{letter: text} of the lines of a question that state a choice: `A. cat`, `(B) dog`, `C: cow`."""
    return {letter: text.strip() for letter, text in _CHOICE.findall(question)}


def choice_of(output: str, choices: Mapping[str, str] | None = None) -> str | None:
    """The letter that an output chooses, or None where it makes no choice, or several.

    In this order: a letter alone (`b`, `(B)`, `B.`); a stated answer, the last one (`the answer is (B)`); a letter at
    the beginning (`B. dog`); the text of one choice; the only letter that stands alone, which the article `A` and the
    pronoun `I` are not. With `choices`, only their letters count.
    """
    choices = choices or {}
    text = output.strip()

    def allowed(letter: str) -> bool:
        return not choices or letter in choices

    if (bare := _BARE.fullmatch(text)) and allowed(bare[1].upper()):
        return bare[1].upper()
    explicit = [
        "".join(filter(None, match)).upper() for match in _EXPLICIT.findall(text) if _is_a_letter(match)
    ]
    if explicit := [letter for letter in explicit if allowed(letter)]:
        return explicit[-1]
    if (leading := _LEADING.match(text)) and allowed(letter := next(filter(None, leading.groups()))):
        return letter
    if (by_text := _by_text(text, choices)) is not None:
        return by_text
    alone = {
        match[1]
        for match in _ALONE.finditer(text)
        if allowed(match[1]) and not re.match(r"[AI]\s+(?!or\b|and\b)[a-z]", text[match.start() :])
    }
    return alone.pop() if len(alone) == 1 else None


def _is_a_letter(groups: Sequence[str]) -> bool:
    """In any case within brackets, otherwise a capital: `the answer is a dog` states no letter."""
    return bool(groups[0] or groups[1]) or groups[2].isupper()


def _by_text(output: str, choices: Mapping[str, str]) -> str | None:
    ours = plain(output)
    same = [letter for letter, text in choices.items() if plain(text) == ours]
    if len(same) == 1:
        return same[0]
    texts = {letter: f" {plain(text)} " for letter, text in choices.items() if plain(text)}
    inside = {letter: text for letter, text in texts.items() if text in f" {ours} "}
    # `dog` is not meant where the output is `dog house`
    longest = [a for a, text in inside.items() if not any(text in t for b, t in inside.items() if b != a)]
    return longest[0] if len(longest) == 1 else None


def _letter_of(answer: str, choices: Mapping[str, str]) -> str | None:
    text = answer.strip()
    if bare := _BARE.fullmatch(text):
        return bare[1].upper()
    same = [letter for letter, choice in choices.items() if plain(choice) == plain(text)]
    return same[0] if len(same) == 1 else text[:1].upper() or None


def yes_or_no(output: str) -> bool:
    """Whether an output says yes, by the rule of POPE: its first sentence holds none of `No`, `no` and `not`."""
    words = output.split(".")[0].replace(",", "").split(" ")
    return not {"No", "no", "not"} & set(words)


def pope_match(output: str, answers: Sequence[str]) -> float:
    """1 where the output says yes or no as the answer does (POPE, arXiv 2305.10355). The benchmark's score is F1."""
    return float(yes_or_no(output) == is_yes(answers))


def is_yes(answers: Sequence[str]) -> bool:
    """Whether the label of a question is yes: anything but `no`, as in POPE's evaluation code."""
    return answers[0].strip().lower() != "no"


METRICS: dict[str, Callable[[str, Sequence[str]], float]] = {
    "anls": anls,
    "exact_match": exact_match,
    "multiple_choice": multiple_choice,
    "pope_f1": pope_match,
    "relaxed_accuracy": relaxed_accuracy,
    "textvqa_accuracy": textvqa_accuracy,
    "vqa_accuracy": vqa_accuracy,
}


def rate(metric: str, output: str, answers: Sequence[str], question: str = "") -> float:
    """The score of one output in [0, 1]."""
    if metric == "multiple_choice" and METRICS[metric] is multiple_choice:
        return multiple_choice(output, answers, question)
    return METRICS[metric](output, answers)


def benchmark_score(
    metric: str, scores: Sequence[float], answers: Sequence[Sequence[str]]
) -> tuple[float, float]:
    """(value, standard error) of a benchmark from the scores of its questions: their mean, or F1 of yes for `pope_f1`.

    The standard error of F1 = sum(2 TP) / sum(2 TP + FP + FN) is that of a ratio of two means.
    """
    count = len(scores)
    if metric == "pope_f1":
        labels = [is_yes(of) for of in answers]
        hits = [2.0 * (yes and score == 1) for yes, score in zip(labels, scores, strict=True)]
        weights = [hit + (score == 0) for hit, score in zip(hits, scores, strict=True)]
    else:
        hits, weights = list(scores), [1.0] * count
    total = sum(weights)
    value = sum(hits) / total if total else 0.0
    squares = sum((hit - value * weight) ** 2 for hit, weight in zip(hits, weights, strict=True))
    if count < 2 or not total:
        return value, math.nan
    return value, math.sqrt(squares / (count - 1) / count) / (total / count)


def _distance(one: str, other: str) -> int:
    """Levenshtein's: insertions, deletions and replacements of characters."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
