"""The metrics in digits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scalelaw.vlm.answer_text import textvqa_text, vqa_text
from scalelaw.vlm.metrics import (
    anls,
    benchmark_score,
    choice_of,
    choices_of,
    exact_match,
    multiple_choice,
    plain,
    rate,
    relaxed_accuracy,
    textvqa_accuracy,
    vqa_accuracy,
    yes_or_no,
)


def test_plain() -> None:
    assert plain("  The  Red, BALL! ") == "red ball"
    assert plain("3.5 o'clock.") == "3.5 o'clock"


def test_exact_match() -> None:
    assert exact_match("A dog.", ["cat", "dog"]) == 1
    assert exact_match("dogs", ["dog"]) == 0


def test_vqa_accuracy() -> None:
    """Two of ten match: leaving one of them out 1/3, another 2/3; three: 2/3 or 1."""
    assert vqa_accuracy("x", ["x"] * 2 + ["y"] * 8) == pytest.approx((2 * 1 / 3 + 8 * 2 / 3) / 10)
    assert vqa_accuracy("x", ["x"] * 3 + ["y"] * 7) == pytest.approx((3 * 2 / 3 + 7) / 10)
    assert vqa_accuracy("x", ["x"] * 4 + ["y"] * 6) == 1
    assert vqa_accuracy("x", ["x"]) == 1


# worked out by hand from the rules of the public evaluation code of VQA v2
NORMALIZED = {
    "Two": "2",
    "none": "0",
    "None of them": "0 of them",
    "ten dogs": "10 dogs",
    "eleven": "eleven",
    "dont": "don't",
    "DONT know": "don't know",
    "couldntve": "couldntve",
    "couldnt've": "couldn't've",
    "oclock": "o'clock",
    "5 oclock": "5 o'clock",
    "thats the one": "that's 1",
    "somebody'd": "somebodyd",
    "its": "its",
    "1,000": "1000",
    "1,000,000 people": "1000000 people",
    "12,5": "125",
    "red,blue": "red blue",
    "red, blue": "red blue",
    "yes!": "yes",
    "yes !": "yes",
    "t-shirt": "t shirt",
    "t - shirt": "t shirt",
    "black/white": "black white",
    "black / white": "black white",
    "10:30": "10:30",
    "10.5": "10.5",
    "No.": "no",
    "U.S.A.": "usa",
    ".5": ".5",
    "$5.00.": "$5.00",
    "50%": "50%",
    "The cat": "cat",
    "an apple a day": "apple day",
    "a": "",
    "it's a cat": "it's cat",
    "cat\n(black)": "cat black",
    " what?\twhy ": "what why",
    "1,000 (about)": "1000 about",
    "2-3": "2 3",
    "1,000-2,000": "10002000",
}


@pytest.mark.parametrize("text", NORMALIZED)
def test_vqa_text(text: str) -> None:
    assert vqa_text(text) == NORMALIZED[text]


@pytest.mark.parametrize(
    ("output", "answer", "same"),
    [
        ("2", "two", True), ("0", "none", True), ("dont", "don't", True), ("1,000", "1000", True),
        ("Dont know.", "don't know", True), ("red,blue", "red blue", True), ("t-shirt", "t shirt", True),
        ("t-shirt", "tshirt", False), ("it is", "it's", False), ("11", "eleven", False), ("the 1", "one", True),
        ("10:30", "1030", False), ("$5", "5", False), ("U.S.", "us", True), ("3.0", "3", False),
    ],
)  # fmt: skip
def test_vqa_accuracy_compares_normalized_answers(output: str, answer: str, same: bool) -> None:
    for ours, theirs in ((output, answer), (answer, output)):
        assert vqa_accuracy(ours, [theirs] * 10) == same
        assert vqa_accuracy(ours, [theirs] * 9 + ["something else"]) == same


def test_textvqa_normalizes_commas_and_possessives_first() -> None:
    assert textvqa_text("Bob's bar,grill?") == "bob 's bargrill"
    assert textvqa_accuracy("Bob's", ["bob 's"] * 10) == 1
    assert vqa_accuracy("Bob's", ["bob 's"] * 10) == 0


def test_anls() -> None:
    assert anls("hello", ["hallo"]) == pytest.approx(0.8)
    assert anls("abcd", ["abxx"]) == 0.5
    assert anls("abcd", ["axxx"]) == 0
    assert anls("kitten", ["nothing", "sitting"]) == pytest.approx(1 - 3 / 7)


@pytest.mark.parametrize(
    ("output", "answer", "score"),
    [
        ("105", "100", 1), ("105.1", "100", 0), ("95", "100", 1), ("5%", "0.05", 1), ("5", "5%", 0),
        ("0", "0", 1), ("0.0", "0", 0), ("0.01", "0", 0), ("-100", "-104", 1), ("Blue ", "blue", 1),
        ("1,000", "1000", 0), ("nan", "5", 0), ("inf", "5", 0), ("2008", "2010", 1), ("dark blue", "blue", 0),
    ],
)  # fmt: skip
def test_relaxed_accuracy(output: str, answer: str, score: int) -> None:
    assert relaxed_accuracy(output, [answer]) == score


@pytest.mark.parametrize(
    ("output", "score"), [("B", 1), ("(B) a dog", 1), ("The answer is B.", 1), ("A", 0), ("Bus", 0)]
)
def test_multiple_choice(output: str, score: int) -> None:
    assert multiple_choice(output, ["B"]) == score


QUESTION = "What is it?\nA. a black cat\nB. a dog\n(C) cow\nD: a dog house\nAnswer with the letter."


@pytest.mark.parametrize(
    ("output", "choice"),
    [
        ("b", "B"), ("(b)", "B"), ("**C**", "C"), ("D.", "D"), ("A", "A"), ("I", None), ("E", None),
        ("B. a dog", "B"), ("A dog is what I see, so B", "B"), ("A cow", "C"), ("cow", "C"),
        ("The answer is (c).", "C"), ("The correct option is D", "D"), ("Answer: A", "A"),
        ("The answer is a dog", "B"), ("I think that it is C", "C"), ("It is A or B", None), ("horse", None),
        ("At first A. But no, the answer is B", "B"), ("the answer is option C", "C"), ("", None),
        ("It is a dog house", "D"), ("It is a cow or a dog", None),
    ],
)  # fmt: skip
def test_the_choice_of_an_output(output: str, choice: str | None) -> None:
    choices = choices_of(QUESTION)
    assert choices == {"A": "a black cat", "B": "a dog", "C": "cow", "D": "a dog house"}
    assert choice_of(output, choices) == choice
    assert rate("multiple_choice", output, [choice or "Z"], QUESTION) == (choice is not None)


def test_an_answer_may_be_the_text_of_a_choice() -> None:
    assert multiple_choice("B", ["a dog"], QUESTION) == 1
    assert multiple_choice("B", ["cow"], QUESTION) == 0


@pytest.mark.parametrize(
    ("output", "yes"),
    [("Yes", True), ("no", False), ("No, there is not", False), ("There is not. Yes", False), ("Yes. No", True),
     ("Nobody", True), ("no,", False)],
)  # fmt: skip
def test_yes_or_no(output: str, yes: bool) -> None:
    assert yes_or_no(output) == yes


def test_f1_and_its_standard_error() -> None:
    """F1 against its definition; its standard error against resampling."""
    generator = np.random.default_rng(0)
    labels = generator.random(400) < 0.5
    outputs = np.where(generator.random(400) < 0.8, labels, ~labels)
    answers = [["yes" if label else "no"] for label in labels]
    scores = [
        rate("pope_f1", "Yes" if o else "No", a, "") for o, a in zip(outputs.tolist(), answers, strict=True)
    ]

    def f1(rows: np.ndarray) -> float:
        hits = float((labels & outputs)[rows].sum())
        return 2 * hits / float(labels[rows].sum() + outputs[rows].sum())

    value, error_se = benchmark_score("pope_f1", scores, answers)
    assert value == pytest.approx(f1(np.arange(400)))
    spread = np.std([f1(generator.integers(0, 400, 400)) for _ in range(2000)])
    assert error_se == pytest.approx(spread, rel=0.1)


def test_a_mean_and_its_standard_error() -> None:
    value, error_se = benchmark_score("exact_match", [1.0, 0.0, 0.0, 1.0, 1.0], [["x"]] * 5)
    assert value == pytest.approx(0.6)
    assert error_se == pytest.approx(np.std([1, 0, 0, 1, 1], ddof=1) / math.sqrt(5))
    assert math.isnan(benchmark_score("exact_match", [1.0], [["x"]])[1])
