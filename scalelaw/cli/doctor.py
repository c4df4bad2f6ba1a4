"""What is here to work with: packages, what each missing extra would give, devices, schedulers."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from scalelaw.executors import ray

NEEDED = ("numpy", "scipy", "pandas", "pyarrow", "lmfit", "matplotlib", "pydantic", "typer", "rich")
EXTRAS = (
    ("train", "torch", "sweeps: training and scoring models"),
    ("train", "transformers", "language models, vision encoders and FLOP counts of unknown architectures"),
    ("excel", "openpyxl", "import of .xlsx files"),
    ("measure", "httpx2", "timing a served model: scalelaw measure"),
    ("slurm", "submitit", "sweeps on a Slurm cluster: --executor slurm"),
    ("ray", "ray", "sweeps on a Ray cluster: --executor ray"),
    ("track", "wandb", "training curves in Weights & Biases"),
    ("track", "trackio", "training curves in Trackio"),
    ("track", "tensorboard", "training curves in TensorBoard"),
)


def examine() -> dict[str, Any]:
    """{python, platform, cores, packages {name: version or 'missing'}, extras [{extra, package, installed, gives,
    install}], devices [{name, memory_gb}], schedulers {slurm, ray}}; loads torch to ask for devices, trains nothing."""
    return {
        "scalelaw": _version("scalelaw"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "packages": {name: _version(name) for name in NEEDED},
        "extras": [
            {
                "extra": extra,
                "package": package,
                "installed": find_spec(package) is not None,
                "gives": gives,
                "install": f"pip install 'scalelaw[{extra}]'",
            }
            for extra, package, gives in EXTRAS
        ],
        "devices": _devices(),
        "schedulers": {
            "slurm": shutil.which("sbatch") or "",
            "ray": ray.address_of(),
        },
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _devices() -> list[dict[str, Any]]:
    """The accelerators that torch sees; none where there is no torch."""
    if find_spec("torch") is None:
        return []
    import torch

    count = torch.cuda.device_count()
    devices = [torch.cuda.get_device_properties(index) for index in range(count)]
    return [{"name": device.name, "memory_gb": device.total_memory / 1e9} for device in devices]
