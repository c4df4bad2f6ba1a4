"""A plug-in path that stands in a file is never run: the marker that the program would write does not appear."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import scalelaw as sl
from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.report.collect import gather
from scalelaw.report.figures.cost_shares import shares_of_plans

EVIL = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"
WAYS = [
    "./evil.py",
    "evil.py",
    "{here}/evil.py",
    "./evil.py:2",
    "evil",
    "../here/evil",
    "evil.PY",
    "file:evil.py",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a program that leaves a mark where it is run or imported."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "evil.py").write_text(EVIL)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=0)
    optimum = sl.find_optimum(fitted, {"flops": 8e11})
    return {"fit": fitted.to_json(), "optimum": optimum.to_json()}


@pytest.mark.parametrize("package", plugins.PACKAGES)
@pytest.mark.parametrize("way", WAYS)
def test_a_name_from_a_file_is_bundled_or_installed(package: str, way: str, here: Path) -> None:
    with pytest.raises(InputError) as refusal:
        plugins.name_from_file(package, way.format(here=here), "x.json")
    kind = package.removesuffix("s")
    assert refusal.value.code in (f"{kind}_file", f"unknown_{kind}")
    for name in plugins.names(package):
        assert plugins.name_from_file(package, name, "x.json") == name


@pytest.mark.parametrize("name", [None, 3, [], {}, ["a"], b"a", "", "\x00", "product_power\n"])
def test_what_is_no_name_is_refused(name: Any) -> None:
    with pytest.raises(InputError):
        plugins.name_from_file("laws", name, "x.json")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", [("cost",), ("law",), ("searched", "compressor"), ("searched", "tower")])
def test_an_optimum_runs_nothing(
    place: tuple[str, ...], way: str, here: Path, answers: dict[str, str]
) -> None:
    reply = json.loads(answers["optimum"])
    inner = reply["data"]
    for key in place[:-1]:
        inner = inner[key]
    reply["data"]["cost"] = "layer_flops"
    inner[place[-1]] = way.format(here=here)
    (here / "o.json").write_text(json.dumps(reply))
    (study,) = gather(["o.json"]).studies
    shares_of_plans(study.optima)
    assert not (here / "ran").exists()


def test_an_entry_point_in_the_working_directory_is_not_installed(here: Path) -> None:
    facts = here / "evil-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[scalelaw.laws]\nevil = evil\nproduct_power = evil\n")
    code = (
        "import sys; sys.path[:0] = ['', sys.argv[1]]; from scalelaw import plugins; "
        "print(plugins.names('laws')); plugins.load('laws', 'product_power'); plugins.load('laws', 'evil')"
    )
    roots = os.pathsep.join([str(Path(sl.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code, str(here)],
        env={**os.environ, "PYTHONPATH": roots},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "'evil'" not in done.stdout
    assert "Unknown law 'evil'" in done.stderr
    assert not (here / "ran").exists()
