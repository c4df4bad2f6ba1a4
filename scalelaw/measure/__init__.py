"""Measurement of a model that runs: requests to a served model, or the stages of a local one, timed for `calibrate`."""

from scalelaw.measure.run import measure_latency
from scalelaw.results.measurement import Measurement

__all__ = ["Measurement", "measure_latency"]
