"""From an experiment to its cells and the stages that they share, each named by what determines its result.

A name is a hash of the sections and choices that the work is handed, and the work is handed nothing else
(`Work.experiment` holds the defaults everywhere else): what is not in the name cannot change the result.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from scalelaw import ladder, plugins
from scalelaw.config import Experiment, Recipe
from scalelaw.errors import InputError, unknown

RESULT_VERSION = 1
"""To be raised by whoever changes training or scoring so that the same experiment gives other numbers."""

TRAINER = "scalelaw.vlm.train"
"""The module that trains; another with the same functions can stand in for it."""

SECTIONS: dict[str, set[str]] = {
    name: set() for name in ("dataset", "vision", "text", "recipe", "evaluation")
}
STAGE_SECTIONS: dict[str, dict[str, set[str]]] = {
    "tower": {"dataset": set(), "vision": {"features", "select"}},
    "features": {
        "dataset": set(),
        "vision": {"select"},
        "recipe": set(Recipe.model_fields) - {"images"},
        "evaluation": set(),
    },
    "llm": {"dataset": set(), "text": set()},
}
"""For each kind of stage the sections that determine it, and of each the keys that do not."""


@dataclass(frozen=True)
class Work:
    """Something that is made once and known by its content.

    name: how it is called in a sweep's folder. label: how a person calls it. identity: all that determines its
    result, as canonical JSON. experiment: the experiment, with the defaults in the place of all else.
    """

    name: str
    label: str
    identity: str
    experiment: Experiment


@dataclass(frozen=True)
class Stage(Work):
    """Work that cells share. kind: tower, features or llm. after: the stages that it is made from."""

    kind: str
    llm: str = ""
    after: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Cell(Work):
    """One trained and scored model: one LLM, compressor, number of visual tokens and seed."""

    llm: str
    compressor: str
    visual_tokens: int
    seed: int
    tower: Stage
    features: Stage
    text_llm: Stage

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What it is made from, in an order in which that can be made."""
        return (self.tower, self.features, self.text_llm)


def cells(experiment: Experiment) -> list[Cell]:
    """Every cell of an experiment, in the order in which it names them: compressors, LLMs, token counts, seeds.

    Raises InputError for an entry that is given twice, an unknown plug-in, and an LLM that cannot be read.
    """
    _check_entries(experiment)
    held = {section: getattr(experiment, section).model_dump(mode="json") for section in SECTIONS}
    for section, key in (("dataset", "name"), ("vision", "objective")):
        held[section][key] = _plugin(held[section][key])
    rungs = {llm: _rung(llm) for llm in experiment.llms}
    compressors = {name: _plugin(name) for name in experiment.compressors}

    tower = _stage(experiment, held, "tower", "vision tower")
    features = _stage(experiment, held, "features", "image features", after=(tower,))
    texts = {
        llm: _stage(experiment, held, "llm", f"LLM {llm}, trained on text", llm, rungs[llm])
        for llm in experiment.llms
    }
    found = []
    for compressor, llm, tokens, seed in itertools.product(
        experiment.compressors, experiment.llms, experiment.visual_tokens, experiment.seeds
    ):
        choices = {
            "compressor": compressors[compressor],
            "llm": rungs[llm],
            "visual_tokens": tokens,
            "seed": seed,
        }
        identity = _identity(held, SECTIONS, choices)
        own = _narrowed(
            experiment, SECTIONS, llms=[llm], compressors=[compressor], visual_tokens=[tokens], seeds=[seed]
        )
        label = f"{llm} {compressor} V={tokens} seed {seed}"
        stages = (tower, features, texts[llm])
        found.append(Cell(_name(identity), label, identity, own, llm, compressor, tokens, seed, *stages))
    if len({cell.name for cell in found}) < len(found):
        raise InputError("Two entries of the experiment hold the same content.", code="duplicate_entry")
    return found


def trainer(name: str = TRAINER) -> ModuleType:
    """The module that trains (see `TRAINER`)."""
    return importlib.import_module(name)


def check_tokens(experiment: Experiment, train: ModuleType) -> None:
    """Raises InputError for a number of visual tokens that a compressor cannot give, naming those that it can."""
    for compressor in experiment.compressors:
        allowed = train.allowed_tokens(experiment, compressor)
        for tokens in experiment.visual_tokens:
            if tokens not in allowed:
                raise InputError(
                    f"The compressor '{compressor}' cannot give {tokens} visual tokens here.",
                    code="visual_tokens_not_allowed",
                    hint=f"It can give: {', '.join(map(str, allowed))}.",
                )


def _check_entries(experiment: Experiment) -> None:
    for key in ("llms", "compressors", "visual_tokens", "seeds"):
        entries: list[Any] = getattr(experiment, key)
        if twice := sorted({str(e) for e in entries if entries.count(e) > 1}):
            raise InputError(f"{key} names {twice[0]} twice.", code="duplicate_entry", hint="Name each once.")
    asked = [("datasets", experiment.dataset.name), ("objectives", experiment.vision.objective)]
    for drawer, name in [*asked, *(("compressors", name) for name in experiment.compressors)]:
        if not (_is_file(name) and Path(name).is_file()) and name not in (there := plugins.names(drawer)):
            raise unknown(drawer.removesuffix("s"), name, there)
    for llm in experiment.llms:
        if Path(llm).is_dir():
            ladder.from_config(llm)
        else:
            ladder.made_to_measure(llm, vocab=1)


def _stage(
    experiment: Experiment,
    held: dict[str, Any],
    kind: str,
    label: str,
    llm: str = "",
    rung: Any = None,
    after: tuple[Stage, ...] = (),
) -> Stage:
    identity = _identity(held, STAGE_SECTIONS[kind], {"stage": kind, **({"llm": rung} if llm else {})})
    own = _narrowed(experiment, STAGE_SECTIONS[kind], **({"llms": [llm]} if llm else {}))
    return Stage(f"{kind}-{_name(identity)}", label, identity, own, kind, llm, after)


def _narrowed(experiment: Experiment, sections: dict[str, set[str]], **choices: list[Any]) -> Experiment:
    """The experiment with nothing left of it but `sections` and `choices`."""
    nothing: dict[str, Any] = {"llms": [], "compressors": [], "visual_tokens": [], "seeds": []}
    kept = {}
    for name, left_out in sections.items():
        section = getattr(experiment, name)
        facts = {key: value for key, value in section if key not in left_out}
        kept[name] = type(section).model_construct(**facts)
    return Experiment.model_construct(question="", **nothing | choices | kept)


def _identity(held: dict[str, Any], sections: dict[str, set[str]], choices: dict[str, Any]) -> str:
    """All that determines a result, as canonical JSON."""
    kept = {
        name: {key: value for key, value in held[name].items() if key not in left_out}
        for name, left_out in sections.items()
    }
    facts = {"version": RESULT_VERSION, **choices, **kept}
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _name(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


def _is_file(name: str) -> bool:
    return name.endswith(".py")


def _plugin(name: str) -> Any:
    """What determines a plug-in: its name, or the content of the user's own file, wherever that lies."""
    return {"file": _digest(Path(name))} if _is_file(name) else name


def _rung(llm: str) -> Any:
    """What determines an LLM: its name, or the content of the folder of a pretrained one, wherever that lies."""
    folder = Path(llm)
    if not folder.is_dir():
        return llm
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {"folder": {str(p.relative_to(folder)): _digest(p) for p in files}}


LOOKS, LOOK = 64, 1 << 16


def _digest(path: Path) -> str:
    """Hash of a file: of all of it, or for a large one of its size and of 64 spots of 64 KiB spread over it."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= LOOKS * LOOK:
            digest.update(file.read())
        else:
            for spot in range(LOOKS):
                file.seek(spot * (size - LOOK) // (LOOKS - 1))
                digest.update(file.read(LOOK))
    return digest.hexdigest()[:16]
