"""The vision-language model on the features of a frozen tower: compressor, projector, LLM."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from scalelaw.vlm.tokens import Batch


class VisionLanguageModel(nn.Module):
    """visual tokens = projector(compressor(features)); they stand before the question, in the image's place.

    `select`: where in the features' channels (several hidden states side by side) the state X lies.
    """

    def __init__(self, llm: Any, compressor: nn.Module, width: int, select: slice) -> None:
        super().__init__()
        self.llm, self.compressor, self.select = llm, compressor, select
        text_width = llm.config.hidden_size
        self.projector = nn.Sequential(
            nn.Linear(width, text_width), nn.GELU(), nn.Linear(text_width, text_width)
        )

    def question_state(self, batch: Batch) -> torch.Tensor:
        """The last hidden state at the question's last token, the question alone; no gradient [batch, text width]."""
        with torch.no_grad():
            states = self.llm.base_model(input_ids=batch.prompts, use_cache=False).last_hidden_state
            return states[torch.arange(len(states), device=states.device), batch.prompt - 1]

    def visual_tokens(self, features: torch.Tensor, batch: Batch) -> torch.Tensor:
        """[batch, patches, channels] -> [batch, visual tokens, text width].

        For a compressor that reads the tower's attention, that is the last channel.
        """
        question = self.question_state(batch) if self.compressor.reads_question else None
        attention = []
        if getattr(self.compressor, "reads_attention", False):
            features, attention = features[..., :-1], [features[..., -1]]
        return self.projector(self.compressor(features[..., self.select], features, question, *attention))

    def answer_logits(self, features: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Logits for the answers' tokens, row by row [answer tokens of the batch, vocab].

        No mask is needed: padding stands on the right, where a causal model's answer cannot see it.
        """
        visual = self.visual_tokens(features, batch)
        embedded = torch.cat([visual, self.llm.get_input_embeddings()(batch.ids)], dim=1)
        states = self.llm.base_model(inputs_embeds=embedded, use_cache=False).last_hidden_state
        before = states[:, visual.shape[1] - 1 : -1]
        return self.llm.get_output_embeddings()(before[batch.answers])

    def forward(self, features: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Cross-entropy of each answer, mean over its tokens [batch]."""
        return answer_losses(self.answer_logits(features, batch), batch)


def text_losses(llm: Any, batch: Batch) -> torch.Tensor:
    """Cross-entropy of each answer given its prompt, text alone, mean over its tokens [batch]."""
    states = llm.base_model(input_ids=batch.ids, use_cache=False).last_hidden_state
    return answer_losses(llm.get_output_embeddings()(states[:, :-1][batch.answers[:, 1:]]), batch)


def answer_losses(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Logits of the answers' tokens -> mean cross-entropy of each answer [batch]."""
    answers = batch.answers
    losses = torch.zeros(answers.shape, dtype=logits.dtype, device=logits.device)
    losses[answers] = functional.cross_entropy(logits, batch.ids[answers], reduction="none")
    return losses.sum(dim=1) / answers.sum(dim=1)
