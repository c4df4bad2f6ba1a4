"""From an experiment to a results table: cells, shared stages, and the runner that finishes what is missing."""
