"""The pages that compare: fits side by side, laws, kinds of budget, where the cost goes, other choices, compressors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from scalelaw.report.collect import Contents
from scalelaw.report.figures import ablation, compressors, cost_shares, laws, relative, side_by_side
from scalelaw.report.figures import contrast as contrast_figure
from scalelaw.report.figures._contract import Plugin
from scalelaw.report.figures._parts import WIDEST
from scalelaw.report.figures._rows import Rows
from scalelaw.report.render.pdf import FOOT, Page
from scalelaw.report.sections.fit import GAP, LEFT, TOP, WIDE
from scalelaw.report.study import Study, alike, selection_of
from scalelaw.report.style import BODY, INK, MARGIN, MUTED, SMALL, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.text.measure import clip, text_width
from scalelaw.report.values import axes_of

_PER_ROW = 5
_MOST_ROWS, _MOST_BESIDE = 16, 96


def beside_pages(contents: Contents) -> Iterator[Page]:
    """Fits of one law side by side: each parameter, and what more tokens buy each of them."""
    for studies, more in _parts(contents.studies):
        panels = side_by_side.beside(studies)
        what = "Task families side by side" if _families(studies) else "Fits side by side"
        texts = [str(sharing["words"]) for sharing in contents.sharing if sharing.get("words")]
        line = f"{fmt.capital(fmt.law(_law(studies)))}, fitted to each apart. Bars are intervals."
        left = [f"{fmt.count(more, 'more fit')} on page one and in report.json."] if more else []
        page = Page(what, " ".join([line, *texts, *left]))
        below = len(studies) <= 6 and len(studies[0].fitted.inputs if studies[0].fitted else ()) > 1
        bottom = _in_rows(page, "side_by_side", side_by_side, panels, 0.3 * len(studies), page.top + 0.6)
        if below and bottom + 2.6 < FOOT:
            along = axes_of(studies[0].fitted)[0] if studies[0].fitted else "visual_tokens"
            height = min(FOOT - bottom - 1.25, 2.6)
            data = relative.relative(studies, along)
            page.plot("relative", (LEFT, bottom + 0.35, WIDE, height), relative, data)
        yield page


def law_pages(contents: Contents) -> Iterator[Page]:
    """Laws compared by how they extrapolate, for each comparison, and each fit that was selected by one."""
    pairs = [(c, str(c.get("table", ""))) for c in contents.comparisons]
    pairs += [(c, study.name) for study in contents.studies if (c := selection_of(study))]
    for comparison, name in pairs:
        data = laws.extrapolated(comparison)
        if data is None:
            continue
        winner = comparison.get("winner")
        verdict = f"{fmt.capital(fmt.law(winner))} wins." if winner else ""
        if winner == "":
            verdict = "No law wins clearly; weights are those of their average."
        if tie := comparison.get("tie"):
            verdict = f"Tie: {' and '.join(map(fmt.law, tie))} give the same predictions."
        line = f"Each law is fitted without some points and predicts them: lower errors are better. {verdict}"
        page = Page("Laws compared by extrapolation" + (f": {name}" if name else ""), line.strip())
        left = _room(data.labels)
        height = min(0.45 * len(data.labels), 4.2)
        page.plot("laws", (left, TOP, 11.69 - MARGIN - 1.0 - left, height), laws, data)
        yield page


def contrast_pages(study: Study, tag: str = "") -> Iterator[Page]:
    """The best configuration under each kind of budget of the same size, for each plan with a contrast."""
    for optimum in study.optima:
        if not (contrast := optimum.get("contrast")):
            continue
        free = contrast.get("free_tokens")
        notes = [w["message"] for w in contrast.get("warnings", [])]
        if not notes and all(
            row["best"]["model"] == contrast["rows"][0]["best"]["model"] for row in contrast["rows"]
        ):
            notes = ["Every kind of budget gives about the same configuration."]
        if free:
            notes.append(
                f"{free['tokens']} of {free['of']} visual tokens cost no latency for {free['model']} at batch "
                f"{free['batch']:g} on {free['hardware']} (less than {100 * free['tolerance']:g}% more)."
            )
        line = "Each budget is the cost of the first configuration in its own unit. Ringed: another configuration."
        page = Page(f"Kinds of budget{tag}", " ".join([line, *notes]))
        panels = contrast_figure.panels(study, optimum)
        _in_rows(
            page, "contrast", contrast_figure, panels, 0.42 * len(contrast["rows"]), max(page.top + 0.6, TOP)
        )
        yield page


def share_pages(contents: Contents) -> Iterator[Page]:
    """What the FLOPs of the picks, of those behind them, and of bills are spent on: two to a page."""
    panels: list[tuple[str, str, cost_shares.Shares]] = []
    for study in contents.studies:
        if study.optima and (
            data := cost_shares.shares_of_plans(study.optima, f": {study.name}" if study.name else "")
        ):
            first = study.optima[0]
            line = f"A query of {fmt.workload(first)}. {fmt.costing(first['cost'])}."
            panels.append((study.name, line, data))
    if contents.bills and (data := cost_shares.shares_of_bills(contents.bills)):
        bill = contents.bills[0]
        panels.append(("", f"A query of {fmt.workload(bill)}. {fmt.capital(str(bill['says']))}.", data))
    for first_one in range(0, len(panels), 2):
        shown = panels[first_one : first_one + 2]
        alike = len({line for _, line, _ in shown}) == 1
        texts = [f"{fmt.capital(name)}: {line}" if name and not alike else line for name, line, _ in shown]
        page = Page("Cost by part", " ".join(dict.fromkeys(texts)))
        left = max(_room(data.labels) for _, _, data in shown)
        top = max(TOP, page.top + 0.6)
        for place, (_, _, data) in enumerate(shown):
            height = min(0.5 * len(data.labels), 4.3 / len(shown) - 0.5 * (len(shown) - 1))
            name = f"cost_shares_{first_one + place + 1}"
            page.plot(name, (left, top, 11.69 - MARGIN - 1.0 - left, height), cost_shares, data)
            top += height + 1.25
        if len(shown) == 1:
            _costs(page, shown[0][2].table, top)
        yield page


def _costs(page: Page, table: Sequence[Sequence[str]], top: float) -> None:
    """What each configuration costs in every kind and what is predicted of it, where the page has room under `top`."""
    if len(table) < 2 or top + 0.6 + 0.3 * len(table) > FOOT:
        return
    top = page.text(MARGIN, top, "What each costs and gives", WIDE, size=11, weight="bold") + 0.08
    page.texts.append(("heading", "What each costs and gives"))
    room = 11.69 - 2 * MARGIN
    first = max(text_width(row[0], BODY) for row in table) + 0.3
    step = (room - first) / (len(table[0]) - 1)
    for number, row in enumerate(table):
        page.texts.append(("row", "\t".join(row)))
        size, colour = (SMALL, MUTED) if number == 0 else (BODY, INK)
        for place, cell in enumerate(row):
            width = first if place == 0 else first + place * step
            side = "left" if place == 0 else "right"
            page.text(MARGIN, top, clip(cell, max(step - 0.1, 0.5) if place else first, size), width, size=size,
                      colour=colour, align=side)  # fmt: skip
        top += 0.27
        page.rule(MARGIN, top - 0.04, room)


def ablation_page(study: Study, tag: str = "") -> Page | None:
    """The fit under other choices. None without an ablation."""
    if study.fitted is None or sum(bool(row["params"]) for row in study.ablation) < 2:
        return None
    panels = ablation.changed(study.ablation, study.fitted)
    if not panels:
        return None
    failed = [row for row in study.ablation if not row["params"]]
    failures = f" Not refitted: {', '.join(str(row['change']) for row in failed)}." if failed else ""
    page = Page(
        f"Ablation of the fit{tag}",
        "One choice changed at a time. Grey band: the interval of the original fit. Ringed: outside it."
        + failures,
    )
    _in_rows(page, "ablation", ablation, panels, 0.2 * len(panels[0].labels), max(page.top + 0.6, TOP))
    return page


def compressor_pages(tables: Iterable[tuple[str, pd.DataFrame]]) -> Iterator[Page]:
    """Compressors at equal numbers of tokens, where a table holds several: two families of tasks to a page."""
    for name, frame in tables:
        panels = compressors.compressors(frame)
        for first in range(0, len(panels), 2):
            shown = panels[first : first + 2]
            page = Page(
                "Compressors compared" + (f": {name}" if name else ""),
                "Mean error over benchmarks and models that were measured at every point shown.",
            )
            width = (WIDE - GAP * (len(shown) - 1)) / len(shown)
            for place, data in enumerate(shown):
                where = (LEFT + place * (width + GAP), TOP, width, 3.7)
                page.plot(f"compressors_{first + place + 1}", where, compressors, data)
            yield page


def _in_rows(
    page: Page, name: str, figure: Plugin, panels: Sequence[Rows], height: float, top: float
) -> float:
    """Panels that share their row labels, beside each other in one row or two; returns where they end."""
    left = _room(panels[0].labels)
    count = len(panels) if len(panels) <= _PER_ROW else -(-len(panels) // 2)
    height = max(0.35, min(height, 4.6))
    for first in range(0, len(panels), count):
        if top + height + 0.5 > FOOT:
            page = page.follow()
            top = page.top + 0.6
        shown = panels[first : first + count]
        width = (11.69 - MARGIN - 0.2 - left - 0.6 * (count - 1)) / count
        for place, data in enumerate(shown):
            where = (left + place * (width + 0.6), top, width, height)
            page.plot(f"{name}_{first + place + 1}", where, figure, data, labels=place == 0)
        top += height + 0.95
    return top


def _room(labels: Sequence[str]) -> float:
    """Where a panel begins whose row labels are these."""
    return MARGIN + min(WIDEST, max(text_width(label, TINY) for label in labels)) + 0.15


def _parts(studies: Sequence[Study]) -> list[tuple[list[Study], int]]:
    """Fits of one law in parts that have room for a row each; of very many the first, and with the last part how many
    more there are."""
    parts: list[tuple[list[Study], int]] = []
    for group in alike(studies):
        for start in range(0, min(len(group), _MOST_BESIDE), _MOST_ROWS):
            last = start + _MOST_ROWS >= min(len(group), _MOST_BESIDE)
            more = max(len(group) - _MOST_BESIDE, 0) if last else 0
            parts.append((group[start : start + _MOST_ROWS], more))
    return parts


def _families(studies: Sequence[Study]) -> bool:
    label_sets: list[Mapping[str, Any]] = [s.fitted.points["labels"] for s in studies if s.fitted]
    families = [set(labels.get("task_family", ())) for labels in label_sets]
    return all(len(names) == 1 for names in families) and len({tuple(names) for names in families}) == len(
        studies
    )


def _law(studies: Sequence[Study]) -> str:
    return studies[0].fitted.law if studies[0].fitted else ""
