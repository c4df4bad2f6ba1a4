"""An importer: it turns published numbers or another tool's results into rows of the table. One file = one format.

An importer file defines `read(path, options: dict) -> list[dict]`, rows with the columns of `scalelaw.table`.
"""
