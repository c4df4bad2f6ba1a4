"""The results table: its schema, reading and writing, the points of a fit, what a table covers, paired tests."""

from scalelaw.table.read import read_table, write_table

__all__ = ["read_table", "write_table"]
