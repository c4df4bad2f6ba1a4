"""Where in a templated conversation its own texts stand: by marks that the template carries along, never by searching.

Each text is wrapped in two characters of Unicode's private use area before the template renders it; where these come
out, the text stands. What was rendered without them must be the same text, else the template changes what is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scalelaw.errors import InputError

OPEN, CLOSE = {"user": "\ue000", "assistant": "\ue002", "system": "\ue003"}, "\ue001"
"""What begins a text, by the role of its turn, and what ends it."""
MARKER = "<image>"
"""What stands for an image in a text of LLaVA's files."""

PLAIN = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}ASSISTANT: {{ message['content'] }}"
    "{{ eos_token }}{% else %}{% if message['role'] == 'user' %}USER: {% endif %}{{ message['content'] }} {% endif %}"
    "{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""The template for a tokenizer that has none, like Vicuna's."""

ROLES = {"human": "user", "gpt": "assistant"}


@dataclass(frozen=True)
class Rendered:
    """The text, and of each piece of the conversation its role and its place there (start, end in characters)."""

    text: str
    spans: tuple[tuple[str, int, int], ...]


def messages_of(conversation: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A conversation, of LLaVA's files (from, value) or of chats (role, content), as role and parts.

    A part is None for an image, else a text. In LLaVA's files `<image>` in a text stands for an image; a chat's content
    is a text, or parts {type: image} and {type: text, text}.
    Raises InputError for a conversation of another form.
    """
    messages = []
    for turn in conversation:
        role = turn.get("role") or ROLES.get(str(turn.get("from")), turn.get("from"))
        content = turn.get("content", turn.get("value"))
        if role not in ("user", "assistant", "system") or not isinstance(content, str | list):
            raise InputError(
                f"A turn of a conversation is {str(turn)[:80]}.",
                code="bad_conversation",
                hint="Each has `from` (human, gpt) and `value`, or `role` (user, assistant, system) and `content`.",
            )
        if isinstance(content, str):
            parts: list[str | None] = []
            for i, text in enumerate(content.split(MARKER)):
                parts += ([None] if i else []) + ([text.strip()] if text.strip() else [])
        else:
            parts = [
                None if part.get("type") == "image" else str(part.get("text", "")).strip() for part in content
            ]
        messages.append({"role": role, "parts": parts})
    return messages


def render(
    tokenizer: Any,
    messages: Sequence[dict[str, Any]],
    image: str,
    *,
    add_generation_prompt: bool = False,
    chat_template: str | None = None,
) -> Rendered:
    """Render a conversation (see `messages_of`) by the tokenizer's template; `image` is what stands for each image.

    Raises InputError for a text that holds the image's token or a private mark, and for a template that changes a text.
    """
    options: dict[str, Any] = {"tokenize": False, "add_generation_prompt": add_generation_prompt}
    options["chat_template"] = chat_template or getattr(tokenizer, "chat_template", None) or PLAIN

    def rendered(marked: bool) -> str:
        plain = []
        for message in messages:
            first, last = (OPEN[message["role"]], CLOSE) if marked else ("", "")
            pieces = [image if part is None else first + part + last for part in message["parts"]]
            plain.append({"role": message["role"], "content": "\n".join(pieces)})
        return str(tokenizer.apply_chat_template(plain, **options))

    for message in messages:
        for part in message["parts"]:
            if part is not None and any(mark in part for mark in (*OPEN.values(), CLOSE, MARKER)):
                raise InputError(
                    f"A text holds '{MARKER}' or a private mark: {part[:60]!r}.", code="bad_conversation"
                )
    parts = [(m["role"], part) for m in messages for part in m["parts"] if part is not None]
    roles, spans = {mark: role for role, mark in OPEN.items()}, list[tuple[str, int, int]]()
    text, role, start = "", "", 0
    for character in rendered(marked=True):
        if character in roles:
            role, start = roles[character], len(text)
        elif character == CLOSE:
            spans.append((role, start, len(text)))
        else:
            text += character
    # each text, not only their number: a template may put the turns in another order
    if text != rendered(marked=False) or [(role, text[a:b]) for role, a, b in spans] != parts:
        raise InputError(
            "The chat template changes what is said, or leaves some of it out.",
            code="bad_template",
            hint="Give a template that renders every turn as it is (QueccProcessor's chat_template).",
        )
    return Rendered(text, tuple(spans))


def tokens_in(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Of each token, by its (start, end) in characters, whether it shares a character with one of the spans."""
    return [any(a < end and start < b for start, end in spans) for a, b in offsets]
