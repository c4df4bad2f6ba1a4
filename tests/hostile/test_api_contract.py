"""Every function of the Python API over a matrix of wrong arguments: an answer, or a ScalelawError that is also a
ValueError or a TypeError."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.errors import InputError, InputTypeError, NoAnswer

WRONG: dict[str, Any] = {
    "None": None,
    "int": 3,
    "negative": -1,
    "huge": 10**400,
    "float": 2.5,
    "nan": float("nan"),
    "infinite": float("inf"),
    "bool": True,
    "complex": 1j,
    "bytes": b"x",
    "empty text": "",
    "zero byte": "\0",
    "long text": "x" * 5000,
    "surrogate": "a\udcff",
    "object": object(),
    "function": len,
    "set": {1},
    "empty list": [],
    "list of None": [None],
    "nested list": [[["a"]]],
    "list of dicts": [{}],
    "empty dict": {},
    "dict of None": {"a": None},
    "dict of objects": {"n_params": object()},
    "dict of dicts": {"n_params": {"a": 1}},
    "dict with keys of numbers": {3: 4},
    "dict with a None key": {None: 1},
    "empty frame": pd.DataFrame(),
    "frame of other columns": pd.DataFrame({"a": [1, 2]}),
    "frame of objects": pd.DataFrame({"n_params": [object()], "visual_tokens": [None], "error": ["x"]}),
    "frame with two equal columns": pd.DataFrame([[1, 2]], columns=["error", "error"]),
    "array": np.zeros((2, 2)),
    "array of objects": np.array([None, "a"], object),
    "folder": Path("/"),
    "missing file": Path("nowhere/x.json"),
    "folder as text": "/",
}


@pytest.fixture(scope="module")
def fitted() -> sl.FittedLaw:
    return sl.fit_law("vlm_reasoning", bootstrap=0)


@functools.cache
def _served() -> sl.Optimum:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=0)
    return sl.find_optimum(
        fitted, 5e13, models="qwen2.5-7b", visual_tokens="256", generate=100, hardware="h100"
    )


def _right(fitted: sl.FittedLaw) -> dict[str, dict[str, Any]]:
    """For each function the arguments that it needs, all of them right."""
    return {
        "count_tokens": {"model": "qwen2.5-vl", "images": ["640x480"]},
        "find_optimum": {"fitted": fitted, "budget": 8e11},
        "fit_law": {"table": "vlm_reasoning", "bootstrap": 0, "starts": 2},
        "load_fit": {"path": "fit.json"},
        "measure_latency": {"target": "http://127.0.0.1:9/v1", "dry_run": True},
        "predict_places": {"fitted": fitted, "at": {"n_params": 7e9, "visual_tokens": 64}},
        "read_table": {"source": "vlm_reasoning"},
        "save_figure": {"name": "curves", "items": fitted, "path": "figure.svg"},
        "serve_optimum": {"optimum": _served(), "engine": "vllm"},
        "write_report": {"items": fitted, "path": "report.html"},
    }


FUNCTIONS = sorted(name for name in sl.__all__ if inspect.isfunction(getattr(sl, name)))
SLOW = {
    ("fit_law", "bootstrap"),
    ("fit_law", "starts"),
    ("write_report", "title"),
    ("write_report", "command"),
}
"""Arguments of which several of the values above are valid and take seconds."""
PLAN = ("images", "tiles", "cached_prefix", "questions_per_image", "dtype", "cache_dtype", "tower", "compressor",
        "devices", "mfu", "mbu", "usd_per_hour", "seed")  # fmt: skip
FIT = ("inputs", "target", "where", "laws", "loss", "delta", "residual", "expectile", "weights", "fix", "bounds", "tie",
       "seed", "resample", "cluster", "interval", "level", "holdout", "score", "scale", "as_is")  # fmt: skip


def _arguments() -> Iterator[tuple[str, str]]:
    for name in FUNCTIONS:
        parameters = inspect.signature(getattr(sl, name)).parameters.values()
        names = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        more = {"find_optimum": PLAN, "fit_law": FIT}.get(name, ())
        for argument in dict.fromkeys([*names, *more]):
            if (name, argument) not in SLOW:
                yield name, argument


def _check(call: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """An answer, NoAnswer, or an input error; anything else is raised and fails the test."""
    with contextlib.suppress(NoAnswer, InputError):
        call(**arguments)


def test_an_input_error_is_a_value_error_and_a_wrong_type_a_type_error() -> None:
    assert issubclass(InputError, ValueError)
    assert issubclass(InputTypeError, TypeError)


def test_every_function_has_its_right_arguments(fitted: sl.FittedLaw) -> None:
    assert sorted(_right(fitted)) == FUNCTIONS


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "argument"), list(_arguments()))
def test_a_wrong_argument_is_refused_as_an_input(
    name: str, argument: str, fitted: sl.FittedLaw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fit.json").write_text(fitted.to_json())
    for wrong in WRONG.values():
        _check(getattr(sl, name), {**_right(fitted)[name], argument: wrong})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_wrong_argument_names_are_refused(name: str, fitted: sl.FittedLaw) -> None:
    function = getattr(sl, name)
    for arguments in ({}, {**_right(fitted)[name], "no_such_argument": 1}):
        with pytest.raises(InputError) as refusal:
            function(**arguments)
        assert isinstance(refusal.value, TypeError | ValueError)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_place_of_a_prediction(wrong: Any, fitted: sl.FittedLaw) -> None:
    for places in ({"n_params": wrong, "visual_tokens": 4}, [{"n_params": wrong, "visual_tokens": 4}]):
        _check(sl.predict_places, {"fitted": fitted, "at": places})
    _check(fitted.predict, {"n_params": wrong, "visual_tokens": 4})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_limit_of_a_budget(wrong: Any, fitted: sl.FittedLaw) -> None:
    _check(sl.find_optimum, {"fitted": fitted, "budget": {"flops": wrong}})
    _check(sl.find_optimum, {"fitted": fitted, "budget": [wrong]})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("argument", ["fix", "bounds", "tie", "inputs", "where", "score", "scale"])
def test_a_wrong_inside_of_an_option_of_a_fit(argument: str) -> None:
    key = "alpha" if argument in ("fix", "bounds", "tie") else "n_params"
    for wrong in WRONG.values():
        _check(sl.fit_law, {"table": "vlm_reasoning", "bootstrap": 0, "starts": 2, argument: {key: wrong}})
