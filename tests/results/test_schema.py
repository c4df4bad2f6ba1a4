"""The check of an answer against its schema: as strict as jsonschema, and lenient to files of earlier versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.plan import load_optimum
from scalelaw.results import schema

SAVED = Path(__file__).parents[1] / "data" / "saved"
OTHERS = (None, "x", -1, 0, 0.5, 1.0, 2e30, True, [], {}, [1, 2], {"a": 1})


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=2)
    optimum = sl.find_optimum(fitted, 8e11, models=[{"name": "7B", "n_params": 7e9}])
    return {"fit": json.loads(fitted.to_json()), "optimize": json.loads(optimum.to_json())}


def places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a JSON value; of a list, its first item."""
    yield place
    if isinstance(value, dict):
        for name, item in value.items():
            yield from places(item, (*place, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*place, 0))


def changed(value: Any, place: tuple[str | int, ...], other: Any) -> Any:
    value = deepcopy(value)
    inside = value
    for key in place[:-1]:
        inside = inside[key]
    if other is ...:
        del inside[place[-1]]
    else:
        inside[place[-1]] = other
    return value


def passes(command: str, data: Any) -> bool:
    try:
        schema.check(command, data, [], "FILE")
    except InputError as error:
        return error.code not in ("not_a_fit", "wrong_schema")
    return True


@pytest.mark.parametrize("command", ["fit", "optimize"])
def test_the_check_refuses_what_jsonschema_refuses(answers: dict[str, Any], command: str) -> None:
    data = answers[command]["data"]
    # a list of a thousand equal rows shows nothing more than its first
    for name in ("pareto", "runners_up", "near_ties"):
        if name in data:
            data = {**data, name: data[name][:1]}
    full = schema.schema(command)
    validator = jsonschema.Draft202012Validator({**full["properties"], **full["oneOf"][0]["properties"]["data"],
                                                 "$defs": full["$defs"]})  # fmt: skip
    assert validator.is_valid(data)
    outcomes = []
    for place in places(data):
        for other in (*OTHERS, ...) if place else ():
            wrong = changed(data, place, other)
            outcomes.append(passes(command, wrong))
            assert outcomes[-1] == validator.is_valid(wrong), (place, other)
    assert 300 < outcomes.count(False) < len(outcomes) - 100


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
def test_a_number_is_finite(answers: dict[str, Any], value: float) -> None:
    for place in (("points", "target", 0), ("params", "alpha"), ("n_points",)):
        with pytest.raises(InputError) as error:
            schema.check("fit", changed(answers["fit"]["data"], place, value), [], "FILE")
        assert error.value.code == "not_a_fit"


def test_the_message_names_the_place(answers: dict[str, Any]) -> None:
    data = answers["optimize"]["data"]
    cases = {
        ("pareto", 3, "costs", "flops"): "its pareto[3].costs.flops is not a number",
        ("best", "dtype"): "its best.dtype is not text",
        ("extrapolates",): "its extrapolates is not true or false",
    }
    for place, message in cases.items():
        with pytest.raises(InputError) as error:
            schema.check("optimize", changed(data, place, []), [], "FILE")
        assert message in error.value.message
    with pytest.raises(InputError) as error:
        schema.check("optimize", data, [{"code": "A b"}], "FILE")
    assert "its warnings[0]" in error.value.message


def test_files_of_earlier_versions_are_read() -> None:
    fits = sorted(SAVED.glob("fit_*.json"))
    assert len(fits) == 2
    for file in fits:
        fitted = sl.load_fit(file)
        assert fitted.params["alpha"] == pytest.approx(0.070937, abs=1e-5)
        assert float(fitted.predict(n_params=7e9, visual_tokens=16)) == pytest.approx(0.49, abs=0.01)
    for file in sorted(SAVED.glob("optimum_*.json")):
        optimum = load_optimum(file)
        assert optimum.budget == {"flops": 8e11}
        assert optimum.fit_hash == ""
        assert json.loads(optimum.to_json())["data"]["best"] == json.loads(file.read_text())["data"]["best"]
