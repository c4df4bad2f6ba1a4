"""Paths and files: where data and sweeps are, atomic writes, untrusted files read within limits, file types."""
