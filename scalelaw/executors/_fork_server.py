"""The fork server of `local`: a process that imports the modules of the tasks once and forks each task.

    python -m scalelaw.executors._fork_server GRACE MODULES...

It reads lines of JSON {name, module, arguments, output, environment, seconds} from stdin and writes {name, code, late}
to stdout. A task that runs longer than its `seconds` (0: no limit) gets SIGTERM, and SIGKILL after GRACE seconds;
`late` is then true. SIGUSR2 sends SIGTERM to all tasks. The server ends all its tasks on SIGTERM and when its stdin
closes, which also happens if the runner is killed. If the server itself is killed, its tasks end too: each of them
watches a pipe whose only write end belongs to the server.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError, Preempted
from scalelaw.files.paths import reopened

PAUSE = 0.1  # seconds between two checks of the processes without a signal or a message
HEARD = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


@dataclass
class _Task:
    """A running task. ends_at: time of SIGTERM; killed_at: time of SIGKILL; both in monotonic seconds."""

    name: str
    ends_at: float
    killed_at: float = float("inf")
    late: bool = False

    def ask(self, pid: int, grace: float) -> None:
        if self.killed_at == float("inf"):
            self.killed_at = time.monotonic() + grace
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def main(arguments: list[str]) -> int:
    """Serve until stdin ends."""
    grace = float(arguments[0])
    for module in arguments[1:]:
        with contextlib.suppress(Exception):  # a task that needs it raises the same error
            importlib.import_module(module)
    gc.freeze()  # keep loaded objects shared between the tasks
    heard: list[int] = []
    for number in HEARD:
        signal.signal(number, lambda number, frame: heard.append(number))
    lifeline, writer = os.pipe()
    woken = _woken_by_ends()
    tasks: dict[int, _Task] = {}
    text = b""
    while signal.SIGTERM not in heard:
        ready = select.select([0, woken], [], [], PAUSE)[0]
        if woken in ready:
            os.read(woken, 1 << 16)
        if 0 in ready:
            if not (more := os.read(0, 1 << 16)):
                break
            *lines, text = (text + more).split(b"\n")
            for line in lines:
                order = json.loads(line)
                limit = time.monotonic() + (order["seconds"] or float("inf"))
                tasks[_fork(order, lifeline, writer)] = _Task(order["name"], limit)
        if heard:
            heard.clear()
            for pid, task in tasks.items():
                task.ask(pid, grace)
        for pid, task in list(tasks.items()):
            if (now := time.monotonic()) > task.ends_at:
                task.late = True
                task.ask(pid, grace)
            if now > task.killed_at:
                _end_group(pid, signal.SIGKILL)
            if _has_ended(pid):
                _end_group(pid, signal.SIGKILL)  # processes that the task left behind
                _report(tasks.pop(pid), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    _end(tasks, grace)
    return 0


def _woken_by_ends() -> int:
    """A descriptor that becomes readable when a child has ended or a signal has arrived."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    return reader


def _report(task: _Task, code: int) -> None:
    if code > 0 and task.killed_at < float("inf"):  # a launcher may have replaced the exit code
        code = Preempted.exit_code
    with contextlib.suppress(BrokenPipeError):  # the runner is gone; stdin ends next
        os.write(1, json.dumps({"name": task.name, "code": code, "late": task.late}).encode() + b"\n")


def _fork(order: dict[str, Any], lifeline: int, writer: int) -> int:
    """Start a task as the leader of a new process group. Returns its process id."""
    _prepare(order)
    signal.pthread_sigmask(
        signal.SIG_BLOCK, HEARD
    )  # no signal may reach the child while it still has the server's handlers
    if pid := os.fork():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        return pid
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (*HEARD, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        os.close(writer)
        output = _output(Path(order["output"]))
        for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.environ.update(order["environment"])
        threading.Thread(target=_end_with_the_server, args=(lifeline,), daemon=True).start()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        code = int(importlib.import_module(order["module"]).main(order["arguments"]) or 0)
    except BaseException:  # noqa: BLE001 - this process must never continue as a second server
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):  # a full disk must not keep the process alive
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _output(path: Path) -> int:
    """Open the output file of a task; its folder is created if it is missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return reopened(path)
    except OSError as error:
        print(f"error: Cannot write {path}: {error.strerror}.", file=sys.stderr, flush=True)
        os._exit(InputError.exit_code)


def _prepare(order: dict[str, Any]) -> None:
    """Call `prepare(arguments)` of a loaded module, if it has one: work that is the same for many tasks."""
    with contextlib.suppress(Exception):  # the task raises the same error
        sys.modules[order["module"]].prepare(order["arguments"])
        gc.freeze()


def _end_with_the_server(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def _has_ended(pid: int) -> bool:
    """Whether a child has ended. It stays a zombie, so that its process id is not reused."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(tasks: dict[int, _Task], grace: float) -> None:
    for pid, task in tasks.items():
        task.ask(pid, grace)
    while (
        tasks
        and not all(map(_has_ended, tasks))
        and time.monotonic() < max(task.killed_at for task in tasks.values())
    ):
        time.sleep(PAUSE)
    for pid, task in tasks.items():
        ended = _has_ended(pid)
        _end_group(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):  # the runner may be gone
            _report(task, code if ended else -signal.SIGKILL)


def _end_group(pid: int, with_signal: int) -> None:
    """Send a signal to a task that was not yet waited for, and to its process group if it has one."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, with_signal)
        os.killpg(pid, with_signal)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
