"""The cells of a measurement and the plan of its requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from scalelaw.measure.client import OPTIONAL
from scalelaw.measure.load import MOST_ROUNDS
from scalelaw.measure.options import MeasureOptions
from scalelaw.measure.summary import LEAST_REPLIES
from scalelaw.tokens.images import Size

LONG_TEXT = 8
"""The second text prompt, which tells the tokens of a word, is this many times the first."""
PROBE_TOKENS = 4
"""Generated tokens of the requests that count tokens."""


@dataclass(frozen=True)
class Prompt:
    """What a request shows: a picture of a size and a text, or text alone.

    twin_of: the size whose text-only twin this is, a text of as many tokens as the prompt with the picture.
    """

    size: Size | None = None
    twin_of: Size | None = None

    @property
    def label(self) -> str:
        """For a line of the plan."""
        if self.size is not None:
            return f"{self.size.width}x{self.size.height}"
        return f"text for {self.twin_of.width}x{self.twin_of.height}" if self.twin_of else "text"


@dataclass(frozen=True)
class Cell:
    """A prompt under a load: `concurrency` requests at once, or `arrival_rate` requests a second."""

    prompt: Prompt
    generate: int
    concurrency: int | None = None
    arrival_rate: float | None = None

    @property
    def twin(self) -> Cell:
        """The cell of the text-only twin."""
        return replace(self, prompt=Prompt(twin_of=self.prompt.size))


def cells_of(options: MeasureOptions) -> list[Cell]:
    """Every cell, in the order in which they are measured: a picture's cell is next to that of its twin."""
    loads: list[tuple[int | None, float | None]] = [(level, None) for level in options.concurrency]
    loads += [(None, rate) for rate in options.arrival_rates]
    prompts = [Prompt()]
    for size in options.sizes:
        prompts += [Prompt(size), Prompt(twin_of=size)]
    return [
        Cell(prompt, generate, level, rate)
        for level, rate in loads
        for generate in options.generate
        for prompt in prompts
    ]


def plan_of(options: MeasureOptions) -> list[dict[str, Any]]:
    """The requests, in the order in which they are sent: {phase, prompt, images, concurrency, arrival_rate, generate,
    least_requests, most_requests}. Counting tokens comes first."""
    return [*_counting(options), *_timing(options)]


def _counting(options: MeasureOptions) -> Iterator[dict[str, Any]]:
    # a field that the server refuses is left out, and the request sent again
    again = len(OPTIONAL)
    for label in ("text", "long text"):
        yield _line("count tokens", label, 0, options, PROBE_TOKENS, (1, 1 + again))
    for size in options.sizes:
        # with the picture and without; once more where the server does not reduce it
        label = Prompt(size).label
        yield _line("count tokens", label, options.images, options, PROBE_TOKENS, (2, 6 + again))


def _timing(options: MeasureOptions) -> Iterator[dict[str, Any]]:
    counted = max(options.per_round, LEAST_REPLIES)
    for cell in cells_of(options):
        level = cell.concurrency or 1
        line = _line(
            "time",
            cell.prompt.label,
            options.images if cell.prompt.size else 0,
            options,
            cell.generate,
            (counted + level, MOST_ROUNDS * counted + 2 * level),
        )
        yield {**line, "concurrency": cell.concurrency, "arrival_rate": cell.arrival_rate}


def _line(
    phase: str, label: str, images: int, options: MeasureOptions, generate: int, requests: tuple[int, int]
) -> dict[str, Any]:
    return {
        "phase": phase,
        "prompt": label,
        "images": images,
        "concurrency": 1,
        "arrival_rate": None,
        "generate": generate,
        "least_requests": min(requests[0], options.most_requests),
        "most_requests": min(requests[1], options.most_requests),
    }
