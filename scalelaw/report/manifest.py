"""A folder that a report writes into: a manifest lists the report's files, and no other file is touched.

A file belongs to the report where the manifest holds its name and a hash of its bytes. The manifest is written before
the files, with the old and the new hash of each, so that a run that stops midway leaves only files of its own. Folders
of earlier versions have no manifest: there report.json names the files.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from scalelaw.errors import InputError
from scalelaw.files.paths import atomic, write_text
from scalelaw.files.safe_load import MOST_ANSWER_BYTES, parse_json, read_text

MANIFEST = "manifest.json"
_SCHEMA = "scalelaw.report_manifest/1"
_REMOVABLE = re.compile(r"\d\d+_[\w.-]+\.(csv|pdf|svg|png)|report\.json|tables\.tex|references\.bib")
"""Names of files that a report makes: whatever else a manifest lists is never removed or replaced."""
_ANY = ""
"""In place of a hash: the bytes are not known."""


class OwnedFolder:
    """The files of an earlier report in a folder, and those of this one.

    files: {name: bytes} to write. records: of a folder of figures without a manifest, the folder with the report.json
    that names them.
    """

    def __init__(self, folder: Path, files: Mapping[str, bytes], records: Path | None = None) -> None:
        self.folder = folder
        self._files = files
        self._hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        self._before = _manifest(folder, records)

    def check(self) -> None:
        """Raises InputError where a file of the user is in the way; nothing is written."""
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(
                f"{self.folder} is not a folder, and the report's data go there.",
                code="not_ours",
                hint="Give the report another name with -o.",
            )
        foreign = [name for name in [*self._files, MANIFEST] if not self._is_own(name)]
        if foreign:
            more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
            raise InputError(
                f"{self.folder} contains files that no report wrote, or that were changed since: "
                f"{', '.join(foreign[:3])}{more}.",
                code="not_ours",
                hint="Move them, or give the report another name with -o.",
            )

    def write(self) -> None:
        """Write the files, then remove those of an earlier report that this one does not have."""
        names = dict.fromkeys([*self._before, *self._files])
        self._write_manifest(
            {
                name: [*self._before.get(name, ()), *([self._hashes[name]] if name in self._hashes else [])]
                for name in names
            }
        )
        for name, content in self._files.items():
            with atomic(self.folder / name) as part:
                part.write_bytes(content)
        for name in self._before:
            if name not in self._files and _REMOVABLE.fullmatch(name) and self._is_own(name):
                (self.folder / name).unlink(missing_ok=True)
        self._write_manifest({name: [value] for name, value in self._hashes.items()})

    def _write_manifest(self, hashes: Mapping[str, list[str]]) -> None:
        files = {name: values[0] if len(values) == 1 else values for name, values in hashes.items()}
        text = json.dumps({"schema": _SCHEMA, "files": files}, indent=1, sort_keys=True)
        write_text(self.folder / MANIFEST, text + "\n")

    def _is_own(self, name: str) -> bool:
        path = self.folder / name
        if not (path.is_symlink() or path.exists()):
            return True
        if path.is_symlink() or not path.is_file():
            return False
        if name == MANIFEST:
            return bool(self._before)
        known = self._before.get(name, [])
        if _ANY in known:
            return _REMOVABLE.fullmatch(name) is not None
        return bool(known) and _hash(path) in known


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _manifest(folder: Path, records: Path | None) -> dict[str, list[str]]:
    """The files of an earlier report in the folder: names with the hashes that they may have."""
    manifest = _json(folder / MANIFEST)
    if isinstance(manifest, dict) and manifest.get("schema") == _SCHEMA:
        files = manifest.get("files")
        if isinstance(files, dict):
            return {
                str(name): [str(v) for v in value] if isinstance(value, list) else [str(value)]
                for name, value in files.items()
            }
    if (folder / MANIFEST).exists():
        return {}
    old = _json((records or folder) / "report.json")
    try:
        if isinstance(old, dict) and old["schema"] == "scalelaw.report_contents/1":
            names = [str(name) for page in old["data"]["pages"] for name in page["figures"]]
            if records is None:
                return {name: [_ANY] for name in [*names, "report.json"]}
            figures = [f"{Path(name).stem}.{suffix}" for name in names for suffix in ("pdf", "svg", "png")]
            return {name: [_ANY] for name in [*figures, "tables.tex", "references.bib"]}
    except (KeyError, TypeError):
        pass
    return {}


def _json(path: Path) -> object:
    if path.is_symlink() or not path.is_file():
        return None
    try:
        return parse_json(read_text(path, MOST_ANSWER_BYTES), path)
    except InputError:
        raise
    except (OSError, ValueError):
        return None
