"""From images and conversations to what the model takes: image tokens in place, questions apart, labels, padding."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoProcessor, BatchFeature, ProcessorMixin
from transformers.image_utils import load_image

from scalelaw.errors import InputError, unknown
from scalelaw.vlm.quecc.configuration import AUTO_MAP, TURNS, QueccConfig, write_remote_code
from scalelaw.vlm.quecc.options import CallOptions, Prompt
from scalelaw.vlm.quecc.spans import MARKER, expanded, messages_of, question_of, render, tokens_in

IGNORED = -100


class QueccProcessor(ProcessorMixin):
    """An image processor and a fast tokenizer; the image token is added to the tokenizer if it lacks it.

    visual_tokens: tokens an image. question_turns, question_separator: as QueccConfig's. pad_square: images are padded
    to squares with the mean colour, as LLaVA does, so that nothing of them is cropped.

    The question that conditions the compression is the user's words (`question_turns`, joined by the separator), as
    the tokenizer encodes a text of its own, with the token that begins a text where it has one; the same in
    `conversation`, `collate`, `apply_chat_template` and a call.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        visual_tokens: int = 1,
        question_turns: str = "all",
        question_separator: str = "\n",
        pad_square: bool = True,
        image_token: str = MARKER,
        chat_template: str | None = None,
    ) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise InputError(
                "The processor needs a fast tokenizer: the question is found by its tokens' offsets.",
                code="bad_tokenizer",
            )
        if question_turns not in TURNS:
            raise InputError(f"question_turns is '{question_turns}'.", code="bad_value", hint=f"{TURNS}")
        tokenizer.add_tokens([image_token], special_tokens=True)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.visual_tokens, self.pad_square = visual_tokens, pad_square
        self.question_turns, self.question_separator = question_turns, question_separator
        self.image_token, self.image_token_id = image_token, tokenizer.convert_tokens_to_ids(image_token)
        super().__init__(image_processor, tokenizer, chat_template=chat_template)

    @classmethod
    def of_model(
        cls, config: QueccConfig, image_processor: Any, tokenizer: Any, **more: Any
    ) -> QueccProcessor:
        """The processor that fits a model."""
        return cls(image_processor, tokenizer, config.visual_tokens, config.question_turns,
                   config.question_separator, **more)  # fmt: skip

    def save_pretrained(self, save_directory: Any, push_to_hub: bool = False, **kwargs: Any) -> Any:
        """As transformers has it, with the entry by which AutoProcessor finds this class."""
        files = super().save_pretrained(save_directory, push_to_hub, **kwargs)
        path = Path(save_directory) / "processor_config.json"
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields["auto_map"] = {"AutoProcessor": AUTO_MAP["AutoProcessor"]}
        path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        write_remote_code(save_directory)
        return files

    @classmethod
    def register_for_auto_class(cls, auto_class: Any = "AutoProcessor") -> None:
        """Nothing: a folder refers to this package and brings no copy of its code."""

    def __call__(  # type: ignore[override]
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        questions: str | Sequence[str] | None = None,
        padding_side: str = "left",
        **kwargs: Any,
    ) -> BatchFeature:
        """Prompts as they are: `text` with one image token for each image, the images in that order.

        questions: what conditions the compression. None takes the question of a prompt that `apply_chat_template` made,
        and of any other text all of it, without its image tokens.
        images: one list for all texts, or a list for each text.
        Options are those of transformers that `CallOptions` lists; others are refused.
        Raises InputError `images_do_not_match` where they are not as many as the marks: of each text, where each has a
        list, else of all; `questions_do_not_match` where there is not one question for each text; `unknown_option`.
        """
        options = CallOptions.of(kwargs)
        texts = [text] if isinstance(text, str) else list(text or [""])
        marks = [t.count(self.image_token) for t in texts]
        if isinstance(images, Sequence) and any(isinstance(part, list | tuple) for part in images):
            _check_images("text", marks, images)
        elif images is not None and (count := len(images) if isinstance(images, Sequence) else 1) != sum(
            marks
        ):
            raise _images_differ(f"The texts hold {sum(marks)} image marks", count)
        if questions is None:
            prompts = [
                t.question if isinstance(t, Prompt) else t.replace(self.image_token, " ").strip()
                for t in texts
            ]
        else:
            prompts = [questions] if isinstance(questions, str) else list(questions)
        if len(prompts) != len(texts):
            raise InputError(
                f"There are {len(texts)} texts and {len(prompts)} questions.",
                code="questions_do_not_match",
                hint="Give one question for each text; an empty one for none.",
            )
        rows = [
            {"input_ids": self._cut(self._ids(t, options.add_special_tokens), options.length),
             "question_ids": self._question_ids(q)[: options.length]}
            for t, q in zip(texts, prompts, strict=True)
        ]  # fmt: skip
        batch = self.pad(rows, self._images(images, options.images_kwargs), padding_side, options.padded_to)
        return options.finished(batch)

    def apply_chat_template(  # type: ignore[override]
        self,
        conversation: Sequence[Any],
        chat_template: str | None = None,
        *,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        tokenize: bool = False,
        return_dict: bool = False,
        processor_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """A chat, or several, as a prompt; with `tokenize` as what the model takes (`return_dict`), or as token ids.

        Images are loaded from the contents ({type: image} with `image`, `path`, `url` or `base64`). A prompt has
        its question with it (see `Prompt`). kwargs: options of a call (`CallOptions`), else variables of the template.
        Raises InputError `unknown_option` for tools, documents and masks of the assistant's tokens.
        """
        several = bool(conversation) and not isinstance(conversation[0], dict)
        chats = list(conversation) if several else [conversation]
        for name in ("tools", "documents", "return_assistant_tokens_mask", "sanitize_control_tokens"):
            if kwargs.pop(name, None):
                raise unknown("option of apply_chat_template", name, (), code="unknown_option")
        options = {name: kwargs.pop(name) for name in CallOptions.NAMES & kwargs.keys()} | (
            processor_kwargs or {}
        )
        template = self.chat_template if chat_template is None else chat_template
        prompts = []
        for chat in chats:
            messages = messages_of(chat)
            shown = render(self.tokenizer, messages, self.image_token, chat_template=template,
                           add_generation_prompt=add_generation_prompt, **kwargs)  # fmt: skip
            text = shown.text[: shown.spans[-1][2]] if continue_final_message and shown.spans else shown.text
            prompts.append(Prompt(text, question_of(messages, self.question_turns, self.question_separator)))
        if not tokenize:
            return prompts if several else prompts[0]
        images = [_images_in(chat) for chat in chats]
        batch = self(images if any(images) else None, prompts, **options)
        return batch if return_dict else batch["input_ids"]

    def conversation(
        self,
        turns: Sequence[dict[str, Any]],
        *,
        add_generation_prompt: bool = False,
        max_length: int | None = None,
    ) -> dict[str, list[int]]:
        """One conversation (see `messages_of`): input_ids, labels (the assistant's words and their end), question_ids.

        The assistant's words are found by the offsets of the tokens in the rendered conversation. Beyond `max_length`
        tokens the end is cut off.
        Raises InputError where that would cut into an image.
        """
        messages = messages_of(turns)
        shown = render(self.tokenizer, messages, self.image_token,
                       add_generation_prompt=add_generation_prompt, chat_template=self.chat_template)  # fmt: skip
        shown = expanded(shown, self.image_token, self.visual_tokens)
        encoded = self.tokenizer(
            shown.text, return_offsets_mapping=True, add_special_tokens=not self._begins(shown.text)
        )
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        question = self._question_ids(question_of(messages, self.question_turns, self.question_separator))
        learned = tokens_in(offsets, [(a, b) for role, a, b in shown.spans if role == "assistant"])
        special = set(self.tokenizer.all_special_ids)
        for place in range(1, len(ids)):  # the end of a turn is learned with it
            learned[place] |= learned[place - 1] and ids[place - 1] not in special and ids[place] in special
        labels = [i if inside else IGNORED for i, inside in zip(ids, learned, strict=True)]
        return {
            "input_ids": self._cut(ids, max_length),
            "labels": labels[:max_length],
            "question_ids": question[:max_length],
        }

    def collate(
        self,
        conversations: Sequence[Sequence[dict[str, Any]]],
        images: Sequence[Sequence[Any]] | None = None,
        *,
        add_generation_prompt: bool = False,
        max_length: int | None = None,
    ) -> BatchFeature:
        """A batch of conversations of any lengths, each with its own images (any number, none too).

        To train: padded on the right, with labels. With `add_generation_prompt`: padded on the left, without.
        Raises InputError `images_do_not_match`, with the conversation's place, where its images are not as many as its
        image marks.
        """
        rows = [
            self.conversation(turns, add_generation_prompt=add_generation_prompt, max_length=max_length)
            for turns in conversations
        ]
        marks = [row["input_ids"].count(self.image_token_id) // self.visual_tokens for row in rows]
        _check_images("conversation", marks, [[] for _ in rows] if images is None else images)
        flat = [image for per_row in images or [] for image in per_row]
        if add_generation_prompt:
            rows = [{k: v for k, v in row.items() if k != "labels"} for row in rows]
        return self.pad(rows, self._images(flat), "left" if add_generation_prompt else "right")

    def pad(
        self,
        rows: Sequence[dict[str, list[int]]],
        pixel_values: torch.Tensor | None,
        side: str,
        length: int | None = None,
    ) -> BatchFeature:
        """Rows of token ids as one batch, of `length` at least; questions are padded on the right in any case."""
        pad = self.tokenizer.pad_token_id
        batch = {
            "input_ids": _stack([row["input_ids"] for row in rows], pad, side, length),
            "attention_mask": _stack([[1] * len(row["input_ids"]) for row in rows], 0, side, length),
            "question_ids": _stack([row["question_ids"] for row in rows], pad, "right"),
            "question_lengths": torch.tensor([len(row["question_ids"]) for row in rows]),
        }
        if rows and "labels" in rows[0]:
            batch["labels"] = _stack([row["labels"] for row in rows], IGNORED, side, length)
        if pixel_values is not None:
            batch["pixel_values"] = pixel_values
        return BatchFeature(batch)

    def _expanded(self, text: str) -> str:
        return text.replace(self.image_token, self.image_token * self.visual_tokens)

    def _begins(self, text: str) -> bool:
        """Whether a text already begins with the token that begins texts."""
        return self.tokenizer.bos_token is not None and text.startswith(self.tokenizer.bos_token)

    def _ids(self, text: str, special: bool) -> list[int]:
        """The tokens of a prompt, with those that the tokenizer puts around texts unless it has them."""
        special = special and not self._begins(text)
        ids: list[int] = self.tokenizer(self._expanded(text), add_special_tokens=special)["input_ids"]
        return ids

    def _question_ids(self, question: str) -> list[int]:
        """The tokens of a question as a text of its own, without the one that ends texts; none where it is empty."""
        if not question.strip():
            return []
        ids: list[int] = self.tokenizer(question)["input_ids"]
        plain: list[int] = self.tokenizer(question, add_special_tokens=False)["input_ids"]
        ends = ids[-1:] == [self.tokenizer.eos_token_id] != plain[-1:]
        return ids[:-1] if ends else ids

    def _cut(self, ids: list[int], length: int | None) -> list[int]:
        """The first `length` tokens. Raises InputError where an image lies beyond them."""
        if length is not None and self.image_token_id in ids[length:]:
            raise InputError(
                f"A conversation of {len(ids)} tokens has an image beyond the first {length}.",
                code="too_long",
                hint="Raise max_length, or lower visual_tokens.",
            )
        return ids[:length]

    def _images(self, images: Any, options: dict[str, Any] | None = None) -> torch.Tensor | None:
        """[images, 3, height, width], or None where there are none."""
        if images is None or (isinstance(images, Sequence) and not len(images)):
            return None
        flat = list(images) if isinstance(images, Sequence) else [images]
        flat = [image for entry in flat for image in (entry if isinstance(entry, list | tuple) else [entry])]
        if not flat:
            return None
        pixels = [square(image, self.image_processor) if self.pad_square else image for image in flat]
        values: torch.Tensor = self.image_processor(pixels, **{**(options or {}), "return_tensors": "pt"})[
            "pixel_values"
        ]
        return values


def _images_in(chat: Sequence[dict[str, Any]]) -> list[Any]:
    """The images of a chat's contents, in their order. Raises InputError for an image without a source."""
    images = []
    for turn in chat:
        content = turn.get("content")
        for part in content if isinstance(content, list | tuple) else ():
            if not isinstance(part, dict) or part.get("type") not in ("image", "image_url"):
                continue
            source = next(
                (part[key] for key in ("image", "path", "url", "base64", "image_url") if part.get(key)), None
            )
            if isinstance(source, dict):  # OpenAI's image_url
                source = source.get("url")
            if source is None:
                raise InputError(
                    "An image of a chat has no source.",
                    code="bad_conversation",
                    hint="Give {type: image} an image, path, url or base64.",
                )
            images.append(load_image(source) if isinstance(source, str) else source)
    return images


def _check_images(kind: str, marks: Sequence[int], images: Sequence[Any]) -> None:
    """Raises InputError where one of the conversations or texts has not as many images as image marks."""
    if len(images) != len(marks):
        raise InputError(
            f"There are {len(marks)} {kind}s and {len(images)} lists of images.",
            code="images_do_not_match",
            hint=f"Give a list of images for each {kind}; an empty one for none.",
        )
    for place, (wanted, row) in enumerate(zip(marks, images, strict=True)):
        if (count := len(row) if isinstance(row, list | tuple) else 1) != wanted:
            raise _images_differ(
                f"{kind.capitalize()} {place} (the first is 0) holds {wanted} image marks", count
            )


def _images_differ(which: str, count: int) -> InputError:
    return InputError(
        f"{which} and comes with {count} images.",
        code="images_do_not_match",
        hint=f"Put one {MARKER} into the text for each image.",
    )


def square(image: Any, image_processor: Any) -> Any:
    """A PIL image on a square ground of the image processor's mean colour, in the middle (others as they are)."""
    if not isinstance(image, Image.Image) or image.width == image.height:
        return image
    mean = getattr(image_processor, "image_mean", None) or (0.5, 0.5, 0.5)
    side = max(image.size)
    ground = Image.new("RGB", (side, side), tuple(int(255 * channel) for channel in mean))
    ground.paste(image.convert("RGB"), ((side - image.width) // 2, (side - image.height) // 2))
    return ground


def _stack(rows: Sequence[Sequence[int]], pad: int, side: str, length: int | None = None) -> torch.Tensor:
    longest = max([*map(len, rows), length or 0])
    gaps = [[pad] * (longest - len(row)) for row in rows]
    whole = [[*gap, *row] if side == "left" else [*row, *gap] for row, gap in zip(rows, gaps, strict=True)]
    return torch.tensor(whole, dtype=torch.long).reshape(len(rows), longest)


AutoProcessor.register(QueccConfig, QueccProcessor)
