"""From pages to files: PDF, HTML, LaTeX, and single figures."""
