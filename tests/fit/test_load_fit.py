"""A FIT.json that a hand has spoilt gets a sentence, with exit code 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scalelaw as sl
from scalelaw.cli.app import main
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
    (("params", "alpha"), -5),
    (("params", "alpha"), 0.08),
    (("params", "A"), 1.0),
    (("bounds", "alpha"), [1, 0]),
    (("bounds", "alpha"), [0.2, 0.3]),
    (("intervals", "alpha"), [0.2, 0.1]),
    (("derived", "alpha_over_beta", "interval"), [9.0, 1.0]),
    (("draws", "params", "alpha", 3), -1.0),
    (("measured_range", "n_params"), [7e9, 5e8]),
    (("measured_range", "n_params"), [5e8, 7e12]),
    (("measured_range", "n_params"), 5),
    (("measured_range", "n_params"), ["a", "b"]),
    (("objective",), 1.0),
    (("rmse",), 1.0),
    (("r2",), 0.5),
    (("points", "inputs", "n_params", 0), 5e11),
    (("points", "target", 0), 0.9),
    (("loss", "kind"), "huber"),
    (("loss", "residual"), "log"),
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
    part = envelope["data"]
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
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
    with pytest.raises(InputError, match="lacks bounds") as caught:
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
    assert "which is a program" in capsys.readouterr().err


PATHS = [
    "{law}",
    "{law}:",
    "{law}:2",
    "bnsl:{law}",
    "average:linear:{law}:1@0.5|product_power@0.5",
    "average:log:product_power@0|{law}@1",
    "average:log:average:log:{law}@0@0|{law}@1",
    "./my_law.py:",
    "./my_law.py:2",
    "my_law.py",
    "./my_law.PY",
    "my_law",
    "../my_law",
    "/{law}#",
]


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("grouped", [False, True])
def test_no_law_that_a_file_names_is_run(
    name: str, grouped: bool, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    law, marker, path = tmp_path / "my_law.py", tmp_path / "ran", tmp_path / "fit.json"
    law.write_text(LAW_FILE.format(marker=str(marker)))
    monkeypatch.chdir(tmp_path)
    envelope = json.loads(good)
    envelope["data"]["law"] = name.format(law=law)
    envelope["data"]["derived"] = {"x": {"value": None, "interval": [None, None]}}
    if grouped:
        envelope["schema"] = "scalelaw.fit_groups/1"
        envelope["data"] = {"by": "family", "groups": {"a": envelope["data"]}, "sharing": {}}
    path.write_text(json.dumps(envelope))
    if not grouped:
        with pytest.raises(InputError) as refusal:
            sl.load_fit(path)
        assert refusal.value.code in ("law_file", "unknown_law", "bad_law", "bad_expression")
        assert main(["optimize", str(path), "--budget", "8e11"]) == 2
    assert main(["report", str(path), "-o", str(tmp_path / "r.pdf")]) == 2
    assert not marker.exists()


def test_a_fit_of_an_own_law_is_read_from_where_the_file_now_lies(tmp_path: Path) -> None:
    old, new, path = tmp_path / "old", tmp_path / "new", tmp_path / "fit.json"
    old.mkdir(), new.mkdir()
    text = LAW_FILE.format(marker=str(tmp_path / "ran"))
    text += "def variant(argument):\n    return {k: v for k, v in globals().items() if k != 'variant'}\n"
    for folder in (old, new):
        (folder / "mine.py").write_text(text)
    for name in (f"{old / 'mine.py'}", f"{old / 'mine.py'}:2"):
        path.write_text(sl.fit_law("vlm_reasoning", name, bootstrap=0).to_json())
        fitted = sl.load_fit(path, law=new / "mine.py")
        assert fitted.law == name.replace("old", "new")
        assert fitted.predict(n_params=1e9) > 0


def test_an_average_with_an_own_law_is_read_from_where_the_file_now_lies(tmp_path: Path) -> None:
    old, new, path = tmp_path / "old.d", tmp_path / "new.d", tmp_path / "fit.json"
    old.mkdir(), new.mkdir()
    bundled = Path(sl.__file__).parent / "laws" / "product_power.py"
    for folder in (old, new):
        (folder / "mine.py").write_text(bundled.read_text())
    was = sl.fit_law("vlm_reasoning", "auto", laws=["additive_power", str(old / "mine.py")], bootstrap=20)
    assert was.law.startswith("average:")
    assert "mine.py" in was.law
    place = {name: 64.0 if name == "visual_tokens" else 1e9 for name in was.inputs}
    before = float(was.predict(**place))
    path.write_text(was.to_json())
    with pytest.raises(InputError) as refusal:
        sl.load_fit(path)
    assert refusal.value.code == "law_file"
    (old / "mine.py").unlink()
    fitted = sl.load_fit(path, law=new / "mine.py")
    assert float(fitted.predict(**place)) == before
    assert set(fitted.params) == set(fitted.draws)


def test_a_fit_has_the_same_hash_once_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    hashes = set()
    for law, options in (
        ("product_power", {"bootstrap": 20}),
        ("E + A*(N/1e9)**-alpha + B*V**-beta", {"bootstrap": 20}),
        ("product_power", {"bootstrap": 20, "seed": 1}),
        ("product_power", {"bootstrap": 0}),
        ("product_power", {"bootstrap": 20, "loss": "huber"}),
    ):
        fitted = sl.fit_law("vlm_reasoning", law, **options)
        path.write_text(fitted.to_json())
        assert sl.load_fit(path).fit_hash == fitted.fit_hash == fitted.with_column_names().fit_hash
        hashes.add(fitted.fit_hash)
    assert len(hashes) == 5


FITS: list[dict[str, Any]] = [
    {"law": "additive_power"},
    {"loss": "huber"},
    {"loss": "huber", "residual": "log"},
    {"loss": "expectile", "residual": "log"},
    {"weights": "n_params", "tail_weight": 0.5},
    {"fix": {"alpha": 0.1}},
    {"bounds": {"alpha": (-2.0, -1.0)}},
    {"tie": {"beta": "alpha"}},
    {"law": "auto"},
    {"law": "E + A*N**-a*V**-b"},
    {"law": "A*(N/1e9)**-a*V**-b + D", "bounds": {"a": (0.0, 0.01)}},
    {"where": "visual_tokens=576"},
]


@pytest.mark.parametrize("options", FITS, ids=str)
def test_the_numbers_of_an_honest_fit_agree(options: dict[str, Any], tmp_path: Path) -> None:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=10, **options)
    path = tmp_path / "fit.json"
    path.write_text(fitted.to_json())
    assert sl.load_fit(path).fit_hash == fitted.fit_hash


@pytest.mark.parametrize("level", [0.0, 1e-9])
@pytest.mark.parametrize("loss", ["squared", "huber"])
def test_the_numbers_of_an_exact_fit_agree(level: float, loss: str, tmp_path: Path) -> None:
    table = sl.read_table("vlm_reasoning")
    noise = level * np.random.default_rng(0).normal(size=len(table))
    exact = table.assign(
        error=0.3 * (table.n_params / 1e9) ** -0.2 * table.visual_tokens**-0.05 + 0.2 + noise
    )
    fitted = sl.fit_law(exact, loss=loss, bootstrap=0)
    path = tmp_path / "fit.json"
    path.write_text(fitted.to_json())
    assert sl.load_fit(path).params == fitted.params


def test_reversed_parameters_are_refused(good: str, tmp_path: Path) -> None:
    envelope = json.loads(good)
    params = envelope["data"]["params"]
    envelope["data"]["params"] = dict(zip(params, reversed(params.values()), strict=True))
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(envelope))
    with pytest.raises(InputError) as caught:
        sl.load_fit(path)
    assert caught.value.code == "not_a_fit"


def test_inputs_without_names_are_refused(good: str, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    path.write_text(good)
    fitted = sl.load_fit(path)
    for call in (
        lambda: fitted.predict(7e9, 64),  # type: ignore[arg-type]
        lambda: fitted.predict(7e9),  # type: ignore[arg-type]
        lambda: fitted.predict(None, 7e9, 64),
        lambda: fitted.predict_draws(7e9, 64),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.code == "wrong_arguments"
        assert "n_params=..." in caught.value.hint
