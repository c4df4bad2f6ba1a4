"""Tasks of executors, preemption, and messages about waiting."""
