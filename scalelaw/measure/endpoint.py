"""A served model, timed: tokens are counted first, then every cell is measured under its load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scalelaw.errors import InputError, NoAnswer
from scalelaw.measure import coverage, summary
from scalelaw.measure.address import Address, api_key
from scalelaw.measure.cells import LONG_TEXT, PROBE_TOKENS, Cell, cells_of, plan_of
from scalelaw.measure.client import ChatClient
from scalelaw.measure.load import CellRun, Limits, closed_loop, poisson
from scalelaw.measure.options import MeasureOptions
from scalelaw.measure.questions import Question, QuestionMaker, reduced
from scalelaw.measure.stream import Reply
from scalelaw.results.measurement import Measurement
from scalelaw.results.warning import as_warnings
from scalelaw.tokens.images import Size

SAME_TOKENS = 1.2
"""Visual tokens up to this factor apart are those of one size: roundings of the server and of the client differ."""
SHORT_REPLY = 0.9
FEW_CHUNKS = 8
"""Tokens per chunk above which the first chunk hides a part of the time per token."""

Report = Callable[[list[dict[str, Any]]], None]


def measure_endpoint(
    address: Address, options: MeasureOptions, model: str, calibrate_as: str, report: Report | None
) -> Measurement:
    """Time the cells of a served model. Raises InputError where the server cannot be reached or used, NoAnswer
    `nothing_measured` where no cell has a time."""
    if options.sizes:
        import PIL  # noqa: F401
    return asyncio.run(_Run(address, options, model, calibrate_as, report).measure())


def planned(target: str, model: str, options: MeasureOptions, settings: Mapping[str, Any]) -> Measurement:
    """The plan of the requests; nothing is sent."""
    return Measurement(target, model, [], {**options.to_dict(), **settings}, [], [], plan_of(options), [])


class _Run:
    """One measurement of one endpoint."""

    def __init__(
        self, address: Address, options: MeasureOptions, model: str, calibrate_as: str, report: Report | None
    ) -> None:
        self.options = options
        self.address = address
        self.client = ChatClient(address, api_key(), options.timeout_s, options.max_pixels)
        self.maker = QuestionMaker(options.seed)
        self.limits = Limits(options.most_requests, time.perf_counter() + options.most_seconds)
        self.client.ends_s = self.limits.ends_s
        self.model = model
        self.calibrate_as = calibrate_as
        self.report = report
        self.rows: list[dict[str, Any]] = []
        self.warnings: list[tuple[str, str]] = []
        self.base_tokens, self.tokens_per_word = 0.0, 1.0
        self.visual_tokens: dict[Size, float] = {}
        self.sent_size: dict[Size, Size] = {}
        self.unusable: dict[Size, tuple[str, str]] = {}

    async def measure(self) -> Measurement:
        try:
            await self._find_model()
            await self._count_text()
            for size in self.options.sizes:
                await self._count_picture(size)
            for cell in cells_of(self.options):
                self.rows.append(await self._measure_cell(cell))
                self._separate_images()
                if self.report is not None:
                    self.report(self.rows)
        finally:
            await self.client.close()
        self._warn()
        return self._answer()

    async def _find_model(self) -> None:
        listed = await self.client.models()
        if not self.model:
            if len(listed) != 1:
                raise InputError(
                    f"{self.address.host} lists {len(listed)} models.",
                    code="no_model",
                    hint=f"Name one with --model{': ' + ', '.join(listed[:10]) if listed else ''}.",
                )
            self.model = listed[0]
        self.client.model = self.model

    async def _ask(self, question: Question) -> Reply:
        if not self.limits.take():
            raise NoAnswer(
                f"{self.limits.reason} No cell is measured yet.",
                code="nothing_measured",
                hint="Raise --max-requests or --max-seconds.",
            )
        before = len(self.client.refused)
        reply = await self.client.negotiate(question)
        self.limits.sent += len(self.client.refused) - before
        return reply

    async def _count_text(self) -> None:
        """Tokens of the text alone, and of a word."""
        words = self.options.text_tokens
        lengths = (words, LONG_TEXT * words)
        tokens = []
        for length in lengths:
            reply = await self._ask(self.maker.make(None, 0, length, PROBE_TOKENS))
            if not reply.is_timed or reply.prompt_tokens is None:
                raise NoAnswer(
                    f"{self.address.host} does not answer a text request of {length} words: {reply.reason}",
                    code=reply.status if reply.status != "ok" else "no_usage",
                    hint="Check the model's name and the server's log.",
                )
            tokens.append(reply.prompt_tokens)
        slope = (tokens[1] - tokens[0]) / (lengths[1] - lengths[0])
        self.tokens_per_word = slope if slope > 0 else 1.0
        self.base_tokens = tokens[0] - self.tokens_per_word * words

    async def _count_picture(self, size: Size) -> None:
        """Visual tokens of a size: the prompt's tokens with the pictures, minus those of the same text alone."""
        most = self.options.max_pixels
        is_reduced = most is not None and size.width * size.height > most
        self.sent_size[size] = size
        if is_reduced and most is not None and "mm_processor_kwargs" in self.client.refused:
            self.sent_size[size] = reduced(size, most)
        if await self._count_sent(size) is None or not is_reduced or most is None:
            return
        if "mm_processor_kwargs" not in self.client.refused:
            # some servers accept a field that they do not know, and ignore it
            with_field = self.visual_tokens[size]
            self.sent_size[size] = reduced(size, most)
            resized = await self._count_sent(size)
            if resized is None or with_field <= SAME_TOKENS * resized:
                self.sent_size[size], self.visual_tokens[size] = size, with_field
                return
            self.client.refused.append("mm_processor_kwargs")
        elif self.sent_size[size] == size:
            # refused while this size was counted
            self.sent_size[size] = reduced(size, most)
            await self._count_sent(size)

    async def _count_sent(self, size: Size) -> float | None:
        number = self.options.images
        question = self.maker.make(self.sent_size[size], number, self.options.text_tokens, PROBE_TOKENS)
        reply = await self._ask(question)
        if reply.is_timed:
            twin = await self._ask(Question(question.text, (), PROBE_TOKENS))
            if twin.is_timed and reply.prompt_tokens is not None and twin.prompt_tokens is not None:
                visual = (reply.prompt_tokens - twin.prompt_tokens) / number
                if visual > 0:
                    self.visual_tokens[size] = visual
                    return visual
                self.unusable[size] = (
                    "no_images",
                    "The server counts no tokens for the image: it may not see it.",
                )
                return None
            reply = twin
        self.unusable[size] = reply.status, reply.reason
        return None

    async def _measure_cell(self, cell: Cell) -> dict[str, Any]:
        picture = cell.prompt.size or cell.prompt.twin_of
        if picture is not None and picture in self.unusable:
            status, reason = self.unusable[picture]
            return self._row(cell, CellRun(), status, reason)
        run = await self._load(cell)
        return self._row(cell, run, *self._verdict(run))

    async def _load(self, cell: Cell) -> CellRun:
        options, prompt = self.options, cell.prompt
        words = options.text_tokens
        if prompt.twin_of is not None:
            visual = options.images * self.visual_tokens[prompt.twin_of]
            words += max(0, round(visual / self.tokens_per_word))
        sent = self.sent_size[prompt.size] if prompt.size else None

        def make() -> Question:
            return self.maker.make(sent, options.images, words, cell.generate)

        if cell.arrival_rate is not None:
            return await poisson(
                self.client,
                make,
                cell.arrival_rate,
                options.per_round,
                self.limits,
                options.spread,
                options.seed,
            )
        level = cell.concurrency or 1
        return await closed_loop(self.client, make, level, options.per_round, self.limits, options.spread)

    def _verdict(self, run: CellRun) -> tuple[str, str]:
        """The status of a cell and its reason."""
        good = len(run.good)
        if run.overloaded:
            return "overloaded", "Requests arrive faster than the server answers: the queue only grows."
        if len(run.replies) > good and (
            not good or len(run.replies) - good > summary.MOST_FAILED * len(run.replies)
        ):
            status, reason = summary.most_common_failure(run.replies)
            return status, f"{len(run.replies) - good} of {len(run.replies)} requests failed. {reason}"
        if run.is_stable(self.options.spread):
            is_whole = any(reply.status == "ok" for reply in run.good)
            return ("ok", "") if is_whole else ("one_chunk", run.good[0].reason)
        if run.hit_limit:
            return "limit", f"{self.limits.reason} {good} requests of this cell were measured."
        by_time = summary.spreads(run.good)
        worst = max(by_time, key=lambda name: by_time[name]) if by_time else "latency_ms"
        return (
            "unstable",
            f"The median of {worst} is known within {100 * by_time.get(worst, float('inf')):.0f}% after {good} "
            f"requests; the limit is {100 * self.options.spread:g}%.",
        )

    def _row(self, cell: Cell, run: CellRun, status: str, reason: str) -> dict[str, Any]:
        options, prompt = self.options, cell.prompt
        sent = self.sent_size.get(prompt.size) if prompt.size else None
        counts = summary.counts(run.good)
        visual = self.visual_tokens.get(prompt.size, None) if prompt.size else 0.0
        number = options.images if prompt.size else 0
        row: dict[str, Any] = {
            "model": self.calibrate_as or self.model,
            "status": status,
            "images": number,
            "image_size": f"{sent.width}x{sent.height}" if sent else "",
            "twin_of": _text(self.sent_size.get(prompt.twin_of)) if prompt.twin_of else "",
            "visual_tokens": visual,
            "text_tokens": _minus(counts["prompt_tokens"], number * (visual or 0)),
            "concurrency": cell.concurrency,
            "arrival_rate": cell.arrival_rate,
            "devices": options.devices,
            "dtype": options.dtype,
            **counts,
            "requests": len(run.replies),
            "failed": len(run.replies) - len(run.good),
            "rounds": run.rounds,
            "reason": reason,
        }
        row["generate"] = counts["generate"] or float(cell.generate)
        if status in ("ok", "one_chunk"):
            by_time = summary.times(run.good)
            for name, values in by_time.items():
                row |= summary.percentiles(name, values)
            row["spread"] = max(summary.spreads(run.good).values())
            row |= _throughput(run, counts["generate"])
            row["tokens_per_chunk"] = _per_chunk(run.good)
        return row

    def _separate_images(self) -> None:
        """The image stage of the last picture: its time to the first token minus that of its text-only twin."""
        if len(self.rows) < 2 or not self.rows[-1]["twin_of"]:
            return
        twin, row = self.rows[-1], self.rows[-2]
        if row["image_size"] == twin["twin_of"] and row.get("ttft_ms") and twin.get("ttft_ms"):
            row["image_ms"] = row["ttft_ms"] - twin["ttft_ms"]

    def _warn(self) -> None:
        refused = [name for name in self.client.refused if name != "mm_processor_kwargs"]
        if refused:
            self.warnings.append((
                "field_refused",
                f"The server refuses {', '.join(refused)}; requests leave that out. A reply may be shorter than "
                "--generate: the rows state the tokens that the server counted.",
            ))  # fmt: skip
        if "mm_processor_kwargs" in self.client.refused:
            self.warnings.append((
                "knob_refused",
                "The server does not take a limit on an image's area per request, so images were resized before they "
                "were sent.",
            ))  # fmt: skip
        for row in self.rows:
            if row["status"] not in ("ok", "one_chunk"):
                self.warnings.append((f"cell_{row['status']}", f"{_name(row)}: {row['reason']}"))
        short = [row for row in self.rows if row["status"] == "ok" and _is_short(row, self.options.generate)]
        if short:
            message = (
                f"Replies of {len(short)} cells are shorter than requested; the rows state their tokens."
            )
            self.warnings.append(("short_replies", message))
        if any((row.get("tokens_per_chunk") or 0) > FEW_CHUNKS for row in self.rows):
            message = (
                f"Chunks hold more than {FEW_CHUNKS} tokens: the first one hides a part of the time per token. "
                "Measure longer replies."
            )
            self.warnings.append(("few_chunks", message))
        if all(row["status"] == "one_chunk" for row in self.rows if row["status"] in ("ok", "one_chunk")):
            message = (
                "The server does not stream: only the whole latency is measured, no time to the first token."
            )
            self.warnings.append(("one_chunk", message))

    def _answer(self) -> Measurement:
        timed = [row for row in self.rows if row["status"] in ("ok", "one_chunk")]
        if not timed:
            raise NoAnswer(
                f"No cell has a time. {self.rows[0]['reason']}",
                code="nothing_measured",
                hint="Raise --max-seconds or --spread, or measure a quieter machine.",
                best={"rows": self.rows},
            )
        missing = coverage.unseen(self.rows, self.options.devices)
        sizes = [f"{size.width}x{size.height}" for size in self.options.sizes]
        further = coverage.next_cells(missing, sizes, self.options.concurrency, self.options.generate)
        settings = {
            **self.options.to_dict(),
            "host": self.address.host,
            "requests_sent": self.limits.sent,
            "refused": list(self.client.refused),
            "tokens_per_word": self.tokens_per_word,
            "template_tokens": self.base_tokens,
        }
        return Measurement(
            self.address.url, self.model, self.rows, settings, missing, further, plan_of(self.options),
            as_warnings(self.warnings),
        )  # fmt: skip


def _throughput(run: CellRun, tokens: float | None) -> dict[str, float | None]:
    """Requests and generated tokens a second, over the time between the first and the last reply that ended."""
    if run.seconds <= 0:
        return {"requests_per_s": None, "tokens_per_s": None}
    rate = (len(run.good) - 1) / run.seconds
    return {"requests_per_s": rate, "tokens_per_s": None if tokens is None else rate * tokens}


def _per_chunk(replies: Sequence[Reply]) -> float | None:
    pairs = [(reply.completion_tokens, reply.chunks) for reply in replies if reply.chunks > 1]
    shares = [tokens / chunks for tokens, chunks in pairs if tokens]
    return sorted(shares)[len(shares) // 2] if shares else None


def _is_short(row: Mapping[str, Any], generate: Sequence[int]) -> bool:
    return bool(row["generate"] < SHORT_REPLY * min(generate))


def _minus(total: float | None, part: float) -> float | None:
    return None if total is None else total - part


def _text(size: Size | None) -> str:
    return f"{size.width}x{size.height}" if size else ""


def _name(row: Mapping[str, Any]) -> str:
    shown = row["image_size"] or (f"text twin of {row['twin_of']}" if row["twin_of"] else "text")
    load = (
        f"concurrency {row['concurrency']}" if row["concurrency"] else f"{row['arrival_rate']:g} requests/s"
    )
    return f"{shown}, {load}, {row['generate']:g} tokens"
