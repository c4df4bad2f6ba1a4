"""A preempted process ends with its own exit code, however many signals it receives."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import os, signal, sys
from scalelaw.jobs import preemption
from scalelaw.errors import Preempted
try:
    with preemption.heard():
        os.kill(os.getpid(), signal.SIGUSR2)
except Preempted as error:
    os.kill(os.getpid(), signal.SIGUSR2)  # as a scheduler does that tells the process and its launcher
    sys.exit(error.exit_code)
"""


def test_a_second_request_does_not_end_who_is_leaving() -> None:
    assert subprocess.run([sys.executable, "-c", CODE], check=False).returncode == 75
