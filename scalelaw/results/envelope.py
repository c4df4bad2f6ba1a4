"""The one shape of every machine-readable answer: {"schema", "ok", "data", "warnings"}, or an error in its place."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from scalelaw.errors import InputError, ScalelawError
from scalelaw.files.file_type import ANSWER, TABLE, otherwise
from scalelaw.files.safe_load import MOST_ANSWER_BYTES, parse_json, read_text
from scalelaw.files.safe_text import json_safe
from scalelaw.results.schema import check
from scalelaw.results.warning import Warning


class Answer:
    """The base of the dataclasses that commands answer with.

    `command` names the schema; `to_dict` is the data of the JSON object, `to_json` the whole object as text.
    """

    command: ClassVar[str]
    warnings: list[Warning]

    def to_dict(self) -> dict[str, Any]:
        """The data of the answer; warnings as {code, message}."""
        facts: dict[str, Any] = _copied(self)
        facts["warnings"] = [{"code": code, "message": message} for code, message in self.warnings]
        return facts

    def to_json(self) -> str:
        """The JSON object that the command prints with --json, in full precision."""
        return answer_text(self.command, self.to_dict(), self.warnings)


def _copied(value: Any) -> Any:
    """`value` with dataclasses as dicts and every container copied: `dataclasses.asdict`, several times as fast."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is dict:
        return {key: _copied(item) for key, item in value.items()}
    if kind is list:
        return [_copied(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _copied(getattr(value, field.name)) for field in fields(value)}
    if kind is tuple:
        return tuple(_copied(item) for item in value)
    return deepcopy(value)


_ATOMS = frozenset({str, int, float, bool, type(None)})


def answer_text(command: str, data: Mapping[str, Any], warnings: Iterable[tuple[str, str]] = ()) -> str:
    """The answer of a command as JSON text."""
    return _text(answer(command, data, warnings))


def answer(command: str, data: Mapping[str, Any], warnings: Iterable[tuple[str, str]] = ()) -> dict[str, Any]:
    """The answer of a command, with plain JSON types inside (numbers in full precision, NaN and infinity as null)."""
    return {
        "schema": f"scalelaw.{command}/1",
        "ok": True,
        "data": plain(data),
        "warnings": [{"code": code, "message": message} for code, message in warnings],
    }


def refusal(command: str, error: ScalelawError) -> dict[str, Any]:
    """The same object for an error; `best`, where there is one, is the best answer so far."""
    facts: dict[str, Any] = {"code": error.code, "message": error.message, "hint": error.hint}
    if error.best is not None:
        facts["best"] = plain(error.best)
    return {"schema": f"scalelaw.{command}/1", "ok": False, "error": facts, "warnings": []}


def dumps(value: Mapping[str, Any]) -> str:
    """JSON text, one object, newline at the end; characters that a terminal would act on are JSON's escapes."""
    return _text(plain(value))


def _text(value: Any) -> str:
    return json_safe(json.dumps(value, ensure_ascii=False, allow_nan=False)) + "\n"


def read_answer(path: str | Path, command: str) -> dict[str, Any]:
    """Read an answer of `command` from a file, or from standard input (`-`). Raises InputError for other content."""
    file = Path("standard input" if os.fspath(path) == "-" else path)
    try:
        content = parse_json(read_text(path, MOST_ANSWER_BYTES), file)
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"There is no file {file}.", code="no_such_file", hint=_first(command, file)
        ) from error
    except ValueError as error:
        kind = f"an answer of `scalelaw {command}`" if otherwise(file, ANSWER) else f"JSON: {error}"
        raise InputError(
            f"{file} is not {kind}.", code="unreadable_json", hint=_first(command, file)
        ) from error
    return check_answer(content, command, file)


def check_answer(content: Any, command: str, file: Path) -> dict[str, Any]:
    """Check that JSON content, which was read from `file`, is a valid answer of `command`. Raises InputError."""
    if isinstance(content, dict) and content.get("ok") is False and isinstance(content.get("error"), dict):
        raise InputError(
            f"{file} holds no answer but why there was none: {str(content['error'].get('message'))[:400]}",
            code="refused_before",
            hint=f"Write it again with `scalelaw {command} ... -o FILE.json`.",
        )
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != f"scalelaw.{command}/1" or not isinstance(content.get("data"), dict):
        raise InputError(
            f"{file} is not an answer of `scalelaw {command}` (its schema is {schema!r}).",
            code="wrong_schema",
            hint=_first(command, file, schema),
        )
    check(command, content["data"], content.get("warnings", []), file)
    read: dict[str, Any] = content
    return read


def _first(command: str, file: Path, schema: Any = None) -> str:
    """What the file is, where that is plain, and what to run so that there is such an answer."""
    wanted = ANSWER if schema == f"scalelaw.{command}/1" else ""
    wrong = otherwise(file, wanted)
    if wrong and not otherwise(file, TABLE):
        return f"It is a table: `scalelaw fit {file} -o fit.json` first, then give fit.json."
    if wrong:
        return wrong
    if command == "fit":
        return "If it is a table, fit it first: `scalelaw fit TABLE -o fit.json`, and give fit.json."
    return f"Write one with `scalelaw {command} ... -o FILE.json`."


_PLAIN = frozenset({str, int, bool, type(None)})


def plain(value: Any) -> Any:
    """`value` with numpy and mapping types turned into JSON's own; NaN and infinity become null."""
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if kind is dict:
        return {key if type(key) is str else str(key): plain(item) for key, item in value.items()}
    if kind in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        # thousands of draws, without a call for each
        if set(map(type, value)) == {float} and all(map(math.isfinite, value)):
            return list(value)
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value
