"""From images and conversations to what the model takes: image tokens in place, questions apart, labels, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import AutoProcessor, BatchFeature, ProcessorMixin

from scalelaw.errors import InputError
from scalelaw.vlm.quecc.configuration import TURNS, QueccConfig
from scalelaw.vlm.quecc.spans import MARKER, messages_of, render, tokens_in

IGNORED = -100


class QueccProcessor(ProcessorMixin):
    """An image processor and a fast tokenizer; the image token is added to the tokenizer if it lacks it.

    visual_tokens: tokens an image. question_turns: as QueccConfig's. pad_square: images are padded to squares with
    the mean colour, as LLaVA does, so that nothing of them is cropped.
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        visual_tokens: int = 1,
        question_turns: str = "all",
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
        self.visual_tokens, self.question_turns, self.pad_square = visual_tokens, question_turns, pad_square
        self.image_token, self.image_token_id = image_token, tokenizer.convert_tokens_to_ids(image_token)
        super().__init__(image_processor, tokenizer, chat_template=chat_template)

    @classmethod
    def of_model(
        cls, config: QueccConfig, image_processor: Any, tokenizer: Any, **more: Any
    ) -> QueccProcessor:
        """The processor that fits a model."""
        return cls(image_processor, tokenizer, config.visual_tokens, config.question_turns, **more)

    def __call__(  # type: ignore[override]
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        questions: str | Sequence[str] | None = None,
        padding_side: str = "left",
        **kwargs: Any,
    ) -> BatchFeature:
        """Prompts as they are: `text` with one image token for each image, the images in that order.

        questions: what conditions the compression; None takes each text without its image tokens.
        images: one list for all texts, or a list for each text.
        Raises InputError `images_do_not_match` where they are not as many as the marks: of each text, where each has a
        list, else of all; and `questions_do_not_match` where there is not one question for each text.
        """
        texts = [text] if isinstance(text, str) else list(text or [""])
        marks = [t.count(self.image_token) for t in texts]
        if isinstance(images, Sequence) and any(isinstance(part, list | tuple) for part in images):
            _check_images("text", marks, images)
        elif images is not None and (count := len(images) if isinstance(images, Sequence) else 1) != sum(
            marks
        ):
            raise _images_differ(f"The texts hold {sum(marks)} image marks", count)
        prompts = (
            [t.replace(self.image_token, " ").strip() for t in texts] if questions is None else questions
        )
        prompts = [prompts] if isinstance(prompts, str) else list(prompts)
        if len(prompts) != len(texts):
            raise InputError(
                f"There are {len(texts)} texts and {len(prompts)} questions.",
                code="questions_do_not_match",
                hint="Give one question for each text; an empty one for none.",
            )
        ids = self.tokenizer([self._expanded(t) for t in texts])["input_ids"]
        alone = [self.tokenizer(q, add_special_tokens=False)["input_ids"] if q else [] for q in prompts]
        rows = [{"input_ids": i, "question_ids": q} for i, q in zip(ids, alone, strict=True)]
        return self.pad(rows, self._images(images), padding_side)

    def conversation(
        self,
        turns: Sequence[dict[str, Any]],
        *,
        add_generation_prompt: bool = False,
        max_length: int | None = None,
    ) -> dict[str, list[int]]:
        """One conversation (see `messages_of`): input_ids, labels (the assistant's words and their end), question_ids.

        The question is what the user says in words, in every turn or the last (`question_turns`), by the offsets of
        the tokens in the rendered conversation. Beyond `max_length` tokens the end is cut off.
        Raises InputError where that would cut into an image.
        """
        messages = messages_of(turns)
        shown = render(self.tokenizer, messages, self._expanded(self.image_token),
                       add_generation_prompt=add_generation_prompt, chat_template=self.chat_template)  # fmt: skip
        begins = self.tokenizer.bos_token is not None and shown.text.startswith(self.tokenizer.bos_token)
        encoded = self.tokenizer(shown.text, return_offsets_mapping=True, add_special_tokens=not begins)
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
        spans = {role: [(a, b) for who, a, b in shown.spans if who == role] for role in ("user", "assistant")}
        if self.question_turns == "last":
            turn = [len([p for p in m["parts"] if p is not None]) for m in messages if m["role"] == "user"]
            spans["user"] = spans["user"][-turn[-1] :] if turn and turn[-1] else []
        question = [i for i, inside in zip(ids, tokens_in(offsets, spans["user"]), strict=True) if inside]
        learned = tokens_in(offsets, spans["assistant"])
        special = set(self.tokenizer.all_special_ids)
        for place in range(1, len(ids)):  # the end of a turn is learned with it
            learned[place] |= learned[place - 1] and ids[place - 1] not in special and ids[place] in special
        labels = [i if inside else IGNORED for i, inside in zip(ids, learned, strict=True)]
        if max_length is not None and self.image_token_id in ids[max_length:]:
            raise InputError(
                f"A conversation of {len(ids)} tokens holds an image beyond the first {max_length}.",
                code="too_long",
                hint="Raise max_length, or lower visual_tokens.",
            )
        return {
            "input_ids": ids[:max_length],
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
        self, rows: Sequence[dict[str, list[int]]], pixel_values: torch.Tensor | None, side: str
    ) -> BatchFeature:
        """Rows of token ids as one batch; questions are padded on the right, whatever the side of the rest."""
        pad = self.tokenizer.pad_token_id
        batch = {
            "input_ids": _stack([row["input_ids"] for row in rows], pad, side),
            "attention_mask": _stack([[1] * len(row["input_ids"]) for row in rows], 0, side),
            "question_ids": _stack([row["question_ids"] for row in rows], pad, "right"),
            "question_lengths": torch.tensor([len(row["question_ids"]) for row in rows]),
        }
        if rows and "labels" in rows[0]:
            batch["labels"] = _stack([row["labels"] for row in rows], IGNORED, side)
        if pixel_values is not None:
            batch["pixel_values"] = pixel_values
        return BatchFeature(batch)

    def _expanded(self, text: str) -> str:
        return text.replace(self.image_token, self.image_token * self.visual_tokens)

    def _images(self, images: Any) -> torch.Tensor | None:
        """[images, 3, height, width], or None where there are none."""
        if images is None or (isinstance(images, Sequence) and not len(images)):
            return None
        flat = list(images) if isinstance(images, Sequence) else [images]
        flat = [image for entry in flat for image in (entry if isinstance(entry, list | tuple) else [entry])]
        if not flat:
            return None
        pixels = [square(image, self.image_processor) if self.pad_square else image for image in flat]
        values: torch.Tensor = self.image_processor(pixels, return_tensors="pt")["pixel_values"]
        return values


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


def _stack(rows: Sequence[Sequence[int]], pad: int, side: str) -> torch.Tensor:
    longest = max(map(len, rows), default=0)
    gaps = [[pad] * (longest - len(row)) for row in rows]
    whole = [[*gap, *row] if side == "left" else [*row, *gap] for row, gap in zip(rows, gaps, strict=True)]
    return torch.tensor(whole, dtype=torch.long).reshape(len(rows), longest)


AutoProcessor.register(QueccConfig, QueccProcessor)
