"""The latency constants of cards: read off operator tables, those of a class, or of a user's card file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from functools import cache
from statistics import median
from typing import Any

import yaml

from scalelaw.costs._constants import Constants, Link, Rate
from scalelaw.errors import InputError, unknown
from scalelaw.files.paths import bundled

RATES = ("prefill_attention", "vision_attention", "small_kernel")
TYPED_RATES = ("products", "decode_attention")
STAGES = ("image", "prefill", "decode", "all_reduce", "host")
"""Stages whose time a calibration scales."""

POSITIVE = (1e-9, 1e9)

CLASS_SPREAD = 0.3
"""Standard deviation of log(measured / computed) with the medians of a class of cards."""


def constants_for(name: str, group: str, link_bytes: float | None) -> Constants:
    """The constants of a bundled card, or those of its class; what its tables lack is the class's."""
    base = class_constants(group, link_bytes)
    own = _tables()["cards"].get(name)
    if own is None:
        return base
    known = {name: value for name, value in own.items() if value}
    constants = read_constants({**constants_row(base), **known}, "latency_constants.yaml")
    return replace(constants, measured=True, spread={})


@cache
def class_constants(group: str, link_bytes: float | None = None) -> Constants:
    """The constants of a class of cards: medians over its cards with tables, or assumptions relative to a class."""
    facts = yaml.safe_load(bundled("hardware.yaml").read_text(encoding="utf-8"))
    rows = facts["devices"]
    if group not in ("datacenter", "pcie"):
        if group not in facts["classes"]:
            raise unknown(
                "class of cards", group, ("datacenter", "pcie", *facts["classes"]), code="bad_hardware"
            )
        return _like(facts["classes"][group], group, link_bytes)
    cards = {n: c for n, c in _tables()["cards"].items() if rows[n]["group"] == group}
    # what no card of the class has (int4 products) is taken from every card
    every = list(_tables()["cards"].values())
    columns: dict[str, Any] = {}
    for kind in RATES:
        columns[kind] = _median_rate([c[kind] for c in cards.values() if c.get(kind)])
    for kind in TYPED_RATES:
        columns[kind] = {}
        for name in dict.fromkeys(name for card in every for name in card[kind]):
            own = [card[kind][name] for card in cards.values() if name in card[kind]]
            columns[kind][name] = _median_rate(
                own or [card[kind][name] for card in every if name in card[kind]]
            )
    columns["all_reduce"] = _links(cards, rows, link_bytes)
    source = f"class default: medians of {', '.join(cards)}"
    return Constants(**columns, source=source, spread={"time": CLASS_SPREAD})


def _links(cards: Mapping[str, Any], rows: Mapping[str, Any], link_bytes: float | None) -> dict[int, Link]:
    links = {}
    for number in (2, 4, 8):
        known = {n: c["all_reduce"][number] for n, c in cards.items() if number in c["all_reduce"]}
        share = median(row["gb_s"] / rows[n]["link_gb_s"] for n, row in known.items())
        speed = (link_bytes or 32e9) / 1e9
        links[number] = Link(median(row["launch_us"] for row in known.values()), share * speed)
    return links


def _like(row: Mapping[str, Any], group: str, link_bytes: float | None) -> Constants:
    base = class_constants(str(row["like"]), link_bytes)

    def scaled(rate: Rate) -> Rate:
        return Rate(
            row["compute"] * min(rate.compute / 0.7, 1.0), row["bandwidth"], rate.launch_us * row["launch"]
        )

    typed: dict[str, Any] = {
        kind: {n: scaled(r) for n, r in getattr(base, kind).items()} for kind in TYPED_RATES
    }
    plain: dict[str, Any] = {kind: scaled(getattr(base, kind)) for kind in RATES}
    return replace(
        base,
        **typed,
        **plain,
        source=f"class default: assumed for {group}",
        spread={"time": row["spread"]},
    )


def _median_rate(rows: list[Mapping[str, Any]]) -> Rate:
    return Rate(*(median(row[name] for row in rows) for name in ("compute", "bandwidth", "launch_us")))


def constants_row(constants: Constants) -> dict[str, Any]:
    """The constants as a YAML file holds them."""
    row = asdict(constants)
    return {name: value for name, value in row.items() if value not in ({}, "")}


def read_constants(row: Any, origin: str) -> Constants:
    """The constants in the fields of a file. Raises InputError (`bad_hardware`) for what is not one."""
    if not isinstance(row, Mapping):
        raise InputError(f"{origin}: constants must be a mapping.", code="bad_hardware")
    known = [field.name for field in fields(Constants)]
    for name in row:
        if name not in known:
            raise unknown("key of constants", str(name), known, code="bad_hardware")
    for name in (*RATES, *TYPED_RATES):
        if not isinstance(row.get(name), Mapping):
            raise InputError(
                f"{origin}: constants lack '{name}'.", code="bad_hardware", hint=", ".join(known)
            )
    for name in TYPED_RATES:
        if "bf16" not in row[name]:
            raise InputError(f"{origin}: constants.{name} lacks 'bf16'.", code="bad_hardware")
    values: dict[str, Any] = {name: _fields(Rate, row[name], f"constants.{name}", origin) for name in RATES}
    for name in TYPED_RATES:
        values[name] = {
            str(kind): _fields(Rate, one, f"constants.{name}.{kind}", origin)
            for kind, one in row[name].items()
        }
    values["all_reduce"] = {
        int(number_of("constants.all_reduce", number, (2, 1e6), origin)): _fields(
            Link, one, f"constants.all_reduce.{number}", origin
        )
        for number, one in (row.get("all_reduce") or {}).items()
    }
    for name in ("request_ms", "image_ms"):
        values[name] = number_of(f"constants.{name}", row.get(name, 0.0), (0, 1e9), origin)
    scale = row.get("scale") or {}
    for stage in scale:
        if stage not in STAGES:
            raise unknown("stage", str(stage), STAGES, code="bad_hardware")
    values["scale"] = {
        str(stage): number_of(f"constants.scale.{stage}", value, POSITIVE, origin)
        for stage, value in scale.items()
    }
    values["spread"] = {
        str(kind): number_of(f"constants.spread.{kind}", value, (0, 10), origin)
        for kind, value in (row.get("spread") or {}).items()
    }
    return Constants(**values, source=str(row.get("source", origin)), measured=row.get("measured") is True)


def _fields(make: type[Any], row: Any, where: str, origin: str) -> Any:
    names = [field.name for field in fields(make)]
    if not isinstance(row, Mapping):
        raise InputError(f"{origin}: {where} must be a mapping.", code="bad_hardware", hint=", ".join(names))
    for name in row:
        if name not in names:
            raise unknown(f"key of {where}", str(name), names, code="bad_hardware")
    values = {}
    for name in names:
        least = 0.0 if name in ("error", "rows", "launch_us") else POSITIVE[0]
        if name not in row and name in ("error", "rows"):
            continue
        if name not in row:
            raise InputError(f"{origin}: {where} lacks '{name}'.", code="bad_hardware", hint=", ".join(names))
        values[name] = number_of(f"{where}.{name}", row[name], (least, 1e9), origin)
    return make(**values)


def number_of(field: str, value: Any, within: tuple[float, float], origin: str) -> float:
    """A number of a card file within limits. Raises InputError (`bad_hardware`)."""
    try:
        result = float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        result = float("nan")
    least, most = within
    if not least <= result <= most:
        message = f"{origin}: {field} must be a number from {least:g} to {most:g}; it is {str(value)[:40]}."
        raise InputError(message, code="bad_hardware")
    return result


@cache
def _tables() -> dict[str, Any]:
    path = bundled("latency_constants.yaml")
    facts: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return facts
