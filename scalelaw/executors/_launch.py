"""Commands that start a task: directly, or through torchrun if it needs several processes."""

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
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # else Arrow's allocator starts a thread
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # else the check for CUDA initializes it before the fork
}
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""Keeps the working directory off `sys.path`, so that a `json.py` there does not replace the standard module.
Entries of PYTHONPATH are kept, except for empty ones, which stand for the working directory."""
TORCHRUN = "scalelaw.executors._torchrun"


def environment() -> dict[str, str]:
    """The environment of a process that runs tasks: the present one with one thread and a safe path."""
    variables = {**os.environ, **ONE_THREAD, **SAFE_PATH}
    if "PYTHONPATH" in variables:
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, variables["PYTHONPATH"].split(os.pathsep)))
    return variables


def order_of(task: Task, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """The message that starts a task in the fork server."""
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
    """The module and its arguments on the node of this rank; torchrun for several GPUs or nodes.

    master, port: address of the node of rank 0; not used with one node.
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
