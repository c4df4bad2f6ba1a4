"""A report in a paper's pieces: every figure at column width, tables for LaTeX, the entries to cite."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from scalelaw import plugins
from scalelaw.files.paths import bundled
from scalelaw.fit import FittedLaw
from scalelaw.report.blocks import Figure
from scalelaw.report.collect import Contents
from scalelaw.report.render.single import alone
from scalelaw.report.study import Study, facts_of
from scalelaw.report.text import format as fmt
from scalelaw.report.text.formula import Formula, typeset
from scalelaw.report.text.glyphs import drawable
from scalelaw.report.text.sentences import mind_all, served, target
from scalelaw.report.values import numbers

_MOST_WARNINGS, _MOST_ROWS, _MOST_COSTS, _MOST_SERVED = 12, 40, 4, 3
"""The most warnings; and of a table of plans the most rows (a page has room for them), kinds of cost, ways to serve."""
COLUMN = 3.4
"""The width of one column of two, in inches."""
_UNDATED: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None},
    "svg": {"Date": None},
    "png": {"Software": "scalelaw"},
}
_ARXIV = re.compile(r"\d{4}\.\d{5}")


def paper_files(
    figures: Sequence[tuple[str, Figure]], contents: Contents, tables: bool = True
) -> dict[str, bytes]:
    """Figures (PDF, SVG, PNG at 300 dpi) and, with `tables`, tables.tex (booktabs) and references.bib: {name: bytes}.

    Call it inside `style.styled()`.
    """
    files: dict[str, bytes] = {}
    for name, figure in figures:
        if tables and getattr(figure.figure, "IN_TABLES", False):
            # tables.tex has these numbers
            continue
        drawn, box = alone(figure, COLUMN)
        for kind, undated in _UNDATED.items():
            drawing = io.BytesIO()
            drawn.savefig(drawing, format=kind, dpi=300, bbox_inches=box, metadata=undated)
            files[f"{name}.{kind}"] = drawing.getvalue()
    if tables:
        files["tables.tex"] = "\n".join(_tables(contents)).encode()
        files["references.bib"] = bibliography(contents).encode()
    return files


def bibliography(contents: Contents) -> str:
    """The BibTeX entry of every law and data set used; a comment for what has none here."""
    sources = [*(study.fitted.source for study in contents.studies if study.fitted)]
    for comparison in contents.comparisons:
        sources += [_source(law["law"]) for law in comparison["laws"]]
    names = [str(s.fitted.checklist.get("table", "")) for s in contents.studies if s.fitted]
    sources += [
        facts_of(name).get("citation", "") for name in [*names, *(name for name, _ in contents.tables)]
    ]
    wanted = dict.fromkeys(number for text in sources for number in _ARXIV.findall(text))
    entries = re.split(r"\n(?=@)", bundled("references.bib").read_text(encoding="utf-8"))
    known = {numbers[0]: entry.strip() for entry in entries if (numbers := _ARXIV.findall(entry))}
    entry_texts = [known.get(number, f"% arXiv {number} has no entry here") for number in wanted]
    return "\n\n".join(entry_texts) + "\n" if entry_texts else "% nothing that was used is published\n"


def _source(law: str) -> str:
    return str(getattr(plugins.load("laws", law), "source", "")) if law in plugins.names("laws") else ""


def _tables(contents: Contents) -> Iterator[str]:
    yield "% Needs \\usepackage{booktabs}."
    yield from _warnings(contents)
    for study in contents.studies:
        if study.fitted is not None:
            yield _parameters(study)
        if study.optima:
            yield _plans(study)
    for comparison in contents.comparisons:
        yield _laws(comparison)


def _warnings(contents: Contents) -> Iterator[str]:
    """The warnings of all fits and plans, before the tables that they are about."""
    blocks = [replace(s, optima=[o]) for s in contents.studies for o in s.optima]
    notes = mind_all([*blocks, *(s for s in contents.studies if not s.optima)])
    if not notes:
        return
    yield "\\paragraph{Warnings}"
    yield "\\begin{itemize}"
    yield from (f"  \\item {escape(note)}" for note in notes[:_MOST_WARNINGS])
    if len(notes) > _MOST_WARNINGS:
        yield f"  \\item and {len(notes) - _MOST_WARNINGS} more, in report.json"
    yield "\\end{itemize}"
    yield ""


def _parameters(study: Study) -> str:
    fitted = study.fitted
    assert fitted is not None
    level = f"{100 * fitted.interval['level']:g}\\% interval"
    rows = [
        (_symbol(bar.name), _number(bar.value), f"{_number(bar.low)} to {_number(bar.high)}")
        for bar in numbers(fitted)
    ]
    formula = typeset(fitted.formula)
    caption = (
        f"{formula if isinstance(formula, Formula) else escape(formula)}, fitted to {fitted.n_points} points"
    )
    ids = "".join(f" \\cite{{arxiv-{number}}}" for number in _ARXIV.findall(fitted.source))
    name = f" ({escape(study.name)})" if study.name else ""
    caption += f"{name}{ids}; root mean square error {_number(fitted.rmse)}, "
    caption += f"{_status(fitted)}."
    return _table("lrr", ("", "value", level), rows, caption, f"fit-{study.name or 'law'}")


def _status(fitted: FittedLaw) -> str:
    if fmt.is_average(fitted.law):
        return "an average of laws"
    return f"status {escape(fmt.named(fitted.status))}"


def _plans(study: Study) -> str:
    """The best configuration and three runners-up of each plan, what each costs, and on what it is served."""
    choices = [[optimum["best"], *optimum["runners_up"][:3]] for optimum in study.optima]
    costs = [choice["costs"] for listed in choices for choice in listed]
    known = [kind for kind in costs[0] if all(cost.get(kind) is not None for cost in costs)]
    limited = {kind for optimum in study.optima for kind in optimum["budget"]}
    # what is limited and what is paid come first
    kinds = sorted(known, key=lambda kind: (kind not in limited, not fmt.cost(kind, 1.0).startswith("$")))
    kinds = kinds[:_MOST_COSTS]
    rows = []
    for optimum, listed in zip(study.optima, choices, strict=True):
        units = fmt.units_of(optimum)
        for place, choice in enumerate(listed):
            ends = choice.get("error_interval") or (None, None)
            low, high = (_number(float("nan") if end is None else end) for end in ends)
            rows.append(
                (
                    escape(fmt.budget(optimum["budget"], units)) if place == 0 else "",
                    escape(fmt.plain_name(choice["model"])),
                    f"{choice['visual_tokens']:g}",
                    f"{choice['error']:.4f}",
                    f"{low} to {high}",
                    *(escape(fmt.cost(kind, choice["costs"][kind], units)) for kind in kinds),
                )
            )
    left = f" {len(rows) - _MOST_ROWS} more rows are in report.json." if len(rows) > _MOST_ROWS else ""
    header = (
        "budget",
        "model",
        "$V$",
        escape(target(study)),
        "interval",
        *(escape(fmt.kind(k)) for k in kinds),
    )
    name = f" ({escape(study.name)})" if study.name else ""
    on = " ".join(dict.fromkeys(escape(served(optimum)) for optimum in study.optima[:_MOST_SERVED]))
    caption = f"The best configuration within each budget, and those behind it{name}. {on}{left}"
    columns = "llrrr" + "r" * len(kinds)
    return _table(columns, header, rows[:_MOST_ROWS], caption, f"plan-{study.name or 'law'}")


def _laws(comparison: Any) -> str:
    rows = []
    for law in comparison["laws"]:
        missed = [(law["leave_largest_out"].get(n) or {}).get("score") for n in comparison["inputs"]]
        numbers = [law["aicc"], law["leave_one_out"], *missed]
        cells = (_number(float("nan") if value is None else value) for value in numbers)
        rows.append((escape(fmt.law(law["law"])), str(law["n_parameters"]), *cells))
    largest = [f"largest ${fmt.symbol(name)}$ left out" for name in comparison["inputs"]]
    header = ("law", "parameters", "AICc", "one left out", *largest)
    caption = f"Laws by the root mean square of what they miss; {comparison['n_points']} points."
    return _table("lr" + "r" * (len(header) - 2), header, rows, caption, "laws")


def _table(
    columns: str, header: Iterable[str], rows: Iterable[Iterable[str]], caption: str, label: str
) -> str:
    lines = [
        "\\begin{table}", "  \\centering\\small", f"  \\caption{{{caption}}}", f"  \\label{{tab:{_slug(label)}}}",
        f"  \\begin{{tabular}}{{{columns}}}", "    \\toprule", f"    {' & '.join(header)} \\\\", "    \\midrule",
        *(f"    {' & '.join(row)} \\\\" for row in rows),
        "    \\bottomrule", "  \\end{tabular}", "\\end{table}", "",
    ]  # fmt: skip
    return "\n".join(lines)


def escape(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    special = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "−": "$-$"}
    special |= {
        "α": "$\\alpha$",
        "β": "$\\beta$",
        "γ": "$\\gamma$",
        "δ": "$\\delta$",
        "²": "$^2$",
        "×": "$\\times$",
    }
    drawn = drawable(" ".join(str(text).split()))
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in drawn if c != "\u200e")


def _symbol(name: str) -> str:
    return f"${name}$" if len(name) == 1 and name.isascii() and name.isalpha() else escape(fmt.greek(name))


def _number(value: float) -> str:
    text = fmt.short(value, 4)
    return {"∞": "$\\infty$", "−∞": "$-\\infty$", "not known": "--"}.get(text, text.replace("−", "$-$"))


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
