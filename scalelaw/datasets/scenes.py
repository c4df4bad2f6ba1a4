"""A world of small scenes, made from (seed, index): coloured shapes one may know facts about, and digits to read.

Nothing is downloaded. Three kinds of questions, each scored apart:

    scenes_knowledge   (reasoning)
        The image shows one object, the question names a relation; the answer stands in a table of facts that the LLM
        learns from text (Zipf: some are told often, most rarely). One hop: recognise, then recall. By construction it
        ties the error to the LLM's memory.
    scenes_digits      (ocr)
        Read four digits written in a row somewhere in the image, in order. It ties the error to how much of the image
        reaches the LLM.
    scenes_attributes  (perception)
        The colour or the shape of the object: whether the image is seen at all.

Kept apart: images of `dev` and `test` are seen nowhere else; their numbers (a tenth each of all four-digit numbers)
occur with no other image; their facts (a tenth each of the table) are told in text, but never asked about an image in
training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from scalelaw.datasets import _drawing as drawing
from scalelaw.datasets._draws import uniform
from scalelaw.datasets._example import SPLITS, Example
from scalelaw.errors import InputError, unknown

PLACES = 4
FAMILIES = {"knowledge": "reasoning", "digits": "ocr", "attributes": "perception"}
KINDS = tuple(FAMILIES)
_SCENE, _PIXELS, _QUESTION, _FACTS = range(4)
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


@dataclass(frozen=True)
class Options:
    """What one may choose about the scenes.

    relations, answers   size of the table of facts: 64 objects x `relations`, each with one of `answers` words
    zipf, head           a fact of rank r is told with frequency (r + head)^-zipf (Zipf-Mandelbrot)
    mixture              {kind: share} of the images and questions in training; a kind of share 0 is left out everywhere
    text_mixture         {kind: share} in the LLM's text
    """

    relations: int = 64
    answers: int = 64
    zipf: float = 1.0
    head: float = 8.0
    mixture: dict[str, float] = field(
        default_factory=lambda: {"knowledge": 0.3, "digits": 0.5, "attributes": 0.2}
    )
    text_mixture: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(KINDS, 0.1) | {"knowledge": 0.8}
    )

    def shares(self, mixture: dict[str, float]) -> np.ndarray:
        """A mixture's cumulated shares over `kinds`."""
        for kind in mixture:
            if kind not in KINDS:
                raise unknown("kind of question", kind, KINDS)
        shares = np.array([max(0.0, mixture.get(kind, 0.0)) for kind in self.kinds])
        if shares.sum() <= 0:
            raise InputError("A mixture of the scenes holds no kind of question.", code="bad_value")
        cumulated: np.ndarray = np.cumsum(shares / shares.sum())
        return cumulated

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of questions that there are."""
        return tuple(kind for kind in KINDS if self.mixture.get(kind, 0) > 0)


class Dataset:
    """The scenes of one seed; the options are those of `Options`."""

    image_size = (32, 32)

    def __init__(self, seed: int, **options: Any) -> None:
        for option in options:
            if option not in (known := [f.name for f in fields(Options)]):
                raise unknown("option of scenes", option, known, code="unknown_option")
        chosen = Options(**options)
        self.seed, self.kinds = seed, chosen.kinds
        self._mixtures = {"text": chosen.shares(chosen.text_mixture)}
        self._mixture = chosen.shares(chosen.mixture)
        self.benchmarks = {f"scenes_{kind}": FAMILIES[kind] for kind in self.kinds}
        self._relations, self._answers = _names(chosen.relations, 2), _names(chosen.answers, 3)
        self._objects = [(c, s) for c in drawing.COLOURS for s in drawing.SHAPES]
        draws = uniform((seed, _FACTS), np.arange(len(self._objects) * chosen.relations), 3)
        self._fact_answers = (draws[:, 0] * len(self._answers)).astype(int)
        self._fact_lots = draws[:, 2]
        rank = np.argsort(np.argsort(draws[:, 1])) + 1
        self._frequencies = (rank + chosen.head) ** -chosen.zipf

    @property
    def words(self) -> tuple[str, ...]:
        """Every word that can occur, sorted."""
        fixed = ["a", "the", "digits", "what", "is", "of", "this", "colour", "shape", "are", "written", "?"]
        numerals = [str(d) for d in range(10)]
        return tuple(
            sorted({*fixed, *numerals, *drawing.COLOURS, *drawing.SHAPES, *self._relations, *self._answers})
        )

    def _facts(self, split: str) -> np.ndarray:
        """The cumulated frequencies of the facts in a split, by fact; a fact that is kept out has none."""
        frequencies = np.where(_kept(split, self._fact_lots), self._frequencies, 0.0)
        cumulated: np.ndarray = np.cumsum(frequencies / frequencies.sum())
        return cumulated

    def _scene(self, split: str, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        index = np.asarray(indices, dtype=np.int64)
        u = uniform((self.seed, _SCENE, SPLITS.index(split)), index, 16)
        if split in ("dev", "test"):
            kind = index % len(self.kinds)
        else:
            kind = np.searchsorted(self._mixtures.get(split, self._mixture)[:-1], u[:, 0], side="right")
        fact = np.searchsorted(self._facts(split)[:-1], u[:, 1], side="right")
        shown = np.ones((len(index), PLACES), bool)
        if split == "captions":
            shown = (np.arange(PLACES) + (u[:, 15:] * PLACES).astype(int)) % PLACES <= (
                u[:, 14:15] * PLACES
            ).astype(int)
        return {"index": index, "u": u, "kind": kind, "object": fact // len(self._relations), "shown": shown,
                "relation": fact % len(self._relations), "digits": self._digits(split, u[:, 2])}  # fmt: skip

    def _digits(self, split: str, u: np.ndarray) -> np.ndarray:
        """Four digits [n, 4]: one number in ten is kept for `dev`, another for `test`, the rest for all else."""
        lots = uniform((self.seed, _FACTS, 1), np.arange(10**PLACES), 1)[:, 0]
        numbers = np.flatnonzero(_kept("train" if split == "text" else split, lots))
        number = numbers[(u * len(numbers)).astype(int)]
        return number[:, None] // 10 ** np.arange(PLACES - 1, -1, -1) % 10

    def images(self, split: str, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """The images of these indices: uint8 [n, 32, 32, 3]."""
        scene = self._scene(split, indices)
        u, height, width = scene["u"], *self.image_size
        noise = uniform((self.seed, _PIXELS, SPLITS.index(split)), scene["index"], height * width)
        images = drawing.ground(noise.reshape(-1, height, width), u[:, 3])
        written = np.array([k == "digits" for k in self.kinds])[scene["kind"]]
        radius = 6 + 4 * u[:, 6]
        centre = radius[:, None] + u[:, 4:6] * (height - 2 * radius[:, None])
        ink = drawing.INK[scene["object"] // len(drawing.SHAPES)] * (0.7 + 0.3 * u[:, 7:8])
        some = images[~written]
        drawing.draw_shapes(some, (scene["object"] % len(drawing.SHAPES))[~written], ink[~written],
                            centre[~written], radius[~written])  # fmt: skip
        images[~written] = some
        cell = width // PLACES
        top = (u[:, 8] * (height - 7)).astype(int)
        left = np.arange(PLACES) * cell + (u[:, 9 : 9 + PLACES] * (cell - 4)).astype(int)
        corner = np.stack([np.repeat(top[:, None], PLACES, 1), left], axis=-1)
        some = images[written]
        pen = np.repeat(0.7 + 0.3 * u[:, 7:8], 3, axis=1)
        drawing.draw_digits(
            some, scene["digits"][written], scene["shown"][written], pen[written], corner[written]
        )
        images[written] = some
        pixels: np.ndarray = (np.clip(images, 0, 1) * 255).round().astype(np.uint8)
        return pixels

    def examples(self, split: str, indices: Sequence[int] | np.ndarray, turn: int = 0) -> list[Example]:
        """One question about each of these images; `turn` > 0 asks another about the same image."""
        scene = self._scene(split, indices)
        u = uniform((self.seed, _QUESTION, SPLITS.index(split), turn), scene["index"], 1)[:, 0]
        if turn:
            facts, per = self._facts(split), len(self._relations)
            edges = np.concatenate([[0.0], facts])
            low, high = edges[scene["object"] * per], edges[scene["object"] * per + per]
            fact = np.searchsorted(facts, low + u * (high - low), side="right")
            scene["relation"] = np.minimum(fact - scene["object"] * per, per - 1)
        return [self._example(scene, row, u[row] < 0.5) for row in range(len(u))]

    def _example(self, scene: dict[str, np.ndarray], row: int, first: bool) -> Example:
        kind = self.kinds[scene["kind"][row]]
        if kind == "digits":
            text = " ".join(map(str, scene["digits"][row][scene["shown"][row]]))
            return Example("scenes_digits", f"the digits {text}", "what digits are written ?", text)
        thing, relation = int(scene["object"][row]), int(scene["relation"][row])
        colour, shape = self._objects[thing]
        caption = f"a {colour} {shape}"
        if kind == "attributes":
            asked, answer = ("colour", colour) if first else ("shape", shape)
            return Example("scenes_attributes", caption, f"what is the {asked} of this ?", answer)
        answer = self._answers[self._fact_answers[thing * len(self._relations) + relation]]
        question = f"what is the {self._relations[relation]} of this ?"
        return Example("scenes_knowledge", caption, question, answer)


def _kept(split: str, lots: np.ndarray) -> np.ndarray:
    """Which lots in [0, 1) a split may use: a tenth is kept for `dev`, a tenth for `test`; text tells everything."""
    if split == "text":
        return np.ones_like(lots, dtype=bool)
    allowed = {"dev": lots < 0.1, "test": lots >= 0.9}
    return allowed.get(split, (lots >= 0.1) & (lots < 0.9))


def _names(count: int, letters: int) -> list[str]:
    """`count` made-up words of two or three letters."""
    syllables = [c + v for c in _CONSONANTS for v in _VOWELS]
    if count > len(syllables):
        raise InputError(f"There are {len(syllables)} made-up words, not {count}.", code="bad_value")
    return [s + "n" * (letters - 2) for s in syllables[:count]]
