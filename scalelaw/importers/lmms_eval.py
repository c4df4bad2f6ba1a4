"""lmms-eval: the folder of a run, or of many, in the layouts before and after v0.2.

New: <output>/<model>/<YYYYMMDD_HHMMSS>_results.json. Old: <output>/<MMDD_HHMM>_<suffix>_model_args_<hash>/results.json.
The files name neither the model's size nor its visual tokens: models.yaml does (see `scalelaw.importers._models`).
Times are in the time zone that the run states, Singapore by default, and come out as UTC; an old folder's name has no
year, so it gives no time, and any dated run counts as newer. A run with `limit` or `offset`, or with fewer examples
than the task has, gets the status `partial`. `*_stderr` is kept where it is on the value's scale; MME's never is.
Format: EvolvingLMMs-Lab/lmms-eval, lmms_eval/loggers/evaluation_tracker.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scalelaw.errors import Note
from scalelaw.importers._files import optional, text
from scalelaw.importers._harness import read_runs
from scalelaw.importers._scores import OPTIONS as OPTIONS
from scalelaw.importers._scores import Imported

SINGAPORE = timezone(timedelta(hours=8))
STAMP = re.compile(r"\d{8}_\d{6}")


def read(path: str | Path, options: Mapping[str, Any]) -> Imported:
    """Rows of every `*_results.json` and `results.json` under `path`, or of the one file that `path` is."""
    return read_runs("lmms_eval", path, options, _is_result, _started_at)


def _is_result(file: Path) -> bool:
    return file.name == "results.json" or file.name.endswith("_results.json")


def _started_at(run: dict[str, Any], file: Path, warnings: list[Note]) -> str | None:
    stamp = next((m[0] for s in (str(run.get("date")), file.name) if (m := STAMP.search(s))), None)
    if stamp is None:
        return None
    zone = text(optional(run, "config", "resolved_cli_args", "timezone"))
    try:
        place: Any = SINGAPORE if zone in (None, "Asia/Singapore") else ZoneInfo(str(zone))
        local = datetime.strptime(stamp, "%Y%m%d_%H%M%S").replace(tzinfo=place)
        return local.astimezone(UTC).isoformat()
    except (ZoneInfoNotFoundError, ValueError, OSError, OverflowError):
        warnings.append(
            ("no_time", f"{file.name}: {stamp} in the time zone {zone} is no time that can be read.")
        )
        return None
