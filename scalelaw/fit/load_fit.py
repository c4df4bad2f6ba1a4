"""A fitted law read back from its JSON, with a sentence for what a hand or another program has spoilt in it."""

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

    law: the law file of a fit that was made with one (or several, where fits are read together). It is a program, and
    whoever wrote the JSON could name any: it is run only where it is named here.
    Raises InputError for a file that is not there, is not JSON, is not a fit, or holds what no fit holds, and for a fit
    of a law file that is not named.
    """
    envelope = read_answer(path, "fit")
    try:
        warnings = [(str(w["code"]), str(w["message"])) for w in envelope.get("warnings", [])]
    except (KeyError, TypeError) as error:
        raise _not_a_fit(path, "its warnings are not a list of {code, message}") from error
    return read_fit(envelope["data"], warnings, path, law)


def read_fit(
    held: Mapping[str, Any],
    warnings: Sequence[tuple[str, str]],
    path: str | Path = "The object",
    law: str | Path | Sequence[str | Path] = (),
) -> FittedLaw:
    """A fit from the data of its JSON; what else lies beside (an ablation) is left. Raises InputError as `load_fit`."""
    held = _with_own_law(held, [law] if isinstance(law, str | Path) else law, path)
    try:
        fitted = FittedLaw(**_values(held), warnings=list(warnings))
        _check(fitted)
    except InputError:
        raise
    except KeyError as error:
        raise _not_a_fit(path, f"it lacks {error}") from error
    except (TypeError, AttributeError, ValueError, OverflowError) as error:
        raise _not_a_fit(path, str(error)) from error
    return fitted


def _with_own_law(held: Mapping[str, Any], own: Sequence[str | Path], path: str | Path) -> dict[str, Any]:
    """A fit whose law may be loaded: a law file in it is the one of that name among those that the user named."""
    was = held.get("law")
    inputs = held.get("inputs")
    names = [name for name in inputs if isinstance(name, str)] if isinstance(inputs, list) else []
    law = law_from_file(was, own, names, path)
    if law == was or not law.startswith(PREFIX):
        return {**held, "law": law}
    labels = dict(zip(average_labels(str(was)), average_labels(law), strict=True))
    return {**_relabeled(held, labels), "law": law}


def _relabeled(held: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """A fit of an average whose parameters are named by other members: `label.parameter` and `weight.label`."""

    def new(name: str) -> str:
        for old, label in labels.items():
            if name == f"weight.{old}":
                return f"weight.{label}"
            if name.startswith(f"{old}."):
                return label + name[len(old) :]
        return name

    def renamed(values: Any) -> Any:
        return {new(str(k)): v for k, v in values.items()} if isinstance(values, Mapping) else values

    changed = {name: renamed(held[name]) for name in ("params", "intervals", "bounds") if name in held}
    draws = held.get("draws")
    if isinstance(draws, Mapping):
        changed["draws"] = {**draws, "params": renamed(draws.get("params"))}
    return {**held, **changed}


def _not_a_fit(path: str | Path, why: str) -> InputError:
    return InputError(
        f"{path} is not a fit: {why}.", code="not_a_fit", hint="`scalelaw fit TABLE -o FIT.json` writes one."
    )


def _values(held: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a fit from JSON's own types."""
    known = {f.name for f in fields(FittedLaw)} - {"warnings"}
    data = {name: value for name, value in held.items() if name in known}
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
    """Raises ValueError where the kinds of the fields, or their lengths, are not a fit's."""
    for name in _TEXTS:
        _need(isinstance(data[name], str), f"its {name} is no text")
    for name in _OBJECTS:
        _need(isinstance(data[name], dict), f"its {name} is no object")
    _need(isinstance(data["selection"], list), "its selection is no list")
    _need(data["target_kind"] in ("error", "loss", "other"), "its target_kind is unknown")
    _need(data["status"] in STATUSES, f"its status is '{data['status']}', not one of {', '.join(STATUSES)}")
    points, n = data["points"], data["n_points"]
    _need(isinstance(n, int) and n > 0, "its n_points is no positive whole number")
    names = data["inputs"]
    _need(isinstance(names, list) and bool(names), "its inputs are no list of names")
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
    _need(isinstance(labels, dict), "its labels are no object")
    _need(all(isinstance(v, list) and len(v) == n for v in labels.values()), f"its labels are not {n} each")
    params = set(data["params"])
    _need(bool(params), "it has no parameters")
    for name in ("bounds", "intervals", *(["draws"] if data["draws"] else [])):
        _need(set(data[name]) == params, f"its {name} are not those of its parameters")
    _need(len({len(v) for v in data["draws"].values()}) <= 1, "its draws are not as many for every parameter")


def _check(fitted: FittedLaw) -> None:
    """Raises ValueError where the insides of a fit do not go together."""
    _need(fitted.loss.get("kind") in LOSSES, "its loss is unknown")
    _need(fitted.loss.get("residual") in RESIDUALS, "its residual is unknown")
    for name in ("delta", "expectile"):
        _need(
            isinstance(fitted.loss.get(name), int | float | None), f"the loss has a {name} that is no number"
        )
    level = fitted.interval.get("level")
    _need(isinstance(level, int | float) and 0 < level < 1, "its interval has no level between 0 and 1")
    _need(isinstance(fitted.interval.get("method"), str), "its interval has no method")
    for name in ("gap", "gradient_norm", "seconds", "starts", "agreeing"):
        _need(
            isinstance(fitted.certificate[name], int | float | None), f"its certificate's {name} is no number"
        )
    _need(isinstance(fitted.checklist["columns"], dict), "the columns of its checklist are no object")
    _need(isinstance(fitted.checklist["data_hash"], str), "the data_hash of its checklist is no text")
    told = fitted.status in ("identified", "at_bound")
    _need(not told or all(map(math.isfinite, fitted.params.values())), "a parameter is not a number")
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
    if not fitted.law.endswith(
        ".py"
    ):  # a law file may be elsewhere; what has been drawn from it stands without it
        law = load_law(fitted.law, tuple(fitted.inputs))
        _need(
            set(law.parameters) == set(fitted.params), f"its parameters are not those of the law '{law.name}'"
        )
        _need(set(law.inputs) == set(fitted.inputs), f"its inputs are not those of the law '{law.name}'")
        _need(dict(law.units) == dict(fitted.units), f"its units are not those of the law '{law.name}'")


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _derived(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Derived quantities as they were: an infinite one is null in JSON, and the law gives it again.

    A null end is infinite where there are refits and freedom, or where the quantity or the other end says so.
    """
    held = data["derived"]
    if any(quantity["value"] is None for quantity in held.values()):
        derive = load_law(data["law"], tuple(data["inputs"])).derived
        again = derive(data["params"]) if derive is not None else {}
        held = {n: q if q["value"] is not None else {**q, "value": again.get(n)} for n, q in held.items()}
    free = sum(low != high for name, (low, high) in data["bounds"].items() if name not in data["ties"])
    drawn = data["n_points"] > free and any(len(v) for v in data["draws"].values())
    found = {}
    for name, quantity in held.items():
        value, (low, high) = _number(quantity["value"]), quantity["interval"]
        if drawn or (math.isinf(value) and data["interval"]["method"] != "none"):
            below = math.inf if math.isinf(value) else -math.inf
            ends = (below if low is None else float(low), math.inf if high is None else float(high))
        elif (low is None) != (high is None):
            ends = _bound((low, high))
        else:
            ends = (_number(low), _number(high))
        found[name] = {"value": value, "interval": ends}
    return found


def _number(value: Any) -> float:
    if isinstance(value, str | bool):
        raise ValueError(f"{value!r} stands where a number belongs")
    return math.nan if value is None else float(value)


def _numbers(values: Any) -> np.ndarray:
    if not isinstance(values, list | tuple | np.ndarray):
        raise ValueError(f"{values!r} stands where a list of numbers belongs")
    return np.array([_number(v) for v in values], dtype=float)


def _bound(pair: Any) -> tuple[float, float]:
    low, high = pair
    return (-math.inf if low is None else _number(low), math.inf if high is None else _number(high))
