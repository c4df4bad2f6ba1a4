"""What every test shares. `SCALELAW_REQUIRE_ALL=1` turns every skip into a failure, but for tests that need a
GPU or a serving engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")
KEPT = tempfile.TemporaryDirectory(prefix="scalelaw-cache-")
os.environ["SCALELAW_CACHE"] = KEPT.name
"""Tests see no shape that an earlier run counted."""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    optional = any(item.get_closest_marker(name) for name in ("gpu", "engines"))
    required = os.environ.get("SCALELAW_REQUIRE_ALL") == "1" and not optional
    if report.skipped and required and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped although SCALELAW_REQUIRE_ALL=1: {report.longrepr}"


LOOPBACK = Path(__file__).parent / "slurm" / "loopback.sh"
SLURM_NEEDS = ("sbatch", "squeue", "slurmctld", "slurmd", "munged")
ACCOUNTING_NEEDS = ("slurmdbd", "mariadbd", "sacctmgr")


@contextmanager
def _cluster(folder: Path, **options: int) -> Iterator[Path]:
    """A real Slurm on loopback, while it lasts. Gives its configuration file."""
    needs = SLURM_NEEDS + (ACCOUNTING_NEEDS if options.get("ACCOUNTING") else ())
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    if missing := [tool for tool in needs if shutil.which(tool, path=path) is None]:
        pytest.skip(
            f"needs {', '.join(missing)}: apt-get install slurmctld slurmd slurm-client munge; with accounting "
            "slurmdbd and mariadb-server too"
        )
    port = 12000 + os.getpid() % 1000 * 20 + (0 if folder.name == "slurm0" else 10)
    variables = {"PORT": port, "CPUS": 8, **options}
    environment = {**os.environ, **{key: str(value) for key, value in variables.items()}}
    try:
        subprocess.run(
            [str(LOOPBACK), "up", str(folder)], env=environment, check=True, capture_output=True, timeout=240
        )
        yield folder / "slurm.conf"
    finally:
        subprocess.run([str(LOOPBACK), "down", str(folder)], check=True, capture_output=True, timeout=240)


@pytest.fixture(scope="session")
def _one_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with _cluster(tmp_path_factory.mktemp("slurm")) as configuration:
        yield configuration


@pytest.fixture
def slurm(_one_node: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A real Slurm of one node without accounting, shared by the tests of this process; its jobs end with the test."""
    monkeypatch.setenv("SLURM_CONF", str(_one_node))
    yield _one_node
    subprocess.run(["scancel", "--user", str(os.getuid())], check=True, capture_output=True)
    patience = time.monotonic() + 30
    while subprocess.run(["squeue", "-h", "-t", "R,CG"], capture_output=True, check=True).stdout.strip():
        assert time.monotonic() < patience, "jobs of the test did not end"
        time.sleep(0.1)


@pytest.fixture
def slurm_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A real Slurm for one test: `with slurm_like(NODES=2, ACCOUNTING=1):`."""

    @contextmanager
    def up(**options: int) -> Iterator[Path]:
        with _cluster(tmp_path / "slurm", **options) as configuration:
            monkeypatch.setenv("SLURM_CONF", str(configuration))
            yield configuration

    return up


@pytest.fixture
def ray_here() -> None:
    """Ray, to be started here by whoever runs something on it."""
    pytest.importorskip("ray", reason="needs ray: pip install 'scalelaw[ray]'")
