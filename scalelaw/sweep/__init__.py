"""From an experiment to a results table: cells, shared stages, and the runner that finishes what is missing."""

from scalelaw.sweep.outcome import SweepPlan, SweepResult
from scalelaw.sweep.runner import plan_sweep, prepare_sweep, run_sweep

__all__ = ["SweepPlan", "SweepResult", "plan_sweep", "prepare_sweep", "run_sweep"]
