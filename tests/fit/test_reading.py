"""A FIT.json that a hand has spoilt gets a sentence, with exit code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import scalelaw as sl
from scalelaw.cli.face import main
from scalelaw.errors import InputError

SPOILT: list[tuple[tuple[str | int, ...], Any]] = [
    (("law",), "product_powr"),
    (("law",), 3),
    (("status",), "good"),
    (("inputs",), "n_params"),
    (("units", "n_params"), 0),
    (("n_points",), 27),
    (("params", "alpha"), "0.07"),
    (("params",), {"A": 1.0}),
    (("intervals", "alpha"), [0.1]),
    (("intervals",), []),
    (("bounds",), {}),
    (("loss",), {}),
    (("loss", "kind"), None),
    (("interval", "level"), 95),
    (("certificate",), {}),
    (("derived", "alpha_over_beta"), 4.7),
    (("checklist", "columns"), None),
    (("selection",), [3]),
    (("holdout",), {"rule": "largest"}),
    (("draws", "params", "alpha"), [0.1]),
    (("draws",), []),
    (("points", "inputs", "n_params", 0), -1.0),
    (("points", "target"), None),
    (("points", "weight"), [1.0]),
    (("points", "labels"), {"model": ["a"]}),
]


@pytest.fixture(scope="module")
def good() -> str:
    return sl.fit_law("vlm_reasoning", bootstrap=20).to_json()


@pytest.mark.parametrize(("place", "value"), SPOILT, ids=lambda v: str(v)[:40])
def test_a_spoilt_fit_gets_a_sentence(
    good: str, place: tuple[str | int, ...], value: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    envelope = json.loads(good)
    held = envelope["data"]
    for key in place[:-1]:
        held = held[key]
    held[place[-1]] = value
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(envelope))
    with pytest.raises(InputError):
        sl.load_fit(path)
    assert main(["optimize", str(path), "--budget", "8e11"]) == 2
    assert "Unexpected" not in capsys.readouterr().err


def test_a_fit_that_lacks_a_field_says_which(good: str, tmp_path: Path) -> None:
    envelope = json.loads(good)
    del envelope["data"]["bounds"]
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(envelope))
    with pytest.raises(InputError, match="lacks 'bounds'") as caught:
        sl.load_fit(path)
    assert caught.value.code == "not_a_fit"


def test_a_fit_written_before_points_had_weights_is_read(good: str, tmp_path: Path) -> None:
    envelope = json.loads(good)
    del envelope["data"]["points"]["weight"], envelope["data"]["ties"]
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(envelope))
    assert sl.load_fit(path).points["weight"] is None
