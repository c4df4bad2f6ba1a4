"""Standard input, output and error as a command needs them: open, and able to print any text."""

from __future__ import annotations

import codecs
import io
import os
import sys
import warnings
from typing import TextIO, cast

from scalelaw.errors import InputError

_PLAIN = {
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u2212": "-",
    "\u2026": "...", "\u00d7": "x", "\u00b7": "-", "\u00b1": "+/-", "\u2264": "<=", "\u2265": ">=", "\u2248": "~",
    "\u2192": "->", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u00b2": "^2", "\u00b3": "^3", "\u03b1": "alpha",
    "\u03b2": "beta", "\u2022": "*", "\u2191": "^", "\u2193": "v",
}  # fmt: skip
"""What stands for a sign where the output's encoding lacks it."""

_LEAST_COLUMNS = 20

WRITES_ELSEWHERE = ("sweep", "run-cell", "report", "import")
"""Commands whose result is not on standard output, unless --json asks for it."""


class _ClosedOutput(io.TextIOWrapper):
    """The null device in place of a closed standard output: later commands of the same process see it as closed."""


def prepare(command: str, argv: list[str], has_output: bool) -> None:
    """Make the standard streams usable: none is closed, no text fails to print, no warning of Python is an error.

    Raises InputError where standard output is closed and the answer would have gone there.
    """
    closed = sys.stdout is None or isinstance(sys.stdout, _ClosedOutput)
    if sys.stdin is None or closed or sys.stderr is None:
        _fill()
    if sys.stdin is None:
        sys.stdin = _null("r")
    if sys.stdout is None:
        sys.stdout = _ClosedOutput(io.BufferedWriter(io.FileIO(os.devnull, "w")), encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = _null("w")
    columns = os.environ.get("COLUMNS", "")
    if columns and not (columns.isascii() and columns.isdigit() and int(columns[:9]) >= _LEAST_COLUMNS):
        os.environ.pop("COLUMNS")  # nothing is legible in less
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="scalelaw_plain")
    if sys.warnoptions:  # PYTHONWARNINGS=error: the warnings of libraries are none of an answer's
        warnings.simplefilter("default")
    if closed and ("--json" in argv or not (has_output or command in WRITES_ELSEWHERE)):
        raise InputError(
            "Standard output is closed, so there is nowhere to write the answer.",
            code="cannot_write",
            hint="Write it to a file with -o.",
        )


def is_unicode(stream: TextIO) -> bool:
    """Whether the stream can print any character."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        return codecs.lookup(encoding).name.startswith("utf")
    except LookupError:
        return False


def detach(number: int, to_stdout: bool) -> None:
    """Let the open file `number` (1 or 2) lead to the null device, or to standard output."""
    try:
        handle = os.dup(1) if to_stdout else os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, number)
        os.close(handle)
    except OSError:
        pass


def _fill() -> None:
    """Open the null device in place of closed handles 0 to 2: the next file to be opened would take their place."""
    while True:
        handle = os.open(os.devnull, os.O_RDWR)
        if handle > 2:
            os.close(handle)
            return


def _null(mode: str) -> TextIO:
    return cast(TextIO, open(os.devnull, mode, encoding="utf-8"))


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    plain = (_PLAIN.get(letter) or letter.encode("ascii", "backslashreplace").decode() for letter in letters)
    return "".join(plain), error.end


codecs.register_error("scalelaw_plain", _plain)
