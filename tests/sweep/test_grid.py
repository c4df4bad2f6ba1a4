"""Cells and their names: what matters changes them, and nothing else does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalelaw.config import Experiment, Recipe, Text, Vision, parse_experiment
from scalelaw.errors import InputError
from scalelaw.sweep import fingerprint
from scalelaw.sweep.grid import Cell, cells, find

Make = Callable[..., Experiment]

BASE: dict[str, Any] = {"question": "?", "name": "small", "llms": ["16x1", "24x1"], "visual_tokens": [1, 4]}
OTHER = {  # key: another value, and which kinds of work it changes
    "dataset.seed": (7, {"tower", "features", "llm", "cell"}),
    "dataset.options": ({"a": 1}, {"tower", "features", "llm", "cell"}),
    "vision.width": (32, {"tower", "features", "cell"}),
    "vision.learning_rate": (1e-4, {"tower", "features", "cell"}),
    "vision.seed": (3, {"tower", "features", "cell"}),
    "vision.features": ([1, 2], {"features", "cell"}),
    "vision.select": (-1, {"cell"}),
    "text.steps": (11, {"llm", "cell"}),
    "text.seed": (1, {"llm", "cell"}),
    "recipe.steps": (12, {"cell"}),
    "recipe.images": (999, {"features", "cell"}),
    "recipe.learning_rate": (1e-5, {"cell"}),
    "evaluation.examples": (10, {"features", "cell"}),
    "evaluation.batch": (5, {"features", "cell"}),
    "vision.features_gb": (1.0, {"features", "cell"}),
    "recipe.compile": (True, {"cell"}),
    "rate_factors": ([2.0], {"cell"}),
    "question": ("another", set()),
    "name": ("another", set()),
    "seeds": ([0, 1], set()),
    "compressors": (["quecc", "average_pool"], set()),
}


def _experiment(changes: dict[str, Any]) -> Experiment:
    raw: dict[str, Any] = {**BASE}
    for place, value in changes.items():
        *section, key = place.split(".")
        (raw.setdefault(section[0], {}) if section else raw)[key] = value
    return parse_experiment(raw)


def _names(experiment: Experiment) -> dict[str, str]:
    cell = cells(experiment)[0]
    return {stage.kind: stage.name for stage in cell.stages} | {"cell": cell.name}


def test_the_grid_is_the_product_in_the_order_of_the_experiment(experiment: Make) -> None:
    grid = cells(experiment(compressors=["quecc", "average_pool"], seeds=[5, 2]))
    assert len(grid) == 16
    assert [(c.compressor, c.llm, c.visual_tokens, c.seed) for c in grid[:5]] == [
        ("quecc", "16x1", 1, 5),
        ("quecc", "16x1", 1, 2),
        ("quecc", "16x1", 4, 5),
        ("quecc", "16x1", 4, 2),
        ("quecc", "24x1", 1, 5),
    ]
    assert grid[-1].label == "24x1 average_pool V=4 seed 2"


def test_a_name_is_twelve_hex_digits_of_the_identity(experiment: Make) -> None:
    for cell in cells(experiment()):
        assert cell.name == hashlib.sha256(cell.identity.encode()).hexdigest()[:12]


def test_a_cell_or_stage_is_found_by_its_name(experiment: Make) -> None:
    config = experiment()
    last = cells(config)[-1]
    assert find(config, last.name) == last
    assert find(config, last.stages[1].name) == last.stages[1]
    with pytest.raises(InputError, match="no cell 'nowhere'") as caught:
        find(config, "nowhere")
    assert caught.value.code == "unknown_cell"


def test_an_identity_is_canonical_json(experiment: Make) -> None:
    for work in (cells(experiment())[0], *cells(experiment())[0].stages):
        identity = json.loads(work.identity)
        assert json.dumps(identity, sort_keys=True, separators=(",", ":")) == work.identity


def test_cells_share_their_stages(experiment: Make) -> None:
    stages = {stage.name for cell in cells(experiment(seeds=[0, 1])) for stage in cell.stages}
    assert sorted(name.split("-")[0] for name in stages) == ["features", "llm", "llm", "tower"]


@settings(max_examples=50, deadline=None)
@given(st.sets(st.sampled_from(sorted(OTHER))))
def test_a_name_changes_when_and_only_when_something_does_that_matters(keys: set[str]) -> None:
    before, after = _names(_experiment({})), _names(_experiment({key: OTHER[key][0] for key in keys}))
    matters = set().union(*(OTHER[key][1] for key in keys))
    assert {kind for kind in before if before[kind] != after[kind]} == matters


def test_every_key_of_the_configuration_is_in_the_name_of_a_cell() -> None:
    """A section that is added to an experiment has to be added to what names its cells."""
    axes = {"llms", "visual_tokens", "compressors", "seeds", "rate_factors"}
    sections = set(Experiment.model_fields) - {"question", "name", "resources", "track"} - axes
    assert sections == {*fingerprint.CELL, "finetune"}  # which is in the name where there is one


def test_the_work_is_handed_what_its_name_holds_and_defaults_else(experiment: Make) -> None:
    config = experiment(
        vision={"width": 32, "select": -1}, recipe={"steps": 7, "images": 500}, text={"steps": 3}
    )
    cell = cells(config)[1]
    assert cell.experiment.question == ""
    assert cell.experiment.llms == ["16x1"]
    assert cell.experiment.visual_tokens == [4]
    assert cell.experiment.recipe == config.recipe
    tower, features, llm = (stage.experiment for stage in cell.stages)
    assert tower.vision.width == 32
    assert (tower.vision.select, tower.recipe, tower.text) == (Vision().select, Recipe(), Text())
    assert features.recipe.images == 500
    assert features.recipe.steps == Recipe().steps
    assert (llm.text.steps, llm.vision, llm.llms) == (3, Vision(), ["16x1"])


def test_a_new_result_version_renames_everything(experiment: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _names(experiment())
    monkeypatch.setattr(fingerprint, "RESULT_VERSION", fingerprint.RESULT_VERSION + 1)
    after = _names(experiment())
    assert all(before[kind] != after[kind] for kind in before)


def test_a_pretrained_folder_counts_by_content_not_by_place(experiment: Make, tmp_path: Path) -> None:
    def model(place: str, weights: bytes) -> Cell:
        folder = tmp_path / place
        folder.mkdir()
        keys = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
        (folder / "config.json").write_text(json.dumps(dict.fromkeys(keys, 8)))
        (folder / "model.safetensors").write_bytes(weights)
        return cells(experiment(llms=[str(folder)]))[0]

    here, there, tuned = model("here", b"abc"), model("there", b"abc"), model("tuned", b"abd")
    assert here.name == there.name
    assert here.name != tuned.name
    assert here.stages[-1].name != tuned.stages[-1].name
    with pytest.raises(InputError, match="same content") as caught:
        cells(experiment(llms=[str(tmp_path / "here"), str(tmp_path / "there")]))
    assert caught.value.code == "duplicate_entry"


def test_a_large_file_counts_by_its_size_and_by_spots_all_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "BLOCK", 4)
    path = tmp_path / "weights"
    path.write_bytes(bytes(1000))
    plain = fingerprint._digest(path)
    for change in (b"\1" + bytes(999), bytes(999) + b"\1", bytes(1001)):
        path.write_bytes(change)
        assert fingerprint._digest(path) != plain


def test_a_users_own_compressor_counts_by_content(experiment: Make, tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    own.write_text("a = 1\n")
    before = cells(experiment(compressors=[str(own)]))[0].name
    own.write_text("a = 2\n")
    assert cells(experiment(compressors=[str(own)]))[0].name != before


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"compressors": ["quec"]}, "unknown_compressor", "Did you mean 'quecc'"),
        ({"compressors": ["./no_such.py"]}, "unknown_compressor", "no_such"),
        ({"dataset": {"name": "scene"}}, "unknown_dataset", "Did you mean 'scenes'"),
        ({"vision": {"objective": "clipp"}}, "unknown_objective", "clipp"),
        ({"llms": ["16x1", "16x1"]}, "duplicate_entry", "llms lists 16x1 twice"),
        ({"visual_tokens": [4, 1, 4]}, "duplicate_entry", "visual_tokens lists 4 twice"),
        ({"seeds": [0, 0]}, "duplicate_entry", "seeds lists 0 twice"),
        ({"llms": ["big"]}, "bad_rung", "'big' is not a model size"),
        ({"llms": ["15x1"]}, "bad_rung", "multiple of 8"),
    ],
)
def test_what_cannot_be_run_is_said_at_once(
    experiment: Make, changes: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        cells(experiment(**changes))
    assert caught.value.code == code


def test_keys_that_came_later_leave_older_names_as_they_were() -> None:
    """At its default such a key is not in the identity; an axis of one factor 1 neither."""
    for cell in cells(_experiment({})):
        for work in (cell, *cell.stages):
            assert not any(key in work.identity for key in ("features_gb", "compile", "rate_factor"))


def test_factors_of_the_learning_rates_are_an_axis(experiment: Make) -> None:
    grid = cells(experiment(llms=["16x1"], visual_tokens=[1], rate_factors=[0.5, 1, 2]))
    assert [cell.rate_factor for cell in grid] == [0.5, 1, 2]
    assert len({cell.name for cell in grid}) == 3
    assert [cell.experiment.rate_factors for cell in grid] == [[0.5], [1], [2]]
    assert [cell.label.partition(" rates x ")[2] for cell in grid] == ["0.5", "", "2"]
    with pytest.raises(InputError, match="above 0"):
        experiment(rate_factors=[0])
    with pytest.raises(InputError, match="twice"):
        cells(experiment(rate_factors=[2, 2]))
