"""A streamed chat reply: server-sent events as they arrive, and what they say of time and tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scalelaw.files.safe_text import one_line

MOST_BYTES = 64 * 2**20
"""Of a whole reply."""
MOST_LINE = 4 * 2**20
FASTEST_S = 1e-5
"""Seconds per token that no server undercuts."""
TEXTS = ("content", "reasoning_content", "reasoning", "tool_calls")
"""Keys of a delta that hold generated text."""


@dataclass
class Reply:
    """One request's reply. Times in seconds on the client's clock, from the moment when the request was sent.

    status: `ok`, `one_chunk` (the text came at once: no time per token), `no_usage` (tokens are not counted),
    `error_frame`, `http_error`, `disconnected`, `cut_off`, `not_json`, `empty`, `timeout`, `too_large`, or `limit`
    where the run ended first.
    chunks: of generated text; a chunk may hold several tokens.
    """

    status: str = "ok"
    reason: str = ""
    http_status: int = 0
    first_s: float | None = None
    last_s: float | None = None
    end_s: float = 0.0
    chunks: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def is_timed(self) -> bool:
        """Whether the reply came whole."""
        return self.status in ("ok", "one_chunk")

    @property
    def ttft_ms(self) -> float | None:
        """Milliseconds to the first token; None where the whole text came at once."""
        return None if self.first_s is None or self.status != "ok" else 1e3 * self.first_s

    @property
    def latency_ms(self) -> float:
        """Milliseconds to the last token."""
        return 1e3 * (self.last_s if self.last_s is not None else self.end_s)

    @property
    def ms_per_token(self) -> float | None:
        """(last - first) / (tokens - 1): chunks are not tokens. None for a reply of one token or one chunk."""
        if self.first_s is None or self.last_s is None or self.status != "ok":
            return None
        tokens = self.completion_tokens or 0
        return 1e3 * (self.last_s - self.first_s) / (tokens - 1) if tokens > 1 else None


class EventReader:
    """Reads server-sent events from the bytes of a reply, and notes them in a `Reply`."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self._rest = b""
        self._bytes = 0
        self._whole = bytearray()
        self._events = 0
        self._ended = False
        self._arrivals: set[float] = set()
        self._finish_s: float | None = None

    def feed(self, data: bytes, at_s: float) -> bool:
        """Read what arrived at a time; False where nothing more is wanted."""
        self._bytes += len(data)
        if self._bytes > MOST_BYTES or len(self._rest) > MOST_LINE:
            self._end("too_large", "The reply is too large for a chat reply.")
            return False
        if not self._events:
            self._whole += data
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.strip(), at_s)
            if self.reply.status != "ok":
                return False
        return True

    def close(self, at_s: float) -> None:
        """Judge a reply that ended."""
        reply = self.reply
        reply.end_s = at_s
        if self._rest.strip() and reply.status == "ok":
            self._line(self._rest.strip(), at_s)
        if not self._events and reply.status == "ok":
            self._read_whole(at_s)
        if reply.status != "ok":
            return
        if reply.first_s is None and reply.completion_tokens:
            # tokens that decode to no text
            reply.first_s = reply.last_s = self._finish_s
        if not self._ended:
            self._end("cut_off", "The reply ended before its last event.")
        elif reply.completion_tokens == 0 or reply.first_s is None:
            self._end("empty", "The reply has no text.")
        elif reply.prompt_tokens is None or reply.completion_tokens is None:
            self._end("no_usage", "The reply states no usage, so its tokens cannot be counted.")
        elif reply.completion_tokens > 1 and self._came_at_once(reply.completion_tokens):
            self._end(
                "one_chunk", f"All {reply.completion_tokens} tokens came at once: the server does not stream."
            )

    def _came_at_once(self, tokens: int) -> bool:
        """Whether the text came in one chunk, or in several that something on the way kept back and sent together."""
        first, last = self.reply.first_s or 0.0, self.reply.last_s or 0.0
        return len(self._arrivals) <= 1 or last - first < FASTEST_S * (tokens - 1)

    def _line(self, line: bytes, at_s: float) -> None:
        if not line.startswith(b"data:"):
            return
        text = line[5:].strip()
        self._events += 1
        if text == b"[DONE]":
            self._ended = True
            return
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self._end("not_json", f"An event of the stream is not a JSON object: {_cut(text)}.")
            return
        if (error := error_in(event)) is not None:
            self._end("error_frame", f"The server sent an error inside the stream: {error}.")
            return
        self._usage(event)
        for choice in _choices(event):
            delta = choice.get("delta")
            self._delta(delta if isinstance(delta, dict) else {}, choice, at_s)

    def _delta(self, delta: dict[str, Any], choice: dict[str, Any], at_s: float) -> None:
        has_text = any(delta.get(key) for key in TEXTS) or bool(choice.get("text"))
        finished = choice.get("finish_reason") is not None
        # a token may decode to no text; the chunk that only opens the message is no token
        silent = isinstance(delta.get("content"), str) and "role" not in delta and not finished
        if has_text or silent:
            self.reply.chunks += 1
            self._arrivals.add(at_s)
            if self.reply.first_s is None:
                self.reply.first_s = at_s
        if self.reply.first_s is not None and (has_text or silent or finished):
            self.reply.last_s = at_s
        if finished:
            self._ended, self._finish_s = True, at_s

    def _usage(self, event: dict[str, Any]) -> None:
        usage = event.get("usage")
        if isinstance(usage, dict):
            self.reply.prompt_tokens = _count(usage.get("prompt_tokens"), self.reply.prompt_tokens)
            self.reply.completion_tokens = _count(
                usage.get("completion_tokens"), self.reply.completion_tokens
            )

    def _read_whole(self, at_s: float) -> None:
        """A reply that is not a stream: one JSON object, or something else."""
        try:
            answer = json.loads(bytes(self._whole))
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            shown = f": {_cut(bytes(self._whole))}" if self._whole.strip() else " but empty"
            self._end("not_json", f"The reply is neither a stream of events nor JSON{shown}.")
            return
        if (error := error_in(answer)) is not None:
            self._end("error_frame", f"The server answered with an error: {error}.")
            return
        self._usage(answer)
        if any(choice.get("message") for choice in _choices(answer)):
            self.reply.first_s = self.reply.last_s = at_s
            self.reply.chunks, self._ended = 1, True

    def _end(self, status: str, reason: str) -> None:
        self.reply.status, self.reply.reason = status, reason


def error_in(event: dict[str, Any]) -> str | None:
    """The message of an error that stands in place of a reply; None where there is no error."""
    error = event.get("error")
    if isinstance(error, dict):
        return _cut(error.get("message") or json.dumps(error))
    if error:
        return _cut(error)
    if event.get("object") == "error" or ("detail" in event and "choices" not in event):
        return _cut(event.get("message") or event.get("detail") or json.dumps(event))
    return None


def _choices(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            yield choice


def _count(value: Any, before: int | None) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9
    return value if is_count else before


def _cut(text: Any) -> str:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    line = one_line(text).strip().rstrip(".")
    return line if len(line) <= 200 else line[:200] + "..."
