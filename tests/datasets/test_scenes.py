"""The scenes: draws in digits, pictures that show what is asked, frequencies as stated."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from scalelaw.datasets import _drawing as drawing
from scalelaw.datasets import scenes
from scalelaw.datasets._draws import uniform
from scalelaw.datasets.scenes import Dataset
from scalelaw.errors import InputError


def splitmix(state: int) -> int:
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % 2**64
    return state ^ (state >> 31)


def test_draws_are_splitmix64_in_exact_integers() -> None:
    golden, first = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9
    state = 0
    for word in (5, 7):
        state = splitmix((state + word * first + golden) % 2**64)
    row = splitmix((state + 11 * golden) % 2**64)
    expected = [(splitmix((row + slot * golden) % 2**64) >> 11) * 2.0**-53 for slot in (1, 2, 3)]
    assert uniform((5, 7), np.array([3, 11]), 3)[1].tolist() == expected


def test_draws_are_uniform_and_independent_between_slots() -> None:
    draws = uniform((0, 1), np.arange(20000), 2)
    assert draws.mean(axis=0) == pytest.approx([0.5, 0.5], abs=0.01)
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.03
    assert abs(np.corrcoef(draws[1:, 0], draws[:-1, 0])[0, 1]) < 0.03


def test_the_digits_can_be_read_off_the_picture() -> None:
    """Each glyph is found again in the pixels, at a place where nothing but it fits."""
    dataset = Dataset(0)
    indices = [i for i, e in enumerate(dataset.examples("test", range(60))) if e.benchmark == "scenes_digits"]
    images = dataset.images("test", indices).max(axis=-1) > 140
    for image, example in zip(images, dataset.examples("test", indices), strict=True):
        top = int(np.flatnonzero(image.any(axis=1))[0])
        read = []
        for place in range(4):
            fits = [
                (digit, left)
                for digit in range(10)
                for left in range(8 * place, min(8 * place + 4, 28))
                if (image[top : top + 7, left : left + 5] == drawing.FONT[digit]).all()
            ]
            read.append({str(digit) for digit, _ in fits})
        assert all(d in seen for d, seen in zip(example.answer.split(), read, strict=True))


def test_the_object_has_the_colour_of_its_caption() -> None:
    dataset = Dataset(0)
    indices = [
        i for i, e in enumerate(dataset.examples("test", range(90))) if e.benchmark == "scenes_attributes"
    ]
    for image, example in zip(
        dataset.images("test", indices), dataset.examples("test", indices), strict=True
    ):
        ink = np.array(drawing.COLOURS[example.caption.split()[1]])
        pixels = image.reshape(-1, 3) / 255.0
        bright = pixels[pixels.max(axis=1) > 0.5].mean(axis=0)
        assert bright / np.linalg.norm(bright) == pytest.approx(ink / np.linalg.norm(ink), abs=0.03)


def test_the_eight_shapes_differ() -> None:
    images = np.zeros((8, 32, 32, 3))
    drawing.draw_shapes(images, np.arange(8), np.ones((8, 3)), np.full((8, 2), 16.0), np.full(8, 10.0))
    areas = images[..., 0].sum(axis=(1, 2))
    assert len({image.tobytes() for image in images}) == 8
    assert areas[1] == pytest.approx(17**2, rel=0.1)  # a square of side 2 x .85 x 10
    assert areas[0] == pytest.approx(np.pi * 100, rel=0.05)


def test_facts_hold_in_every_split() -> None:
    dataset = Dataset(0)
    captions: dict[tuple[str, str], str] = {}
    for split in ("text", "train", "dev", "test"):
        for turn in range(2):
            for e in dataset.examples(split, np.arange(2000), turn):
                if e.benchmark == "scenes_knowledge":
                    assert captions.setdefault((e.caption, e.question), e.answer) == e.answer


def test_text_tells_the_facts_that_are_asked_in_the_test() -> None:
    dataset = Dataset(0)
    pairs = {(e.caption, e.question) for e in dataset.examples("text", np.arange(30000))}
    questions = [e for e in dataset.examples("test", np.arange(3000)) if e.benchmark == "scenes_knowledge"]
    assert np.mean([(e.caption, e.question) in pairs for e in questions]) > 0.95


def test_frequencies_follow_the_law_that_is_stated() -> None:
    """Zipf-Mandelbrot: the share of the most frequent fact of the text is (1 + head)^-zipf over the sum."""
    dataset = Dataset(0, relations=32, zipf=1.0, head=8.0, text_mixture={"knowledge": 1.0})
    counts = Counter((e.caption, e.question) for e in dataset.examples("text", np.arange(20000)))
    weights = 1 / (np.arange(1, 64 * 32 + 1) + 8.0)
    assert counts.most_common(1)[0][1] / 20000 == pytest.approx(weights[0] / weights.sum(), rel=0.15)


def test_captions_show_one_to_four_digits_and_say_so() -> None:
    captions = [e.caption.split() for e in Dataset(0).examples("captions", np.arange(400))]
    lengths = Counter(len(c) - 2 for c in captions if "digits" in c)
    assert set(lengths) == {1, 2, 3, 4}


@pytest.mark.parametrize(
    "options",
    [{"mixture": {"digits": 0}}, {"mixture": {"poems": 1}}, {"relations": 1000}, {"kin": 5}, {"dots": 0}],
)
def test_what_cannot_be_made_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Dataset(0, **options)


def test_a_kind_of_share_zero_is_left_out() -> None:
    dataset = Dataset(0, mixture={"knowledge": 1, "digits": 1})
    assert dataset.benchmarks == {"scenes_knowledge": "reasoning", "scenes_digits": "ocr"}


EVERY = {"knowledge": 1, "relations": 1, "counting": 1, "digits": 1, "attributes": 1}


def test_a_chain_is_two_facts_that_text_tells() -> None:
    """The kin is somebody's only kin, and the last word is the fact of the kin that is named."""
    dataset = Dataset(0, mixture=EVERY, text_mixture={"knowledge": 1, "relations": 1}, relations=8, kin=2)
    facts = {(e.caption, e.question): e.answer for e in dataset.examples("text", np.arange(30000))
             if e.benchmark == "scenes_knowledge"}  # fmt: skip
    chains = [e for e in dataset.examples("test", np.arange(3000)) if e.benchmark == "scenes_relations"]
    kin: dict[tuple[str, str], str] = {}
    for e in chains:
        words, (colour, shape, fact) = e.question.split(), e.answer.split()
        assert facts[f"a {colour} {shape}", f"what is the {words[3]} of this ?"] == fact
        assert kin.setdefault((e.caption, words[6]), f"{colour} {shape}") == f"{colour} {shape}"
    for relation in ("friend", "rival"):
        named = [other for (_, kind), other in kin.items() if kind == relation]
        assert len(named) == len(set(named)) > 30
    pairs = {(e.caption, e.question) for e in dataset.examples("text", np.arange(30000))}
    assert not pairs & {(e.caption, e.question) for e in chains}


def test_sums_are_right_and_the_dots_are_there() -> None:
    dataset = Dataset(0, mixture=EVERY, dots=5, times=4, plus=3)
    indices = [
        i for i, e in enumerate(dataset.examples("test", range(200))) if e.benchmark == "scenes_counting"
    ]
    images, counts = dataset.images("test", indices), set()
    for image, e in zip(images, dataset.examples("test", indices), strict=True):
        words, dots = e.question.split(), scenes.NUMBERS.index(e.caption.split()[0]) + 1
        assert int(e.answer.replace(" ", "")) == int(words[2]) * dots + int(words[6])
        area = int((image.max(axis=-1) > 140).sum())
        assert 15 * dots <= area <= 33 * dots  # pi r^2 with r from 2.2 to 3.2
        counts.add(dots)
    assert counts == {1, 2, 3, 4, 5}


def test_another_turn_asks_about_what_the_image_shows() -> None:
    dataset = Dataset(0, mixture=EVERY)
    turns = [dataset.examples("train", np.arange(400), turn) for turn in range(3)]
    for first, second, third in zip(*turns, strict=True):
        assert first.caption == second.caption == third.caption
    for kind in ("knowledge", "relations", "counting"):
        questions = [t for t in zip(*turns, strict=True) if t[0].benchmark == f"scenes_{kind}"]
        assert np.mean([a.question != b.question for a, b, _ in questions]) > 0.7


def test_training_may_show_fewer_digits_and_scoring_shows_all() -> None:
    dataset = Dataset(0, mixture={"digits": 1}, text_mixture={"digits": 1}, fewer=0.5)
    full = np.mean([len(e.answer.split()) == 4 for e in dataset.examples("train", np.arange(2000))])
    assert full == pytest.approx(0.5 + 0.5 / 4, abs=0.04)
    assert all(len(e.answer.split()) == 4 for e in dataset.examples("test", np.arange(200)))


def test_the_words_of_kinds_that_are_left_out_are_left_out() -> None:
    assert not {"dots", "friend", "one"} & set(Dataset(0).words)
    assert {"dots", "friend", "rival", "one", "six"} <= set(Dataset(0, mixture=EVERY).words)


def test_some_questions_in_training_only_ask_what_is_seen() -> None:
    """A description is the caption; it is asked in training alone, and never of digits."""
    dataset = Dataset(0, mixture=EVERY, describe=0.25)
    questions = {split: dataset.examples(split, np.arange(4000)) for split in ("text", "train", "test")}
    plain = [e for e in questions["train"] if e.question == "what is this ?"]
    assert len(plain) / 4000 == pytest.approx(0.25 * 4 / 5, abs=0.02)
    assert {e.benchmark for e in plain} == {"scenes_attributes"}
    assert all(e.caption.removeprefix("a ") == e.answer for e in plain)
    assert not [e for s in ("text", "test") for e in questions[s] if e.question == "what is this ?"]


def test_a_scored_sum_is_in_the_text_and_in_no_question_of_training() -> None:
    """Not for any number of dots: else training on the other numbers would say which answers are wrong."""
    dataset = Dataset(0, mixture={"counting": 1}, text_mixture={"counting": 1})
    questions = {
        split: {e.question for turn in range(3) for e in dataset.examples(split, np.arange(3000), turn)}
        for split in ("text", "train", "dev", "test")
    }
    assert not questions["train"] & (questions["dev"] | questions["test"])
    assert not questions["dev"] & questions["test"]
    assert questions["dev"] | questions["test"] <= questions["text"]
    numbers = {e.caption.split()[0] for e in dataset.examples("test", np.arange(500))}
    assert numbers == set(scenes.NUMBERS[:6])
