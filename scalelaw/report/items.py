"""What a report is made from: fits, optima and tables, given as objects or as paths, put in order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.errors import InputError, ScalelawError
from scalelaw.fit import FittedLaw, load_fit
from scalelaw.plan import Optimum, load_optimum
from scalelaw.report import words
from scalelaw.table import read_table

_ALLOWED = (
    "Give fits, optima and tables: as objects, as FIT.json or OPTIMUM.json, tables by path or bundled name."
)


@dataclass
class Study:
    """A fit with the optima planned on it; either may be missing. optima: the data of `scalelaw optimize --json`."""

    fitted: FittedLaw | None
    optima: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Contents:
    """Everything a report shows: studies in the order given, then tables with their names."""

    studies: list[Study] = field(default_factory=list)
    tables: list[tuple[str, pd.DataFrame]] = field(default_factory=list)


def subject(study: Study) -> str:
    """What a study's points are about, by the labels they share: 'reasoning, token packer'."""
    labels = study.fitted.points["labels"] if study.fitted else {}
    shared = [set(labels.get(column, ())) for column in ("task_family", "compressor")]
    return ", ".join(words.named(str(next(iter(names)))) for names in shared if len(names) == 1)


def gather(items: Any) -> Contents:
    """Read what was given. An optimum goes to the fit that predicts its error, else it stands alone.

    Raises InputError for nothing at all, for a path that is not there or not readable, for an unknown kind.
    """
    single = isinstance(items, str | Path | FittedLaw | Optimum | pd.DataFrame | Mapping) or not isinstance(
        items, Iterable
    )
    given = [items] if single else list(items)
    if not given:
        raise InputError("There is nothing to report on.", code="nothing_to_report", hint=_ALLOWED)
    contents, optima = Contents(), []
    for item in given:
        held, name = (_read(item), str(item)) if isinstance(item, str | Path) else (item, "")
        if isinstance(held, FittedLaw):
            contents.studies.append(Study(held))
        elif isinstance(held, Optimum):
            optima.append(held.to_dict())
        elif isinstance(held, pd.DataFrame):
            frame = read_table(held)
            _check(frame, name or "The table")
            contents.tables.append((name, frame))
        else:
            kind = type(held).__name__
            raise InputError(f"A report cannot be made from a {kind}.", code="unknown_item", hint=_ALLOWED)
    for optimum in optima:
        _place(contents, optimum)
    return contents


def _read(source: str | Path) -> Any:
    path = Path(source)
    if path.suffix != ".json":
        return read_table(source)
    try:
        schema = json.loads(path.read_text(encoding="utf-8")).get("schema")
    except OSError as error:
        raise InputError(f"There is no file {path}.", code="no_such_file", hint=_ALLOWED) from error
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not an answer of scalelaw.", code="unreadable_json", hint=_ALLOWED
        ) from error
    if schema == "scalelaw.fit/1":
        return load_fit(path)
    if schema == "scalelaw.optimize/1":
        return load_optimum(path)
    raise InputError(
        f"{path} is neither a fit nor an optimum (its schema is {schema!r}).",
        code="wrong_schema",
        hint=_ALLOWED,
    )


def _check(frame: pd.DataFrame, name: str) -> None:
    if frame["error"].notna().sum() == 0:
        there = ", ".join(str(c) for c in frame.columns if frame[c].notna().any()) or "none"
        raise InputError(f"{name} has no column 'error'.", code="missing_column", hint=f"There are: {there}.")


def _place(contents: Contents, optimum: dict[str, Any]) -> None:
    for study in contents.studies:
        if study.fitted is not None and _agrees(study.fitted, optimum):
            study.optima.append(optimum)
            return
    contents.studies.append(Study(None, [optimum]))


def _agrees(fitted: FittedLaw, optimum: Mapping[str, Any]) -> bool:
    best = optimum["best"]
    known = {**best, "text_tokens": optimum["text_tokens"]}
    try:
        value = fitted.predict(**{name: known[name] for name in fitted.inputs})
    except (KeyError, ScalelawError):
        return False
    return bool(np.isclose(np.asarray(value, dtype=float), best["error"], rtol=1e-9))
