"""torchrun with the exit code, or the signal, of its first process that failed.

torchrun itself always exits with 1, which does not tell a failed task from one that has to be restarted.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys


def main(arguments: list[str]) -> int:
    """Run torchrun. Returns 0, or the exit code of the process that failed first; dies by its signal."""
    run = importlib.import_module("torch.distributed.run")
    errors = importlib.import_module("torch.distributed.elastic.multiprocessing.errors")
    try:
        run.main(arguments)
    except errors.ChildFailedError as error:
        code = int(error.get_first_failure()[1].exitcode)
        if code < 0:
            if code != -signal.SIGKILL:
                signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        return code or 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
