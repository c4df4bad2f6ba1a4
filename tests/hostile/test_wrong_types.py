"""Wrong types given to the Python API: a ScalelawError that is a TypeError too, never another library's traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scalelaw as sl
from scalelaw.errors import InputTypeError, ScalelawError

WRONG: list[Any] = [3, 2.5, b"x", object(), len, {1}, 1j]
FIT = (
    "law",
    "inputs",
    "target",
    "loss",
    "residual",
    "fix",
    "bounds",
    "tie",
    "resample",
    "holdout",
    "where",
    "laws",
)
PLAN = ("text_tokens", "generate", "cost", "within", "target_error", "minimise", "tie", "tower", "compressor")


@pytest.fixture(scope="module")
def fitted() -> sl.FittedLaw:
    return sl.fit_law("vlm_reasoning", bootstrap=0)


def _plan(fitted: Any) -> sl.Optimum:
    return sl.find_optimum(fitted, 8e11)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("call", [sl.read_table, sl.load_fit, sl.fit_law, _plan])
def test_the_first_argument(call: Callable[..., Any], wrong: Any) -> None:
    with pytest.raises(InputTypeError) as refusal:
        call(wrong)
    assert isinstance(refusal.value, ScalelawError)
    assert isinstance(refusal.value, TypeError)
    assert refusal.value.code == "wrong_type"


@pytest.mark.parametrize("wrong", [object(), b"x", len], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", [*FIT, "bootstrap", "seed", "level", "delta"])
def test_an_argument_of_a_fit(name: str, wrong: Any) -> None:
    with pytest.raises(InputTypeError):
        sl.fit_law("vlm_reasoning", **{name: wrong})


@pytest.mark.parametrize("wrong", [object(), b"x", len], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", PLAN)
def test_an_argument_of_a_plan(name: str, wrong: Any, fitted: sl.FittedLaw) -> None:
    with pytest.raises(InputTypeError):
        sl.find_optimum(fitted, 8e11, **{name: wrong})


@pytest.mark.parametrize("wrong", [None, 3, b"x", object(), []], ids=lambda value: type(value).__name__)
def test_the_path_of_a_report(wrong: Any, fitted: sl.FittedLaw) -> None:
    with pytest.raises(InputTypeError):
        sl.write_report(fitted, wrong)


@pytest.mark.parametrize("path", [Path("/"), "\0", "x" * 5000, "", "a/b\udcff"])
def test_a_path_that_is_none(path: Any) -> None:
    for call in (sl.read_table, sl.load_fit):
        with pytest.raises(ScalelawError):
            call(path)
