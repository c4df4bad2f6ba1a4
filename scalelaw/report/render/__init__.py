"""From pages to files: PDF, HTML, LaTeX, and single figures."""

from scalelaw.report.render import matplotlib_settings  # noqa: F401 - imports matplotlib with safe settings
