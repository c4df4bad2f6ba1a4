"""How a task is started on one node or on several: as it is, or by torchrun where it needs more than one process."""

from __future__ import annotations

import math
import os
from typing import Any

from scalelaw.jobs.task import Needs, Task

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
SAFE_TO_FORK = {
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # Arrow's allocator would start a thread
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # to ask for a CUDA device must not take hold of it
}
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""The working directory is not on the path of what a task starts: a `json.py` there is no module of Python's. What
PYTHONPATH names stays on it; an empty entry, which would stand for the working directory, does not."""
TORCHRUN = "scalelaw.executors._torchrun"


def environment() -> dict[str, str]:
    """The environment of a process that runs tasks: this one's, one thread, and a safe path."""
    variables = {**os.environ, **ONE_THREAD, **SAFE_PATH}
    if "PYTHONPATH" in variables:
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, variables["PYTHONPATH"].split(os.pathsep)))
    return variables


def order_of(task: Task, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """A task as the nest is told of it."""
    module, arguments = launched(task.module, task.arguments, task.needs)
    return {
        "name": task.name,
        "module": module,
        "arguments": arguments,
        "output": str(task.output),
        "environment": environment or {},
        "seconds": task.needs.minutes * 60,
    }


def launched(
    module: str, arguments: tuple[str, ...], needs: Needs, rank: int = 0, master: str = "", port: int = 0
) -> tuple[str, tuple[str, ...]]:
    """The module to call and its arguments on the node of that rank: torchrun where there are several GPUs or nodes.

    master, port: where the node of rank 0 listens; not needed for one node.
    """
    if needs.nodes == 1 and needs.gpus <= 1:
        return module, arguments
    meeting: tuple[str, ...] = ("--standalone",)
    if needs.nodes > 1:
        meeting = ("--node-rank", str(rank), "--master-addr", master, "--master-port", str(port))
    each = str(max(1, math.ceil(needs.gpus)))
    return TORCHRUN, (
        "--nnodes",
        str(needs.nodes),
        "--nproc-per-node",
        each,
        *meeting,
        "-m",
        module,
        *arguments,
    )
