"""What the files of targets share: a target, its chance, and what several make or read."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from scalelaw.errors import ScalelawError
from scalelaw.table.read import read_table

ROOT = Path(__file__).parents[3]
Chance = random.Random


@dataclass(frozen=True)
class Target:
    """name; make: an input by chance; run: it, in an empty folder; share: of a long run's inputs, in
    thousandths."""

    name: str
    make: Callable[[Chance], Any]
    run: Callable[[Any, Path], None]
    share: float


@cache
def _frame() -> pd.DataFrame:
    return read_table("vlm_reasoning").iloc[::4].reset_index(drop=True)


def _file(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return file


def _either(call: Callable[[], Any]) -> None:
    with contextlib.suppress(ScalelawError):
        call()


def void(_: Any) -> None:
    """Nothing."""
