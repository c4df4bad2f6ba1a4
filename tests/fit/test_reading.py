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


LAW_FILE = """from pathlib import Path
import numpy as np
Path({marker!r}).touch()
formula = "c - a * ln(n_params)"
source = "a test"
units = {{"n_params": 1e9}}
bounds = {{"c": (0.0, np.inf), "a": (0.0, np.inf)}}
linear = ("c", "a")
def predict(n_params, c, a):
    return c - a * np.log(n_params)
"""


def test_a_law_file_that_a_fit_names_is_run_only_where_the_user_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    law, marker, fit = tmp_path / "my_law.py", tmp_path / "ran", tmp_path / "fit.json"
    law.write_text(LAW_FILE.format(marker=str(marker)))
    fit.write_text(sl.fit_law("vlm_reasoning", str(law), bootstrap=0).to_json())
    marker.unlink()
    for text in (fit.read_text(), fit.read_text().replace('"value": ', '"value": null, "was": ')):
        fit.write_text(text)
        with pytest.raises(InputError, match="which is a program") as refusal:
            sl.load_fit(fit)
        assert f"--law {law}" in refusal.value.hint
    with pytest.raises(InputError, match="which is a program"):
        sl.load_fit(fit, law=tmp_path / "other.py")
    assert main(["report", str(fit), "-o", str(tmp_path / "r.pdf")]) == 2
    assert not marker.exists()
    assert sl.load_fit(fit, law=law).predict(n_params=1e9) > 0
    assert marker.exists()
    held = json.loads(fit.read_text())
    held["data"]["law"] = f"average:log:product_power@0|{law}@1"
    fit.write_text(json.dumps(held))
    with pytest.raises(InputError, match="averages the law file"):
        sl.load_fit(fit, law=law)
    assert "which is a program" in capsys.readouterr().err
