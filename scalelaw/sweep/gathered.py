"""The finished parts of a sweep, gathered: of ten thousand files only those are read that are new or have changed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from scalelaw.columns import schema
from scalelaw.errors import InputError
from scalelaw.files import SweepFolder
from scalelaw.sweep.parts import BrokenPart, read_part, write_rows

Mark = tuple[int, int, int]
"""Size, time of the last change in nanoseconds, and inode of a part: with another, it is another file."""
NOTE = "scalelaw.marks"
TOGETHER = 200
"""Parts that are put together at once: a table of two rows takes 58 KB, a row of a long one 0.2 KB."""


@dataclass(frozen=True)
class Gathered:
    """The parts that can be believed. rows: of all of them. marks: cell -> mark. broken: cell -> why its part cannot be
    believed. fresh: how many had to be read.
    """

    rows: pa.Table
    marks: dict[str, Mark]
    broken: dict[str, str]
    fresh: int

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

    A part is read and checked once; after that its mark is enough, and its rows come from `folder.gathered`.
    """
    held = _kept(folder)
    there = _marks(folder)
    known, broken, read = {}, dict[str, str](), 0
    tables, few = list[pa.Table](), list[pa.Table]()
    for cell in cells:
        if (mark := there.get(cell)) is None:
            continue
        if held.marks.get(cell) == mark:
            known[cell] = mark
            continue
        try:
            part = read_part(folder.cell(cell), cell)
        except BrokenPart as error:
            broken[cell] = str(error)
            continue
        if part is not None:
            few.append(_in_schema(part))
            known[cell], read = mark, read + 1
            if len(few) == TOGETHER:
                tables.append(pa.concat_tables(few).combine_chunks())
                few.clear()
    same = pa.array([cell for cell in known if held.marks.get(cell) == known[cell]], pa.string())
    old = held.rows.filter(pc.is_in(held.rows["cell"], same))
    rows = pa.concat_tables([old, *tables, *few]).combine_chunks()
    found = Gathered(rows, known, broken, read)
    if keep and read:
        try:
            write_rows(rows, folder.gathered, {NOTE: json.dumps(known)})
        except InputError:  # it saves time, no more: a folder that cannot be written is said where it matters
            folder.gathered.unlink(missing_ok=True)
    return found


def _marks(folder: SweepFolder) -> dict[str, Mark]:
    try:
        with os.scandir(folder.cells) as entries:
            found = [entry for entry in entries if entry.name.endswith(".parquet") and entry.is_file()]
            stats = {entry.name.removesuffix(".parquet"): entry.stat() for entry in found}
    except FileNotFoundError:
        return {}
    return {name: (held.st_size, held.st_mtime_ns, held.st_ino) for name, held in stats.items()}


def _kept(folder: SweepFolder) -> Gathered:
    try:
        with pq.ParquetFile(folder.gathered, page_checksum_verification=True) as file:
            rows = _in_schema(file.read(use_threads=False))
            notes = json.loads((file.metadata.metadata or {})[NOTE.encode()])
        marks = {str(name): (int(size), int(time), int(node)) for name, (size, time, node) in notes.items()}
        if set(pc.unique(rows["cell"]).to_pylist()) == set(marks):
            return Gathered(rows, marks, {}, 0)
    except (OSError, pa.ArrowException, ValueError, TypeError, KeyError):
        pass  # then everything is read again
    return Gathered(schema().empty_table(), {}, {}, 0)


def _in_schema(rows: pa.Table) -> pa.Table:
    """Rows in today's schema: columns that an older part lacks are null."""
    today = schema()
    absent = [field for field in today if field.name not in rows.column_names]
    for column in absent:
        rows = rows.append_column(column, pa.nulls(rows.num_rows, column.type))
    return rows.select(today.names).cast(today)
