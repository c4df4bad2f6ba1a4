"""The environment as terminal output: versions, extras, devices and schedulers."""

from __future__ import annotations

from typing import Any

from scalelaw.cli.show.printer import Printer


def show_doctor(environment: dict[str, Any]) -> None:
    """Installed packages, extras, devices and schedulers."""
    out = Printer()
    python = f"Python {environment['python']}, {environment['platform']}"
    out.line(bold=f"scalelaw {environment['scalelaw']}", after=f"   {python}")
    out.table(("package", "version"), environment["packages"].items(), left=(0, 1))
    out.line(bold="Extras")
    rows = (
        (e["package"], "installed" if e["installed"] else e["install"], e["gives"])
        for e in environment["extras"]
    )
    out.table(("package", "", "gives"), rows, left=(0, 1, 2))
    devices = [f"{d['name']} ({d['memory_gb']:.0f} GB)" for d in environment["devices"]]
    out.line(f"devices: {', '.join(devices) or 'no accelerator; sweeps train on the CPU'}")
    out.line(f"cores: {environment['cores']}")
    absent = {
        "slurm": "no sbatch on the path",
        "ray": "no address in RAY_ADDRESS; --executor ray starts a local one",
    }
    for name, where in environment["schedulers"].items():
        out.line(f"{name}: {where or absent[name]}")
