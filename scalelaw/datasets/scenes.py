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

Kept apart: images of `dev` and `test` are never seen before; their numbers (one in ten each of all four-digit numbers)
occur in no other split; the facts asked there with an image are never asked with an image in training (`held_out`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scalelaw.datasets import _drawing as drawing
from scalelaw.datasets._draws import uniform
from scalelaw.datasets._example import SPLITS, Example
from scalelaw.errors import InputError, unknown

PLACES = 4
KINDS = ("knowledge", "digits", "attributes")
_SCENE, _PIXELS, _QUESTION, _FACTS = range(4)
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


class Dataset:
    """The scenes of one seed. Options (all optional):

    relations, answers   size of the table of facts: 64 objects x `relations`, each with one of `answers` words
    zipf                 exponent of the facts' frequencies
    mixture              {kind: share} of the kinds in training
    """

    image_size = (32, 32)

    def __init__(self, seed: int, **options: Any) -> None:
        known = {"relations": 32, "answers": 64, "zipf": 1.0,
                 "mixture": {"knowledge": 0.4, "digits": 0.4, "attributes": 0.2}}  # fmt: skip
        for option in options:
            if option not in known:
                raise unknown("option of scenes", option, known, code="unknown_option")
        settings: dict[str, Any] = {**known, **options}
        for kind in settings["mixture"]:
            if kind not in KINDS:
                raise unknown("kind of question", kind, KINDS)
        self.seed = seed
        self.kinds = tuple(k for k in KINDS if settings["mixture"].get(k, 0) > 0)
        if not self.kinds:
            raise InputError("The mixture of scenes has no kind of question.", code="bad_value")
        shares = np.array([settings["mixture"][k] for k in self.kinds], float)
        self._mixture = np.cumsum(shares / shares.sum())
        families = {"knowledge": "reasoning", "digits": "ocr", "attributes": "perception"}
        self.benchmarks = {f"scenes_{kind}": families[kind] for kind in self.kinds}
        self._relations = _names(int(settings["relations"]), 2)
        self._answers = _names(int(settings["answers"]), 3)
        self._objects = [(c, s) for c in drawing.COLOURS for s in drawing.SHAPES]
        self._facts = self._table(len(self._objects) * len(self._relations), float(settings["zipf"]))

    @property
    def words(self) -> tuple[str, ...]:
        """Every word that can occur, sorted."""
        fixed = ["a", "the", "digits", "what", "is", "of", "this", "colour", "shape", "are", "written", "?"]
        numerals = [str(d) for d in range(10)]
        return tuple(
            sorted({*fixed, *numerals, *drawing.COLOURS, *drawing.SHAPES, *self._relations, *self._answers})
        )

    def _table(self, count: int, zipf: float) -> tuple[np.ndarray, np.ndarray]:
        """Each fact's answer [count], and the cumulated frequencies [count] by fact."""
        draws = uniform((self.seed, _FACTS), np.arange(count), 2)
        answer = (draws[:, 0] * len(self._answers)).astype(int)
        rank = np.argsort(np.argsort(draws[:, 1])) + 1
        frequency = rank**-zipf
        return answer, np.cumsum(frequency / frequency.sum())

    def _scene(self, split: str, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        index = np.asarray(indices, dtype=np.int64)
        u = uniform((self.seed, _SCENE, SPLITS.index(split)), index, 16)
        if split in ("dev", "test"):
            kind = index % len(self.kinds)
        else:
            kind = np.searchsorted(self._mixture[:-1], u[:, 0], side="right")
        fact = np.searchsorted(self._facts[1][:-1], u[:, 1], side="right")
        shown = np.ones((len(index), PLACES), bool)
        if split == "captions":
            shown = (np.arange(PLACES) + (u[:, 15:] * PLACES).astype(int)) % PLACES <= (
                u[:, 14:15] * PLACES
            ).astype(int)
        return {"index": index, "u": u, "kind": kind, "object": fact // len(self._relations), "shown": shown,
                "relation": fact % len(self._relations), "digits": self._digits(split, u[:, 2])}  # fmt: skip

    def _digits(self, split: str, u: np.ndarray) -> np.ndarray:
        """Four digits [n, 4]: one number in ten is kept for `dev`, another for `test`, the rest for all else."""
        lot = uniform((self.seed, _FACTS, 1), np.arange(10**PLACES), 1)[:, 0]
        allowed = {"dev": lot < 0.1, "test": lot > 0.9}.get(split, (lot >= 0.1) & (lot <= 0.9))
        numbers = np.flatnonzero(allowed)
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
        return [self._example(scene, row, float(u[row]), turn) for row in range(len(scene["index"]))]

    def _example(self, scene: dict[str, np.ndarray], row: int, u: float, turn: int) -> Example:
        kind = self.kinds[scene["kind"][row]]
        if kind == "digits":
            text = " ".join(map(str, scene["digits"][row][scene["shown"][row]]))
            return Example("scenes_digits", f"the digits {text}", "what digits are written ?", text)
        thing = int(scene["object"][row])
        colour, shape = self._objects[thing]
        caption = f"a {colour} {shape}"
        if kind == "attributes":
            asked, answer = ("colour", colour) if u < 0.5 else ("shape", shape)
            return Example("scenes_attributes", caption, f"what is the {asked} of this ?", answer)
        relation = int(scene["relation"][row])
        if turn:
            first = thing * len(self._relations)
            low, *_, high = self._bounds(first)
            relation = int(
                np.searchsorted(
                    self._facts[1][first : first + len(self._relations) - 1], low + u * (high - low)
                )
            )
        answer = self._answers[self._facts[0][thing * len(self._relations) + relation]]
        return Example(
            "scenes_knowledge", caption, f"what is the {self._relations[relation]} of this ?", answer
        )

    def _bounds(self, first: int) -> tuple[float, float]:
        cumulated = self._facts[1]
        return float(cumulated[first - 1]) if first else 0.0, float(
            cumulated[first + len(self._relations) - 1]
        )


def _names(count: int, letters: int) -> list[str]:
    """`count` made-up words of two or three letters."""
    syllables = [c + v for c in _CONSONANTS for v in _VOWELS]
    if count > len(syllables):
        raise InputError(f"There are {len(syllables)} made-up words, not {count}.", code="bad_value")
    return [s + "n" * (letters - 2) for s in syllables[:count]]
