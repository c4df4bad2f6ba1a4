"""A folder that a report writes into: a manifest there lists what the report made, and nothing else is touched.

A file is the report's own where the manifest holds its name and the hash of its bytes. Folders of earlier versions have
no manifest: there report.json, which such a report wrote, names its files.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from scalelaw.errors import InputError
from scalelaw.files.paths import write_text
from scalelaw.files.safe_load import MOST_ANSWER_BYTES, parse_json, read_text

MANIFEST = "manifest.json"
_SCHEMA = "scalelaw.report_manifest/1"
_REMOVABLE = re.compile(r"\d\d_[\w.-]+\.(csv|pdf|svg|png)|report\.json|tables\.tex|references\.bib")
"""Names of files that a report makes: whatever else a manifest lists is never removed or replaced."""


class OwnedFolder:
    """What an earlier report made in a folder, and what this one makes."""

    def __init__(self, folder: Path, records: Path | None = None) -> None:
        """records: of a folder of figures without a manifest, the folder with the report.json that names them."""
        self.folder = folder
        self._before = _manifest(folder, records)
        self._made: list[str] = []

    def claim(self, names: list[str]) -> None:
        """Say which files are about to be written. Raises InputError where one of them is there and is not a report's:
        nothing has been written then."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(
                f"{self.folder} is not a folder, and the report's data go there.",
                code="not_ours",
                hint="Give the report another name with -o.",
            )
        foreign = [name for name in [*names, MANIFEST] if not self._is_own(name)]
        if foreign:
            more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
            raise InputError(
                f"{self.folder} holds files that no report wrote, or that were changed since: "
                f"{', '.join(foreign[:3])}{more}.",
                code="not_ours",
                hint="Move them, or give the report another name with -o.",
            )
        self._made = names

    def finish(self) -> None:
        """Remove what an earlier report made and this one did not, and write the manifest."""
        for name in self._before:
            if name not in self._made and _REMOVABLE.fullmatch(name) and self._is_own(name):
                (self.folder / name).unlink(missing_ok=True)
        hashes = {name: _hash(self.folder / name) for name in self._made}
        held = json.dumps({"schema": _SCHEMA, "files": hashes}, indent=1, sort_keys=True)
        write_text(self.folder / MANIFEST, held + "\n")

    def _is_own(self, name: str) -> bool:
        path = self.folder / name
        if not (path.is_symlink() or path.exists()):
            return True
        if path.is_symlink() or not path.is_file():
            return False
        if name == MANIFEST:
            return bool(self._before)
        known = self._before.get(name)
        return known is not None and (
            known == _hash(path) if known else _REMOVABLE.fullmatch(name) is not None
        )


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _manifest(folder: Path, records: Path | None) -> dict[str, str]:
    """What an earlier report made here: names with hashes ('' where they are not known)."""
    held = _json(folder / MANIFEST)
    if isinstance(held, dict) and held.get("schema") == _SCHEMA and isinstance(held.get("files"), dict):
        return {str(name): str(value) for name, value in held["files"].items()}
    if (folder / MANIFEST).exists():
        return {}
    old = _json((records or folder) / "report.json")
    try:
        if isinstance(old, dict) and old["schema"] == "scalelaw.report_contents/1":
            names = [str(name) for page in old["data"]["pages"] for name in page["figures"]]
            if records is None:
                return dict.fromkeys([*names, "report.json"], "")
            drawn = [f"{Path(name).stem}.{kind}" for name in names for kind in ("pdf", "svg", "png")]
            return dict.fromkeys([*drawn, "tables.tex", "references.bib"], "")
    except (KeyError, TypeError):
        pass
    return {}


def _json(path: Path) -> object:
    if path.is_symlink() or not path.is_file():
        return None
    try:
        return parse_json(read_text(path, MOST_ANSWER_BYTES))
    except (OSError, ValueError):
        return None
