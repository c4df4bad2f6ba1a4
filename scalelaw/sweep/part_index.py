"""The index of finished parts of a sweep: only new and changed part files are read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scalelaw.errors import InputError
from scalelaw.files.paths import SweepFolder
from scalelaw.sweep.parts import BrokenPart, read_part
from scalelaw.table.checksums import read_verified, write_verified
from scalelaw.table.schema import schema

Mark = tuple[int, int, int, int]
"""Size, modification time, inode and change time of a part, times in nanoseconds. The kernel sets the change time, so a
part that was replaced with its old modification time is read again."""
NOTE = "scalelaw.marks"
TOGETHER = 200
"""Number of parts that are concatenated at once: a table of two rows takes 58 KB, a row of a long one 0.2 KB."""


@dataclass(frozen=True)
class Gathered:
    """The verified parts. rows: of all of them. marks: cell -> mark. broken: cell -> why its part failed verification.
    fresh: number of parts read. warnings: (code, message).
    """

    rows: pa.Table
    marks: dict[str, Mark]
    broken: dict[str, str]
    fresh: int
    warnings: tuple[tuple[str, str], ...] = ()

    def __contains__(self, cell: str) -> bool:
        return cell in self.marks

    def of(self, cells: Iterable[str]) -> pa.Table:
        """The rows of these cells, in their order; cells without a part are skipped."""
        names = pa.array(list(cells), pa.string())
        order = pc.index_in(self.rows["cell"], names).combine_chunks()
        kept = pc.drop_null(order).to_numpy()
        rows = self.rows.filter(order.is_valid())
        return rows.take(pa.array(np.argsort(kept, kind="stable")))


def gather(folder: SweepFolder, cells: Iterable[str], *, keep: bool = True) -> Gathered:
    """Find the parts of these cells. keep: store their rows in `folder.gathered`, so that they are not read again.

    A part is read and verified once. Later its mark is compared, and its rows come from `folder.gathered`, which is
    verified as a whole.
    """
    before = _kept(folder)
    marks, special = _marks(folder)
    known, broken, read, unverified = {}, dict[str, str](), 0, 0
    tables, few = list[pa.Table](), list[pa.Table]()
    for cell in cells:
        if cell in special:
            marks[cell] = (0, 0, 0, 0)
        if (mark := marks.get(cell)) is None:
            continue
        if before.marks.get(cell) == mark:
            known[cell] = mark
            continue
        try:
            part = read_part(folder.cell(cell), cell)
        except BrokenPart as error:
            broken[cell] = str(error)
            continue
        if part is not None:
            few.append(_in_schema(part.rows))
            known[cell], read = mark, read + 1
            unverified += not part.checked
            if len(few) == TOGETHER:
                tables.append(pa.concat_tables(few).combine_chunks())
                few.clear()
    same = pa.array([cell for cell in known if before.marks.get(cell) == known[cell]], pa.string())
    old = before.rows.filter(pc.is_in(before.rows["cell"], same))
    rows = pa.concat_tables([old, *tables, *few]).combine_chunks()
    warnings = [*before.warnings, *_unverified(folder, unverified)]
    if keep and read:
        try:
            write_verified(rows, folder.gathered, {NOTE: json.dumps(known)})
        except InputError:  # the index only saves time; a read-only folder is reported elsewhere
            with suppress(OSError):
                folder.gathered.unlink(missing_ok=True)
    return Gathered(rows, known, broken, read, tuple(warnings))


def _unverified(folder: SweepFolder, count: int) -> list[tuple[str, str]]:
    if not count:
        return []
    sentence = (
        f"{count} part(s) in {folder.cells} have no checksum, because an older version wrote them. They are well "
        "formed and are used; delete them to run their cells again."
    )
    return [("unverified_part", sentence)]


def _marks(folder: SweepFolder) -> tuple[dict[str, Mark], set[str]]:
    """The marks of the parts, and the cells whose path is not a regular file."""
    marks, special = {}, set()
    try:
        with os.scandir(folder.cells) as entries:
            for entry in entries:
                if not entry.name.endswith(".parquet"):
                    continue
                name = entry.name.removesuffix(".parquet")
                if not entry.is_file():
                    special.add(name)
                    continue
                stat = entry.stat()
                marks[name] = (stat.st_size, stat.st_mtime_ns, stat.st_ino, stat.st_ctime_ns)
    except FileNotFoundError:
        pass
    return marks, special


def _kept(folder: SweepFolder) -> Gathered:
    nothing = Gathered(schema().empty_table(), {}, {}, 0)
    try:
        table = read_verified(folder.gathered)
        rows, notes = _in_schema(table.rows), json.loads(table.notes[NOTE])
        marks = {str(name): (int(a), int(b), int(c), int(d)) for name, (a, b, c, d) in notes.items()}
        if table.checked and set(pc.unique(rows["cell"]).to_pylist()) == set(marks):
            return Gathered(rows, marks, {}, 0)
    except InputError:
        raise
    except BrokenPart as error:
        sentence = f"{folder.gathered} is ignored ({error}); every part is read again."
        return replace(nothing, warnings=(("broken_gathered", sentence),))
    except (OSError, pa.ArrowException, ValueError, TypeError, KeyError):
        pass  # missing, or of an older version: every part is read again
    return nothing


def _in_schema(rows: pa.Table) -> pa.Table:
    """Rows in the present schema; columns that an older part lacks are null."""
    today = schema()
    absent = [field for field in today if field.name not in rows.column_names]
    for column in absent:
        rows = rows.append_column(column, pa.nulls(rows.num_rows, column.type))
    return rows.select(today.names).cast(today)
