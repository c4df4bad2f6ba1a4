"""The results table: its schema, reading and writing, the points of a fit, what a table covers, paired tests.

Readers of tables are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scalelaw.table.read import read_table, write_table

__all__ = ["read_table", "write_table"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from scalelaw.table import read

        return getattr(read, name)
    raise AttributeError(f"module 'scalelaw.table' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
