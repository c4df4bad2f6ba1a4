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
from scalelaw.fit.objective import LOSSES, RESIDUALS
from scalelaw.results.envelope import read_answer

STATUSES = ("identified", "at_bound", "not_identified", "not_converged")
_TEXTS = ("law", "formula", "source", "target", "status", "draws_method")
_OBJECTS = ("loss", "interval", "certificate", "holdout", "checklist", "ties")
_HELD_OUT = ("left_out", "max_abs_error", "rmse", "predicted", "measured")
_COMPARED = ("law", "n_parameters", "aicc", "weight", "leave_largest_out")


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
    try:
        warnings = [(str(w["code"]), str(w["message"])) for w in envelope.get("warnings", [])]
    except (KeyError, TypeError) as error:
        raise _not_a_fit(path, "its warnings are not a list of {code, message}") from error
    return read_fit(envelope["data"], warnings, path, law)


def read_fit(
    stored: Mapping[str, Any],
    warnings: Sequence[tuple[str, str]],
    path: str | Path = "The object",
    law: str | Path | Sequence[str | Path] = (),
) -> FittedLaw:
    """A fit from the data of its JSON; other keys (an ablation) are ignored. Raises InputError as `load_fit`."""
    stored = _with_own_law(stored, [law] if isinstance(law, str | Path) else law, path)
    try:
        fitted = FittedLaw(**_values(stored), warnings=list(warnings))
        _check(fitted)
    except InputError:
        raise
    except KeyError as error:
        raise _not_a_fit(path, f"it lacks {error}") from error
    except (TypeError, AttributeError, ValueError, OverflowError) as error:
        raise _not_a_fit(path, str(error)) from error
    return fitted


def _with_own_law(stored: Mapping[str, Any], own: Sequence[str | Path], path: str | Path) -> dict[str, Any]:
    """The stored fit with its law file replaced by the file of that name that the user passed."""
    was = stored.get("law")
    inputs = stored.get("inputs")
    names = [name for name in inputs if isinstance(name, str)] if isinstance(inputs, list) else []
    law = law_from_file(was, own, names, path)
    if law == was or not law.startswith(PREFIX):
        return {**stored, "law": law}
    labels = dict(zip(average_labels(str(was)), average_labels(law), strict=True))
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

    def renamed(values: Any) -> Any:
        return {new(str(k)): v for k, v in values.items()} if isinstance(values, Mapping) else values

    changed = {name: renamed(stored[name]) for name in ("params", "intervals", "bounds") if name in stored}
    draws = stored.get("draws")
    if isinstance(draws, Mapping):
        changed["draws"] = {**draws, "params": renamed(draws.get("params"))}
    return {**stored, **changed}


def _not_a_fit(path: str | Path, why: str) -> InputError:
    return InputError(
        f"{path} is not a fit: {why}.", code="not_a_fit", hint="`scalelaw fit TABLE -o FIT.json` writes one."
    )


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
    data.setdefault("target_kind", "error" if data["target"] == "error" else "other")
    weight = points.get("weight")
    data["points"] = {
        "inputs": {name: _numbers(v) for name, v in points["inputs"].items()},
        "target": _numbers(points["target"]),
        "target_se": _numbers(points["target_se"]),
        "weight": None if weight is None else _numbers(weight),
        "labels": points["labels"],
    }
    _check_shapes(data)
    data["derived"] = _derived(data)
    return data


def _check_shapes(data: Mapping[str, Any]) -> None:
    """Raises ValueError for fields of the wrong type or length."""
    for name in _TEXTS:
        _need(isinstance(data[name], str), f"its {name} is not a string")
    for name in _OBJECTS:
        _need(isinstance(data[name], dict), f"its {name} is not an object")
    _need(isinstance(data["selection"], list), "its selection is not a list")
    _need(data["target_kind"] in ("error", "loss", "other"), "its target_kind is unknown")
    _need(data["status"] in STATUSES, f"its status is '{data['status']}', not one of {', '.join(STATUSES)}")
    points, n = data["points"], data["n_points"]
    _need(isinstance(n, int) and n > 0, "its n_points is not a positive integer")
    names = data["inputs"]
    _need(isinstance(names, list) and bool(names), "its inputs are not a list of names")
    _need(set(names) == set(data["units"]) == set(points["inputs"]), "its inputs, units and points disagree")
    _need(all(0 < unit < math.inf for unit in data["units"].values()), "a unit is not a positive number")
    columns = [*points["inputs"].values(), points["target"], points["target_se"]]
    columns += [] if points["weight"] is None else [points["weight"]]
    _need(all(len(v) == n for v in columns), f"its points are not all {n}")
    _need(
        all(bool(np.all((v > 0) & (v < np.inf))) for v in points["inputs"].values()),
        "an input is not positive",
    )
    _need(bool(np.isfinite(points["target"]).all()), "a target is not a number")
    labels = points["labels"]
    _need(isinstance(labels, dict), "its labels are not an object")
    _need(all(isinstance(v, list) and len(v) == n for v in labels.values()), f"its labels are not {n} each")
    params = set(data["params"])
    _need(bool(params), "it has no parameters")
    for name in ("bounds", "intervals", *(["draws"] if data["draws"] else [])):
        _need(set(data[name]) == params, f"its {name} are not those of its parameters")
    _need(len({len(v) for v in data["draws"].values()}) <= 1, "its draws differ in number between parameters")


def _check(fitted: FittedLaw) -> None:
    """Raises ValueError where the parts of a fit contradict each other."""
    _need(fitted.loss.get("kind") in LOSSES, "its loss is unknown")
    _need(fitted.loss.get("residual") in RESIDUALS, "its residual is unknown")
    for name in ("delta", "expectile"):
        _need(
            isinstance(fitted.loss.get(name), int | float | None),
            f"the loss has a {name} that is not a number",
        )
    level = fitted.interval.get("level")
    _need(isinstance(level, int | float) and 0 < level < 1, "its interval has no level between 0 and 1")
    _need(isinstance(fitted.interval.get("method"), str), "its interval has no method")
    for name in ("gap", "gradient_norm", "seconds", "starts", "agreeing"):
        _need(
            isinstance(fitted.certificate[name], int | float | None),
            f"its certificate's {name} is not a number",
        )
    _need(isinstance(fitted.checklist["columns"], dict), "the columns of its checklist are not an object")
    _need(isinstance(fitted.checklist["data_hash"], str), "the data_hash of its checklist is not a string")
    usable = fitted.status in ("identified", "at_bound")
    _need(not usable or all(map(math.isfinite, fitted.params.values())), "a parameter is not a number")
    if fitted.holdout:
        _need(
            all(name in fitted.holdout for name in _HELD_OUT),
            f"its holdout lacks one of {', '.join(_HELD_OUT)}",
        )
    for row in fitted.selection:
        _need(
            isinstance(row, dict) and all(name in row for name in _COMPARED),
            f"a row of its selection lacks one of {', '.join(_COMPARED)}",
        )
    # a law file may have moved; the stored draws do not need it
    if not fitted.law.endswith(".py"):
        law = load_law(fitted.law, tuple(fitted.inputs))
        _need(
            set(law.parameters) == set(fitted.params), f"its parameters are not those of the law '{law.name}'"
        )
        _need(set(law.inputs) == set(fitted.inputs), f"its inputs are not those of the law '{law.name}'")
        _need(dict(law.units) == dict(fitted.units), f"its units are not those of the law '{law.name}'")


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


def _number(value: Any) -> float:
    if isinstance(value, str | bool):
        raise ValueError(f"it has {value!r} instead of a number")
    return math.nan if value is None else float(value)


def _numbers(values: Any) -> np.ndarray:
    if not isinstance(values, list | tuple | np.ndarray):
        raise ValueError(f"it has {values!r} instead of a list of numbers")
    return np.array([_number(v) for v in values], dtype=float)


def _bound(pair: Any) -> tuple[float, float]:
    low, high = pair
    return (-math.inf if low is None else _number(low), math.inf if high is None else _number(high))
