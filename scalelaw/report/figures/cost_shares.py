"""What the FLOPs of a query are spent on: a bar for each configuration, divided into its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FixedFormatter, FixedLocator

from scalelaw import plugins
from scalelaw.costs._workload import Workload
from scalelaw.errors import ScalelawError
from scalelaw.plan import find_cost
from scalelaw.report.figures._contract import Margins, legend_height
from scalelaw.report.figures._parts import label_width, legend_below, panel_heading, row_labels
from scalelaw.report.figures._prepare import parts_of_size, size_cost
from scalelaw.report.study import Study
from scalelaw.report.style import INK, MUTED, PAPER, PETROFF10, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.text.measure import text_width

TITLE = "What the FLOPs are spent on"
IN_SECTION = True
_MOST = 6
_HATCHES = ("", "///", "\\\\\\", "...", "xx", "--", "++")


@dataclass(frozen=True)
class Shares:
    """What each configuration's cost is made of. parts: {part: share [k]}; the shares of a row add up to 1.
    table: a header and a row for each configuration: what it costs in every kind, and what of it is predicted."""

    labels: tuple[str, ...]
    totals: tuple[float, ...]
    parts: dict[str, tuple[float, ...]]
    title: str
    note: str
    table: tuple[tuple[str, ...], ...] = ()


def prepare(study: Study) -> Shares | None:
    """The choices of the study's plans, else the costs of its queries."""
    name = f": {study.name}" if study.name else ""
    return shares_of_plans(study.optima, name) if study.optima else shares_of_bills(study.bills)


def shares_of_plans(optima: Sequence[Mapping[str, Any]], name: str = "") -> Shares | None:
    """The picks and those behind them, by the FLOP accounting of their plan. None where it has no parts for them."""
    rows: list[tuple[str, dict[str, float]]] = []
    bills: list[tuple[Mapping[str, Any], Sequence[str]]] = []
    for optimum in optima:
        for choice in [optimum["best"], *optimum["runners_up"][: 0 if len(optima) > 2 else 3]]:
            label = f"{fmt.plain_name(choice['model'])}, {fmt.tokens(choice['visual_tokens'])}"
            parts = _parts(optimum, choice)
            if parts and all(label != known for known, _ in rows):
                rows.append((label, parts))
                best_in = fmt.of_model(choice)
                bills.append((choice["costs"], (
                    label, fmt.error(choice["error"]), fmt.span(choice.get("error_interval"), fmt.error),
                    "" if best_in is None else fmt.share(best_in),
                )))  # fmt: skip
    table = _table(("", "predicted error", "interval", "LLM best in"), bills)
    return _together(rows, f"What the FLOPs are spent on{name}", table)


def shares_of_bills(bills: Sequence[Mapping[str, Any]]) -> Shares | None:
    """Answers of `scalelaw cost`, a row each."""
    return _together(
        [
            (
                f"{bill['model']}, {fmt.tokens(bill['visual_tokens'])}",
                {row["part"]: float(row["flops"]) for row in bill["parts"]},
            )
            for bill in bills
        ],
        "FLOPs of each query by part",
        _table(
            ("",),
            [(bill["costs"], (f"{bill['model']}, {fmt.tokens(bill['visual_tokens'])}",)) for bill in bills],
        ),
    )


def _table(
    header: Sequence[str], bills: Sequence[tuple[Mapping[str, Any], Sequence[str]]]
) -> tuple[tuple[str, ...], ...]:
    """A row for each configuration: its description, then its costs in the kinds that all of them know."""
    kinds = [kind for kind in (bills[0][0] if bills else ()) if all(costs.get(kind) for costs, _ in bills)][
        :5
    ]
    heads = (f"{fmt.kind(kind)} {fmt.meaning(kind)}".strip() for kind in kinds)
    rows = ((*cells, *(fmt.cost(kind, costs[kind]) for kind in kinds)) for costs, cells in bills)
    return ((*header, *heads), *rows) if bills else ()


def _together(
    rows: Sequence[tuple[str, Mapping[str, float]]], title: str, table: tuple[tuple[str, ...], ...]
) -> Shares | None:
    if not rows:
        return None
    totals = tuple(sum(parts.values()) for _, parts in rows)
    weight: dict[str, float] = {}
    for (_, parts), total in zip(rows, totals, strict=True):
        for name, value in parts.items():
            weight[name] = max(weight.get(name, 0.0), value / total)
    named = sorted(weight, key=lambda name: -weight[name])
    large = [name for name in named if weight[name] > 0.005][:_MOST]
    shares = {
        fmt.named(name): tuple(parts.get(name, 0.0) / t for (_, parts), t in zip(rows, totals, strict=True))
        for name in large
    }
    rest = tuple(1 - sum(column) for column in zip(*shares.values(), strict=True))
    if max(rest) > 0.0005:
        shares["the rest"] = rest
    return Shares(
        tuple(label for label, _ in rows),
        totals,
        shares,
        title,
        fmt.count(len(rows), "configuration"),
        table,
    )


def _parts(optimum: Mapping[str, Any], choice: Mapping[str, Any]) -> dict[str, float]:
    """The FLOPs of one configuration, part by part; nothing where they are not those that the plan counted."""
    workload = {"text_tokens": optimum["text_tokens"], "generate": optimum["generate"]}
    try:
        if optimum["cost"] == size_cost():
            by_part = parts_of_size(choice["n_params"], choice["visual_tokens"], Workload(**workload))
            parts = {f"{name} tokens": float(value) for name, value in by_part.items() if float(value) > 0}
        else:
            served = {name: optimum["searched"].get(name) for name in ("tower", "compressor")}
            if served["compressor"] is not None:
                plugins.name_from_file("compressors", served["compressor"], "The optimum")
            bill = find_cost(str(choice["model"]), choice["visual_tokens"], **workload, **served)
            parts = {row["part"]: float(row["flops"]) for row in bill.parts}
    except ScalelawError:
        return {}
    whole = choice["costs"].get("flops")
    return parts if whole and abs(sum(parts.values()) / whole - 1) < 0.01 else {}


def draw(axes: Axes, data: Shares) -> None:
    """Draw a bar per configuration; parts differ in colour and hatching, their shares are written where they fit."""
    count = len(data.labels)
    axes.set_xlim(0, 100)
    row_labels(axes, data.labels)
    axes.xaxis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
    axes.xaxis.set_major_formatter(FixedFormatter(["0", "25", "50", "75", "100"]))
    axes.set_xlabel("share of the FLOPs of a query (%)")
    axes.grid(False)
    figure = axes.get_figure(root=True)
    assert figure is not None
    inch = axes.get_position().width * figure.get_size_inches()[0] / 100
    left = [0.0] * count
    handles = []
    for index, (name, values) in enumerate(data.parts.items()):
        colour, hatch = PETROFF10[index % 10], _HATCHES[index % len(_HATCHES)]
        look: dict[str, Any] = {"facecolor": colour, "hatch": hatch, "edgecolor": PAPER, "linewidth": 0.8}
        axes.barh(range(count), [100 * v for v in values], left=left, height=0.62, **look)
        for row, value in enumerate(values):
            text = fmt.share(value)
            if 100 * value * inch > text_width(text, TINY) + 0.12:
                axes.text(left[row] + 50 * value, row, text, ha="center", va="center", size=TINY, color=INK,
                          bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.2, "alpha": 0.85})  # fmt: skip
            left[row] += 100 * value
        handles.append(Patch(**look, label=fmt.capital(name)))
    for row, total in enumerate(data.totals):
        axes.annotate(
            fmt.si(total, "FLOPs"), (1, row), (8, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="left", va="center", size=TINY, color=MUTED, annotation_clip=False,
        )  # fmt: skip
    panel_heading(axes, data.title, data.note)
    legend_below(axes, handles)


def frame(data: Shares) -> pd.DataFrame:
    """The FLOPs of each configuration, and the share of each part."""
    parts = {name: np.array(values) for name, values in data.parts.items()}
    return pd.DataFrame({"configuration": list(data.labels), "flops": list(data.totals), **parts})


def margins(data: Shares, width: float) -> Margins:
    """Labels of the rows at the left, totals at the right."""
    left = label_width([half for label in data.labels for half in label.split(", ")], width)
    below = legend_height([fmt.capital(name) for name in data.parts], width - left - 0.95)
    return Margins(left, 0.95, max(0.5, 0.36 * len(data.labels)), below)
