"""Tables written by a sweep: the file's metadata has a checksum of the rows, which is verified on reading.

The checksum (`CHECKSUM`) is the SHA-256 of the rows, column by column, and of every note of this package in the
metadata. It detects edited, damaged or exchanged rows; it is not a signature.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from scalelaw.errors import InputError
from scalelaw.files.paths import atomic
from scalelaw.table.parquet import readable_columns
from scalelaw.table.schema import ARROW, COLUMNS, SCHEMA_VERSION, schema

OWN = b"scalelaw."
CHECKSUM, IDENTITY, SCHEMA = "scalelaw.checksum", "scalelaw.identity", "scalelaw.schema"

SPECIAL = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"), (stat.S_ISCHR, "a device"), (stat.S_ISLNK, "a link to nothing"),
)  # fmt: skip


class BrokenPart(Exception):
    """A part file with missing, damaged or foreign rows; the text is the reason."""


@dataclass(frozen=True)
class Verified:
    """Rows of a file, and the notes of this package in its metadata.

    checked: whether the file has a checksum; files of early versions have none.
    """

    rows: pa.Table
    notes: dict[str, str]
    checked: bool


def special(path: Path) -> str:
    """The kind of a path that is not a regular file ("a folder", "a FIFO"); empty for a file and a missing path."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.is_symlink():
            return ""
        mode = path.lstat().st_mode
    return next((name for kind, name in SPECIAL if kind(mode)), "")


def digest(rows: pa.Table, notes: Mapping[str, str]) -> str:
    """SHA-256 of rows and notes; empty columns do not count, so that new columns can be added."""
    checksum = hashlib.sha256(json.dumps(sorted(notes.items())).encode())
    for name in sorted(rows.column_names):
        column = rows[name]
        if column.null_count == rows.num_rows:
            continue
        checksum.update(f"\0{name}\0{rows.num_rows}\0".encode())
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            if column.null_count:
                checksum.update(column.is_null().to_numpy().tobytes())
                column = column.fill_null(0)
            checksum.update(column.to_numpy().tobytes())
        else:
            checksum.update(json.dumps(column.to_pylist(), default=str).encode())
    return checksum.hexdigest()


def write_verified(rows: pa.Table, path: Path, notes: Mapping[str, str]) -> None:
    """Write rows in the schema, atomically, with notes and a checksum in the file's metadata."""
    notes = {SCHEMA: str(SCHEMA_VERSION), **notes}
    rows = rows.cast(schema())
    notes[CHECKSUM] = digest(
        rows, {name: note for name, note in notes.items() if name.encode().startswith(OWN)}
    )
    import pyarrow.parquet as pq

    with atomic(path) as part:
        table = rows.replace_schema_metadata(notes)
        pq.write_table(table, part, compression="zstd", write_page_checksum=True)


def read_verified(path: Path) -> Verified:
    """Read a table that a sweep wrote.

    Raises FileNotFoundError, and BrokenPart for a file that is not regular, cannot be read, does not match its
    checksum, or was written by another program.
    """
    import pyarrow.parquet as pq

    if kind := special(path):
        raise BrokenPart(f"it is {kind}, not a file")
    try:
        columns = readable_columns(path)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            rows = file.read(columns, use_threads=False)
            metadata = file.metadata.metadata or {}
        notes = {name.decode(): note.decode() for name, note in metadata.items() if name.startswith(OWN)}
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, InputError, ValueError) as error:
        raise BrokenPart(f"it cannot be read ({str(error).splitlines()[0].rstrip('.')})") from error
    if SCHEMA not in notes:
        raise BrokenPart("another program wrote it")
    checksum = notes.pop(CHECKSUM, None)
    if checksum is not None and checksum != digest(rows, notes):
        raise BrokenPart("its rows do not match its checksum")
    return Verified(rows, notes, checksum is not None)


def is_verified(path: Path) -> bool:
    """Whether a parquet file has a checksum of its rows, right or wrong."""
    import pyarrow.parquet as pq

    try:
        return CHECKSUM.encode() in (pq.read_metadata(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def read_part(path: Path, name: str) -> Verified | None:
    """The rows of cell `name`, or None where there is no file. Raises BrokenPart for one that is not that cell's.

    A part without a checksum, written before there was one, must be of this cell by its notes, in the schema, with a
    finite error in each row and no row twice.
    """
    try:
        part = read_verified(path)
    except FileNotFoundError:
        return None
    rows = part.rows
    if "cell" not in rows.column_names or not rows.num_rows:
        raise BrokenPart("it has no cell")
    if others := set(rows["cell"].to_pylist()) - {name}:
        raise BrokenPart(f"it has the rows of another cell ({', '.join(map(str, sorted(others, key=str)))})")
    identity = part.notes.get(IDENTITY)
    if identity is None or not hashlib.sha256(identity.encode()).hexdigest().startswith(name):
        raise BrokenPart("it does not identify its cell")
    if not part.checked:
        _check_rows(rows)
    return part


def _check_rows(rows: pa.Table) -> None:
    for field in rows.schema:
        if field.name in COLUMNS and field.type != (wanted := ARROW[COLUMNS[field.name][0]]):
            raise BrokenPart(f"its column {field.name} has type {field.type}, not {wanted}")
    errors = rows["error"] if "error" in rows.column_names else pa.nulls(rows.num_rows, pa.float64())
    if pc.any(pc.invert(pc.fill_null(pc.is_finite(errors), fill_value=False))).as_py():
        raise BrokenPart("it has a row whose error is not a number")
    texts = [json.dumps(row, default=str) for row in rows.to_pylist()]
    if len(set(texts)) < len(texts):
        raise BrokenPart("it has a duplicate row")
