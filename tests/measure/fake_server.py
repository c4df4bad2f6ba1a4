"""An OpenAI-compatible server on loopback whose times and faults a test states; tokens are counted by a simple rule."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

TEMPLATE_TOKENS = 7
PIXELS_PER_TOKEN = 32 * 32


@dataclass
class Behavior:
    """What the server does. fault: one of the faults of `_reply`; refuses: fields answered with HTTP 400; ignores: it
    takes a limit on an image's area and does nothing with it. Times in seconds: of a request, of a visual token, of a
    generated token."""

    fault: str = ""
    refuses: tuple[str, ...] = ()
    ignores: bool = False
    names_field: bool = True
    models: tuple[str, ...] = ("tiny",)
    fixed_s: float = 0.001
    visual_s: float = 0.0
    token_s: float = 0.0005
    chunk_tokens: int = 1
    ends_early: bool = False
    key: str = ""
    most_pixels: int = 10**9
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    behavior: Behavior

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.behavior.key and self.headers.get("Authorization") != f"Bearer {self.behavior.key}":
            self._json(401, {"error": {"message": f"wrong key {self.headers.get('Authorization')}"}})
            return
        self._json(200, {"object": "list", "data": [{"id": name} for name in self.behavior.models]})

    def do_POST(self) -> None:
        behavior = self.behavior
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with behavior.lock:
            behavior.bodies.append(body)
            behavior.keys.append(self.headers.get("Authorization", ""))
            behavior.in_flight += 1
            behavior.most_in_flight = max(behavior.most_in_flight, behavior.in_flight)
        try:
            self._answer(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with behavior.lock:
                behavior.in_flight -= 1

    def _answer(self, body: dict[str, Any]) -> None:
        behavior = self.behavior
        if behavior.fault == "redirect":
            self.send_response(307)
            self.send_header("Location", "http://192.0.2.1/v1/chat/completions")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if behavior.fault == "http_500":
            self._json(500, {"error": {"message": "CUDA error: out of memory"}})
            return
        if (name := next((name for name in behavior.refuses if name in body), None)) is not None:
            what = name if behavior.names_field else "extra inputs"
            self._json(400, {"object": "error", "message": f"{what} are not permitted", "code": 400})
            return
        visual = self._visual_tokens(body)
        text = sum(len(words.split()) for words in _texts(body))
        self._reply(body, TEMPLATE_TOKENS + text + visual, visual)

    def _visual_tokens(self, body: dict[str, Any]) -> int:
        most = body.get("mm_processor_kwargs", {}).get("max_pixels") if not self.behavior.ignores else None
        total = 0
        for url in _pictures(body):
            width, height = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size
            area = width * height if most is None else min(width * height, most)
            total += max(1, area // PIXELS_PER_TOKEN)
        return total

    def _reply(self, body: dict[str, Any], prompt: int, visual: int) -> None:
        behavior, fault = self.behavior, self.behavior.fault
        tokens = body.get("max_tokens") or body["max_completion_tokens"]
        if "ignore_eos" not in body and behavior.ends_early:
            tokens = max(1, tokens // 2)
        usage = {"prompt_tokens": prompt, "completion_tokens": tokens}
        time.sleep(behavior.fixed_s + behavior.visual_s * visual)
        if fault == "whole":
            time.sleep(behavior.token_s * tokens)
            self._json(
                200,
                {
                    "choices": [{"message": {"content": "a" * tokens}, "finish_reason": "stop"}],
                    "usage": usage,
                },
            )
            return
        if fault == "html":
            self._send(200, b"<html>welcome</html>", "text/html")
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._event({"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]})
        too_large = any(visual * PIXELS_PER_TOKEN > behavior.most_pixels for _ in _pictures(body))
        if fault == "error_frame" or too_large:
            self._event({"error": {"message": "The decoder prompt is longer than the maximum", "code": 400}})
            self._end()
            return
        if fault == "not_json":
            self._chunk(b"data: {'choices'\n\n")
            self._end()
            return
        step = tokens if fault == "one_chunk" else behavior.chunk_tokens
        for at in range(0, tokens, step):
            if fault == "buffered":
                time.sleep(behavior.token_s * step)
                continue
            if at or fault == "one_chunk":
                time.sleep(behavior.token_s * step)
            self._event({"choices": [{"delta": {"content": "a" * step}, "finish_reason": None}]})
            if fault == "disconnect" and at >= tokens // 2:
                self.close_connection = True
                self.connection.close()
                return
        if fault == "buffered":
            event = b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": null}]}\n\n'
            self._chunk(event * tokens)
        if fault == "cut_off":
            self._end()
            return
        self._event({"choices": [{"delta": {}, "finish_reason": "length"}]})
        if fault != "no_usage" and "stream_options" in body:
            self._event({"choices": [], "usage": usage})
        self._chunk(b"data: [DONE]\n\n")
        self._end()

    def _event(self, event: dict[str, Any]) -> None:
        self._chunk(b"data: " + json.dumps(event).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _json(self, status: int, content: dict[str, Any]) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _parts(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for message in body["messages"]:
        content = message["content"]
        yield from [{"type": "text", "text": content}] if isinstance(content, str) else content


def _texts(body: dict[str, Any]) -> list[str]:
    return [part["text"] for part in _parts(body) if part["type"] == "text"]


def _pictures(body: dict[str, Any]) -> list[str]:
    return [part["image_url"]["url"] for part in _parts(body) if part["type"] == "image_url"]


@contextmanager
def serve(behavior: Behavior) -> Iterator[str]:
    """The base URL of a server that behaves so, while the block runs."""
    handler = type("Handler", (_Handler,), {"behavior": behavior})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
