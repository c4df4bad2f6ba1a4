"""A saved model of this package as lmms-eval asks it: chats with images in, greedy or sampled answers out.

    lmms_eval --model scalelaw --model_args pretrained=DIR,dtype=bfloat16 --tasks gqa,textvqa_val --batch_size 8

The question that conditions the compression is that of the chat, as in training. One process; no videos, no log
likelihoods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lmms_eval.api.model import lmms
from lmms_eval.protocol import ChatMessages

from scalelaw.errors import InputError, unknown
from scalelaw.vlm.quecc import QueccForConditionalGeneration, QueccProcessor

SAMPLING = ("do_sample", "max_new_tokens", "num_beams", "temperature", "top_p")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class CompressedVisionLanguageModel(lmms):  # type: ignore[misc]
    """pretrained: the folder; device: by default a CUDA device where there is one; dtype: float32 or bfloat16."""

    is_simple = False

    def __init__(
        self,
        pretrained: str,
        device: str | None = None,
        dtype: str = "float32",
        batch_size: int | str = 1,
        **options: Any,
    ) -> None:
        super().__init__()
        for name in options:
            raise unknown("option of the model", name, ("pretrained", "device", "dtype", "batch_size"),
                          code="unknown_option")  # fmt: skip
        if dtype not in DTYPES:
            raise unknown("dtype", dtype, DTYPES)
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        model = QueccForConditionalGeneration.from_pretrained(pretrained, dtype=DTYPES[dtype])
        self.model = model.to(self._device).eval()
        self.processor = QueccProcessor.from_pretrained(pretrained)
        self.batch_size = int(batch_size)

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """An answer to each request, in their order; those with the same options are answered together."""
        answers: list[str] = [""] * len(requests)
        groups: dict[str, list[int]] = {}
        for place, request in enumerate(requests):
            groups.setdefault(repr(sorted(request.args[2].items())), []).append(place)
        for places in groups.values():
            for start in range(0, len(places), self.batch_size):
                batch = places[start : start + self.batch_size]
                texts = self._answer([requests[place].args for place in batch])
                for place, text in zip(batch, texts, strict=True):
                    answers[place] = text
                    request = requests[place].args
                    self.cache_hook.add_partial("generate_until", (request[0], request[2]), text)
        return answers

    @torch.no_grad()
    def _answer(self, requests: Sequence[Any]) -> list[str]:
        chats = []
        for _, doc_to_messages, _, doc_id, task, split in requests:
            messages = doc_to_messages(self.task_dict[task][split][doc_id])
            chats.append(ChatMessages(messages=messages).to_hf_messages())
        inputs = self.processor.apply_chat_template(
            chats, tokenize=True, return_dict=True, add_generation_prompt=True
        )
        inputs = inputs.to(self._device, dtype=self.model.dtype)
        options = requests[0][2]
        written = self.model.generate(
            **inputs, **_sampling(options), pad_token_id=self.processor.tokenizer.pad_token_id
        )
        texts = self.processor.tokenizer.batch_decode(
            written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return [_until(text, options.get("until")) for text in texts]

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """Not available. Raises InputError."""
        raise InputError(
            "The model answers by generating; use a task of type generate_until.", code="bad_value"
        )

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        """Not available. Raises InputError."""
        raise InputError("The model answers one round; use a task of type generate_until.", code="bad_value")


def _sampling(options: dict[str, Any]) -> dict[str, Any]:
    """lmms-eval's options in transformers' terms: a temperature of 0 is greedy."""
    sampling = {name: options[name] for name in SAMPLING if options.get(name) is not None}
    sampling.setdefault("max_new_tokens", 128)
    if not sampling.get("temperature"):
        sampling = {**sampling, "do_sample": False}
        sampling.pop("temperature", None)
        sampling.pop("top_p", None)
    else:
        sampling.setdefault("do_sample", True)
    return sampling


def _until(text: str, stops: str | Sequence[str] | None) -> str:
    """The text up to the first of the stops."""
    for stop in [stops] if isinstance(stops, str) else stops or ():
        if stop:
            text = text.split(stop)[0]
    return text.strip()
