"""Text from other people's files, made safe to show: control characters are written as escapes (`\\x1b`)."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import Any, TextIO

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""C0 and C1 controls, marks that turn the direction of text, invisible characters, halves of surrogate pairs."""


def escaped(letter: str) -> str:
    """A character as an escape of Python's: `\\x1b`, `\\u202e`, `\\U000e0041`."""
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def printable(text: Any) -> str:
    """The text with every character that a terminal or a page would act on, but for line breaks, written as an
    escape."""
    return _UNSAFE.sub(lambda match: "\n" if match[0] == "\n" else escaped(match[0]), str(text))


def one_line(text: Any) -> str:
    """The same on one line: line breaks and tabs are spaces."""
    return printable(re.sub(r"[\t\n\r\v\f\x85\u2028\u2029]+", " ", str(text)))


def json_safe(text: str) -> str:
    """JSON text whose strings hold no such character raw: each is written as JSON's own escape (`\\u009b`)."""
    return _UNSAFE.sub(lambda match: "\n" if match[0] == "\n" else _json_escape(match[0]), text)


def json_ascii(text: str) -> str:
    """JSON text with every character beyond ASCII, which can only stand in its strings, as JSON's own escape."""
    return re.sub("[^\x00-\x7f]", lambda match: _json_escape(match[0]), text)


def _json_escape(letter: str) -> str:
    code = ord(letter)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def say(text: Any = "", file: TextIO | None = None) -> None:
    """Print one piece of text, safely; on stdout unless a file is given."""
    try:
        print(printable(text), file=sys.stdout if file is None else file, flush=file is not None)
    except OSError:
        if file is None or file is not sys.stderr:
            raise
        # messages that find no place must not cost the answer
        discard(file)


def discard(stream: TextIO) -> None:
    """Send what a stream holds, and what is written to it later, to the null device."""
    with contextlib.suppress(OSError, ValueError):
        handle = os.open(os.devnull, os.O_WRONLY)
        os.dup2(handle, stream.fileno())
        os.close(handle)
