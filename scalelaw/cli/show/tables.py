"""Tables as terminal output: what a table covers, and paired comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scalelaw.cli.show.printer import Printer, first_names, label
from scalelaw.report.text import format as fmt

_MOST_ROWS, _MOST_COLUMNS = 60, 60
"""Rows and columns of a table's grid that are printed."""

if TYPE_CHECKING:
    from scalelaw.table.coverage import Coverage


_MOST_LIMITATIONS = 12


def show_coverage(coverage: Coverage) -> None:
    """Rows per cell of a table's grid, missing cells, source and limitations."""
    out = Printer()
    out.line(bold=coverage.table or "table", after=f"   {coverage.title}".rstrip())
    where = ", ".join(f"{column}={value}" for column, value in coverage.where.items())
    out.line(
        f"{coverage.n_rows} rows{f' with {where}' if where else ''}; {coverage.standard_errors} with a standard error",
        style="dim",
    )
    if coverage.repeat_sd is not None:
        out.line(
            f"SD of runs that differ in the seed only: {fmt.cell(coverage.repeat_sd)} "
            f"({coverage.repeat_freedom} degrees of freedom)",
            style="dim",
        )
    rows = [
        (label(value), *(str(count or "-") for count in counts[:_MOST_COLUMNS]))
        for value, counts in zip(coverage.row_values[:_MOST_ROWS], coverage.counts, strict=False)
    ]
    out.table(
        (f"{coverage.rows} by {coverage.along}", *map(label, coverage.along_values[:_MOST_COLUMNS])), rows
    )
    cut = [
        f"{len(values) - most} more of {name}"
        for name, values, most in (
            (coverage.rows, coverage.row_values, _MOST_ROWS),
            (coverage.along, coverage.along_values, _MOST_COLUMNS),
        )
        if len(values) > most
    ]
    if cut:
        out.line(f"and {' and '.join(cut)}; --json contains all", style="dim")
    cells = sum(bool(count) for line in coverage.counts for count in line)
    rarer = [f"{name} ({count} of {cells})" for name, count in coverage.benchmarks.items() if count < cells]
    if rarer:
        out.line(
            f"not in every measured cell: {first_names(rarer, 6)}; means over all benchmarks are not comparable there"
        )
    missing = ", ".join(f"{label(row)} at {label(column)}" for row, column in coverage.missing[:12])
    more = f" and {len(coverage.missing) - 12} more" if len(coverage.missing) > 12 else ""
    left = f"{coverage.unfinished} cells of the sweep have no result yet" if coverage.unfinished else ""
    out.line(f"missing: {'; '.join(filter(None, (missing + more, left))) or 'nothing'}")
    for name, text in (
        ("source", coverage.citation or first_names(coverage.sources)),
        ("license", coverage.licence),
    ):
        if text:
            out.line(f"{name}: {text}")
    limitations = coverage.warnings
    for limitation in limitations[:_MOST_LIMITATIONS]:
        out.line(f"limitation: {limitation}")
    if len(limitations) > _MOST_LIMITATIONS:
        out.line(f"limitation: and {len(limitations) - _MOST_LIMITATIONS} more; --json contains all")


def show_pairs(pairs: Any, by: str, baseline: str) -> None:
    """A paired comparison (`fit.pairs.paired`): errors, differences to the baseline, intervals, adjusted p."""
    out = Printer()
    within = list(pairs.columns[: pairs.columns.get_loc(by)])
    out.line(
        bold=by,
        after=f": error, and its difference to {baseline} by pairs (below 0 is better); 95% t intervals; "
        "p of a paired t test, adjusted within each group (Holm)",
    )
    rows = []
    for row in pairs.to_dict("records"):
        note = f" ({row['plateaus']} stuck)" if row["plateaus"] else ""
        rows.append((
            ", ".join(label(row[key]) for key in within), f"{row[by]}{note}", str(row["n"]), fmt.cell(row["error"]),
            fmt.cell_span([row["error_lo"], row["error_hi"]]), fmt.cell(row["difference"]),
            fmt.cell_span([row["difference_lo"], row["difference_hi"]]), fmt.cell(row["p_holm"]),
        ))  # fmt: skip
    out.table((" ".join(within), by, "pairs", "error", "", "difference", "", "p"), rows, keys=2)
