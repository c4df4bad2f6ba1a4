"""Bundled tables that the project measured itself are what their experiments ask for."""

import itertools
from pathlib import Path

import pytest

from scalelaw.config import read_experiment
from scalelaw.files.paths import bundled
from scalelaw.table.read import bundled_tables, describe, read_table
from scalelaw.vlm.cell import dataset_of
from scalelaw.vlm.llm import llm_shape

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", [n for n in sorted(bundled_tables()) if "measured" in describe(n)])
def test_a_measured_table_is_the_grid_of_its_experiment(name: str) -> None:
    config = read_experiment(ROOT / describe(name)["measured"])
    assert read_experiment(bundled("tables", f"{name}.yaml")) == config
    table, words = read_table(name), dataset_of(config).words
    grid = itertools.product(config.llms, config.visual_tokens, config.seeds, dataset_of(config).benchmarks)
    rows = zip(table["model"], table["visual_tokens"], table["seed"], table["benchmark"], strict=True)
    assert sorted(rows) == sorted(grid)
    sizes = {llm: llm_shape(llm, words).n_params for llm in config.llms}
    assert (table["n_params"] == table["model"].map(sizes)).all()
    assert set(table["status"]) <= {"ok", "plateau"}
    assert (table["n_examples"] == config.evaluation.examples).all()
