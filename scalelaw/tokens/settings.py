"""Values of a family's settings: read from a model's files, or set by a user; each checked against its range."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from scalelaw.errors import InputError, unknown
from scalelaw.families._contract import Setting

Files = dict[str, dict[str, Any]]
FILE_NAMES = {
    "config": "config.json",
    "image": "preprocessor_config.json",
    "video": "video_preprocessor_config.json",
    "processor": "processor_config.json",
}
SIDES = {"height", "width"}


def read_settings(
    settings: Iterable[Setting],
    files: Files,
    where: str,
    from_files: Callable[[Files], Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """A value for each setting: of the first file that gives it, else the default.

    Raises InputError: `bad_config` for a value of another kind or outside its range; `contradictory_preprocessor` where
    two files give different values for what belongs to the weights.
    """
    values: dict[str, Any] = {}
    further = dict(from_files(files)) if from_files else {}
    for setting in settings:
        sources_read = [
            (source, value) for source in setting.sources if (value := _look_up(files, source)) is not None
        ]
        read = [
            (source, _value(setting, value, f"{where}: {_place(source)}")) for source, value in sources_read
        ]
        if not setting.knob:
            _check_agreement(setting, read, where)
        values[setting.name] = read[0][1] if read else further.get(setting.name, setting.default)
    return values


def changed(
    settings: tuple[Setting, ...], values: Mapping[str, Any], changes: Mapping[str, Any], family: str
) -> dict[str, Any]:
    """The values with those that a user sets.

    Raises InputError: `unknown_knob`, `fixed_setting` for one that belongs to the weights, `knob_out_of_range`.
    """
    by_name = {setting.name: setting for setting in settings}
    knobs = [setting.name for setting in settings if setting.knob]
    result = dict(values)
    for name, value in changes.items():
        if name not in by_name:
            error = unknown("knob", name, knobs, code="unknown_knob")
            error.message = f"{family} has no knob '{name}'."
            error.args = (error.message,)
            if not knobs:
                error.hint = f"{family} has none: every image becomes the same number of tokens."
            raise error
        if not by_name[name].knob:
            raise InputError(
                f"'{name}' belongs to the weights of the model and cannot be set.",
                code="fixed_setting",
                hint=f"Knobs of {family}: {', '.join(knobs) or 'none'}.",
            )
        result[name] = _in_range(by_name[name], _parsed(by_name[name], value))
    check_pairs(result)
    return result


def with_lower_limit(name: str, value: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The change of one setting, with that of its lower limit where that would lie above the value."""
    changes = {name: value}
    lower = "shortest_edge" if name == "longest_edge" else name.replace("max_", "min_")
    if lower != name and lower in values and values[lower] > value:
        changes[lower] = value
    return changes


def check_pairs(values: Mapping[str, Any]) -> None:
    """Raises InputError `knob_out_of_range` where a lower limit is above its upper limit."""
    for low in values:
        if "min_" not in low:
            continue
        high = low.replace("min_", "max_")
        if high in values and values[low] > values[high]:
            raise InputError(
                f"{low} = {values[low]} is above {high} = {values[high]}.", code="knob_out_of_range"
            )
    if {"shortest_edge", "longest_edge"} <= set(values) and values["shortest_edge"] > values["longest_edge"]:
        raise InputError(
            f"shortest_edge = {values['shortest_edge']} is above longest_edge = {values['longest_edge']}.",
            code="knob_out_of_range",
        )


def range_of(setting: Setting) -> str:
    """The values that a setting may have, for people."""
    if setting.allowed:
        many = len(setting.allowed) > 12
        shown = (*setting.allowed[:2], "...", setting.allowed[-1]) if many else setting.allowed
        return ", ".join(_text(value) for value in shown)
    unit = f" {setting.unit}" if setting.unit not in ("", "1") else ""
    return f"{setting.minimum:,} to {setting.maximum:,}{unit}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _look_up(files: Files, source: str) -> Any:
    content: Any = files
    for part in source.split("."):
        if not isinstance(content, dict):
            return None
        content = content.get(part)
    return content


def _place(source: str) -> str:
    part, _, path = source.partition(".")
    return f"{path} in {FILE_NAMES[part]}"


def _check_agreement(setting: Setting, read: list[tuple[str, Any]], where: str) -> None:
    for source, value in read[1:]:
        if value != read[0][1]:
            raise InputError(
                f"{where} contradicts itself: {setting.name} is {read[0][1]} ({_place(read[0][0])}) "
                f"and {value} ({_place(source)}).",
                code="contradictory_preprocessor",
                hint="Take both files from the same model.",
            )


def _value(setting: Setting, value: Any, where: str) -> Any:
    """A value of a file as the setting's default is: a number for a square's two sides, tuples for lists."""
    default = setting.default
    if isinstance(default, tuple):
        return _tuples(value, where)
    if isinstance(value, dict) and set(value) == SIDES:
        value = [value["height"], value["width"]]
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    try:
        return _in_range(setting, _parsed(setting, value))
    except InputError as error:
        raise InputError(f"{where}: {error.message}", code="bad_config", hint=error.hint) from error


def _tuples(value: Any, where: str) -> tuple[Any, ...]:
    rows = value if isinstance(value, list) and value else None
    nested = rows is not None and isinstance(rows[0], list)
    flat = (
        [number for row in rows for number in row]
        if rows and nested and all(isinstance(r, list) for r in rows)
        else rows
    )
    if flat is None or not all(
        isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= 10**5 for n in flat
    ):
        raise InputError(f"{where} is not a list of whole numbers.", code="bad_config")
    if nested:
        if any(len(row) != 2 or min(row) < 1 for row in rows or ()):
            raise InputError(f"{where} is not a list of heights and widths.", code="bad_config")
        return tuple((row[0], row[1]) for row in rows or ())
    return tuple(flat)


def _parsed(setting: Setting, value: Any) -> Any:
    default = setting.default
    wrong = InputError(
        f"{setting.name} is {str(value)[:60]!r}, not {_kind(default)}.",
        code="knob_out_of_range",
        hint=f"Allowed: {range_of(setting)}." if setting.knob else "",
    )
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "1", "yes", "on", "false", "0", "no", "off"):
            return str(value).lower() in ("true", "1", "yes", "on")
        raise wrong
    if isinstance(default, str):
        return str(value)
    if isinstance(default, tuple):
        raise wrong
    try:
        number = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise wrong from error
    if not abs(number) < float("inf"):
        raise wrong
    if isinstance(default, int):
        if number != int(number):
            raise wrong
        return int(number)
    return number


def _kind(default: Any) -> str:
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, int):
        return "a whole number"
    return "a number" if isinstance(default, float) else "one of its values"


def _in_range(setting: Setting, value: Any) -> Any:
    allowed = setting.allowed
    low, high = setting.minimum, setting.maximum
    if (
        not setting.knob
        and isinstance(setting.default, (int, float))
        and not isinstance(setting.default, bool)
    ):
        high = 10**6
        low = 0 if setting.unit == "tokens" else 1 if isinstance(setting.default, int) else 1e-6
    outside = (
        value not in allowed
        if allowed
        else (low is not None and value < low) or (high is not None and value > high)
    )
    if outside:
        raise InputError(
            f"{setting.name} = {_text(value)} is outside its range.",
            code="knob_out_of_range",
            hint=f"Allowed: {range_of(setting) if setting.knob else f'{low} to {high}'}.",
        )
    return value
