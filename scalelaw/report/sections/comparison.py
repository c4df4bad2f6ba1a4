"""The sections that compare: fits side by side, laws, kinds of budget, parts of the cost, ablations, compressors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from scalelaw.report.blocks import Block, Figure, Heading, Paragraph, Table
from scalelaw.report.collect import Contents
from scalelaw.report.figures import ablation, compressors, cost_shares, laws, relative, side_by_side
from scalelaw.report.figures import contrast as contrast_figure
from scalelaw.report.figures._contract import Plugin
from scalelaw.report.study import Study, alike, selection_of
from scalelaw.report.text import format as fmt
from scalelaw.report.values import axes_of

_PER_ROW = 5
_MOST_ROWS, _MOST_BESIDE, _MOST_LINES = 16, 96, 6


def beside(contents: Contents) -> Iterator[Block]:
    """Fits of one law side by side: each parameter, and what more tokens give each of them."""
    for studies, more in _parts(contents.studies):
        what = "Task families side by side" if _families(studies) else "Fits side by side"
        texts = [str(sharing["words"]) for sharing in contents.sharing if sharing.get("words")]
        line = f"{fmt.capital(fmt.law(_law(studies)))}, fitted to each apart. Bars are intervals."
        left = [f"{fmt.count(more, 'more fit')} on page one and in report.json."] if more else []
        yield Heading(what, 1)
        yield Paragraph(" ".join([line, *texts, *left]))
        yield from _in_rows("side_by_side", side_by_side, side_by_side.beside(studies))
        fitted = studies[0].fitted
        if fitted is not None and len(studies) <= _MOST_LINES and len(fitted.inputs) > 1:
            yield Figure("relative", relative, relative.relative(studies, axes_of(fitted)[0]))


def compared_laws(contents: Contents) -> Iterator[Block]:
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
        yield Heading("Laws compared by extrapolation" + (f": {name}" if name else ""), 1)
        yield Paragraph(line.strip())
        yield Figure("laws", laws, data)


def contrast(study: Study) -> Iterator[Block]:
    """The best configuration under each kind of budget of the same size, for each plan with a contrast."""
    for optimum in study.optima:
        if not (contrast := optimum.get("contrast")):
            continue
        rows = contrast["rows"]
        notes = [w["message"] for w in contrast.get("warnings", [])]
        if not notes and all(row["best"]["model"] == rows[0]["best"]["model"] for row in rows):
            notes = ["Every kind of budget gives about the same configuration."]
        if free := contrast.get("free_tokens"):
            notes.append(
                f"{free['tokens']} of {free['of']} visual tokens cost no latency for {free['model']} at batch "
                f"{free['batch']:g} on {free['hardware']} (less than {100 * free['tolerance']:g}% more)."
            )
        line = "Each budget is the cost of the first configuration in its own unit. Ringed: another configuration."
        yield Heading(f"Kinds of budget{study.tag}", 1)
        yield Paragraph(" ".join([line, *notes]))
        yield from _in_rows("contrast", contrast_figure, contrast_figure.panels(study, optimum))


def shares(contents: Contents) -> Iterator[Block]:
    """What the FLOPs of the picks, of those behind them, and of queries are spent on: two figures to a section."""
    panels: list[tuple[str, str, cost_shares.Shares]] = []
    for study in contents.studies:
        if study.optima and (data := cost_shares.prepare(study)):
            first = study.optima[0]
            line = f"A query of {fmt.workload(first)}. {fmt.costing(first['cost'])}."
            panels.append((study.name, line, data))
    if contents.bills and (data := cost_shares.shares_of_bills(contents.bills)):
        bill = contents.bills[0]
        panels.append(("", f"A query of {fmt.workload(bill)}. {fmt.capital(str(bill['says']))}.", data))
    for first_one in range(0, len(panels), 2):
        shown = panels[first_one : first_one + 2]
        same = len({line for _, line, _ in shown}) == 1
        texts = [f"{fmt.capital(name)}: {line}" if name and not same else line for name, line, _ in shown]
        yield Heading("Cost by part", 1)
        yield Paragraph(" ".join(dict.fromkeys(texts)))
        for place, (_, _, data) in enumerate(shown):
            yield Figure(f"cost_shares_{first_one + place + 1}", cost_shares, data)
        if len(shown) == 1 and len(table := shown[0][2].table) > 1:
            yield Heading("What each costs and gives")
            yield Table(table)


def ablated(study: Study) -> Iterator[Block]:
    """The fit under other choices; nothing without an ablation."""
    if study.fitted is None or ablation.prepare(study) is None:
        return
    failed = [str(row["change"]) for row in study.ablation if not row["params"]]
    failures = f" Not refitted: {', '.join(failed)}." if failed else ""
    line = "One choice changed at a time. Grey band: the interval of the original fit. Ringed: outside it."
    yield Heading(f"Ablation of the fit{study.tag}", 1)
    yield Paragraph(line + failures)
    yield from _in_rows("ablation", ablation, ablation.changed(study.ablation, study.fitted))


def compared_compressors(contents: Contents) -> Iterator[Block]:
    """Compressors at equal numbers of tokens, where a table has several: two families of tasks to a section."""
    for name, frame in contents.tables:
        panels = compressors.compressors(frame)
        for first in range(0, len(panels), 2):
            yield Heading("Compressors compared" + (f": {name}" if name else ""), 1)
            yield Paragraph("Mean error over benchmarks and models that were measured at every point shown.")
            for place, data in enumerate(panels[first : first + 2]):
                where = "beside" if place else "row"
                yield Figure(f"compressors_{first + place + 1}", compressors, data, where)  # type: ignore[arg-type]


def _in_rows(name: str, figure: Plugin, panels: Sequence[Any]) -> Iterator[Figure]:
    """Panels that share their row labels, beside each other in one row or two."""
    count = len(panels) if len(panels) <= _PER_ROW else -(-len(panels) // 2)
    for number, data in enumerate(panels):
        first = number % count == 0
        yield Figure(f"{name}_{number + 1}", figure, data, "row" if first else "beside", labels=first)


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


def _families(studies: Iterable[Study]) -> bool:
    label_sets: list[Mapping[str, Any]] = [s.fitted.points["labels"] for s in studies if s.fitted]
    families = [set(labels.get("task_family", ())) for labels in label_sets]
    return all(len(names) == 1 for names in families) and len({tuple(names) for names in families}) == len(
        families
    )


def _law(studies: Sequence[Study]) -> str:
    return studies[0].fitted.law if studies[0].fitted else ""
