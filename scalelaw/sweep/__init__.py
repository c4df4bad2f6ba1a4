"""From an experiment to a results table: cells, shared stages, and the runner that finishes what is missing."""

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
