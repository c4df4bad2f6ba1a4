"""The nest: a process that loads what tasks import once, and forks each of them. `local` talks to it.

    python -m scalelaw.executors._nest MODULES...

It reads lines of JSON {name, module, arguments, output} from its stdin and writes {name, code} to its stdout. When its
stdin ends, however the runner came to its own end, `kill -9` included, it ends everything that it started. When it is
killed itself, what it started ends too: each task watches a pipe whose only writing end the nest holds.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from typing import Any

GRACE = 5.0  # seconds between asking a process to end and making it
PAUSE = 0.02  # seconds between two looks at the processes


def main(modules: list[str]) -> int:
    """Serve until stdin ends."""
    for module in modules:
        with contextlib.suppress(Exception):  # a task that needs it meets the same error, and says so
            importlib.import_module(module)
    gc.freeze()  # what is loaded by now stays shared between the tasks
    lifeline, held = os.pipe()
    names: dict[int, str] = {}
    heard = b""
    while True:
        if select.select([0], [], [], PAUSE)[0]:
            if not (more := os.read(0, 1 << 16)):
                _end(list(names))
                return 0
            *lines, heard = (heard + more).split(b"\n")
            for line in lines:
                order = json.loads(line)
                names[_fork(order, lifeline, held)] = order["name"]
        for pid in [pid for pid in names if _has_ended(pid)]:
            _end_group(pid, signal.SIGKILL)  # whatever it left behind
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.write(1, json.dumps({"name": names.pop(pid), "code": code}).encode() + b"\n")


def _fork(order: dict[str, Any], lifeline: int, held: int) -> int:
    """Start a task as the leader of a process group of its own. Returns its number."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        os.setsid()
        os.close(held)
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        for given, own in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
            os.dup2(given, own)
        threading.Thread(target=_end_with_the_nest, args=(lifeline,), daemon=True).start()
        code = int(importlib.import_module(order["module"]).main(order["arguments"]))
    except BaseException:  # noqa: BLE001 - whatever it is, this process must not go on as a second nest
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_with_the_nest(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def _has_ended(pid: int) -> bool:
    """Whether it has ended; it stays a zombie, so that its number still names its group and nobody else's."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(pids: list[int]) -> None:
    for pid in pids:
        _end_group(pid, signal.SIGTERM)
    patience = time.monotonic() + GRACE
    while time.monotonic() < patience and not all(map(_has_ended, pids)):
        time.sleep(PAUSE)
    for pid in pids:
        _end_group(pid, signal.SIGKILL)


def _end_group(pid: int, with_signal: int) -> None:
    """Signal a task that was not yet waited for, and all of its group (none where it had no time to make one)."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, with_signal)
        os.killpg(pid, with_signal)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
