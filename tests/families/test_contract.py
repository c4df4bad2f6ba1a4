"""Every family keeps its contract and counts as transformers' own processor does; a new file is found by itself."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import itertools
import json
import os
import random
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.families._contract import Counted
from scalelaw.tokens.settings import changed, check_pairs

HERE = Path(__file__).resolve().parent
NAMES = plugins.names("families")
KNOWN = tuple(sorted(path.stem for path in (HERE / "known").glob("*.json")))
"""Families that transformers has no processor for: they are compared with counts of another implementation."""
PROCESSED = tuple(name for name in NAMES if name not in KNOWN)
SIZES = int(os.environ.get("FAMILY_SIZES", "24"))
"""Random sizes of each family; `python tests/families/compare.py` draws 10,000."""
SEED = int(os.environ.get("FAMILY_SEED", "0"))
NO_PILLOW = ("fuyu",)
"""Families whose processor for pillow fails on every image, in transformers 5.23."""
SHAPES = [
    (1, 1),
    (1, 8000),
    (8000, 1),
    (8000, 8000),
    (336, 336),
    (1920, 1080),
    (1080, 1920),
    (27, 29),
    (5000, 40),
]


def load_compare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("family_compare", HERE / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=NAMES)
def family(request: pytest.FixtureRequest) -> Any:
    return plugins.load("families", request.param)


def defaults(family: Any) -> dict[str, Any]:
    return {setting.name: setting.default for setting in family.SETTINGS}


def test_there_are_at_least_thirty() -> None:
    assert len(NAMES) >= 30


def test_the_docstring_gives_formula_source_and_what_is_counted(family: Any) -> None:
    for part in ("    tokens", "Source:", "Counts:", "Leaves out:"):
        assert part in family.__doc__


def test_a_model_type_belongs_to_one_family() -> None:
    counts = Counter(kind for name in NAMES for kind in plugins.load("families", name).MODEL_TYPES)
    assert [kind for kind, number in counts.items() if number > 1] == []
    assert all(plugins.load("families", name).MODEL_TYPES for name in NAMES)


def test_settings_are_described_and_their_defaults_are_in_range(family: Any) -> None:
    names = [setting.name for setting in family.SETTINGS]
    assert len(names) == len(set(names))
    for setting in family.SETTINGS:
        assert setting.meaning
        assert all(
            source.split(".")[0] in ("image", "video", "processor", "config") for source in setting.sources
        )
        if setting.knob:
            assert setting.allowed or None not in (setting.minimum, setting.maximum)
            assert changed(
                family.SETTINGS, defaults(family), {setting.name: setting.default}, "x"
            ) == defaults(family)
    check_pairs(defaults(family))


def test_a_count_is_whole_and_positive_or_a_refusal(family: Any) -> None:
    for width, height in SHAPES:
        counted: Any = None
        with contextlib.suppress(InputError):
            counted = family.count_image(width, height, defaults(family))
        if counted is None:
            with pytest.raises(InputError) as caught:
                family.count_image(width, height, defaults(family))
            assert caught.value.code == "refused_image"
            assert max(width, height) / min(width, height) > 50
            continue
        assert isinstance(counted, Counted)
        whole = (
            counted.resized_width,
            counted.resized_height,
            counted.patches,
            counted.tiles,
            counted.visual_tokens,
        )
        assert all(isinstance(number, int) for number in whole)
        assert min(whole) >= 1
        assert counted.markers >= 0


@pytest.mark.parametrize("name", [n for n in NAMES if hasattr(plugins.load("families", n), "count_video")])
def test_a_video_has_at_least_the_tokens_of_its_first_frames(name: str) -> None:
    family: Any = plugins.load("families", name)
    values = defaults(family)
    counts = [family.count_video(frames, 640, 360, values) for frames in (2, 4, 8, 16)]
    assert all(
        a.visual_tokens <= b.visual_tokens and a.patches <= b.patches for a, b in itertools.pairwise(counts)
    )
    assert counts[0].visual_tokens >= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_family_imports_neither_torch_nor_transformers(name: str) -> None:
    tree = ast.parse((plugins.PACKAGE / "families" / f"{name}.py").read_text())
    imported = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    imported += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    assert {module.split(".")[0] for module in imported} <= {
        "__future__", "collections", "dataclasses", "functools", "math", "numpy", "scalelaw", "typing",
    }  # fmt: skip


@pytest.fixture(scope="module")
def compared() -> dict[str, list[str]]:
    """The differences of each family, from one process that runs all processors."""
    compare = load_compare()
    everything = {name: compare.requests_of(name, SIZES, SEED) for name in PROCESSED}
    theirs = iter(compare.answers([request for requests in everything.values() for request in requests]))
    return {
        name: [line for request in requests for line in compare.differences(request, next(theirs))]
        for name, requests in everything.items()
    }


@pytest.mark.parametrize("name", PROCESSED)
def test_tokens_markers_patches_and_refusals_are_those_of_transformers(compared: Any, name: str) -> None:
    assert compared[name] == []


@pytest.mark.parametrize("name", KNOWN)
def test_tokens_are_those_of_the_other_implementation(name: str) -> None:
    family: Any = plugins.load("families", name)
    tables = json.loads((HERE / "known" / f"{name}.json").read_text())["tables"]
    refused = 0
    for table in tables:
        more = (table["together"],) if "together" in table else ()
        values = {**defaults(family), **table["settings"]}
        for width, height, tokens in table["counts"]:
            try:
                counted = family.count_image(width, height, values, *more).visual_tokens
            except InputError:
                refused += 1
                continue
            assert counted == tokens, (width, height, table["settings"])
    assert sum(len(table["counts"]) for table in tables) >= 800
    assert refused <= 0.02 * 800


@pytest.fixture(scope="module")
def on_pixels() -> dict[str, list[str]]:
    """The differences of each family whose image processor also works with pillow, on real images."""
    compare, rng = load_compare(), random.Random(SEED)
    requests = [
        {
            "family": name,
            "settings": defaults(plugins.load("families", name)),
            "images": [[rng.randint(1, 700), rng.randint(1, 500)] for _ in range(3)],
        }
        for name in PROCESSED
    ]
    answers = compare.answers(requests, "--pil")
    return {
        request["family"]: compare.differences(request, theirs)
        for request, theirs in zip(requests, answers, strict=True)
        if "unavailable" not in theirs and request["family"] not in NO_PILLOW
    }


def test_real_images_give_the_same(on_pixels: dict[str, list[str]]) -> None:
    assert {name: lines for name, lines in on_pixels.items() if lines} == {}
    assert len(on_pixels) >= 30


def test_the_comparison_sees_a_difference() -> None:
    compare = load_compare()
    request = {
        "family": "llava",
        "settings": defaults(plugins.load("families", "llava")),
        "images": [[100, 100]],
    }
    assert compare.differences(request, {"images": [[576, 0, 576]], "videos": []}) == []
    for theirs in ([575, 0, 576], [576, 1, 576], [576, 0, 577], "ValueError: no"):
        assert len(compare.differences(request, {"images": [theirs], "videos": []})) == 1


def test_drawn_sizes_reach_the_ends() -> None:
    compare, rng = load_compare(), random.Random(0)
    drawn = [compare.draw_size(rng) for _ in range(4000)]
    assert min(min(size) for size in drawn) == 1
    assert max(max(size) for size in drawn) > 7900
    assert any(max(size) / min(size) > 200 for size in drawn)
