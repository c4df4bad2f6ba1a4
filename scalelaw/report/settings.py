"""matplotlib's import, whatever MPLBACKEND and the user's matplotlibrc hold: reports need neither.

matplotlib reads both when it is imported, and ends for a backend that it does not know or a file that it cannot read.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path


def import_matplotlib() -> None:
    """Import matplotlib; where the user's settings end that, with its own settings."""
    try:
        import matplotlib
    except (ValueError, OSError, SyntaxError):
        found = importlib.util.find_spec("matplotlib")
        if found is None or found.origin is None:
            raise
        own = {
            "MPLBACKEND": "agg",
            "MATPLOTLIBRC": str(Path(found.origin).parent / "mpl-data" / "matplotlibrc"),
        }
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        try:
            import matplotlib  # noqa: F401
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


import_matplotlib()
