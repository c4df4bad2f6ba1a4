"""The costs of one query with one model, part by part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from scalelaw.results.envelope import Answer
from scalelaw.results.warning import Warning


@dataclass(frozen=True)
class Bill(Answer):
    """What one query costs; the fields are the data of `scalelaw cost --json`.

    parts: [{part, flops, share}], the largest first. costs: {kind: value} of every kind that can be computed.
    stages: {kind: {part: value}} of those that fall into parts. largest_batch: that the device's memory holds,
    None without a device. convention: how `flops` is counted; parts and shares are those of the exact count.
    images: what each image becomes, and settings: of the model, where they were given in pixels. Of many sizes costs
    are means, and costs_p95 what 95% of the images do not exceed. costs_interval: the 90% range of measured times,
    energy and prices.
    """

    command: ClassVar[str] = "cost"

    model: str
    n_params: float
    n_params_exact: int
    visual_tokens: float
    text_tokens: float
    generate: float
    batch: float
    dtype: str
    tower: str | None
    compressor: str | None
    convention: str
    says: str
    flops: float
    parts: list[dict[str, Any]]
    costs: dict[str, float]
    stages: dict[str, dict[str, float]]
    largest_batch: float | None
    warnings: list[Warning]
    images: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    costs_p95: dict[str, float] = field(default_factory=dict)
    costs_interval: dict[str, list[float]] = field(default_factory=dict)
