"""A client of OpenAI-compatible chat endpoints: timed requests, and the optional fields that a server accepts."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from scalelaw.errors import InputError, ScalelawError
from scalelaw.files.safe_text import one_line
from scalelaw.measure.address import KEY_VARIABLE, Address
from scalelaw.measure.questions import Question
from scalelaw.measure.stream import EventReader, Reply, error_in

OPTIONAL = (
    "mm_processor_kwargs",
    "min_tokens",
    "ignore_eos",
    "seed",
    "temperature",
    "stream_options",
    "max_tokens",
)
"""Fields of a request that a server may refuse, in the order in which they are left out."""
REFUSALS = (400, 404, 415, 422, 500, 501)
"""HTTP statuses with which servers refuse a field."""
MOST_ERROR_BYTES = 2**16


class ChatClient:
    """Sends chat requests to one endpoint and times the streamed replies.

    It contacts the endpoint's host only: redirects are not followed. `refused` lists the optional fields that the
    server does not accept; `negotiate` fills it. At the time `ends_s` of `time.perf_counter` every request ends.
    """

    def __init__(self, address: Address, key: str, timeout_s: float, max_pixels: int | None) -> None:
        import httpx2

        self._httpx = httpx2
        self.address = address
        self.model = ""
        self.refused: list[str] = []
        self.ends_s = float("inf")
        self._key = key
        self._timeout_s = timeout_s
        self._max_pixels = max_pixels
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(timeout_s),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
            follow_redirects=False,
            # a proxy of the environment must not stand between this machine and itself
            trust_env=not address.is_loopback,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def models(self) -> list[str]:
        """The names of the models that the server lists, empty where it lists none.

        Raises InputError `unreachable` where nothing answers, `unauthorized` without a valid key.
        """
        try:
            async with asyncio.timeout(min(self._timeout_s, 30.0)):
                reply = await self._client.get(f"{self.address.url}/models")
        except (self._httpx.HTTPError, self._httpx.InvalidURL, TimeoutError, OSError) as error:
            raise InputError(
                f"{self.address.host} does not answer: {self._safe(error) or type(error).__name__}.",
                code="unreachable",
                hint="Start the server first, and give its base URL: http://localhost:8000/v1.",
            ) from error
        if reply.status_code in (401, 403):
            raise self._unauthorized(reply.status_code)
        try:
            listed = reply.json().get("data") if reply.status_code == 200 else []
        except (ValueError, AttributeError, RecursionError):
            listed = []
        rows = listed if isinstance(listed, list) else []
        return [str(row["id"]) for row in rows if isinstance(row, dict) and row.get("id")]

    async def ask(self, question: Question) -> Reply:
        """Send a question and time its reply; what goes wrong is in the reply's status and reason."""
        reply = Reply()
        body = json.dumps(self._body(question)).encode()
        started = time.perf_counter()
        left_s = self.ends_s - started
        try:
            async with asyncio.timeout(min(self._timeout_s, left_s)):
                await self._stream(body, reply, started)
        except (TimeoutError, self._httpx.TimeoutException):
            reply.status, reply.reason = "timeout", f"No whole reply within {self._timeout_s:g} s."
            if left_s <= self._timeout_s:
                reply.status, reply.reason = "limit", "The limit of time is reached."
        except (self._httpx.HTTPError, self._httpx.StreamError, OSError) as error:
            reply.status = "disconnected"
            reply.reason = f"The connection broke: {self._safe(error) or type(error).__name__}."
        reply.end_s = time.perf_counter() - started
        reply.reason = self._safe(reply.reason)
        return reply

    async def negotiate(self, question: Question) -> Reply:
        """Send a question, and again without the optional fields that the server refuses; the last reply."""
        for _ in range(len(OPTIONAL) + 1):
            reply = await self.ask(question)
            if reply.http_status in (401, 403):
                raise self._unauthorized(reply.http_status)
            if reply.http_status not in REFUSALS and reply.status != "error_frame":
                break
            if (field := self._refused_field(reply, question)) is None:
                break
            self.refused.append(field)
        return reply

    def _refused_field(self, reply: Reply, question: Question) -> str | None:
        """The optional field that an error is about: one that its message names, else the next of them."""
        sent = self._body(question)
        fields = [name for name in OPTIONAL if name in sent]
        if (named := next((name for name in fields if name in reply.reason), None)) is not None:
            return named
        # a message that names no field may be about another thing, such as an image that is too large
        blind = [name for name in fields if name not in ("stream_options", "max_tokens")]
        is_guess_worthy = reply.http_status in (400, 415, 422)
        return blind[0] if blind and is_guess_worthy and "image" not in reply.reason.lower() else None

    def _body(self, question: Question) -> dict[str, Any]:
        content: Any = question.content() if question.pictures else question.text
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "stream": True,
        }
        fields: dict[str, Any] = {
            "max_tokens": question.generate,
            "min_tokens": question.generate,
            "ignore_eos": True,
            "temperature": 0,
            "stream_options": {"include_usage": True},
        }
        if self._max_pixels is not None and question.pictures:
            fields["mm_processor_kwargs"] = {"max_pixels": self._max_pixels}
        body.update({name: value for name, value in fields.items() if name not in self.refused})
        if "max_tokens" in self.refused:
            body["max_completion_tokens"] = question.generate
        return body

    async def _stream(self, body: bytes, reply: Reply, started: float) -> None:
        request = self._client.stream(
            "POST",
            f"{self.address.url}/chat/completions",
            content=body,
            headers={"Content-Type": "application/json", "Accept": "text/event-stream"},
        )
        async with request as answer:
            reply.http_status = answer.status_code
            if answer.status_code != 200:
                reply.status, reply.reason = "http_error", await self._error(answer)
                return
            reader = EventReader(reply)
            async for data in answer.aiter_bytes():
                if not reader.feed(data, time.perf_counter() - started):
                    return
            reader.close(time.perf_counter() - started)

    async def _error(self, answer: Any) -> str:
        text = b""
        async for data in answer.aiter_bytes():
            text += data
            if len(text) > MOST_ERROR_BYTES:
                break
        if 300 <= answer.status_code < 400:
            return f"The server redirects (HTTP {answer.status_code}); redirects are not followed."
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        message = error_in(content) if isinstance(content, dict) else None
        shown = message or one_line(text.decode("utf-8", "replace")).strip()[:200].rstrip(".")
        return f"The server refuses (HTTP {answer.status_code}){': ' if shown else ''}{shown}."

    def _unauthorized(self, status: int) -> ScalelawError:
        return InputError(
            f"{self.address.host} refuses the API key (HTTP {status}).",
            code="unauthorized",
            hint=f"Set the environment variable {KEY_VARIABLE} to the server's API key.",
        )

    def _safe(self, text: Any) -> str:
        """The text on one line, without the API key."""
        line = one_line(text).strip().rstrip(".") if not isinstance(text, str) else one_line(text)
        return line.replace(self._key, "***") if self._key else line
