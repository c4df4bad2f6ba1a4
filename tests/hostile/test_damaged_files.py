"""Files that are cut off or name a key twice: every reader refuses them with a code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scalelaw as sl
from scalelaw.cli.app import main
from scalelaw.config import read_experiment
from scalelaw.errors import InputError
from scalelaw.files.safe_load import parse_json, parse_yaml
from scalelaw.importers._files import read_json
from scalelaw.model_shapes.reading import read_config
from scalelaw.plan.catalogue import find_models
from scalelaw.plan.hardware import find_device
from scalelaw.results.optimum import load_optimum

TWICE = {
    "config.json": (read_config, '{"hidden_size": 64, "hidden_size": 65}'),
    "fit.json": (sl.load_fit, '{"schema": "scalelaw.fit/1", "ok": true, "ok": true}'),
    "optimum.json": (load_optimum, '{"schema": "scalelaw.optimize/1", "ok": true, "data": {"a": 1, "a": 2}}'),
    "result.json": (read_json, '{"results": {"gqa": {"acc": 1, "acc": 2}}}'),
    "models.yaml": (find_models, "models: [{name: a, n_params: 1e9, n_params: 2e9}]"),
    "card.yaml": (find_device, "name: mine\nname: yours\n"),
    "experiment.yaml": (read_experiment, "question: which?\nseeds: [0]\nseeds: [1]\n"),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_key_that_a_file_names_twice_is_refused(name: str, tmp_path: Path) -> None:
    read: Callable[[Any], Any] = TWICE[name][0]
    (tmp_path / name).write_text(TWICE[name][1])
    path = tmp_path / name
    with pytest.raises(InputError) as refusal:
        read(str(path) if name in ("models.yaml", "card.yaml") else path)
    assert refusal.value.code == "duplicate_key"
    assert name in refusal.value.message


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '{"a": {"b": [{"c": 1, "c": 2}]}}', '{"": 1, "": 2}'])
def test_a_key_twice_at_any_depth_is_refused(text: str) -> None:
    for parse in (parse_json, parse_yaml):
        with pytest.raises(InputError) as refusal:
            parse(text, "x")
        assert refusal.value.code == "duplicate_key"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_fit_that_is_cut_off_is_refused(share: float, tmp_path: Path) -> None:
    whole = sl.fit_law("vlm_reasoning", bootstrap=0).to_json()
    (tmp_path / "fit.json").write_text(whole[: int(len(whole) * share)])
    with pytest.raises(InputError) as refusal:
        sl.load_fit(tmp_path / "fit.json")
    assert refusal.value.code == "unreadable_json"


def test_an_unexpected_end_of_a_file_is_not_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cut_off(*_: Any, **__: Any) -> Any:
        raise EOFError("No data left in file")

    monkeypatch.setattr("scalelaw.fit.load_fit", cut_off)
    assert main(["predict", "fit.json", "--at", "n_params=1e9", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "truncated_file"
