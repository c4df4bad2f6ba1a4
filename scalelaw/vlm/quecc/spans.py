"""Where in a templated conversation its own texts stand: by marks that the template carries along, never by searching.

Each text is wrapped in two characters of Unicode's private use area before the template renders it; where these come
out, the text stands. What was rendered without them must be the same text, else the template changes what is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

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
_TAKES_PARTS = re.compile(r"\[\s*['\"]type['\"]\s*\]|\.type\b")
"""A template that looks at the type of a part takes contents in parts; another one takes texts."""


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
            parts = [_part(part) for part in content]
        messages.append({"role": role, "parts": parts})
    return messages


def _part(part: Any) -> str | None:
    """A part of a chat's content: its text, or None for an image. Raises InputError for another kind."""
    kind = part.get("type") if isinstance(part, dict) else "text" if isinstance(part, str) else None
    if kind in ("image", "image_url"):
        return None
    text = part if isinstance(part, str) else part.get("text") if kind == "text" else None
    if not isinstance(text, str):
        raise InputError(
            f"A part of a turn is neither a text nor an image: {str(part)[:80]}.",
            code="bad_conversation",
            hint="Parts are {type: text, text} and {type: image, image, path or url}.",
        )
    return text.strip()


def question_of(messages: Sequence[dict[str, Any]], turns: str, separator: str) -> str:
    """What the user asks, in words, in all turns, in the first or in the last that has any; `separator` joins them."""
    texts = [[part for part in message["parts"] if part] for message in messages if message["role"] == "user"]
    questions = [separator.join(parts) for parts in texts if parts]
    if turns != "all":
        questions = questions[:1] if turns == "first" else questions[-1:]
    return separator.join(questions)


def render(
    tokenizer: Any,
    messages: Sequence[dict[str, Any]],
    image: str,
    *,
    add_generation_prompt: bool = False,
    chat_template: str | None = None,
    **variables: Any,
) -> Rendered:
    """Render a conversation (see `messages_of`) by the tokenizer's template; `image` is what stands for each image.

    A template may take contents as texts, or in parts ({type: image}, {type: text, text}). variables: the template's.
    Raises InputError for a text that holds the image's token or a private mark, and for a template that changes a text.
    """
    template = chat_template or getattr(tokenizer, "chat_template", None) or PLAIN
    for message in messages:
        for part in message["parts"]:
            if part is not None and any(mark in part for mark in (*OPEN.values(), CLOSE, MARKER, image)):
                raise InputError(
                    f"A text contains '{MARKER}' or a private mark: {part[:60]!r}.", code="bad_conversation"
                )
    options = {**variables, "add_generation_prompt": add_generation_prompt, "chat_template": template}
    in_parts = isinstance(template, str) and _TAKES_PARTS.search(template) is not None
    for way in (in_parts, not in_parts):
        try:
            rendered = _rendered(tokenizer, messages, image, way, options)
        except (TypeError, ValueError, TemplateError):  # a template that takes contents of the other kind
            continue
        if rendered is not None:
            return rendered
    raise InputError(
        "The chat template changes a text or an image mark, or leaves some of them out.",
        code="bad_template",
        hint=f"Use a template that renders every text as it is, and {image} for each image (`chat_template`).",
    )


def _rendered(
    tokenizer: Any, messages: Sequence[dict[str, Any]], image: str, in_parts: bool, options: dict[str, Any]
) -> Rendered | None:
    """The conversation through a template that takes contents in parts, or as texts; None where it does not fit."""

    def shown(marked: bool) -> str:
        plain = []
        for message in messages:
            first, last = (OPEN[message["role"]], CLOSE) if marked else ("", "")
            texts = [None if part is None else first + part + last for part in message["parts"]]
            content: Any = "\n".join(image if text is None else text for text in texts)
            if in_parts:
                content = [{"type": "image"} if t is None else {"type": "text", "text": t} for t in texts]
            plain.append({"role": message["role"], "content": content})
        return str(tokenizer.apply_chat_template(plain, tokenize=False, **options))

    parts = [(m["role"], part) for m in messages for part in m["parts"] if part is not None]
    roles, spans = {mark: role for role, mark in OPEN.items()}, list[tuple[str, int, int]]()
    text, role, start = "", "", 0
    for character in shown(marked=True):
        if character in roles:
            role, start = roles[character], len(text)
        elif character == CLOSE:
            spans.append((role, start, len(text)))
        else:
            text += character
    # each text, not only their number: a template may put the turns in another order
    if text != shown(marked=False) or [(role, text[a:b]) for role, a, b in spans] != parts:
        return None
    images = sum(part is None for message in messages for part in message["parts"])
    return Rendered(text, tuple(spans)) if text.count(image) == images else None


def expanded(shown: Rendered, image: str, count: int) -> Rendered:
    """Every image's mark `count` times; the places of the texts move with it."""
    longer = (count - 1) * len(image)

    def moved(place: int) -> int:
        return place + longer * shown.text.count(image, 0, place)

    spans = tuple((role, moved(a), moved(b)) for role, a, b in shown.spans)
    return Rendered(shown.text.replace(image, image * count), spans)


def tokens_in(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Of each token, by its (start, end) in characters, whether it shares a character with one of the spans."""
    return [any(a < end and start < b for start, end in spans) for a, b in offsets]
