"""matplotlib's import, whatever the environment holds: reports need neither MPLBACKEND nor a matplotlibrc.

matplotlib reads both when it is imported, and ends for a backend that it does not know or a file that it cannot read.
What it logs of its caches and of the user's matplotlibrc, which a report does not use, is printed only where the
program has configured logging.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
from pathlib import Path

from scalelaw.errors import InputError
from scalelaw.files.environment import drop_invalid_epoch
from scalelaw.files.safe_load import read_text


def _is_wanted(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR or logging.getLogger(record.name).hasHandlers()


def import_matplotlib() -> None:
    """Import matplotlib without MPLBACKEND and without a matplotlibrc that is no text; a backend that it knows is set
    afterwards.

    Raises InputError (`cannot_write`) where it has no folder for its caches.
    """
    for name in ("matplotlib", "matplotlib.font_manager"):
        logging.getLogger(name).addFilter(_is_wanted)
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop("MPLBACKEND", None)
    before = os.environ.get("MATPLOTLIBRC")
    if not _readable(before):
        spec = importlib.util.find_spec("matplotlib")
        if spec is not None and spec.origin is not None:
            os.environ["MATPLOTLIBRC"] = str(Path(spec.origin).parent / "mpl-data" / "matplotlibrc")
    try:
        import matplotlib

        if backend:
            with contextlib.suppress(ValueError):  # a report needs none
                matplotlib.rcParams["backend"] = backend
    except OSError as error:
        raise InputError(
            f"matplotlib cannot be loaded: {error.strerror or error}.",
            code="cannot_write",
            hint="Set MPLCONFIGDIR to a folder that can be written.",
        ) from error
    finally:
        for name, value in (("MPLBACKEND", backend), ("MATPLOTLIBRC", before)):
            if value is not None:
                os.environ[name] = value
            else:
                os.environ.pop(name, None)


def _readable(setting: str | None) -> bool:
    """Whether the matplotlibrc of the working directory, or the one that is stated, is text where it is there."""
    for path in (Path("matplotlibrc"), *((Path(setting), Path(setting) / "matplotlibrc") if setting else ())):
        if path.is_file():
            try:
                read_text(path)
            except (OSError, ValueError, InputError):
                return False
    return True


drop_invalid_epoch()
import_matplotlib()
