"""Which law: compared by how it extrapolates, and averaged where none wins clearly."""

from __future__ import annotations

from typing import Any

from scalelaw.errors import InputError
from scalelaw.fit.fitted import FittedLaw


def fit_auto(table: Any, **options: Any) -> FittedLaw:
    """Fit the law that predicts best. Raises InputError: not there yet."""
    raise InputError("law='auto' is not there yet.", code="unknown_law", hint="Name a law.")
