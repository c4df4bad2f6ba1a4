"""The finished parts of a sweep, gathered: of ten thousand files only those are read that are new or have changed."""

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
"""Size, modification time, inode and change time of a part (times in nanoseconds): with another mark, it is another
file. The change time is the kernel's own: no program can set it, so a part that was replaced under its old
modification time is read again."""
NOTE = "scalelaw.marks"
TOGETHER = 200
"""Parts that are put together at once: a table of two rows takes 58 KB, a row of a long one 0.2 KB."""


@dataclass(frozen=True)
class Gathered:
    """The parts that can be believed. rows: of all of them. marks: cell -> mark. broken: cell -> why its part cannot be
    believed. fresh: how many had to be read. warnings: (code, message).
    """

    rows: pa.Table
    marks: dict[str, Mark]
    broken: dict[str, str]
    fresh: int
    warnings: tuple[tuple[str, str], ...] = ()

    def __contains__(self, cell: str) -> bool:
        return cell in self.marks

    def of(self, cells: Iterable[str]) -> pa.Table:
        """The rows of these cells, in their order; cells without a part have none."""
        names = pa.array(list(cells), pa.string())
        order = pc.index_in(self.rows["cell"], names).combine_chunks()
        kept = pc.drop_null(order).to_numpy()
        rows = self.rows.filter(order.is_valid())
        return rows.take(pa.array(np.argsort(kept, kind="stable")))


def gather(folder: SweepFolder, cells: Iterable[str], *, keep: bool = True) -> Gathered:
    """Find the parts of these cells. keep: write down what had to be read, so that it need not be the next time.

    A part is read and verified once; after that its mark is enough, and its rows come from `folder.gathered`, which is
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
        except InputError:  # it saves time, no more: a folder that cannot be written is said where it matters
            with suppress(OSError):
                folder.gathered.unlink(missing_ok=True)
    return Gathered(rows, known, broken, read, tuple(warnings))


def _unverified(folder: SweepFolder, count: int) -> list[tuple[str, str]]:
    if not count:
        return []
    sentence = (
        f"{count} part(s) in {folder.cells} were written before parts had a checksum. They are of the right cells and "
        "well formed, and are used; delete them to have them made again."
    )
    return [("unverified_part", sentence)]


def _marks(folder: SweepFolder) -> tuple[dict[str, Mark], set[str]]:
    """The marks of the parts, and the cells in whose place something else than a file lies."""
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
        sentence = f"{folder.gathered} is not used, and every part is read again: {error}."
        return replace(nothing, warnings=(("broken_gathered", sentence),))
    except (OSError, pa.ArrowException, ValueError, TypeError, KeyError):
        pass  # none, or of an older version: every part is read again
    return nothing


def _in_schema(rows: pa.Table) -> pa.Table:
    """Rows in today's schema: columns that an older part lacks are null."""
    today = schema()
    absent = [field for field in today if field.name not in rows.column_names]
    for column in absent:
        rows = rows.append_column(column, pa.nulls(rows.num_rows, column.type))
    return rows.select(today.names).cast(today)
