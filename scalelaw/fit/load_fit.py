"""Read a fitted law from its JSON, and check that the file is a valid fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from scalelaw.errors import InputError, typed
from scalelaw.fit.fitted import FittedLaw
from scalelaw.fit.law_average import PREFIX, average_labels
from scalelaw.fit.load_law import law_from_file, load_law
from scalelaw.fit.stored_numbers import contradiction
from scalelaw.results.envelope import read_answer
from scalelaw.results.schema import invalid
from scalelaw.results.warning import Warning, as_warnings


@typed(path=("str", "Path"), law=("str", "Path", "paths"))
def load_fit(path: str | Path, law: str | Path | Sequence[str | Path] = ()) -> FittedLaw:
    """Read a fit back from the JSON that `to_json` (or `scalelaw fit --json`) wrote.

    Args:
        path: the JSON file.
        law: the law file of a fit that was made with one (several where fits are read together). A law file is a
            program, so it runs only where the caller names it.

    Raises:
        InputError: for a missing file, for a file that is not a valid fit, and for a fit of a law file that is not
            named.
    """
    envelope = read_answer(path, "fit")
    warnings = [Warning(item["code"], item["message"]) for item in envelope.get("warnings", [])]
    return read_fit(envelope["data"], warnings, path, law)


def read_fit(
    stored: Mapping[str, Any],
    warnings: Sequence[tuple[str, str]],
    path: str | Path = "The object",
    law: str | Path | Sequence[str | Path] = (),
) -> FittedLaw:
    """A fit from the data of its JSON, which has passed the schema; other keys (an ablation) are ignored.

    Raises:
        InputError: as `load_fit`.
    """
    stored = _with_own_law(stored, [law] if isinstance(law, str | Path) else law, path)
    try:
        fitted = FittedLaw(**_values(stored), warnings=as_warnings(warnings))
        _check(fitted, stored.get("measured_range"))
    except InputError:
        raise
    # parameters that contradict the law, or from which its derived quantities cannot be computed
    except (ValueError, KeyError, ArithmeticError) as error:
        raise invalid("fit", path, str(error)) from error
    return fitted


def _with_own_law(stored: Mapping[str, Any], own: Sequence[str | Path], path: str | Path) -> dict[str, Any]:
    """The stored fit with its law file replaced by the file of that name that the user passed."""
    was = stored["law"]
    law = law_from_file(was, own, stored["inputs"], path)
    if law == was or not law.startswith(PREFIX):
        return {**stored, "law": law}
    labels = dict(zip(average_labels(was), average_labels(law), strict=True))
    return {**_relabeled(stored, labels), "law": law}


def _relabeled(stored: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """A fit of an average with its members relabeled in `label.parameter` and `weight.label`."""

    def new(name: str) -> str:
        for old, label in labels.items():
            if name == f"weight.{old}":
                return f"weight.{label}"
            if name.startswith(f"{old}."):
                return label + name[len(old) :]
        return name

    def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
        return {new(name): value for name, value in values.items()}

    changed = {name: renamed(stored[name]) for name in ("params", "intervals", "bounds")}
    changed["draws"] = {**stored["draws"], "params": renamed(stored["draws"]["params"])}
    return {**stored, **changed}


def _values(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a fit from JSON's own types."""
    known = {f.name for f in fields(FittedLaw)} - {"warnings"}
    data = {name: value for name, value in stored.items() if name in known}
    draws, points = data["draws"], data["points"]
    data["draws"] = {name: _numbers(v) for name, v in draws["params"].items()}
    data["draws_method"] = draws["method"]
    for name in ("params", "units"):
        data[name] = {key: _number(v) for key, v in data[name].items()}
    for name in ("objective", "rmse", "r2", "aicc"):
        data[name] = _number(data[name])
    data["intervals"] = {
        name: (_number(low), _number(high)) for name, (low, high) in data["intervals"].items()
    }
    data["bounds"] = {name: _bound(pair) for name, pair in data["bounds"].items()}
    data["ties"] = data.get("ties") or {}
    data["n_points"] = int(data["n_points"])
    data.setdefault("target_kind", "error" if data["target"] == "error" else "other")
    weight = points.get("weight")
    data["points"] = {
        "inputs": {name: _numbers(v) for name, v in points["inputs"].items()},
        "target": _numbers(points["target"]),
        "target_se": _numbers(points["target_se"]),
        "weight": None if weight is None else _numbers(weight),
        "labels": points["labels"],
    }
    _check_names_and_lengths(data)
    data["derived"] = _derived(data)
    return data


def _check_names_and_lengths(data: Mapping[str, Any]) -> None:
    """Raises ValueError for names and lengths that differ between the parts of a fit."""
    points, n = data["points"], data["n_points"]
    names = set(data["inputs"])
    _need(names == set(data["units"]) == set(points["inputs"]), "its inputs, units and points disagree")
    columns = [*points["inputs"].values(), points["target"], points["target_se"], *points["labels"].values()]
    columns += [] if points["weight"] is None else [points["weight"]]
    _need(all(len(column) == n for column in columns), f"its points are not all {n}")
    params = set(data["params"])
    for name in ("bounds", "intervals", *(["draws"] if data["draws"] else [])):
        _need(set(data[name]) == params, f"its {name} are not those of its parameters")
    _need(len({len(v) for v in data["draws"].values()}) <= 1, "its draws differ in number between parameters")


def _check(fitted: FittedLaw, stored_range: Mapping[str, Any] | None) -> None:
    """Raises ValueError where the parts of a fit contradict each other."""
    usable = fitted.status in ("identified", "at_bound")
    _need(not usable or all(map(math.isfinite, fitted.params.values())), "a parameter is not a number")
    law = None
    # a law file may have moved; the stored draws do not need it
    if not fitted.law.endswith(".py"):
        law = load_law(fitted.law, tuple(fitted.inputs))
        _need(
            set(law.parameters) == set(fitted.params), f"its parameters are not those of the law '{law.name}'"
        )
        _need(set(law.inputs) == set(fitted.inputs), f"its inputs are not those of the law '{law.name}'")
        _need(dict(law.units) == dict(fitted.units), f"its units are not those of the law '{law.name}'")
    words = contradiction(fitted, law, stored_range)
    _need(not words, words)


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _derived(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Derived quantities; an infinite one is null in JSON and is computed again by the law.

    A null end of an interval is infinite where there are refits and degrees of freedom, or where the quantity or the
    other end implies it.
    """
    stored = data["derived"]
    if any(quantity["value"] is None for quantity in stored.values()):
        derive = load_law(data["law"], tuple(data["inputs"])).derived
        again = derive(data["params"]) if derive is not None else {}
        stored = {n: q if q["value"] is not None else {**q, "value": again.get(n)} for n, q in stored.items()}
    free = sum(low != high for name, (low, high) in data["bounds"].items() if name not in data["ties"])
    drawn = data["n_points"] > free and any(len(v) for v in data["draws"].values())
    derived = {}
    for name, quantity in stored.items():
        value, (low, high) = _number(quantity["value"]), quantity["interval"]
        if drawn or (math.isinf(value) and data["interval"]["method"] != "none"):
            below = math.inf if math.isinf(value) else -math.inf
            ends = (below if low is None else float(low), math.inf if high is None else float(high))
        elif (low is None) != (high is None):
            ends = _bound((low, high))
        else:
            ends = (_number(low), _number(high))
        derived[name] = {"value": value, "interval": ends}
    return derived


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array([_number(value) for value in values], dtype=float)


def _bound(pair: Sequence[float | None]) -> tuple[float, float]:
    low, high = pair
    return (-math.inf if low is None else float(low), math.inf if high is None else float(high))
