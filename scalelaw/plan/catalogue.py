"""The catalogue: which models may be deployed. Bundled families, a list of names, a file, or sizes alone."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from scalelaw.costs._vision import tower_flops
from scalelaw.errors import InputError, unknown
from scalelaw.files.file_type import CONFIGURATION, otherwise
from scalelaw.files.paths import bundled
from scalelaw.files.safe_load import is_pipe, read_yaml
from scalelaw.model_shapes import LLMShape, TowerShape, from_fields, made_for_size, tower_from_fields
from scalelaw.model_shapes.count_shape import count_encoder, read_parts
from scalelaw.model_shapes.reading import read_config
from scalelaw.tokens.models import catalogue_entries

GENERATED_SIZES = 64
"""Number of sizes of `ladder:LOW:HIGH`."""

SMALLEST = 5e6
"""Smallest size of a custom model shape."""

FEWEST, MOST = 1e3, 1e15
"""No model has fewer or more parameters."""

LEAST_AMONG, BESIDE = 1e5, 1e7
"""A size below the first is in another unit where the catalogue also holds one above the second."""


LLMS = ("gemma-3", "llava-1.5")
"""Families of models that see images which also stand for their LLMs: `all` includes them."""


@dataclass(frozen=True)
class Model:
    """A model that may be deployed. n_params: parameters as the law counts them (nominal, for a bundled
    family); shape: its layers and widths, None where only the size is known; source: where the facts come from;
    unverified: which of them no public source confirmed.
    """

    name: str
    n_params: float
    shape: LLMShape | None = None
    source: str = ""
    family: str = ""
    tower: TowerShape | None = None
    encoder: Any = field(default=None, compare=False)
    vision: Any = field(default=None, compare=False, repr=False)
    sights: Any = field(default=None, compare=False, repr=False)
    warnings: tuple[tuple[str, str], ...] = ()
    unverified: str = ""

    @property
    def counted_as(self) -> str:
        """Of a mixture of experts, which count n_params is; empty for a dense model."""
        if self.shape is None or not self.shape.experts:
            return ""
        whole, active = float(self.shape.n_params), float(self.shape.active_params)
        counts = {
            "all parameters": whole,
            "the active parameters": active,
            "the geometric mean of all and of active parameters": (whole * active) ** 0.5,
        }
        named = [name for name, count in counts.items() if abs(self.n_params / count - 1) < 0.05]
        what = named[0] if named else "a number of its own"
        return f"{what} ({whole:.3g} in all, {active:.3g} active)"


def catalogue_families() -> dict[str, str]:
    """The bundled families: name -> source of their facts."""
    return {name: models[0].source for name, models in _bundled().items()}


def models_in(family: str) -> list[Model]:
    """The models of a bundled family, by size. Raises InputError for an unknown family."""
    if family not in _bundled():
        raise unknown("family", family, _bundled(), code="unknown_model")
    return list(_bundled()[family])


def find_models(models: Any) -> list[Model]:
    """The models named by `models`, in order of size.

    models: a family (`qwen1.5`), model names and families separated by commas, `all` (every LLM), `vlm` (every model
    that sees images), 64 custom sizes between two
    sizes (`ladder:0.5e9:14e9`), a YAML file `models: [{name, n_params, config (optional)}]`; or from Python a
    sequence of names, of such mappings or of `Model`s, or a mapping {name: n_params}.
    Raises InputError for an unknown name, a file that cannot be read, a size that is not positive or counted in
    billions, no models.
    """
    catalogue = _resolve(models)
    if not catalogue:
        raise InputError("The catalogue holds no models.", code="empty_catalogue")
    names = Counter(m.name for m in catalogue)
    if twice := sorted(name for name, times in names.items() if times > 1):
        raise InputError(f"The catalogue names '{twice[0]}' twice.", code="bad_catalogue")
    _check_units(catalogue)
    return sorted(catalogue, key=lambda m: m.n_params)


def find_tower(name: str | TowerShape | None) -> TowerShape | None:
    """A bundled vision tower, or that of a config.json (or its folder); None or "none" for none.

    Raises InputError for an unknown name and for a configuration that cannot be read.
    """
    if name is None or isinstance(name, TowerShape):
        return name
    if name.endswith(".json") or os.path.isdir(name):
        fields, file = read_config(name)
        return count_encoder(fields, file.resolve().parent.name)
    key = name.strip().lower()
    if key == "none":
        return None
    if key not in _towers():
        raise unknown("tower", name, {*_towers(), "none"})
    return tower_from_fields(_towers()[key], key)


def tower_by_name(name: str) -> TowerShape | None:
    """The bundled tower of this name, or of this repository (`openai/clip-vit-large-patch14-336`, or its last part);
    None where none is.
    """
    last = name.strip().rstrip("/").lower().rsplit("/", 1)[-1]
    for key, fields in _towers().items():
        if last in (key, str(fields["source"]).rsplit("/", 1)[-1].lower()):
            return tower_from_fields(fields, key)
    return None


def list_towers() -> dict[str, str]:
    """Every bundled vision tower: name -> its patches, parameters and FLOPs, in one line."""
    shapes = {name: tower_from_fields(fields, name) for name, fields in _towers().items()}
    return {
        name: f"{tower.patches} patches of {tower.patch} pixels, {tower.n_params:,} parameters, "
        f"{tower_flops(tower) / 1e9:.6g} GFLOPs an image"
        for name, tower in shapes.items()
    }


def sizes_of(points: Any) -> list[Model]:
    """The sizes a law was measured at, as models without a shape, under the names that the points give them.

    points: {inputs: {n_params: [...]}, labels: {model: [...]}}; a size that has no name of its own is named by itself.
    """
    measured = np.asarray(points["inputs"]["n_params"], dtype=float)
    sizes = np.unique(measured)
    labels = np.asarray(points.get("labels", {}).get("model", []), dtype=object)
    named = {n: {str(m) for m in labels[measured == n] if m} for n in sizes if len(labels) == len(measured)}
    names = [next(iter(named[n])) if len(named.get(n, ())) == 1 else _size_name(n) for n in sizes]
    if len(set(names)) < len(names):
        names = [_size_name(n) for n in sizes]
    models = zip(names, sizes, strict=True)
    return [Model(name, float(n), source="measured in the fit's points") for name, n in models]


def families_of_sizes(sizes: Sequence[float]) -> dict[str, list[Model]]:
    """The bundled families that hold every one of these sizes: name -> their models of these sizes."""
    families = {}
    for family, models in _bundled().items():
        if family in vision_families() and family not in LLMS:
            continue
        members = [m for m in models if any(abs(m.n_params / n - 1) < 1e-6 for n in sizes)]
        if len(members) == len(sizes):
            families[family] = members
    return families


def _size_name(n_params: float) -> str:
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if n_params >= unit / 10:
            return f"{n_params / unit:g}{letter}"
    return f"{n_params:g}"


def _resolve(models: Any) -> list[Model]:
    if isinstance(models, Model):
        return [models]
    if isinstance(models, str | Path):
        return _named(str(models))
    if isinstance(models, Mapping):
        return [_entry({"name": name, "n_params": size}, Path()) for name, size in models.items()]
    if isinstance(models, Iterable):
        return [model for item in models for model in _item(item)]
    raise InputError(
        f"'{models}' is not a catalogue.", code="bad_catalogue", hint="Give names, a file or a list."
    )


def _item(item: Any) -> Sequence[Model]:
    if isinstance(item, Mapping):
        return [_entry(item, Path())]
    if isinstance(item, int | float | np.number):
        return [_entry({"name": _size_name(float(item)), "n_params": item}, Path())]
    return _resolve(item)


def _named(text: str) -> list[Model]:
    if text.endswith((".yaml", ".yml")) or is_pipe(text):
        return _read(Path(text))
    if text.startswith("ladder:"):
        return _generated(text)
    if wrong := otherwise(text, CONFIGURATION):
        raise InputError(f"{text} is not a catalogue.", code="bad_catalogue", hint=wrong)
    if os.path.isfile(Path(text) / "config.json") or (text.endswith(".json") and os.path.isfile(text)):
        return [replace(model_of(text), source="given")]
    if text.endswith(".json") or ("/" in text and os.path.isdir(text)):
        raise InputError(
            f"There is no model's configuration at '{text}', which would be one model's configuration.",
            code="no_such_file",
            hint="A catalogue is a model's folder or config.json, names, or a YAML file.",
        )
    families, by_name = _bundled(), _by_name()
    if text == "all":
        return [model for model in by_name.values() if model.vision is None or model.family in LLMS]
    if text == "vlm":
        return [model for model in by_name.values() if model.vision is not None]
    models: list[Model] = []
    for name in (part.strip().lower() for part in text.split(",") if part.strip()):
        if name not in families and name not in by_name:
            raise unknown("model", name, {*families, *by_name})
        models += families[name] if name in families else [by_name[name]]
    return models


def _generated(text: str) -> list[Model]:
    ends = text.split(":")[1:]
    try:
        low, high = (float(end) for end in ends)
    except ValueError:
        low = high = float("nan")
    trouble = (
        "it needs two sizes, both numbers" if low != low or high != high
        else f"the smallest size that can be made is {SMALLEST:g}" if low < SMALLEST
        else "its second size must be above its first" if low >= high
        else f"no model has more than {MOST:g} parameters" if high > MOST
        else ""
    )  # fmt: skip
    if trouble:
        hint = "Name two sizes: ladder:0.5e9:14e9."
        raise InputError(f"'{text}' is not a ladder: {trouble}.", code="bad_catalogue", hint=hint)
    shapes = {shape.name: shape for shape in map(made_for_size, np.geomspace(low, high, GENERATED_SIZES))}
    return [Model(name, float(shape.n_params), shape, source="custom") for name, shape in shapes.items()]


def _read(path: Path) -> list[Model]:
    content = _yaml(path)
    entries = content.get("models") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(
            f"{path} is not a catalogue.",
            code="bad_catalogue",
            hint=otherwise(path, "")
            or "It holds `models: [{name: ..., n_params: ..., config: path/to/config.json (optional)}, ...]`.",
        )
    return [_entry(entry, path.parent) for entry in entries]


def _entry(entry: Mapping[str, Any], folder: Path) -> Model:
    allowed = ("name", "n_params", "config")
    if extra := [str(key) for key in entry if key not in allowed]:
        raise unknown("key", extra[0], allowed)
    described = _described(str(entry["config"]), folder) if entry.get("config") else None
    shape = described.shape if described else None
    name = str(entry.get("name") or (described.name if described else ""))
    size = entry.get("n_params", described.n_params if described else None)
    if not name or size is None:
        raise InputError("A model of the catalogue lacks its name or its n_params.", code="bad_catalogue")
    if shape is not None:
        _check_unit(name, size, shape)
    n_params = _size(name, size)
    if described is None:
        return Model(name, n_params, source="given")
    source = "given" if "n_params" in entry or not described.family else described.source
    return replace(described, name=name, n_params=n_params, source=source, family="")


def _described(config: str, folder: Path) -> Model:
    """The model of a configuration: a path (from the catalogue's folder), or the name of a bundled model."""
    path = folder / config
    exists = os.path.exists(path)
    if not exists and (model := _by_name().get(config.strip().lower())):
        return model
    if not exists and not config.endswith(".json") and "/" not in config:
        raise InputError(
            f"'{config[:80]}' is neither a configuration in {folder} nor a model of the catalogue.",
            code="unknown_model",
            hint="Models: scalelaw list models.",
        )
    return model_of(path)


def model_of(path: str | Path) -> Model:
    """The model that a config.json (or its folder) describes. Raises InputError as `counting.read_parts`."""
    parts = read_parts(path)
    shape = parts.shape
    return Model(
        shape.name,
        float(shape.n_params),
        shape,
        source=str(path),
        encoder=parts.encoder,
        vision=str(path),
        warnings=parts.warnings,
    )


def _check_units(models: Sequence[Model]) -> None:
    """Raises InputError where one size among parameters is far too small to be a model's, as in millions."""
    smallest, largest = (pick(models, key=lambda m: m.n_params) for pick in (min, max))
    if smallest.shape is None and smallest.n_params < LEAST_AMONG <= BESIDE <= largest.n_params:
        raise InputError(
            f"n_params of '{smallest.name}' is {smallest.n_params:g}, beside {largest.n_params:g} of "
            f"'{largest.name}': the unit is parameters.",
            code="unit_mismatch",
            hint=f"Write n_params: {smallest.n_params:.12g}e6 for millions, or e9 for billions.",
        )


def _check_unit(name: str, size: Any, shape: LLMShape) -> None:
    """Raises InputError where a size is off its configuration's by a power of 1,000, as in another unit."""
    try:
        n_params = float(size)
    except (TypeError, ValueError, OverflowError):
        return
    for exact in {float(shape.n_params), float(shape.active_params)}:
        for unit in (1e3, 1e6, 1e9):
            for factor in (unit, 1 / unit):
                if 0.5 < n_params * factor / exact < 2:
                    raise InputError(
                        f"n_params of '{name}' is {n_params:g}, and its configuration has {exact:.4g}: the unit is "
                        "parameters.",
                        code="unit_mismatch",
                        hint=f"Write n_params: {n_params * factor:.12g}",
                    )


def _size(name: str, size: Any) -> float:
    try:
        n_params = float(size)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"n_params of '{name}' is not a number: {size!r}.", code="bad_catalogue") from error
    if 0 < n_params < FEWEST:
        raise InputError(
            f"n_params of '{name}' is {size}: the unit is parameters, not billions.",
            code="bad_catalogue",
            hint=f"Write {n_params:.12g}e9.",
        )
    if not FEWEST <= n_params <= MOST:
        raise InputError(
            f"n_params of '{name}' must lie between {FEWEST:g} and {MOST:g}; it is {n_params:g}.",
            code="bad_catalogue",
        )
    return n_params


@cache
def _bundled() -> dict[str, tuple[Model, ...]]:
    families = {}
    for path in sorted(bundled("models").glob("*.yaml")):
        content = _yaml(path)
        base = {"model_type": content["architecture"], **content.get("common", {})}
        models = [
            Model(
                row["name"],
                float(row["n_params"]),
                from_fields({**base, **row["shape"]}, row["name"]),
                str(row.get("source", content["source"])),
                path.stem,
                encoder=content.get("encoder") or _own_encoder(row),
                vision=str(row["name"]) if "vision" in row else None,
                unverified=str(row.get("unverified", "")),
            )
            for row in content["models"]
        ]
        families[path.stem] = tuple(sorted(models, key=lambda m: m.n_params))
    return families


def _own_encoder(row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The fields of the vision encoder of a model of the catalogue; None for an LLM."""
    if "vision" not in row:
        return None
    fields: Mapping[str, Any] = catalogue_entries()[row["name"]]["config"]["vision_config"]
    return fields


@cache
def vision_families() -> tuple[str, ...]:
    """The bundled families all of whose models see images."""
    return tuple(name for name, models in _bundled().items() if all(model.vision for model in models))


def bundled_models() -> list[Model]:
    """Every bundled model, by family and size."""
    return [model for models in _bundled().values() for model in models]


def _by_name() -> dict[str, Model]:
    """The bundled models by name."""
    return {model.name: model for model in bundled_models()}


@cache
def _towers() -> dict[str, dict[str, Any]]:
    towers: dict[str, dict[str, Any]] = _yaml(bundled("towers.yaml"))["towers"]
    return towers


def _yaml(path: Path) -> Any:
    try:
        return read_yaml(path)
    except OSError as error:
        raise InputError(f"There is no catalogue file {path}.", code="no_such_file") from error
