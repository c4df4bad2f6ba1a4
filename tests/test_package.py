"""The wheel carries what a user needs: outside the repository the bundled tables are there and can be fitted."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from scalelaw.cli.doctor import EXTRAS

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder holding the unpacked wheel, as an installation would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-P", "-m", "scalelaw.cli", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_the_wheel_is_what_runs(installed: Path, tmp_path: Path) -> None:
    code = "import scalelaw; print(scalelaw.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_bundled_tables_travel_and_are_fitted(installed: Path, tmp_path: Path) -> None:
    assert "vlm_reasoning" in run(installed, tmp_path, "list", "tables")
    assert "product_power" in run(installed, tmp_path, "fit", "vlm_reasoning", "--bootstrap", "50")


def test_models_and_hardware_travel(installed: Path, tmp_path: Path) -> None:
    assert "qwen1.5" in run(installed, tmp_path, "list", "models")
    assert "h100" in run(installed, tmp_path, "list", "hardware").lower()


def test_the_source_tree_names_no_path_of_a_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("needs a git checkout")
    home = str(Path.home())
    for name in tracked.stdout.splitlines():
        file = ROOT / name
        if file.suffix in (".py", ".yaml", ".toml", ".md", ".txt", "") and file.is_file() and len(home) > 1:
            assert home + "/" not in file.read_text(encoding="utf-8", errors="replace"), name


def test_every_extra_that_doctor_names_can_be_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for extra, package, _ in EXTRAS:
        assert any(needed.startswith(package) for needed in project["optional-dependencies"][extra])
