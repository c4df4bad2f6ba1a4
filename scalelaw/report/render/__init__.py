"""The renderers of a report (PDF, HTML, LaTeX, single figures): they decide where a block stands, not its content."""
