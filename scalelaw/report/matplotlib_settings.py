"""matplotlib's import, whatever the environment holds: reports need neither MPLBACKEND nor a matplotlibrc.

matplotlib reads both when it is imported, and ends for a backend that it does not know or a file that it cannot read.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from pathlib import Path

from scalelaw.files.environment import drop_invalid_epoch


def import_matplotlib() -> None:
    """Import matplotlib without MPLBACKEND and without a matplotlibrc that is no text; a backend that it knows is set
    afterwards."""
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
                path.read_text(encoding="utf-8")
            except (OSError, ValueError):
                return False
    return True


drop_invalid_epoch()
import_matplotlib()
