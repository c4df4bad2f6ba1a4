"""A vision-language model as transformers knows them: tower, compressor, projector, LLM; saved, loaded, generating.

    t        the LLM's last hidden state at the question's last token, the question alone, no gradient (0 without one)
    X, X_m   hidden states of the frozen tower, its class and register tokens dropped
    tokens   projector(compressor(X, X_m, t)), in the place of the image's tokens

The compressor can be any compressor plug-in; the default is QueCC (arXiv 2411.03312, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText, GenerationMixin
from transformers import PreTrainedModel as Base
from transformers.modeling_outputs import CausalLMOutputWithPast

from scalelaw import plugins
from scalelaw.compressors._windows import refused
from scalelaw.errors import InputError
from scalelaw.vlm.quecc.configuration import QueccConfig


@dataclass
class QueccOutput(CausalLMOutputWithPast):
    """The LLM's output, and the images' tokens as the LLM saw them [images, visual tokens, text width]."""

    image_hidden_states: torch.Tensor | None = None


class QueccForConditionalGeneration(Base, GenerationMixin):
    """input_ids hold `image_token_index` once for every visual token of every image, in the images' order."""

    config_class = QueccConfig
    config: QueccConfig
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True

    def __init__(self, config: QueccConfig, trust_remote_code: bool = False) -> None:
        super().__init__(config)
        trust = {"trust_remote_code": trust_remote_code}
        plugin, vision = plugins.load("compressors", config.compressor), config.vision_config
        width, text_width = vision.hidden_size, config.text_config.hidden_size
        self._allowed: list[int] = plugin.allowed_tokens(config.grid)
        if "side" not in config.compressor_options and config.visual_tokens not in self._allowed:
            raise refused(config.grid, config.visual_tokens, self._allowed)
        eager = getattr(plugin.Compressor, "reads_attention", False)
        self.vision_tower: Any = AutoModel.from_config(
            vision, **trust, **({"attn_implementation": "eager"} if eager else {})
        )
        self.vision_tower.requires_grad_(False)
        self.compressor: Any = plugin.Compressor(
            config.grid,
            width,
            width * len(config.vision_layers),
            config.visual_tokens,
            text_width,
            **config.compressor_options,
        )
        self.projector: Any = nn.Sequential(
            nn.Linear(width, text_width), nn.GELU(), nn.Linear(text_width, text_width)
        )
        self.language_model: Any = AutoModelForCausalLM.from_config(config.text_config, **trust)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Each part begins as its own constructor has it."""

    # ------------------------------------------------------------------ making, saving, loading

    @classmethod
    def from_parts(
        cls, vision: str | Path, llm: str | Path, *, trust_remote_code: bool = False, **choices: Any
    ) -> QueccForConditionalGeneration:
        """A new model on a pretrained tower and LLM (folders or names); `choices` are QueccConfig's.

        trust_remote_code: whether to run the Python code that a part brings along (else transformers' ValueError).
        The LLM's embeddings grow where the image token is not among them. Nothing else of the parts changes.
        """
        trust = {"trust_remote_code": trust_remote_code}  # else transformers would ask at the terminal
        tower = AutoModel.from_pretrained(vision, **trust)
        tower = getattr(tower, "vision_model", tower) if hasattr(tower, "text_model") else tower
        language_model = AutoModelForCausalLM.from_pretrained(llm, **trust)
        token = choices.get("image_token_index", 0)
        if token >= language_model.get_input_embeddings().weight.shape[0]:
            language_model.resize_token_embeddings(token + 1)
        model = cls(QueccConfig(tower.config, language_model.config, **choices), trust_remote_code)
        _strict(model.vision_tower.load_state_dict(_renamed(tower, model.vision_tower), strict=False), vision)
        _strict(model.language_model.load_state_dict(language_model.state_dict(), strict=False), llm)
        model.language_model.tie_weights()
        model.generation_config = language_model.generation_config
        return model

    @classmethod
    def from_pretrained(cls, *args: Any, strict: bool = True, **kwargs: Any) -> Any:
        """As transformers has it, but a missing, unexpected or misshapen weight is an InputError (`strict`)."""
        with_info = kwargs.pop("output_loading_info", False)
        model, info = super().from_pretrained(*args, output_loading_info=True, **kwargs)
        wrong = {k: sorted(map(str, info[k])) for k in ("missing_keys", "unexpected_keys", "mismatched_keys")}
        if strict and any(wrong.values()):
            details = "; ".join(
                f"{k.replace('_keys', '')}: {', '.join(v[:3])}" for k, v in wrong.items() if v
            )
            raise InputError(
                f"The weights in {args[0] if args else ''} are not this model's ({details}).",
                code="weights_do_not_match",
                hint="Load the folder that save_pretrained wrote, with its own config.json.",
            )
        return (model, info) if with_info else model

    @classmethod
    def register_for_auto_class(cls, auto_class: Any = "AutoModel") -> None:
        """Nothing: a folder refers to this package and brings no copy of its code."""

    def get_input_embeddings(self) -> nn.Module:
        """The LLM's."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """The LLM's."""
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        """The LLM's."""
        return self.language_model.get_output_embeddings()

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """The LLM's."""
        self.language_model.set_output_embeddings(new_embeddings)

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> nn.Module:
        """As transformers has it; the LLM's own configuration follows, so that both are saved with the new size."""
        table: nn.Module = super().resize_token_embeddings(*args, **kwargs)
        embeddings: Any = self.get_input_embeddings()
        rows = int(embeddings.weight.shape[0])
        for part in (self.language_model, self.language_model.base_model):
            part.config.get_text_config().vocab_size = rows
            if hasattr(part, "vocab_size"):
                part.vocab_size = rows
        return table

    def train_stage(self, stage: int) -> None:
        """What learns: 1 compressor and projector; 2 the LLM too. The tower never does."""
        self.vision_tower.requires_grad_(False)
        self.compressor.requires_grad_(True)
        self.projector.requires_grad_(True)
        self.language_model.requires_grad_(stage == 2)

    def lora_targets(self) -> list[str]:
        """The linear layers of the LLM but its head, for LoraConfig(target_modules=..., modules_to_save=["compressor",
        "projector"]): names alone would match the frozen encoder's layers too."""
        head = self.get_output_embeddings()
        return [
            name
            for name, module in self.named_modules()
            if isinstance(module, nn.Linear) and name.startswith("language_model.") and module is not head
        ]

    # ------------------------------------------------------------------ images

    @torch.no_grad()
    def vision_states(
        self, pixel_values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """X [images, patches, width], X_multi [.., width * layers], attention [images, patches] where it is read."""
        config, reads = self.config, getattr(self.compressor, "reads_attention", False)
        grid = getattr(self.compressor, "image_grid", config.grid)
        sizes = tuple(
            side * count // full
            for side, count, full in zip(config.image_size, grid, config.grid, strict=True)
        )
        if tuple(pixel_values.shape[-2:]) != tuple(config.image_size):
            raise InputError(
                f"Images of {tuple(pixel_values.shape[-2:])} pixels; the model takes {tuple(config.image_size)}.",
                code="bad_image_size",
            )
        if sizes != tuple(config.image_size):
            pixel_values = functional.interpolate(pixel_values, sizes, mode="area")
        options: dict[str, Any] = {"output_hidden_states": True, "output_attentions": reads}
        if sizes != _sides(config.vision_config.image_size) and config.vision_config.model_type != "dinov2":
            options["interpolate_pos_encoding"] = True
        out = self.vision_tower(pixel_values.to(self.vision_tower.dtype), **options)
        patches = grid[0] * grid[1]
        extra = out.hidden_states[0].shape[1] - patches
        states = [state[:, extra:] for state in out.hidden_states]
        multi = torch.cat([states[layer] for layer in config.vision_layers], dim=-1)
        attention = None
        if reads:
            weights = out.attentions[max(config.vision_layer, 1) - 1].float().mean(dim=1)
            attention = weights[:, 0, extra:] if extra else weights.mean(dim=1)
        return states[config.vision_layer], multi, attention

    @torch.no_grad()
    def question_states(self, question_ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """question_ids [rows, longest], padded on the right; lengths [rows] -> [rows, text width], 0 for length 0."""
        last = (lengths - 1).clamp(min=0)
        if not question_ids.shape[1]:
            return torch.zeros(len(lengths), self.config.text_config.hidden_size, device=self.device)
        states = self.language_model.base_model(input_ids=question_ids, use_cache=False).last_hidden_state
        last_states = states[torch.arange(len(states), device=states.device), last]
        return torch.where((lengths > 0)[:, None], last_states, torch.zeros_like(last_states))

    def get_image_features(
        self, pixel_values: torch.Tensor, question: torch.Tensor | None = None
    ) -> torch.Tensor:
        """pixel_values [images, 3, height, width], question [images, text width] -> [images, tokens, text width]."""
        patches, multi, attention = self.vision_states(pixel_values)
        inputs = [patches.to(self._connector_dtype), multi.to(self._connector_dtype), question]
        if attention is not None:
            inputs.append(attention)
        return self.projector(self.compressor(*inputs))

    # ------------------------------------------------------------------ forward and generate

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        question_ids: torch.Tensor | None = None,
        question_lengths: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        num_items_in_batch: torch.Tensor | int | None = None,
        **kwargs: Any,
    ) -> QueccOutput:
        """Logits [rows, length, vocab]; with `labels` (-100: not learned) the loss, a mean over their tokens.

        The logit of the image's token is the least number: it has no part in the softmax.

        pixel_values [images, 3, height, width]: all images of all rows, in their order; None where there are none.
        question_ids, question_lengths: each row's question (see `question_states`); a row without has length 0.
        num_items_in_batch: what to divide the loss by instead, where several batches make one step.
        Raises InputError where the image tokens are not as many as the images need, and where images come with
        inputs_embeds alone: only token ids say where an image stands.
        """
        images = None
        shown = pixel_values is not None and len(pixel_values) > 0
        if (input_ids is None) == (inputs_embeds is None):
            raise InputError("The model needs either input_ids or inputs_embeds.", code="bad_input")
        if inputs_embeds is not None and shown:
            raise InputError(
                "Images need input_ids: inputs_embeds do not say where an image stands.",
                code="bad_input",
                hint="Pass input_ids, or inputs_embeds that hold the images' tokens without pixel_values.",
            )
        if input_ids is not None:
            place = input_ids == self.config.image_token_index
            inputs_embeds = self.get_input_embeddings()(input_ids.masked_fill(place, 0))
            if shown:
                assert pixel_values is not None
                images = self._images(place, pixel_values, question_ids, question_lengths)
                inputs_embeds = inputs_embeds.masked_scatter(place[..., None], images.to(inputs_embeds.dtype))
            elif bool(place.any()):
                raise _mismatch(int(place.sum()), 0, self.config.visual_tokens)
            if not shown and torch.is_grad_enabled():
                inputs_embeds = inputs_embeds + self._unused().to(inputs_embeds.dtype)
        out = self.language_model.base_model(
            inputs_embeds=inputs_embeds, attention_mask=attention_mask, **kwargs
        )
        hidden = out.last_hidden_state
        kept = (
            slice(-logits_to_keep, None)
            if isinstance(logits_to_keep, int) and logits_to_keep
            else slice(None)
        )
        logits = self.get_output_embeddings()(
            hidden[:, kept if isinstance(logits_to_keep, int) else logits_to_keep]
        )
        # no text holds the image's token, so that none is ever written
        logits[..., self.config.image_token_index] = torch.finfo(logits.dtype).min
        loss = None if labels is None else _loss(logits, labels, num_items_in_batch)
        return QueccOutput(
            loss=loss,
            logits=logits,
            past_key_values=out.get("past_key_values"),
            hidden_states=out.get("hidden_states"),
            attentions=out.get("attentions"),
            image_hidden_states=images,
        )

    @property
    def _connector_dtype(self) -> torch.dtype:
        """The precision of compressor and projector, which an adapter may have wrapped."""
        dtype: torch.dtype = next(self.projector.parameters()).dtype
        return dtype

    def _unused(self) -> torch.Tensor:
        """0, with what learns of compressor and projector in its graph: DDP waits for the gradient of each."""
        parts = [*self.compressor.parameters(), *self.projector.parameters()]
        zeros = [0.0 * p.sum() for p in parts if p.requires_grad]
        return torch.stack(zeros).sum() if zeros else torch.zeros((), device=self.device)

    def _images(
        self,
        place: torch.Tensor,
        pixel_values: torch.Tensor,
        question_ids: torch.Tensor | None,
        lengths: torch.Tensor | None,
    ) -> torch.Tensor:
        """The images' tokens, each image asked its own row's question."""
        tokens, images = int(place.sum()), len(pixel_values)
        each = tokens // images
        if getattr(self.compressor, "training_tokens", ()):
            if each not in self._allowed:
                raise refused(self.config.grid, each, self._allowed)
            for module in self.compressor.modules():  # also where an adapter has wrapped it
                if getattr(module, "training_tokens", ()):
                    module.visual_tokens = each
        else:
            each = self.config.visual_tokens
        per_row = place.sum(dim=1)
        if tokens != images * each or bool((per_row % each).any()):
            raise _mismatch(tokens, images, each)
        _check_questions(len(place), question_ids, lengths)
        question = None
        if self.compressor.reads_question:
            if question_ids is None or lengths is None:  # both, see above
                question_ids, lengths = place.new_zeros(len(place), 0).long(), per_row.new_zeros(len(place))
            question = self.question_states(question_ids, lengths).to(self._connector_dtype)
            question = question.repeat_interleave(per_row // each, dim=0)
        return self.get_image_features(pixel_values, question)

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        inputs_embeds: torch.Tensor | None = None,
        is_first_iteration: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Images and questions are read once, with the prompt; afterwards the cache holds them."""
        first = is_first_iteration or not kwargs.get("use_cache", True)
        if not first:
            for name in ("pixel_values", "question_ids", "question_lengths"):
                kwargs.pop(name, None)
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(
            input_ids, inputs_embeds=inputs_embeds, is_first_iteration=is_first_iteration, **kwargs
        )
        return inputs

    def _expand_inputs_for_generation(
        self, expand_size: int = 1, is_encoder_decoder: bool = False, input_ids: Any = None, **kwargs: Any
    ) -> tuple[Any, dict[str, Any]]:
        """For beams and samples: a row's images are repeated together, as the row is."""
        images = kwargs.pop("pixel_values", None)
        if images is not None and expand_size > 1:
            tokens = (input_ids == self.config.image_token_index).sum(dim=1)
            if not int(tokens.sum()):
                raise _mismatch(0, len(images), self.config.visual_tokens)
            counts = (tokens * len(images) // tokens.sum()).tolist()
            images = torch.cat([part for row in images.split(counts) for part in [row] * expand_size])
        ids, kwargs = super()._expand_inputs_for_generation(
            expand_size, is_encoder_decoder, input_ids, **kwargs
        )
        return ids, kwargs if images is None else {**kwargs, "pixel_values": images}


def _loss(logits: torch.Tensor, labels: torch.Tensor, items: torch.Tensor | int | None) -> torch.Tensor:
    shifted, wanted = logits[:, :-1], labels[:, 1:].to(logits.device)
    learned = wanted != -100
    total = functional.cross_entropy(shifted[learned].float(), wanted[learned], reduction="sum")
    return total / (learned.sum().clamp(min=1) if items is None else items)


def _check_questions(rows: int, ids: torch.Tensor | None, lengths: torch.Tensor | None) -> None:
    """Raises InputError where the questions are not one for each row, of lengths that their ids have."""
    if ids is None and lengths is None:
        return
    if (
        ids is None
        or lengths is None
        or not len(ids) == len(lengths) == rows
        or bool((lengths > ids.shape[1]).any())
    ):
        raise InputError(
            f"The questions are not one for each of the {rows} rows, with their lengths.",
            code="questions_do_not_match",
            hint="Pass question_ids and question_lengths as QueccProcessor makes them.",
        )


def _mismatch(tokens: int, images: int, each: int) -> InputError:
    return InputError(
        f"The prompt holds {tokens} image tokens; {images} images of {each} tokens need {images * each}.",
        code="images_do_not_match",
        hint="Let QueccProcessor put them there: one image token in the text for each image.",
    )


def _sides(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _renamed(tower: nn.Module, wanted: nn.Module) -> dict[str, torch.Tensor]:
    """The tower's weights by the names that the model wants: with or without the prefix of a wrapper."""
    weights, names = tower.state_dict(), set(wanted.state_dict())
    prefix = "vision_model."
    out = {}
    for name, value in weights.items():
        for alias in (name, prefix + name, name.removeprefix(prefix)):
            if alias in names:
                out[alias] = value
    return out


def _strict(result: Any, origin: str | Path) -> None:
    tied = [name for name in result.missing_keys if "lm_head" not in name]
    if tied or result.unexpected_keys:
        raise InputError(
            f"The weights of {origin} do not fit: {', '.join([*tied, *result.unexpected_keys][:5])}.",
            code="weights_do_not_match",
        )


AutoModel.register(QueccConfig, QueccForConditionalGeneration)
AutoModelForImageTextToText.register(QueccConfig, QueccForConditionalGeneration)
