"""Every dataset keeps its contract; a new file in the package is tested without a change here."""

from __future__ import annotations

import sys
from subprocess import run
from typing import Any

import numpy as np
import pytest

from scalelaw import plugins
from scalelaw.datasets._example import SPLITS
from scalelaw.errors import InputError

MADE = [name for name in plugins.names("datasets") if hasattr(plugins.load("datasets", name), "Dataset")]
"""Those of single questions; one of conversations (`Conversations`) has tests of its own."""


@pytest.fixture(params=MADE)
def plugin(request: pytest.FixtureRequest) -> Any:
    return plugins.load("datasets", request.param)


def test_images_have_the_size_that_it_names(plugin: Any) -> None:
    dataset = plugin.Dataset(0)
    for split in SPLITS:
        images = dataset.images(split, np.arange(5))
        assert images.shape == (5, *dataset.image_size, 3)
        assert images.dtype == np.uint8


def test_an_image_belongs_to_its_index_alone(plugin: Any) -> None:
    one, two = plugin.Dataset(3), plugin.Dataset(3)
    whole = one.images("train", np.arange(20))
    np.testing.assert_array_equal(whole[[7, 2]], two.images("train", [7, 2]))
    assert one.examples("train", np.arange(20), 1)[7] == two.examples("train", [7], 1)[0]


def test_splits_and_seeds_differ(plugin: Any) -> None:
    images = {split: plugin.Dataset(0).images(split, np.arange(10)).tobytes() for split in SPLITS}
    assert len(set(images.values())) == len(SPLITS)
    assert plugin.Dataset(1).images("train", np.arange(10)).tobytes() != images["train"]


def test_benchmarks_take_turns_where_they_are_scored(plugin: Any) -> None:
    dataset = plugin.Dataset(0)
    for split in ("dev", "test"):
        benchmarks = [e.benchmark for e in dataset.examples(split, np.arange(10 * len(dataset.benchmarks)))]
        assert {b: benchmarks.count(b) for b in dataset.benchmarks} == dict.fromkeys(dataset.benchmarks, 10)
    assert all(dataset.benchmarks.values())


def test_every_word_is_in_its_vocabulary(plugin: Any) -> None:
    dataset = plugin.Dataset(0)
    known = set(dataset.words)
    assert list(dataset.words) == sorted(known)
    for split in SPLITS:
        for turn in range(2):
            for e in dataset.examples(split, np.arange(300), turn):
                assert set(f"{e.caption} {e.question} {e.answer}".split()) <= known
                assert e.caption
                assert e.question
                assert e.answer


def test_questions_that_are_scored_are_asked_nowhere_else(plugin: Any) -> None:
    """An image's caption, question and answer together: what is asked in `test` is never trained or tuned on."""
    dataset = plugin.Dataset(0)
    kept = {
        (e.caption, e.question, e.answer)
        for e in dataset.examples("test", np.arange(3000))
        if dataset.benchmarks[e.benchmark] in ("reasoning", "ocr")
    }
    for split in ("train", "dev"):
        for turn in range(3):
            others = {
                (e.caption, e.question, e.answer) for e in dataset.examples(split, np.arange(3000), turn)
            }
            assert not kept & others


def test_an_unknown_option_and_split_are_refused(plugin: Any) -> None:
    with pytest.raises(InputError) as caught:
        plugin.Dataset(0, no_such_option=1)
    assert caught.value.code == "unknown_option"
    with pytest.raises(InputError):
        plugin.Dataset(0).images("nowhere", [0])


def test_it_needs_no_torch(plugin: Any) -> None:
    code = f"import {plugin.__name__}, sys; sys.exit('torch' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
