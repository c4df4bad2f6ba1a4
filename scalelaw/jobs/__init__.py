"""Work as an executor sees it: a task, preemption, and messages about what a process waits for."""
