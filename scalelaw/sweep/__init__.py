"""Sweeps: from an experiment to a results table, through cells, shared stages and a runner that can resume."""

from scalelaw.sweep.outcome import SweepPlan, SweepResult
from scalelaw.sweep.runner import plan_sweep, prepare_sweep, run_sweep
from scalelaw.sweep.status import SweepStatus, sweep_status

__all__ = [
    "SweepPlan",
    "SweepResult",
    "SweepStatus",
    "plan_sweep",
    "prepare_sweep",
    "run_sweep",
    "sweep_status",
]
