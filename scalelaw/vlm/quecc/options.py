"""The options of a call of the processor, as transformers names them: each has an effect, or is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from transformers import BatchFeature

from scalelaw.errors import InputError, unknown


class Prompt(str):
    """A prompt that `apply_chat_template` made, and the question of its conversation.

    It is a text like any other; what is made from it (`prompt + "..."`) is a plain text, whose question is all of it
    unless the call has `questions`.
    """

    question: str

    def __new__(cls, text: str, question: str) -> Prompt:
        prompt = super().__new__(cls, text)
        prompt.question = question
        return prompt

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """For copies and other processes."""
        return str(self), self.question


@dataclass(frozen=True)
class CallOptions:
    """padding: True or `longest` (the default), `max_length` (needs max_length), False (the rows are of one length).

    truncation, max_length: a longer text is cut at its end; max_length alone cuts too, unless it is padded to.
    return_tensors: `pt` (the default), or `np`. add_special_tokens: those that the tokenizer puts around a text.
    images_kwargs: options of the image processor.
    """

    NAMES: ClassVar[frozenset[str]] = frozenset(
        {"padding", "padding_side", "truncation", "max_length", "return_tensors", "add_special_tokens",
         "text_kwargs", "images_kwargs", "common_kwargs"}
    )  # fmt: skip

    padding: bool | str = True
    truncation: bool | str | None = None
    max_length: int | None = None
    return_tensors: str = "pt"
    add_special_tokens: bool = True
    images_kwargs: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> CallOptions:
        """The options of a call, also within text_kwargs and common_kwargs. Raises InputError for others."""
        flat = dict(values)
        for group in ("text_kwargs", "common_kwargs"):
            flat |= flat.pop(group, None) or {}
        for name in ("videos", "audio", "audios"):  # some programs always pass them, empty
            value = flat.pop(name, None)
            if value is not None and len(value):
                raise InputError(f"The processor takes no {name}.", code="unknown_option")
        known = cls.NAMES - {"padding_side", "text_kwargs", "common_kwargs"}
        for name in flat:
            if name not in known:
                raise unknown("option of the processor", name, sorted(known), code="unknown_option")
        options = cls(**{name: value for name, value in flat.items() if value is not None})
        options._check()
        return options

    def _check(self) -> None:
        allowed: dict[str, tuple[Any, ...]] = {
            "padding": (True, False, "longest", "max_length", "do_not_pad"),
            "truncation": (None, True, False, "longest_first", "only_first", "do_not_truncate"),
            "return_tensors": ("pt", "np"),
        }
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"{name} is {getattr(self, name)!r}.",
                    code="bad_value",
                    hint=f"Allowed: {', '.join(map(str, choices))}.",
                )
        if self.max_length is None and (self.padding == "max_length" or self._truncates):
            raise InputError("Padding or truncation to a length needs max_length.", code="bad_value")

    @property
    def _truncates(self) -> bool:
        return self.truncation in (True, "longest_first", "only_first")

    @property
    def length(self) -> int | None:
        """Where texts are cut; None for nowhere."""
        alone = self.truncation is None and self.padding != "max_length"
        return self.max_length if self._truncates or alone else None

    @property
    def padded_to(self) -> int | None:
        """The least length of a batch."""
        return self.max_length if self.padding == "max_length" else None

    def finished(self, batch: BatchFeature) -> BatchFeature:
        """The batch in the kind of array that was asked for. Raises InputError where it was padded but must not be."""
        if self.padding in (False, "do_not_pad") and not bool(batch["attention_mask"].all()):
            raise InputError(
                "Texts of different lengths make no batch without padding.",
                code="bad_value",
                hint="Use padding=True, or one text at a time.",
            )
        if self.return_tensors == "np":
            return BatchFeature({name: value.numpy() for name, value in batch.items()})
        return batch
