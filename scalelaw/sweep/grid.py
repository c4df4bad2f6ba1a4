"""The cells of an experiment and the stages that they share."""

from __future__ import annotations

import itertools
import math
import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from types import ModuleType

from scalelaw import model_shapes, plugins
from scalelaw.config import Experiment
from scalelaw.errors import InputError, unknown
from scalelaw.sweep import fingerprint

MOST = 1_000_000
"""Largest number of cells of a sweep."""

TRAINER = "scalelaw.vlm.stages"
"""The module that trains; another module with the same functions can replace it."""

AXES = ("llms", "compressors", "visual_tokens", "seeds", "rate_factors")
"""The keys of an experiment whose product gives its cells."""


@dataclass(frozen=True)
class Work:
    """A piece of work that is identified by its content.

    name: in the sweep folder. label: for people. identity: everything that determines its result, as canonical JSON.
    full_experiment: the experiment that lists it.
    """

    name: str
    label: str
    identity: str
    full_experiment: Experiment = field(repr=False)


@dataclass(frozen=True)
class Stage(Work):
    """Work that cells share. kind: tower, features or llm. after: the stages that it needs."""

    kind: str
    llm: str = ""
    after: tuple[Stage, ...] = ()

    @property
    def experiment(self) -> Experiment:
        """The part of the experiment that the name covers; training gets nothing else."""
        choices = {"llms": [self.llm]} if self.llm else {}
        return fingerprint.narrowed(self.full_experiment, fingerprint.STAGES[self.kind], **choices)


@dataclass(frozen=True)
class Cell(Work):
    """One trained and scored model: an LLM, a compressor, a number of visual tokens, a seed and a factor on its rates.

    stages: the stages that it needs, in order. place: its index in the experiment.
    """

    llm: str
    compressor: str
    visual_tokens: int
    seed: int
    rate_factor: float
    stages: tuple[Stage, ...]
    place: int

    @property
    def experiment(self) -> Experiment:
        """The part of the experiment that the name covers; training gets nothing else."""
        return fingerprint.narrowed(
            self.full_experiment,
            fingerprint.CELL,
            llms=[self.llm],
            compressors=[self.compressor],
            visual_tokens=[self.visual_tokens],
            seeds=[self.seed],
            rate_factors=[self.rate_factor],
        )


def cells(experiment: Experiment) -> list[Cell]:
    """Every cell of an experiment, ordered by compressor, LLM, token count, seed and rate factor.

    Raises InputError for a duplicate entry, an unknown plug-in, and an LLM that cannot be read.
    """
    _check_entries(experiment)
    listed = list(_cells(experiment))
    if len({cell.name for cell in listed}) < len(listed):
        raise InputError("Two entries of the experiment have the same content.", code="duplicate_entry")
    return listed


def find(experiment: Experiment, name: str, place: int | None = None) -> Cell | Stage:
    """The cell or stage with a name; `place`, the likely index of the cell, avoids a search.

    Raises InputError if the experiment has none.
    """
    if place is not None:
        for cell in _cells(experiment, place):
            if cell.name == name:
                return cell
    for cell in _cells(experiment):
        works: tuple[Cell | Stage, ...] = (cell, *cell.stages)
        for work in works:
            if work.name == name:
                return work
    raise InputError(
        f"The experiment has no cell '{name}'.",
        code="unknown_cell",
        hint="A name changes with everything that changes the result; a plug-in file may have changed since.",
    )


def trainer(name: str = TRAINER) -> ModuleType:
    """The module that trains (see `TRAINER`)."""
    return plugins.import_module(name)


def check_tokens(experiment: Experiment, train: ModuleType, without: Collection[str] = ()) -> None:
    """Raise InputError for a number of visual tokens that a compressor does not support, with the supported ones.

    Compressors in `without` are not checked.
    """
    for compressor in experiment.compressors:
        if compressor in without:
            continue
        allowed = train.allowed_tokens(experiment, compressor)
        for tokens in experiment.visual_tokens:
            if tokens not in allowed:
                raise InputError(
                    f"The compressor '{compressor}' does not support {tokens} visual tokens on this grid.",
                    code="tokens_not_allowed",
                    hint=f"Supported: {', '.join(map(str, allowed))}.",
                )


def _cells(experiment: Experiment, only: int | None = None) -> Iterator[Cell]:
    tower = _stage(experiment, "tower", "vision tower")
    features = _stage(experiment, "features", "image features", after=(tower,))
    contents = {llm: fingerprint.llm_content(llm) for llm in experiment.llms}
    texts = {
        llm: _stage(experiment, "llm", _llm_label(experiment, llm), llm, contents[llm])
        for llm in experiment.llms
    }
    compressors = {name: fingerprint.plugin_content("compressors", name) for name in experiment.compressors}
    sections = fingerprint.sections_text(experiment, fingerprint.CELL)
    grid = itertools.product(
        experiment.compressors,
        experiment.llms,
        experiment.visual_tokens,
        experiment.seeds,
        experiment.rate_factors,
    )
    entries = itertools.islice(enumerate(grid), only, None if only is None else only + 1)
    for place, (compressor, llm, tokens, seed, factor) in entries:
        choices = {"compressor": compressors[compressor], "llm": contents[llm], "visual_tokens": tokens}
        rates = {} if factor == 1 else {"rate_factor": factor}
        identity = fingerprint.identity(sections, **choices, seed=seed, **rates)
        label = f"{llm} {compressor} V={tokens} seed {seed}" + (f" rates x {factor:g}" if rates else "")
        yield Cell(
            name=fingerprint.name(identity),
            label=label,
            identity=identity,
            full_experiment=experiment,
            llm=llm,
            compressor=compressor,
            visual_tokens=tokens,
            seed=seed,
            rate_factor=factor,
            stages=(tower, features, texts[llm]),
            place=place,
        )


def _llm_label(experiment: Experiment, llm: str) -> str:
    """The label of an LLM: pretrained if it is a folder; with `finetune` it is not trained on text."""
    if experiment.finetune is not None:
        return f"pretrained LLM {llm}"
    if os.path.isdir(llm):
        return (
            f"pretrained LLM {llm}, trained further on text"
            if experiment.text.steps
            else f"pretrained LLM {llm}"
        )
    return f"LLM {llm}, trained on text"


def _stage(
    experiment: Experiment,
    kind: str,
    label: str,
    llm: str = "",
    content: object = None,
    after: tuple[Stage, ...] = (),
) -> Stage:
    choices = {"stage": kind, "llm": content} if llm else {"stage": kind}
    identity = fingerprint.identity(
        fingerprint.sections_text(experiment, fingerprint.STAGES[kind]), **choices
    )
    return Stage(f"{kind}-{fingerprint.name(identity)}", label, identity, experiment, kind, llm, after)


def _check_entries(experiment: Experiment) -> None:
    axes = {key: getattr(experiment, key) for key in AXES}
    if (count := math.prod(map(len, axes.values()))) > MOST:
        raise InputError(
            f"The experiment lists {count:,} cells; a sweep has at most {MOST:,}.",
            code="too_many_cells",
            hint="Split it into several experiments.",
        )
    recipe = experiment.recipe
    if recipe.images < recipe.batch:
        raise InputError(
            f"recipe.batch is {recipe.batch}, but recipe.images is only {recipe.images}.",
            code="bad_value",
            hint="Lower recipe.batch, or raise recipe.images.",
        )
    for key, entries in axes.items():
        if twice := [entry for entry, times in Counter(entries).items() if times > 1]:
            raise InputError(
                f"{key} lists {twice[0]} twice.", code="duplicate_entry", hint="List each entry once."
            )
    plugin_names = [("datasets", experiment.dataset.name), ("objectives", experiment.vision.objective)]
    for package, name in [*plugin_names, *(("compressors", name) for name in experiment.compressors)]:
        own = fingerprint.is_own_file(name) and os.path.isfile(name)
        if not own and name not in (there := plugins.names(package)):
            raise unknown(package.removesuffix("s"), name, there)
    for llm in experiment.llms:
        if os.path.isdir(llm):
            model_shapes.from_config(llm)
        else:
            model_shapes.custom_shape(llm, vocab=1)
