"""Environment variables that other libraries read when they are imported, checked before they do."""

from __future__ import annotations

import os
import re

LATEST_EPOCH = 253402300799
"""The last second of the year 9999."""


def drop_invalid_epoch() -> None:
    """Remove SOURCE_DATE_EPOCH from this process unless it is a number of seconds from 1970 to 9999.

    numpy and matplotlib raise for other values when they are imported or write a file.
    """
    value = os.environ.get("SOURCE_DATE_EPOCH")
    if value is not None and not (re.fullmatch("[0-9]{1,12}", value) and int(value) <= LATEST_EPOCH):
        del os.environ["SOURCE_DATE_EPOCH"]


def drop_unknown_backend() -> None:
    """Remove MPLBACKEND from this process: files are written without it, and matplotlib refuses an unknown one."""
    os.environ.pop("MPLBACKEND", None)
