"""The address of an OpenAI-compatible endpoint, checked; the key that opens it comes from the environment only."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from scalelaw.errors import InputError
from scalelaw.files.safe_text import one_line

KEY_VARIABLE = "SCALELAW_API_KEY"
"""The environment variable that holds the endpoint's API key."""


@dataclass(frozen=True)
class Address:
    """url: without a slash at its end; host: as `name:port`; is_loopback: it is this machine."""

    url: str
    host: str
    is_loopback: bool


def is_url(text: str) -> bool:
    """Whether the text names an endpoint and not a folder."""
    return "://" in text


def read_address(text: str) -> Address:
    """The address of `http://localhost:8000/v1`; a path of `/v1` is added where there is none.

    Raises InputError `bad_endpoint` for anything but an http or https URL of a host, and for a URL with a password, a
    query or a fragment in it.
    """
    shown = one_line(text)[:200]
    hint = "Give the base URL of an OpenAI-compatible server: http://localhost:8000/v1."
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"'{shown}' is not a URL: {error}.", code="bad_endpoint", hint=hint) from error
    if parts.scheme not in ("http", "https") or not host:
        raise InputError(f"'{shown}' is not an http or https URL.", code="bad_endpoint", hint=hint)
    if parts.username is not None or parts.password is not None:
        hint = f"Set the environment variable {KEY_VARIABLE} to the server's API key."
        raise InputError("The endpoint's URL contains a user or a password.", code="bad_endpoint", hint=hint)
    if parts.query or parts.fragment:
        raise InputError(f"'{shown}' has a query or a fragment.", code="bad_endpoint", hint=hint)
    if not text.isascii() or any(letter.isspace() or ord(letter) < 32 for letter in text.strip()):
        raise InputError(f"'{shown}' is not a URL.", code="bad_endpoint", hint=hint)
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    default = 443 if parts.scheme == "https" else 80
    named = f"[{host}]" if ":" in host else host
    return Address(f"{parts.scheme}://{parts.netloc}{path}", f"{named}:{port or default}", _is_loopback(host))


def api_key(variable: str = KEY_VARIABLE) -> str:
    """The key in this environment variable, empty where it is not set. Raises InputError for a key of other signs."""
    key = os.environ.get(variable, "").strip()
    if not key.isascii() or any(ord(letter) <= 32 for letter in key):
        raise InputError(
            f"The environment variable {variable} holds signs that no API key has.", code="bad_api_key"
        )
    return key


def _is_loopback(host: str) -> bool:
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
