"""torchrun ends as the first of its processes did that failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
import os, sys, time
if os.environ["RANK"] == "1":
    how = sys.argv[1]
    os.kill(os.getpid(), 9) if how == "killed" else sys.exit(int(how))
time.sleep(0 if sys.argv[1] == "0" else 600)
"""


@pytest.mark.parametrize(("how", "code"), [("0", 0), ("75", 75), ("killed", -9)])
def test_the_launcher_ends_as_its_process(tmp_path: Path, how: str, code: int) -> None:
    """The other process is ended with it."""
    (tmp_path / "one_of_two.py").write_text(MODULE)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "scalelaw.executors._torchrun", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run([*command, "-m", "one_of_two", how], env={**os.environ, "PYTHONPATH": path}, timeout=250,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == code, done.stderr[-2000:]
