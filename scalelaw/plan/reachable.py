"""The settings of a family's knobs that a plan may choose among, for the images of its queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from scalelaw.costs._compressor import bundled_facts
from scalelaw.errors import InputError
from scalelaw.families._contract import Counted, Setting
from scalelaw.model_shapes import TowerShape
from scalelaw.plan.catalogue import Model
from scalelaw.plan.images import Seen, see, vision_model_of
from scalelaw.tokens.effects import binding_value, knobs_for
from scalelaw.tokens.models import VisionModel
from scalelaw.tokens.pictures import Pictures, count_queries
from scalelaw.tokens.settings import changed, with_lower_limit

FEW = 64
"""Values of a knob that are all tried; of one with more, `STEPS` in equal ratios."""
STEPS = 48
LOWEST = 1 / 256
"""Of the value at which a knob begins to have an effect."""


@dataclass(frozen=True)
class Sights:
    """What one model can see of the queries' images.

    Attributes:
        family: of the model.
        pictures: of the queries.
        seen: {visual tokens of an image (the mean over the queries): what the cheapest setting for it gives}.
        changes: for each of these the knobs that differ from the model's own settings.
    """

    family: str
    pictures: Pictures
    seen: Mapping[float, Seen]
    changes: Mapping[float, dict[str, Any]]

    def nearest(self, tokens: float) -> Seen:
        """The setting whose tokens are nearest."""
        return self.seen[min(self.seen, key=lambda known: abs(known - tokens))]

    @property
    def lowers(self) -> str:
        """What the knobs lower: `resolution` (patches and tokens), `tokens` (after the encoder), or `nothing`."""
        if len(self.seen) < 2:
            return "nothing"
        patches = {seen.mean_patches for seen in self.seen.values()}
        return "resolution" if len(patches) > 1 else "tokens"


def sights_of(model: Model, pictures: Pictures, tower: TowerShape | str | None = "own") -> Sights:
    """Every setting of one knob that gives other tokens, or of two that have a few values each, and the model's own.

    tower: as `images.see` takes it. Raises InputError for images that the model refuses under its own settings.
    """
    vision = vision_model_of(model)
    own = see(model, vision, pictures, vision.settings, tower)
    seen, changes = {own.mean_tokens: own}, {own.mean_tokens: dict[str, Any]()}
    for change in _changes(vision, pictures):
        try:
            values = changed(vision.rules.SETTINGS, vision.settings, change, vision.family)
            one = see(model, vision, pictures, values, tower)
        except InputError:
            continue
        known = seen.get(one.mean_tokens)
        if known is None or one.mean_patches < known.mean_patches:
            seen[one.mean_tokens], changes[one.mean_tokens] = one, change
    return Sights(vision.family, pictures, seen, changes)


def _changes(vision: VisionModel, pictures: Pictures) -> Iterator[dict[str, Any]]:
    def count(settings: Mapping[str, Any]) -> list[Counted]:
        return [one for query in count_queries(vision, pictures, settings) for one in query]

    upper = [
        setting
        for setting in knobs_for(vision, video=pictures.frames is not None)
        if not setting.name.startswith(("min_", "video_min_")) and setting.name != "shortest_edge"
    ]
    for setting in upper:
        top = binding_value(setting, vision.settings, count)
        for value in _values(setting, top):
            yield with_lower_limit(setting.name, value, vision.settings)
    for one, other in combinations([setting for setting in upper if setting.allowed], 2):
        for first, second in product(one.allowed, other.allowed):
            if (first, second) != (vision.settings[one.name], vision.settings[other.name]):
                yield {one.name: first, other.name: second}


def _values(setting: Setting, top: Any) -> Sequence[Any]:
    if setting.allowed:
        return setting.allowed
    if not isinstance(setting.default, int):
        return ()
    low, high = int(setting.minimum or 1), int(setting.maximum or 1)
    if high - low <= FEW:
        return range(low, high + 1)
    return sorted({max(low, round(value)) for value in np.geomspace(top * LOWEST, top, STEPS)})


def token_axis(sights: Sequence[Sights], measured: tuple[float, float]) -> np.ndarray:
    """Every number of visual tokens that a model can reach [K]: those within the measured range, all where none is."""
    every = np.unique([tokens for one in sights for tokens in one.seen])
    inside = every[(every >= measured[0]) & (every <= measured[1])]
    outside_only = [one for one in sights if not any(measured[0] <= v <= measured[1] for v in one.seen)]
    extra = [min(one.seen, key=lambda v: abs(v - measured[1])) for one in outside_only]
    return np.union1d(inside, extra)


def restricted(wanted: np.ndarray, reachable: np.ndarray) -> np.ndarray:
    """Those of the wanted numbers that can be reached. Raises InputError (`tokens_not_reachable`) for none."""
    common = np.intersect1d(reachable, wanted)
    if len(common):
        return common
    near = reachable[np.argsort(np.abs(reachable - wanted.mean()))[:8]]
    raise InputError(
        "No setting of these models gives one of these numbers of visual tokens for these images.",
        code="tokens_not_reachable",
        hint=f"Near them lie: {', '.join(f'{n:g}' for n in np.sort(near))}.",
    )


def compressed(fitted: Any) -> list[str]:
    """The compressors that the points of a law were measured with, which lower tokens after the encoder."""
    fits = getattr(fitted, "counted", {"": fitted}).values()
    names = {
        str(name)
        for fit in fits
        for name in getattr(fit, "points", {}).get("labels", {}).get("compressor", ())
        if name
    }
    return sorted(name for name in names if _compresses(name))


def _compresses(compressor: str) -> bool:
    """Whether it lowers the tokens and not the patches."""
    facts = bundled_facts().get(compressor)
    return facts is None or (facts.patches == "all" and facts.tokens != "all")


def knob_warnings(fitted: Any, sights: Sequence[Sights]) -> list[tuple[str, str]]:
    """The warning (code, message) of a law measured with a compressor where the knob lowers the resolution."""
    names = compressed(fitted)
    if not names or all(one.lowers != "resolution" for one in sights):
        return []
    return [(
        "resolution_or_compression",
        f"The law was measured with {', '.join(names[:3])}, which compresses tokens after the encoder; here the "
        "resolution of the image is lowered, which may cost more accuracy. Measure the models at several settings.",
    )]  # fmt: skip
