"""Every bundled published table, fitted, planned and reported as data/tables/sources.yaml states it (`make paper`).

With SOURCE_DATE_EPOCH set (as `make paper` does) a second run writes the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import scalelaw as sl
from scalelaw.files.paths import write_text
from scalelaw.table.read import bundled_tables, describe


def rebuild(name: str, folder: Path) -> None:
    """Write NAME.fit.json, NAME.optimum.json (where a plan is stated) and NAME.pdf into `folder`."""
    facts = describe(name)
    fits = [sl.fit_law(name, **settings) for settings in (facts["fit"], *facts.get("more_fits", []))]
    items: list[object] = list(fits)
    for number, fitted in enumerate(fits):
        write_text(folder / f"{name}.fit{number or ''}.json", fitted.to_json())
    if "plan" in facts:
        optimum = sl.find_optimum(fits[0], **facts["plan"])
        write_text(folder / f"{name}.optimum.json", optimum.to_json())
        items.append(optimum)
    sl.write_report([*items, name], folder / f"{name}.pdf", title=facts["title"])
    print(f"{name}: {len(fits)} fit(s), {folder / f'{name}.pdf'}", file=sys.stderr)


if __name__ == "__main__":
    for table in bundled_tables():
        rebuild(table, Path(sys.argv[1] if len(sys.argv) > 1 else "reports/paper"))
