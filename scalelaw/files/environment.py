"""Environment variables that other libraries read when they are imported, checked before they do."""

from __future__ import annotations

import os
import re
import sys
import traceback
from contextlib import suppress
from glob import glob

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


def shadowing_files(error: BaseException) -> list[str]:
    """Files that were imported in place of a module of Python or of an installed package with the same name.

    They are in the working directory or a folder of PYTHONPATH, loaded already or named by the error's traceback.
    """
    from importlib.metadata import packages_distributions

    known = (sys.stdlib_module_names | set(packages_distributions())) - {"scalelaw"}
    failed = {frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)}
    failed |= {str(getattr(module, "__file__", "")) for name, module in sys.modules.items() if name in known}
    if isinstance(error, ImportError):
        failed.add(str(error.path))
    folders = set()
    for folder in (".", *os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        # the working directory may have been removed
        with suppress(OSError):
            folders.add(os.path.realpath(folder or "."))
    files = []
    for file in sorted(map(os.path.realpath, filter(os.path.isabs, failed))):
        folder, name = os.path.split(file)
        if name == "__init__.py":
            folder, name = os.path.split(folder)
        # a folder of installed packages may be in PYTHONPATH
        if (
            name.partition(".")[0] in known
            and folder in folders
            and not glob(os.path.join(folder, "*.dist-info"))
        ):
            files.append(file)
    return files
