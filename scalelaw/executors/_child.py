"""What `local` starts: it runs a task's module, and ends its whole process group when the runner is gone.

    python -m scalelaw.executors._child PIPE MODULE ARGUMENTS...

PIPE is the reading end of a pipe whose only writing end the runner holds. It comes to its end when the runner
does, however that dies, `kill -9` included; then nothing may go on that nobody will count.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading


def main(arguments: list[str]) -> int:
    """Run MODULE.main(ARGUMENTS) under the watch of PIPE. Returns its exit code."""
    pipe, module, *rest = arguments
    threading.Thread(target=_end_with_the_runner, args=(int(pipe),), daemon=True).start()
    return int(importlib.import_module(module).main(rest))


def _end_with_the_runner(pipe: int) -> None:
    os.read(pipe, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
