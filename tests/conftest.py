"""What every test shares. `SCALELAW_REQUIRE_ALL=1` turns every skip into a failure, GPU tests excepted."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    required = os.environ.get("SCALELAW_REQUIRE_ALL") == "1" and item.get_closest_marker("gpu") is None
    if report.skipped and required and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped although SCALELAW_REQUIRE_ALL=1: {report.longrepr}"
