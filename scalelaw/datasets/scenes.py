"""A world of small scenes, made from (seed, index): shapes one may know facts about, dots to count, digits to read.

Nothing is downloaded. Five kinds of questions, each scored apart:

    scenes_knowledge   (reasoning)
        The image shows one object, the question names a relation; the answer stands in a table of facts that the LLM
        learns from text (Zipf: some are told often, most rarely). One hop: recognise, then recall. By construction it
        ties the error to the LLM's memory.
    scenes_relations   (reasoning)
        Two hops: "what is the RELATION of the KIN of this ?", answered by naming the kin and then its fact. Text tells
        both hops; the chains that are asked in `dev` and `test` are told and asked nowhere else. It measures whether
        what is known can be put together.
    scenes_counting    (reasoning)
        Some dots; "what is A times this plus B ?". Count, then calculate, as practised in text. The questions that are
        asked in `dev` and `test` (A and B) are told in text, but never asked about an image in training.
    scenes_digits      (ocr)
        Read four digits written in a row somewhere in the image, in order. It ties the error to how much of the image
        reaches the LLM.
    scenes_attributes  (perception)
        The colour or the shape of the object: whether the image is seen at all.

Kept apart: images of `dev` and `test` are seen nowhere else; their numbers (a tenth each of all four-digit numbers)
occur with no other image; their facts and sums (a tenth each) are told in text, but never asked about an image in
training. Relations and counting have no share unless an experiment gives them one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from scalelaw.datasets import _drawing as drawing
from scalelaw.datasets._draws import uniform
from scalelaw.datasets._example import SPLITS, Example
from scalelaw.datasets._tables import Table, kept
from scalelaw.errors import InputError, unknown

PLACES, CELLS = 4, 4
FAMILIES = {
    "knowledge": "reasoning",
    "relations": "reasoning",
    "counting": "reasoning",
    "digits": "ocr",
    "attributes": "perception",
}
KINDS = tuple(FAMILIES)
KIN = ("friend", "rival", "teacher", "neighbour")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
OBJECTS = tuple((colour, shape) for colour in drawing.COLOURS for shape in drawing.SHAPES)
_SCENE, _PIXELS, _QUESTION, _FACTS, _DOTS = range(5)
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"


@dataclass(frozen=True)
class Options:
    """What one may choose about the scenes.

    relations, answers   size of the table of facts: 64 objects x `relations`, each with one of `answers` words
    zipf, head           a fact of rank r is told with frequency (r + head)^-zipf (Zipf-Mandelbrot)
    kin                  how many kinds of kin an object has (relations of two hops), 1 to 4
    dots, times, plus    counting: 1..dots dots, times 1..times, plus 0..plus
    fewer                share of the training images of digits that show fewer than four of them
    describe             share of the training questions about objects and dots that only ask what is seen
    mixture              {kind: share} of the images and questions in training; a kind of share 0 is left out everywhere
    text_mixture         {kind: share} in the LLM's text
    """

    relations: int = 64
    answers: int = 64
    zipf: float = 1.0
    head: float = 8.0
    kin: int = 2
    dots: int = 6
    times: int = 9
    plus: int = 9
    fewer: float = 0.0
    describe: float = 0.0
    mixture: dict[str, float] = field(
        default_factory=lambda: {"knowledge": 0.3, "digits": 0.5, "attributes": 0.2}
    )
    text_mixture: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(KINDS, 0.1) | {"knowledge": 0.8}
    )

    def __post_init__(self) -> None:
        for name, most in {"kin": len(KIN), "dots": len(NUMBERS), "times": 10, "plus": 9}.items():
            if not 1 <= getattr(self, name) <= most:
                raise InputError(f"The scenes' {name} lies in 1 to {most}.", code="bad_value")

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
        self.options = selected = Options(**options)
        self.seed, self.kinds = seed, selected.kinds
        self._mixtures = {"text": selected.shares(selected.text_mixture)}
        self._mixture = selected.shares(selected.mixture)
        self.benchmarks = {f"scenes_{kind}": FAMILIES[kind] for kind in self.kinds}
        self._relations, self._answers = _names(selected.relations, 2), _names(selected.answers, 3)
        draws = uniform((seed, _FACTS), np.arange(len(OBJECTS) * selected.relations), 3)
        self._fact_answers = (draws[:, 0] * len(self._answers)).astype(int)
        rank = np.argsort(np.argsort(draws[:, 1])) + 1
        facts = Table(selected.relations, (rank + selected.head) ** -selected.zipf, draws[:, 2])
        self._tables = {"knowledge": facts, "relations": self._chains(facts), "counting": self._sums()}

    def _chains(self, facts: Table) -> Table:
        """Two hops: for each object, each kin and each relation, as often as the kin's fact."""
        lots = uniform((self.seed, _FACTS, 2), np.arange(self.options.kin), len(OBJECTS))
        self._kin = np.argsort(lots, axis=1)  # [kin, object]: every object is somebody's friend
        frequencies = facts.frequencies.reshape(len(OBJECTS), facts.per)[self._kin.T].ravel()
        lots = uniform((self.seed, _FACTS, 3), np.arange(frequencies.size), 1)[:, 0]
        return Table(self.options.kin * facts.per, frequencies, lots, in_text=False)

    def _sums(self) -> Table:
        """For each number of dots, each factor and each summand, all alike.

        A question is kept for every number of dots: to train some of its answers would teach that the others are wrong.
        """
        per = self.options.times * (self.options.plus + 1)
        lots = np.tile(uniform((self.seed, _FACTS, 4), np.arange(per), 1)[:, 0], self.options.dots)
        return Table(per, np.ones(lots.size), lots)

    @property
    def words(self) -> tuple[str, ...]:
        """Every word that can occur, sorted."""
        words = {"a", "the", "digits", "what", "is", "of", "this", "colour", "shape", "are", "written", "?"}
        words |= {str(d) for d in range(10)} | {*drawing.COLOURS, *drawing.SHAPES}
        words |= {*self._relations, *self._answers}
        if "relations" in self.kinds:
            words |= {*KIN[: self.options.kin]}
        if "counting" in self.kinds:
            words |= {*NUMBERS[: self.options.dots], "dots", "times", "plus"}
        return tuple(sorted(words))

    def _scene(self, split: str, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """What each image shows: its kind, the entry of that kind's table, the thing and the digits."""
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        index = np.asarray(indices, dtype=np.int64)
        u = uniform((self.seed, _SCENE, SPLITS.index(split)), index, 16)
        if split in ("dev", "test"):
            kind = index % len(self.kinds)
        else:
            kind = np.searchsorted(self._mixtures.get(split, self._mixture)[:-1], u[:, 0], side="right")
        entry = self._tables["knowledge"].draw(split, u[:, 1])
        for name in ("relations", "counting"):
            if name in self.kinds:
                mask = kind == self.kinds.index(name)
                entry[mask] = self._tables[name].draw(split, u[mask, 1])
        per = np.array([self._table(kind).per for kind in self.kinds])[kind]
        return {"index": index, "u": u, "kind": kind, "entry": entry, "thing": entry // per,
                "shown": self._shown(split, index, u), "digits": self._digits(split, u[:, 2])}  # fmt: skip

    def _table(self, kind: str) -> Table:
        return self._tables.get(kind, self._tables["knowledge"])

    def _shown(self, split: str, index: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Which of the four digits are written [n, 4]: all where they are scored."""
        some = (np.arange(PLACES) + (u[:, 15:] * PLACES).astype(int)) % PLACES <= (
            u[:, 14:15] * PLACES
        ).astype(int)
        shares = {"captions": 1.0, "train": self.options.fewer}
        fewer = uniform((self.seed, _SCENE, SPLITS.index(split), 1), index, 1) < shares.get(split, 0.0)
        shown: np.ndarray = some | ~fewer
        return shown

    def _digits(self, split: str, u: np.ndarray) -> np.ndarray:
        """Four digits [n, 4]: one number in ten is kept for `dev`, another for `test`, the rest for all else."""
        lots = uniform((self.seed, _FACTS, 1), np.arange(10**PLACES), 1)[:, 0]
        numbers = np.flatnonzero(kept("train" if split == "text" else split, lots))
        number = numbers[(u * len(numbers)).astype(int)]
        return np.asarray(number[:, None] // 10 ** np.arange(PLACES - 1, -1, -1) % 10)

    def images(self, split: str, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """The images of these indices: uint8 [n, 32, 32, 3]."""
        scene = self._scene(split, indices)
        u, height, width = scene["u"], *self.image_size
        noise = uniform((self.seed, _PIXELS, SPLITS.index(split)), scene["index"], height * width)
        images = drawing.ground(noise.reshape(-1, height, width), u[:, 3])
        kind = np.array(self.kinds)[scene["kind"]]
        for drawn, draw in (("digits", self._draw_digits), ("counting", self._draw_dots)):
            mask = kind == drawn
            images[mask] = draw(images[mask], split, {k: v[mask] for k, v in scene.items()})
        mask = (kind != "digits") & (kind != "counting")
        images[mask] = self._draw_object(images[mask], {k: v[mask] for k, v in scene.items()})
        pixels: np.ndarray = (np.clip(images, 0, 1) * 255).round().astype(np.uint8)
        return pixels

    def _draw_object(self, images: np.ndarray, scene: dict[str, np.ndarray]) -> np.ndarray:
        u = scene["u"]
        radius = 6 + 4 * u[:, 6]
        centre = radius[:, None] + u[:, 4:6] * (self.image_size[0] - 2 * radius[:, None])
        ink = drawing.INK[scene["thing"] // len(drawing.SHAPES)] * (0.7 + 0.3 * u[:, 7:8])
        drawing.draw_shapes(images, scene["thing"] % len(drawing.SHAPES), ink, centre, radius)
        return images

    def _draw_digits(self, images: np.ndarray, split: str, scene: dict[str, np.ndarray]) -> np.ndarray:
        u, cell = scene["u"], self.image_size[1] // PLACES
        top = (u[:, 8] * (self.image_size[0] - 7)).astype(int)
        left = np.arange(PLACES) * cell + (u[:, 9 : 9 + PLACES] * (cell - 4)).astype(int)
        corner = np.stack([np.repeat(top[:, None], PLACES, 1), left], axis=-1)
        pen = np.repeat(0.7 + 0.3 * u[:, 7:8], 3, axis=1)
        drawing.draw_digits(images, scene["digits"], scene["shown"], pen, corner)
        return images

    def _draw_dots(self, images: np.ndarray, split: str, scene: dict[str, np.ndarray]) -> np.ndarray:
        """Dots of one colour, each in a cell of its own, where it lies anywhere."""
        u, cell = scene["u"], self.image_size[0] // CELLS
        v = uniform((self.seed, _DOTS, SPLITS.index(split)), scene["index"], 4 * CELLS**2)
        places = np.argsort(v[:, : CELLS**2], axis=1)
        ink = drawing.INK[self._dot_colour(u)] * (0.7 + 0.3 * u[:, 7:8])
        for dot in range(self.options.dots):
            more = scene["thing"] >= dot
            radius = 2.2 + v[more, CELLS**2 + dot]
            corner = np.stack(np.divmod(places[more, dot], CELLS), axis=-1) * cell
            shift = v[more, 2 * CELLS**2 + 2 * dot :][:, :2] * (cell - 2 * radius[:, None])
            some = images[more]
            circle = np.zeros(len(some), int)
            drawing.draw_shapes(some, circle, ink[more], corner + radius[:, None] + shift, radius)
            images[more] = some
        return images

    def _dot_colour(self, u: np.ndarray) -> np.ndarray:
        colour: np.ndarray = (u[:, 13] * len(drawing.COLOURS)).astype(int)
        return colour

    def examples(self, split: str, indices: Sequence[int] | np.ndarray, turn: int = 0) -> list[Example]:
        """One question about each of these images; `turn` > 0 asks another about the same image."""
        scene = self._scene(split, indices)
        u = uniform((self.seed, _QUESTION, SPLITS.index(split), turn), scene["index"], 1)[:, 0]
        if turn:
            for number, kind in enumerate(self.kinds):
                mask = scene["kind"] == number
                thing = scene["thing"][mask]
                scene["entry"][mask] = self._table(kind).again(split, thing, u[mask])
        ask = {
            "knowledge": self._ask_fact,
            "relations": self._ask_chain,
            "counting": self._ask_sum,
            "digits": self._ask_digits,
            "attributes": self._ask_attribute,
        }
        examples = [ask[self.kinds[k]](scene, row, float(u[row])) for row, k in enumerate(scene["kind"])]
        if split == "train" and self.options.describe:
            lots = uniform((self.seed, _QUESTION, SPLITS.index(split), turn, 1), scene["index"], 1)[:, 0]
            plain = (lots < self.options.describe) & (np.array(self.kinds)[scene["kind"]] != "digits")
            for row in np.flatnonzero(plain):
                seen = examples[row].caption
                answer = seen.removeprefix("a ")
                examples[row] = Example("scenes_attributes", seen, "what is this ?", answer)
        return examples

    def _fact(self, thing: int, relation: int) -> str:
        return str(self._answers[self._fact_answers[thing * len(self._relations) + relation]])

    def _ask_fact(self, scene: dict[str, np.ndarray], row: int, u: float) -> Example:
        thing, relation = divmod(int(scene["entry"][row]), len(self._relations))
        question = f"what is the {self._relations[relation]} of this ?"
        return Example("scenes_knowledge", f"a {_name(thing)}", question, self._fact(thing, relation))

    def _ask_chain(self, scene: dict[str, np.ndarray], row: int, u: float) -> Example:
        thing, chain = divmod(int(scene["entry"][row]), self._tables["relations"].per)
        kin, relation = divmod(chain, len(self._relations))
        other = int(self._kin[kin, thing])
        question = f"what is the {self._relations[relation]} of the {KIN[kin]} of this ?"
        answer = f"{_name(other)} {self._fact(other, relation)}"
        return Example("scenes_relations", f"a {_name(thing)}", question, answer)

    def _ask_sum(self, scene: dict[str, np.ndarray], row: int, u: float) -> Example:
        dots, sum_ = divmod(int(scene["entry"][row]), self._tables["counting"].per)
        times, plus = divmod(sum_, self.options.plus + 1)
        colour = list(drawing.COLOURS)[self._dot_colour(scene["u"][row : row + 1])[0]]
        question = f"what is {_digits(times + 1)} times this plus {plus} ?"
        answer = _digits((times + 1) * (dots + 1) + plus)
        return Example("scenes_counting", f"{NUMBERS[dots]} {colour} dots", question, answer)

    def _ask_digits(self, scene: dict[str, np.ndarray], row: int, u: float) -> Example:
        text = " ".join(map(str, scene["digits"][row][scene["shown"][row]]))
        return Example("scenes_digits", f"the digits {text}", "what digits are written ?", text)

    def _ask_attribute(self, scene: dict[str, np.ndarray], row: int, u: float) -> Example:
        thing = int(scene["thing"][row])
        attribute, answer = ("colour", OBJECTS[thing][0]) if u < 0.5 else ("shape", OBJECTS[thing][1])
        return Example("scenes_attributes", f"a {_name(thing)}", f"what is the {attribute} of this ?", answer)


def _name(thing: int) -> str:
    """Object 0..63 in words: "red ring"."""
    return " ".join(OBJECTS[thing])


def _digits(number: int) -> str:
    """A number as its digits, a word each: 31 -> "3 1"."""
    return " ".join(str(number))


def _names(count: int, letters: int) -> list[str]:
    """`count` made-up words of two or three letters."""
    syllables = [c + v for c in _CONSONANTS for v in _VOWELS]
    if count > len(syllables):
        raise InputError(f"There are {len(syllables)} made-up words, not {count}.", code="bad_value")
    return [s + "n" * (letters - 2) for s in syllables[:count]]
