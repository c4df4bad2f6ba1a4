"""What is measured twice, in part, or by different judges: one rule each, and a sentence about it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from scalelaw.columns import OK

PARTIAL = "partial"
AMBIGUOUS = "ambiguous"
Warnings = list[tuple[str, str]]
Keyed = list[tuple[tuple[Any, ...], dict[str, Any]]]
"""Rows, each with what tells it from the others."""


def these(names: Iterable[str]) -> str:
    unique = sorted(set(names))
    return ", ".join(unique[:6]) + (f" and {len(unique) - 6} more" if len(unique) > 6 else "")


def _cell(key: tuple[Any, ...], row: Mapping[str, Any], again: int = 0) -> str:
    """The row's id: what was measured on what, not where its file lay nor when."""
    words = (row["experiment"], *key, row["status"], *([again] if again else []))
    return hashlib.sha256("/".join(map(str, words)).encode()).hexdigest()[:12]


def newest(rows: Keyed, warnings: Warnings) -> list[dict[str, Any]]:
    """One row a key: a full run before a partial one, then the newest; without times to go by, none is believed."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for key, row in rows:
        groups.setdefault(key, []).append(row)
    kept, older, unclear = [], [], []
    for key, group in groups.items():
        group.sort(key=lambda r: (r["status"] == OK, r["started_at"] or "", r["source"]))
        best = dict(group[-1])
        tied = [r for r in group if (r["status"], r["started_at"]) == (best["status"], best["started_at"])]
        if len({r["value"] for r in tied}) > 1:
            best["status"] = AMBIGUOUS
            unclear.append(
                f"{best['benchmark']} of {best['model']} ({', '.join(r['source'] for r in tied[:4])})"
            )
        elif len(group) > 1:
            older.append(f"{best['benchmark']} of {best['model']} (kept {best['source']})")
        kept.append({**best, "cell": _cell(key, best)})
    if older:
        warnings.append(("duplicates", f"Of several results the newest full run was kept: {these(older)}."))
    if unclear:
        warnings.append(
            (
                "ambiguous_duplicates",
                f"Several results differ, and no time says which is newer; status '{AMBIGUOUS}': {these(unclear)}.",
            )
        )
    kept.sort(key=lambda r: (str(r["model"]), str(r["benchmark"]), str(r["metric"]), r["cell"]))
    return kept


def repeats(rows: Keyed, warnings: Warnings) -> list[dict[str, Any]]:
    """Every row, in the file's order; repeats of one key get ids of their own and are reported."""
    seen: Counter[tuple[Any, ...]] = Counter()
    kept = []
    for key, row in rows:
        kept.append({**row, "cell": _cell(key, row, seen[key])})
        seen[key] += 1
    if repeated := [f"{key[0]}" for key, times in seen.items() if times > 1]:
        warnings.append(
            (
                "repeated_rows",
                f"Rows that nothing but the value tells apart are taken as repeats: {these(repeated)}. "
                "A `seed` column says so.",
            )
        )
    return kept


def flag(rows: list[dict[str, Any]], warnings: Warnings) -> None:
    """Report what is not believed, and what was judged by different judges."""
    for status, times in sorted(Counter(r["status"] for r in rows).items()):
        if status not in (OK, AMBIGUOUS):
            named = these(f"{r['benchmark']} of {r['model']}" for r in rows if r["status"] == status)
            code = "partial_runs" if status == PARTIAL else "unfinished_runs"
            warnings.append((code, f"{times} row(s) have status '{status}' and are never fitted: {named}."))
    judges: dict[tuple[Any, Any], set[str]] = {}
    for row in rows:
        judges.setdefault((row["benchmark"], row["metric"]), set()).add(row["judge"] or "none stated")
    for (benchmark, metric), who in sorted(judges.items()):
        if len(who) > 1:
            warnings.append(
                (
                    "mixed_judges",
                    f"{benchmark}/{metric} was judged by {', '.join(sorted(who))}: such scores do not compare; "
                    f"choose with --where 'judge=...'.",
                )
            )
