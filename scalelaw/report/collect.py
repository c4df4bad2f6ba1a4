"""What a report is made from: fits, optima, comparisons, costs and tables, as objects or as paths, put in order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scalelaw.errors import InputError, ScalelawError
from scalelaw.files.file_type import is_answer, otherwise
from scalelaw.files.safe_load import MOST_ANSWER_BYTES, is_pipe, parse_json, read_bytes, read_text
from scalelaw.fit import Comparison, FittedLaw, GroupedFit
from scalelaw.fit.load_fit import read_fit
from scalelaw.plan import Bill, Contrast, Optimum
from scalelaw.report.study import Study, alike, subjects
from scalelaw.results.envelope import check_answer
from scalelaw.results.optimum import read_optimum
from scalelaw.results.warning import Warning
from scalelaw.table import csv_reader
from scalelaw.table.read import read_table

_ALLOWED = (
    "Give fits, optima and tables: as objects, as FIT.json or OPTIMUM.json, tables by path or bundled name."
)


@dataclass
class Contents:
    """The contents of a report: studies in the order of the items, comparisons, costs of queries, tables with names."""

    studies: list[Study] = field(default_factory=list)
    tables: list[tuple[str, pd.DataFrame]] = field(default_factory=list)
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    bills: list[dict[str, Any]] = field(default_factory=list)
    sharing: list[dict[str, Any]] = field(default_factory=list)


MOST_STUDIES, MOST_TABLES = 12, 12
"""Studies and tables that get pages of their own; page one and the comparisons show all."""


def detailed(contents: Contents) -> Contents:
    """The part of the contents that gets pages of its own: the first studies (of many those with plans first) and
    tables."""
    first = sorted(range(len(contents.studies)), key=lambda place: not contents.studies[place].optima)
    shown = sorted(first[:MOST_STUDIES])
    return replace(
        contents,
        studies=[contents.studies[place] for place in shown],
        tables=contents.tables[:MOST_TABLES],
        comparisons=contents.comparisons[:MOST_STUDIES],
    )


def left_out(contents: Contents) -> str:
    """Which studies and tables have no pages of their own, in a sentence; nothing where all have."""
    parts = [
        f"{len(entries) - most} of {len(entries)} {noun}"
        for entries, most, noun in (
            (contents.studies, MOST_STUDIES, "fits and plans"),
            (contents.tables, MOST_TABLES, "tables"),
            (contents.comparisons, MOST_STUDIES, "comparisons"),
        )
        if len(entries) > most
    ]
    if not parts:
        return ""
    return f"Without pages of their own: {', '.join(parts)}; their numbers are in report.json."


def gather(items: Any, law: str | Path | Sequence[str | Path] = ()) -> Contents:
    """Read the items. An optimum goes to the fit that predicts its error, else it stands alone; each study gets
    a name that tells it from the others.

    Raises InputError for nothing at all, for a path that is not there or not readable, for an unknown kind.
    """
    one = isinstance(items, (str, Path, pd.DataFrame, Mapping, *_OBJECTS)) or not isinstance(items, Iterable)
    sources = [items] if one else list(items)
    if sum(str(item) == "-" for item in sources if isinstance(item, str | Path)) > 1:
        raise InputError("Standard input (-) can be read only once.", code="usage", hint=_ALLOWED)
    if not sources:
        raise InputError("There is nothing to report on.", code="nothing_to_report", hint=_ALLOWED)
    contents, optima, contrasts = Contents(), [], []
    for item in sources:
        kind, content = _read(item, law) if isinstance(item, str | Path) else _sort(item)
        if kind == "fit":
            contents.studies.append(content)
        elif kind == "groups":
            contents.studies += [Study(fitted, group=group) for group, fitted in content.groups.items()]
            contents.sharing += [dict(content.sharing)] if content.sharing else []
        elif kind == "optimum":
            optima.append(content)
        elif kind == "contrast":
            contrasts.append(content)
        elif kind == "comparison":
            contents.comparisons.append(content)
        elif kind == "bill":
            contents.bills.append(content)
        else:
            contents.tables.append(content)
    for contrast in contrasts:
        _attach(optima, contrast)
    for optimum in optima:
        _place(contents, optimum)
    for study, name in zip(contents.studies, subjects(contents.studies), strict=True):
        study.name = name
    for peers in alike(contents.studies):
        for study in peers:
            study.peers = peers
    return contents


def drawable(contents: Contents) -> list[Study]:
    """Everything that a figure may show, as studies: fits with their plans, then tables, comparisons and costs."""
    return [
        *contents.studies,
        *(Study(None, name=name, table=frame) for name, frame in contents.tables),
        *(Study(None, comparison=comparison) for comparison in contents.comparisons),
        *([Study(None, bills=contents.bills)] if contents.bills else []),
    ]


_OBJECTS = (FittedLaw, Optimum, GroupedFit, Comparison, Bill, Contrast)


def _sort(item: Any) -> tuple[str, Any]:
    """An object's kind, and what a report keeps of it."""
    if isinstance(item, FittedLaw):
        return "fit", Study(item)
    if isinstance(item, GroupedFit):
        return "groups", item
    if isinstance(item, pd.DataFrame):
        return "table", _table(item, "")
    for kind, of in (
        ("optimum", Optimum),
        ("contrast", Contrast),
        ("comparison", Comparison),
        ("bill", Bill),
    ):
        if isinstance(item, of):
            return kind, item.to_dict()
    name = type(item).__name__
    raise InputError(f"A report cannot be made from a {name}.", code="unknown_item", hint=_ALLOWED)


def _read(source: str | Path, law: str | Path | Sequence[str | Path]) -> tuple[str, Any]:
    """An item by its path: by the content of a pipe and of standard input, else by its name or its first bytes."""
    path = Path(source)
    try:
        if str(source) == "-" or is_pipe(path):
            path = Path("standard input") if str(source) == "-" else path
            piped = read_bytes(source, csv_reader.MOST_BYTES)
            if not piped.lstrip().startswith(b"{"):
                frame = csv_reader.parse(piped, str(path))
                return "table", _table(frame, str(path))
            text = piped.decode("utf-8")
        elif path.suffix != ".json" and not is_answer(path):
            return "table", _table(read_table(source), str(source))
        else:
            text = read_text(path, MOST_ANSWER_BYTES)
        content = parse_json(text, path)
        schema = content.get("schema")
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"There is no file {path}.", code="no_such_file", hint=_ALLOWED) from error
    except (ValueError, AttributeError) as error:
        raise InputError(
            f"{path} is not an answer of scalelaw.", code="unreadable_json", hint=_ALLOWED
        ) from error
    if schema == "scalelaw.fit/1":
        answer = check_answer(content, "fit", path)
        warnings = [(item["code"], item["message"]) for item in answer.get("warnings", [])]
        fitted = read_fit(answer["data"], warnings, path, law)
        return "fit", Study(fitted, ablation=answer["data"].get("ablation") or [])
    if schema == "scalelaw.fit_groups/1":
        return "groups", _groups(check_answer(content, "fit_groups", path), path, law)
    if schema == "scalelaw.optimize/1":
        data = check_answer(content, "optimize", path)["data"]
        contrast = data.get("contrast")
        return "optimum", read_optimum(data, path).to_dict() | ({"contrast": contrast} if contrast else {})
    for kind, command in (("comparison", "compare"), ("bill", "cost")):
        if schema == f"scalelaw.{command}/1":
            return kind, check_answer(content, command, path)["data"]
    raise InputError(
        f"{path} is neither a fit nor an optimum (its schema is {schema!r}).",
        code="wrong_schema",
        hint=f"{otherwise(path, '')} {_ALLOWED}".strip(),
    )


def _table(frame: pd.DataFrame, name: str) -> tuple[str, pd.DataFrame]:
    rows = read_table(frame)
    if rows["error"].notna().sum() == 0:
        there = ", ".join(str(c) for c in rows.columns if rows[c].notna().any()) or "none"
        raise InputError(
            f"{name or 'The table'} has no column 'error'.",
            code="missing_column",
            hint=f"There are: {there}.",
        )
    return name or str(rows.attrs["table"]), rows


def _groups(answer: dict[str, Any], path: Path, law: str | Path | Sequence[str | Path]) -> GroupedFit:
    """Fits by group, as `scalelaw fit --by` wrote them; warnings of a group begin with its name."""
    try:
        by, warnings = answer["data"]["by"], [Warning(w["code"], w["message"]) for w in answer["warnings"]]
        groups = {}
        for name, data in answer["data"]["groups"].items():
            start = f"{by}={name}: "
            mine = [(code, text.removeprefix(start)) for code, text in warnings if text.startswith(start)]
            groups[name] = read_fit(data, mine, path, law)
        return GroupedFit(by, groups, answer["data"]["sharing"], warnings)
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds no fits by group: {error}.", code="wrong_schema") from error


def _attach(optima: list[dict[str, Any]], contrast: dict[str, Any]) -> None:
    """A contrast goes to the optimum whose pick is its first row's."""
    first = contrast["rows"][0]["best"]
    for optimum in optima:
        best = optimum["best"]
        if all(best[name] == first[name] for name in ("model", "visual_tokens", "error")):
            optimum["contrast"] = contrast
            return
    raise InputError(
        "A contrast belongs to an optimum, which is not among the items.",
        code="unknown_item",
        hint="Give the optimum as well.",
    )


def _place(contents: Contents, optimum: dict[str, Any]) -> None:
    for study in contents.studies:
        if study.fitted is not None and _agrees(study.fitted, optimum):
            study.optima.append(optimum)
            return
    contents.studies.append(Study(None, [optimum]))


def _agrees(fitted: FittedLaw, optimum: Mapping[str, Any]) -> bool:
    """Whether an optimum was planned on a fit: by its hash; without one (files of before), by the predicted error."""
    if optimum.get("fit_hash"):
        return bool(optimum["fit_hash"] == fitted.fit_hash)
    best = optimum["best"]
    known = {**best, "text_tokens": optimum["text_tokens"]}
    try:
        value = fitted.predict(**{name: known[name] for name in fitted.inputs})
    except (KeyError, ScalelawError):
        return False
    return bool(np.isclose(np.asarray(value, dtype=float), best["error"], rtol=1e-9))
