"""Which standard error a row gets: the tool's own where it can be one, else the binomial one where that is right."""

from __future__ import annotations

import math
from collections.abc import Callable

from scalelaw.importers._metrics import Metric

REPORTED, BINOMIAL = "reported", "binomial"
NOTES = {
    "binomial_standard_error": "no usable standard error was reported; the binomial one stands in.",
    "stderr_on_another_scale": "the reported standard error is on another scale than the value and was left out.",
    "zero_standard_error": "a standard error of 0 says only that no example, or every one, was right.",
}


def standard_error(
    means: Metric,
    share: float,
    n: int | None,
    reported: float | None,
    of_examples: float | None,
    note: Callable[[str], None],
) -> tuple[float | None, str | None]:
    """The standard error of the error, and whether it is the tool's own or binomial.

    The tool's own is kept where it can be one: not 0, on the value's scale (a mean of scores within [0, maximum]
    cannot have more than .5 maximum / sqrt(n - 1); a proportion not less than half the binomial one).
    share: value / maximum, or 1 - error. n: examples. reported: on the value's scale; of_examples: of the mean
    score of an example. note: is called with a key of NOTES for what was left out or put in.
    Binomial: sqrt(p (1 - p) / n), with p = (k + 1) / (n + 2) where no or every example is right.
    """
    scale = means.maximum or 1.0
    p = (share * n + 1) / (n + 2) if n and share in (0.0, 1.0) else share
    binomial = (
        math.sqrt(p * (1 - p) / n) if n and means.aggregate == "proportion" and 0 <= share <= 1 else None
    )
    standard_error = reported
    if standard_error is None and means.aggregate != "other" and means.maximum == 1:
        standard_error = of_examples
    elif standard_error is None and of_examples:
        note("stderr_on_another_scale")
    if standard_error is not None and (
        standard_error < 0 or not means.stderr or _impossible(standard_error / scale, means, n, binomial)
    ):
        note("stderr_on_another_scale")
        standard_error = None
    if standard_error == 0:
        note("zero_standard_error")
        standard_error = None
    if standard_error is not None:
        return standard_error / scale, REPORTED
    if binomial is not None:
        note("binomial_standard_error")
        return binomial, BINOMIAL
    return None, None


def _impossible(se: float, means: Metric, n: int | None, binomial: float | None) -> bool:
    if se == 0 or means.aggregate == "other" or means.maximum is None or n is None or n < 2:
        return False
    return se > 1.001 * 0.5 / math.sqrt(n - 1) or (binomial is not None and se < 0.5 * binomial)
