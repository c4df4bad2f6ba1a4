"""What work asks for, by rules; and what a sweep would ask of an executor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scalelaw.config import Experiment, Resources, parse_experiment, read_resources
from scalelaw.errors import InputError
from scalelaw.jobs.task import Needs
from scalelaw.sweep import fingerprint, plan_sweep
from scalelaw.sweep.grid import cells
from scalelaw.sweep.resource_rules import llm_size, needs_of

Make = Callable[..., Experiment]


def _resources(*rules: dict[str, Any], **settings: dict[str, Any]) -> Resources:
    return Resources.model_validate({"rules": list(rules), "settings": settings})


def test_a_later_rule_overrides_an_earlier_one_key_by_key(experiment: Make) -> None:
    small, _, large, _ = cells(experiment(llms=["16x1", "64x4"]))
    assert (llm_size("16x1"), llm_size("64x4")) == (3328, 200704)
    tower, _, text = small.stages
    needs = _resources(
        {"gpus": 1, "cpus": 4, "minutes": 30},
        {"above": 1e5, "gpus": 8, "nodes": 2},
        {"below": 1e5, "cells_per_job": 10},
        {"work": "tower", "gpus": 2},
    )
    assert needs_of(small, needs) == Needs(gpus=1, cpus=4, minutes=30, cells_per_job=10)
    assert needs_of(large, needs) == Needs(gpus=8, cpus=4, minutes=30, nodes=2)
    assert needs_of(text, needs) == needs_of(small, needs)
    assert needs_of(tower, needs) == Needs(gpus=2, cpus=4, minutes=30, cells_per_job=10)
    assert needs_of(small, _resources()) == Needs()


def test_resources_change_no_name(experiment: Make) -> None:
    with_rules = experiment(resources={"rules": [{"gpus": 8}], "settings": {"local": {"gpus": [0]}}})
    assert [c.name for c in cells(with_rules)] == [c.name for c in cells(experiment())]
    assert cells(with_rules)[0].experiment == cells(experiment())[0].experiment
    assert fingerprint.CELL.keys().isdisjoint({"resources"})


@pytest.mark.parametrize(
    ("text", "code", "sentence"),
    [
        ("rules: [{gpuz: 1}]", "unknown_key", "Did you mean 'gpus'"),
        ("rules: [{gpus: -1}]", "bad_value", "rules.0.gpus"),
        ("rules: [{work: towers}]", "bad_value", "rules.0.work"),
        ("rule: []", "unknown_key", "Did you mean 'rules'"),
        ("- 1", "bad_yaml", "contains no keys"),
    ],
)
def test_rules_that_cannot_be(text: str, code: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(text)
    with pytest.raises(InputError, match=sentence) as caught:
        read_resources(tmp_path / "rules.yaml")
    assert caught.value.code == code


def test_a_plan_says_what_would_be_asked_for(experiment: Make, stub: str, tmp_path: Path) -> None:
    config = experiment(resources={"rules": [{"work": "cell", "cpus": 2}, {"work": "tower", "minutes": 5}]})
    plan = plan_sweep(config, tmp_path / "new", "inline", train=stub)
    assert [(ask["tasks"], ask["cpus"], ask["minutes"]) for ask in plan.asks] == [
        (1, 1, 5),
        (3, 1, 0),
        (4, 2, 0),
    ]
    assert not (tmp_path / "new").exists()


def test_a_plan_refuses_what_a_sweep_would(experiment: Make, stub: str, tmp_path: Path) -> None:
    for changes, executor, code in (
        ({}, "slurmm", "unknown_executor"),
        ({"recipe": {"images": 64, "batch": 128}}, "local", "bad_value"),
        ({"resources": {"settings": {"inline": {"gpus": [0]}}}}, "inline", "unknown_key"),
    ):
        with pytest.raises(InputError) as caught:
            plan_sweep(experiment(**changes), tmp_path, executor, train=stub)
        assert caught.value.code == code


def test_an_experiment_states_its_resources_in_its_file() -> None:
    config = parse_experiment(
        {"question": "?", "llms": ["16x1"], "visual_tokens": [1], "resources": {"rules": [{"gpus": 0.5}]}}
    )
    assert config.resources.rules[0].gpus == 0.5


def test_settings_of_an_executor_that_there_is_not_are_refused() -> None:
    """Settings under a misspelt name would be left out without a word."""
    from scalelaw import plugins
    from scalelaw.sweep.schedule import settings_of

    local = plugins.load("executors", "local")
    with pytest.raises(InputError, match="'slrum'. Did you mean 'slurm'"):
        settings_of(local, "local", Resources(settings={"slrum": {"partition": "x"}}))
    resources = Resources(settings={"./mine.py": {}, "slurm": {}, "local": {"gpus": [0]}})
    assert settings_of(local, "local", resources) == {"settings": {"gpus": [0]}}
