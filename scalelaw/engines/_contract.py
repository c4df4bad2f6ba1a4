"""What an engine is given and what it answers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scalelaw.errors import InputError, Note
from scalelaw.model_shapes import LLMShape


@dataclass(frozen=True)
class Deployment:
    """A configuration to serve.

    Attributes:
        model: what the engine loads: a repository, a folder or a file.
        prompt_tokens: of the longest request, with its images' tokens and their markers.
        generate: tokens that a request may generate.
        batch: requests at once.
        dtype, cache_dtype: number types of the weights and of the KV cache, as a plan names them.
        devices: cards that share one model.
        images: of a request, at most.
        visual_tokens: of one image, at most.
        token_limit: the token count is limited by pixels or tokens, and not by tiles: what llama.cpp calls a model
            with dynamic resolution.
        processor: arguments of the model's image processor that bring its tokens down to `visual_tokens`; empty where
            the released ones do.
        resize: width and height to which a client brings an image so that it becomes that number of tokens with the
            released processor; None where it cannot.
        shape: of the LLM; None where it is unknown, and then there is no memory rule.
        encoder_params: parameters of the vision encoder and the projector.
        patches: that the vision encoder reads of one image, at most.
        device, memory_gb: a card's name and its nominal memory; None where no card is named.
    """

    model: str
    prompt_tokens: int
    generate: int
    batch: int = 1
    dtype: str = "bf16"
    cache_dtype: str = "bf16"
    devices: int = 1
    images: int = 1
    visual_tokens: int = 0
    token_limit: bool = False
    processor: Mapping[str, Any] = field(default_factory=dict)
    resize: tuple[int, int] | None = None
    shape: LLMShape | None = None
    encoder_params: float = 0.0
    patches: int = 0
    device: str | None = None
    memory_gb: float | None = None

    @property
    def answer_limit(self) -> dict[str, Any]:
        """The field of an OpenAI-compatible request that limits the answer; none where nothing is generated."""
        return {"max_tokens": self.generate} if self.generate else {}

    @property
    def length(self) -> int:
        """Tokens of the longest request, with room for a chat template, in whole blocks."""
        return _up(self.prompt_tokens + self.generate + TEMPLATE_TOKENS, BLOCK)


TEMPLATE_TOKENS = 128
"""Room for a chat template and a system prompt."""
BLOCK = 256
"""Lengths are multiples of this."""


@dataclass(frozen=True)
class Memory:
    """How an engine divides the memory of one card, in GB (1e9 bytes), and what that holds.

    Attributes:
        total_gb: that the engine may use; weights_gb, reserve_gb: of weights, and of activations, buffers and graphs.
        kv_gb: left for the KV cache; kv_tokens: that fit it, over all cards.
        concurrency: requests of full length that fit at once.
    """

    total_gb: float
    weights_gb: float
    reserve_gb: float
    kv_gb: float
    kv_tokens: int
    concurrency: float


@dataclass(frozen=True)
class Serving:
    """What starts an engine, and what a request must say.

    Attributes:
        program: the command without its options, with the model's place.
        flags: (option, value) pairs in order; a value is a number, text, or a mapping that is written as JSON; None for
            an option without a value.
        request: fields of each request.
        environment: variables of the server's environment.
        files: {name: content} to be written beside the model, or for the command to read.
        memory: how the engine divides the memory, where its rule is known.
        warnings: (code, message) pairs.
    """

    program: tuple[str, ...]
    flags: tuple[tuple[str, Any], ...] = ()
    request: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    memory: Memory | None = None
    warnings: tuple[Note, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """The command's words."""
        words = list(self.program)
        for option, value in self.flags:
            words += [option] if value is None else [option, text_of(value)]
        return words

    @property
    def command(self) -> str:
        """The command as a shell reads it."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*variables, *(shlex.quote(word) for word in self.arguments)])


def text_of(value: Any) -> str:
    """The text of an option's value."""
    if isinstance(value, Mapping):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def cannot(engine: str, message: str, hint: str = "") -> InputError:
    """The error for what an engine cannot do."""
    return InputError(f"{engine} {message}", code="engine_cannot", hint=hint)


def pick(engine: str, what: str, name: str, known: Mapping[str, Any]) -> Any:
    """The engine's own word for a number type. Raises InputError `engine_cannot` where it has none."""
    if name not in known:
        raise cannot(engine, f"has no {what} of type {name}.", f"It has: {', '.join(known)}.")
    return known[name]


def cache_type(engine: str, deployment: Deployment, known: Mapping[str, Any]) -> Any:
    """The engine's own word for the number type of the KV cache; None for the type of the activations, which needs no
    option. Raises InputError `engine_cannot` where it has none.
    """
    name = deployment.cache_dtype
    if name in known:
        return known[name]
    plain = ("fp32",) if deployment.dtype == "fp32" else ("fp16", "bf16")
    if name not in plain:
        raise cannot(
            engine,
            f"has no KV cache of type {name} beside {deployment.dtype} weights.",
            f"It has: {', '.join(dict.fromkeys([*plain, *known]))}.",
        )
    return None


def check_parallel(engine: str, deployment: Deployment) -> None:
    """Raises InputError `engine_cannot` where the heads cannot be shared by the cards."""
    shape = deployment.shape
    if shape is not None and shape.heads % deployment.devices:
        allowed = [str(n) for n in (1, 2, 4, 8, 16) if shape.heads % n == 0]
        raise cannot(
            engine,
            f"cannot share the {shape.heads} attention heads of {deployment.model} among {deployment.devices} cards.",
            f"Numbers of cards that divide them: {', '.join(allowed)}.",
        )


def needs_checkpoint(engine: str, dtype: str, formats: str) -> tuple[str, str]:
    """The warning that weights of this type are not made by the engine."""
    return (
        "quantized_checkpoint",
        f"{engine} does not convert weights to {dtype} while loading: give it a checkpoint in {formats}.",
    )


def resize_on_client(engine: str, deployment: Deployment) -> tuple[str, str]:
    """The warning that the engine cannot set the number of visual tokens of this model."""
    where = (
        f"resize each image to {deployment.resize[0]} x {deployment.resize[1]} pixels or fewer before sending it"
        if deployment.resize
        else "resize the images before sending them, and read the prompt tokens of the answer"
    )
    return (
        "resize_on_client",
        f"{engine} has no option for the visual tokens of this model: for {deployment.visual_tokens} of them, {where}.",
    )


def _up(number: float, step: int) -> int:
    return -(-int(number) // step) * step
