"""A short run of every target, by seeds and by hypothesis: an answer or a ScalelawError, in 5 s, within 1 GB.

FUZZ_INPUTS: how many in all (`make fuzz` runs a million, see docs/safety.md). FUZZ_SEED: another seed, other inputs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from engines import Hang, by_hypothesis, seeded, watched
from targets import TARGETS, Target

from scalelaw.errors import InputError, ScalelawError

INPUTS, SEED = int(os.environ.get("FUZZ_INPUTS", "1500")), int(os.environ.get("FUZZ_SEED", "0"))
WHOLE = sum(target.share for target in TARGETS)

pytestmark = pytest.mark.fuzz


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_an_input_gives_an_answer_or_a_sentence(target: Target, tmp_path: Path) -> None:
    report = seeded(target, max(8, round(INPUTS * target.share / WHOLE)), SEED, tmp_path)
    assert not report.faults, str(report)
    few = by_hypothesis(target, 4, SEED, tmp_path)
    assert few.inputs
    assert not few.faults, str(few)


def _raises(error: BaseException) -> Target:
    def run(made: object, folder: Path) -> None:
        raise error

    return Target("broken", lambda chance: chance.random(), run, 1)


@pytest.mark.parametrize(
    ("error", "faults"),
    [
        (ValueError("x"), 1),
        (Hang("x"), 1),
        (RecursionError(), 1),
        (ScalelawError("x", code="unexpected"), 1),
        (InputError("x", code="bad_value"), 0),
    ],
)
def test_the_watch_sees_a_fault(error: BaseException, faults: int, tmp_path: Path) -> None:
    report = seeded(_raises(error), 3, 0, tmp_path)
    assert (len(report.faults), report.inputs) == (faults, 3)
    assert bool(by_hypothesis(_raises(error), 3, 0, tmp_path).faults) == bool(faults)


def test_the_watch_ends_a_hang() -> None:
    with pytest.raises(Hang), watched(0.05):
        while True:
            pass
