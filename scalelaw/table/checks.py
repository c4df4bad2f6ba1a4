"""Checks on the target before a fit: scores, percentages and losses in the place of errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from scalelaw.errors import InputError, Note, data_row
from scalelaw.table.pooling import separating_column
from scalelaw.table.schema import COLUMNS

LOSS = re.compile(
    r"(^|[^a-z])(loss|nll|ce|xent|cross[ _-]?entropy|perplexity|ppl|bpb|bpc|bits[ _-]per[ _-]byte)($|[^a-z])",
    re.I,
)
"""Names of losses."""
SCORE = re.compile(
    r"(^|[^a-z])(acc|accuracy|scores?|f1|em|exact[ _-]?match|bleu|rouge|cider|meteor|anls|precision|recall|"
    r"m?ap|m?iou|auc|correct|win[ _-]?rate|value)($|[^a-z])",
    re.I,
)
"""Names of scores."""
ERROR = re.compile(
    r"(^|[^a-z])(err|errors?|error[ _-]?rates?|err[ _-]?rates?|wer|cer|1 ?- ?(acc|accuracy|score))($|[^a-z])",
    re.I,
)
"""Names of errors that are shares of 1."""
COST = re.compile(
    r"seconds|latency|time|hours|(^|[^a-z])m?s($|[^a-z])|flop|memory|bytes|energy|joule|power|cost|price|dollar|tokens",
    re.I,
)
"""Names of costs, which rise with size."""
SIZE = re.compile(r"param|token|size|flop|compute|sample|frame|pixel|step|^[NVDC]$", re.I)
"""Names of inputs in which an error falls."""

MOST_COMPARED = 400
"""Maximum number of points that are compared pair by pair."""
FEWEST_RISING = 6
"""Points within [0, 1] for which a rise is significant: fewer than 1% of random orders of six have at most one
inversion."""
FEWEST_RISING_LOSSES = 4
"""The same for losses above 1, which may be scores in percent."""
PLAIN_RISE, CLEAR_RISE = 0.8, 0.5
"""(rising pairs - falling pairs) / pairs from which a target rises by itself, or if no random order rises as much."""
RANDOM_ORDERS = 500
MOST_SHUFFLED = 120
"""Number of random orders of the target, and maximum number of points in them."""
LARGEST_LOSS = 10
"""Largest value of a column of errors that may be losses."""
LARGEST_ERROR = 1e6
"""Values above this are neither percentages nor losses."""
FAR_ABOVE = 10
"""Ratio of a score's maximum to its largest value from which the maximum may be that of another scale."""
FEW = 0.34
"""Largest share of the rows that is an exception."""


def target_kind(rows: pd.DataFrame, target: str) -> str:
    """What the target is: `error` (a share of 1), `loss` (in its own unit), or `other`."""
    if target == "error":
        if "direction" in rows and (rows["direction"] == "loss").any():
            return "loss"
        metrics = list(rows["metric"].dropna().unique()) if "metric" in rows else []
        return "loss" if len(metrics) and all(LOSS.search(str(m)) for m in metrics) else "error"
    if target == "value" and "direction" in rows and (rows["direction"] == "loss").any():
        return "loss"
    return "loss" if LOSS.search(target) else "other"


def check_target(
    rows: pd.DataFrame,
    inputs: Mapping[str, np.ndarray],
    values: np.ndarray,
    target: str,
    sizes: Sequence[str],
    falls: bool,
    is_score: bool = False,
) -> Iterator[Note]:
    """Warn of a target that may be a score or a percentage. A law of errors falls as its inputs grow.

    Args:
        inputs: name -> values [n].
        values: the target [n].
        sizes: the inputs in which an error falls.
        falls: the law falls in each of `sizes`, whatever its parameters.
        is_score: the values are 1 - score / maximum, computed from the column `target`.

    Raises:
        InputError: `looks_like_score` for a target that is clearly a score, `looks_like_error` for a score that is
            clearly an error, `error_looks_like_percent` for errors
            above 10, and `unit_mismatch` for a few errors in percent among shares of 1.
    """
    if not len(values):
        return
    if is_score:
        yield from _check_score(rows, inputs, values, target, sizes, falls)
        return
    kind = target_kind(rows, target)
    is_error = kind == "error" or (kind == "other" and bool(ERROR.search(target)))
    if is_error:
        _check_two_units(rows, values, target)
    yield from _check_direction(rows, inputs, values, target, sizes, falls)
    if is_error:
        yield from _check_percent(rows, values, target)


def _check_direction(
    rows: pd.DataFrame,
    inputs: Mapping[str, np.ndarray],
    values: np.ndarray,
    target: str,
    sizes: Sequence[str],
    falls: bool,
) -> Iterator[Note]:
    is_loss = target_kind(rows, target) == "loss"
    is_error, named = target == "error" and not is_loss, bool(SCORE.search(target)) and not is_loss
    ours = target in COLUMNS and target not in ("error", "value")
    if ours or (COST.search(target) and not falls):
        return
    rise, shuffled, pairs = _rise(rows, inputs, sizes, values)
    distinct = len(np.unique(values))
    outside = float(values.max()) > 1
    clear = rise >= CLEAR_RISE and rise > shuffled
    if not (is_error or named or falls):
        score = False
    # a loss has any size, so only its direction counts
    elif is_loss:
        fewest = FEWEST_RISING_LOSSES if outside else FEWEST_RISING
        score = (clear or rise >= PLAIN_RISE) and distinct >= fewest
    elif named:
        score = pairs > 0 and rise > (-0.2 if outside else 0) and distinct > 1
    elif outside:
        score = pairs > 0 and distinct > 1 and (rise > -0.2 if is_error else rise > 0.2 or clear)
    else:
        score = (clear or rise >= PLAIN_RISE) and min(distinct, len(values)) >= FEWEST_RISING
    if not score:
        if distinct >= 3 and (rise == 1 or (rise > CLEAR_RISE / 2 and rise > shuffled)):
            yield (
                "looks_like_score",
                f"Column '{target}' rises with {' and '.join(sizes)} in {_share(rise)} of the comparable pairs, as a "
                f"score does. If it is one, add --score {_typed(target, values)}.",
            )
        return
    why = (
        f"rises with {' and '.join(sizes)} in {_share(rise)} of the comparable pairs"
        if rise > 0
        else f"goes up to {values.max():g} and does not fall with size"
    )
    raise InputError(
        f"Column '{target}' looks like a score, not {'a loss' if is_loss else 'an error'}: it {why}.",
        code="looks_like_score",
        hint=f"Add --score {_typed(target, values)} (in Python score={{'{target}': {_maximum_text(values)}}}) to "
        "fit 1 - score / maximum, or --as-is (as_is=True) to fit it unchanged.",
    )


def _check_score(
    rows: pd.DataFrame,
    inputs: Mapping[str, np.ndarray],
    values: np.ndarray,
    column: str,
    sizes: Sequence[str],
    falls: bool,
) -> Iterator[Note]:
    """Warn of a score that falls with size, as an error does.

    Raises:
        InputError: `looks_like_error` under a law that falls.
    """
    rise, shuffled, _ = _rise(rows, inputs, sizes, values)
    clear, distinct = rise >= CLEAR_RISE and rise > shuffled, len(np.unique(values))
    if not clear and rise < PLAIN_RISE:
        return
    message = (
        f"Column '{column}' falls with {' and '.join(sizes)} in {_share(rise)} of the comparable pairs, as an error "
        "does, and not as a score."
    )
    if falls and distinct >= FEWEST_RISING:
        raise InputError(
            message,
            code="looks_like_error",
            hint=f"Use --target {_quoted(column)} for an error (with --scale {_quoted(column)}=0.01 for percent), or "
            "--as-is (as_is=True) to keep the score.",
        )
    if distinct >= 3:
        yield "looks_like_error", f"{message} Use --target {_quoted(column)} for an error."


def missing_target(rows: pd.DataFrame, target: str, inputs: Iterable[str]) -> None:
    """Raises InputError `missing_column` for a table without the column `error`, with the line to type.

    Args:
        inputs: columns of the inputs.
    """
    if target != "error" or (target in rows and rows[target].notna().any()):
        return
    numeric = [
        str(c)
        for c in rows.columns
        if c not in inputs
        and (c not in COLUMNS or c == "value")
        and pd.api.types.is_numeric_dtype(rows[c])
        and not pd.api.types.is_bool_dtype(rows[c])
        and rows[c].notna().any()
        and not str(c).endswith("_se")
    ]
    lines = [f"--score {_typed(c, rows[c].dropna().to_numpy(float))}" for c in numeric if SCORE.search(c)]
    others = [c for c in numeric if ERROR.search(c) or LOSS.search(c)]
    lines = [f"--target {_quoted(c)}" for c in others] + lines
    if not lines and not numeric:
        return
    raise InputError(
        "The table has no column 'error'.",
        code="missing_column",
        hint=f"Add {' or '.join(lines[:3])}."
        if lines
        else f"Add --target COLUMN for an error or --score COLUMN=MAX for a score, one of {', '.join(numeric[:12])}.",
    )


def _quoted(column: str) -> str:
    return f"'{column}'" if re.search(r"[^\w.-]", column) else column


def _check_percent(rows: pd.DataFrame, values: np.ndarray, target: str) -> Iterator[Note]:
    """Warn of errors above 1.

    Raises:
        InputError: `error_looks_like_percent` for errors above 10.
    """
    above, most = values > 1, float(values.max())
    # values whose squares overflow are refused by the fit
    if most > LARGEST_ERROR:
        return
    if not above.any():
        yield from _check_small(rows, values, target)
        return
    percent = f"Add --scale {target}=0.01 if it is in percent" if most <= 100 else "Convert it to shares of 1"
    if most <= LARGEST_LOSS:
        yield (
            "error_above_one",
            f"Column '{target}' reaches {most:g}, and an error is a share of 1. {percent}; read a loss from a column "
            "named loss (--target loss).",
        )
        return
    raise InputError(
        f"Column '{target}' reaches {most:g}, and an error is a share of 1 (0.615).",
        code="error_looks_like_percent",
        hint=f"{percent}, or --score {target}={_maximum_text(values)} if it is a score. Read a loss from a column "
        "named loss (--target loss); --as-is keeps the values.",
    )


def _check_small(rows: pd.DataFrame, values: np.ndarray, target: str) -> Iterator[Note]:
    """Warn of one error that was a share of 1 among percentages, before all were divided by 100."""
    least = float(values.min())
    rest = values[values > least]
    if (
        least > 0
        and len(rest) >= FEWEST_RISING
        and 10 * least < rest.min() <= 150 * least <= 2.25 * rest.max()
    ):
        yield (
            "unit_mismatch",
            f"Column '{target}' has {least:g} in {_row(rows, values == least)}, and the others are at least "
            f"{rest.min():g}. If it means {100 * least:g}, write all errors in one unit.",
        )


def _check_two_units(rows: pd.DataFrame, values: np.ndarray, target: str) -> None:
    """Raises InputError `unit_mismatch` for errors of which some are in percent and the others are shares of 1."""
    above = values > 1
    if values.max() > LARGEST_ERROR or above.all() or not above.any():
        return
    if _in_percent(values[above], values[~above]):
        raise InputError(
            f"Column '{target}' is in percent in {int(above.sum())} of {len(values)} rows and a share of 1 in the "
            f"others: it has {values[above][0]:g} in {_row(rows, above)} and {values[~above][0]:g} in "
            f"{_row(rows, ~above)}.",
            code="unit_mismatch",
            hint=f"Write {values[above][0] / 100:.6g} for {values[above][0]:g}. --as-is keeps the values.",
        )


def _in_percent(few: np.ndarray, rest: np.ndarray) -> bool:
    """Whether a few errors lie apart from the rest, and among them as percentages."""
    return bool(
        (few > 3 * rest.max()).all()
        and (few / 100 <= 3 * rest.max()).all()
        and (few / 100 >= rest.min() / 3).all()
    )


def check_shares(rows: pd.DataFrame, scores: np.ndarray, column: str, maximum: float) -> Iterator[Note]:
    """Warn of shares of 1 among scores of a larger maximum, and of a maximum far above all scores.

    Args:
        scores: the scores [n] in the unit of the table.

    Raises:
        InputError: `unit_mismatch` where these lie among the others once they are multiplied by the maximum.
    """
    few = (scores > 0) & (scores <= 1)
    if maximum >= FAR_ABOVE * scores.max() and maximum > _maximum(scores):
        yield (
            "score_far_below_maximum",
            f"Column '{column}' is at most {scores.max():g}, and its maximum is set to {maximum:g}. Use --score "
            f"{column}={_maximum(scores):g} if that is the maximum of the scale.",
        )
    if maximum < 10 or not few.any() or few.all():
        return
    rest = scores[~few]
    if np.median(rest) < 10:
        return
    scaled = scores[few] * maximum
    typical = float(np.median(scaled))
    # where many rows are shares, each of them lies among the others
    ends = (typical, typical) if few.mean() <= FEW else (float(scaled.min()), float(scaled.max()))
    if rest.min() / 2 <= ends[0] and ends[1] <= min(2 * rest.max(), maximum):
        raise InputError(
            f"Column '{column}' has {scores[few][0]:g} in {_row(rows, few)}, a share of 1 among scores up to "
            f"{rest.max():g}.",
            code="unit_mismatch",
            hint=f"Write {scores[few][0] * maximum:g}. --as-is keeps the values.",
        )
    if few.mean() > FEW:
        return
    yield (
        "unit_mismatch",
        f"Column '{column}' has {scores[few][0]:g} in {_row(rows, few)} among scores up to {rest.max():g}. "
        "If it is a share of 1, write all scores in one unit.",
    )


def _row(rows: pd.DataFrame, at: np.ndarray) -> str:
    return data_row(int(rows.index[int(np.flatnonzero(at)[0])]) + 1)


def _maximum(values: np.ndarray) -> float:
    most = float(values.max())
    return 1 if most <= 1 else 100 if most <= 100 else 10.0 ** np.ceil(np.log10(most))


def _maximum_text(values: np.ndarray) -> str:
    """The likely maximum of a scale; MAX for values between 1 and 10, where neither 1 nor 100 is likely."""
    return "MAX" if 1 < float(values.max()) <= 10 else f"{_maximum(values):g}"


def _typed(target: str, values: np.ndarray) -> str:
    maximum = _maximum_text(values)
    name = f"'{target}={maximum}'" if re.search(r"[^\w.-]", target) else f"{target}={maximum}"
    return name if maximum in ("1", "100") else f"{name} (its maximum)"


def _share(rise: float) -> str:
    return f"{round(50 * (1 + rise))}%"


def _rise(
    rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], sizes: Sequence[str], values: np.ndarray
) -> tuple[float, float, int]:
    """(rising pairs - falling pairs) / pairs, the largest in random orders of the target, and the number of pairs.

    A pair is two points of the same kind of which one is at least as large in every size and larger in one, with equal
    other inputs. Random orders are tried where at least a quarter more pairs rise than fall.
    """
    if not sizes or not inputs:
        return 0.0, np.inf, 0
    above, sample = _comparable(rows, inputs, sizes, len(values), MOST_COMPARED)
    rise, pairs = _rise_of(above, values[sample])
    if rise <= CLEAR_RISE / 2:
        return rise, np.inf, pairs
    above, sample = _comparable(rows, inputs, sizes, len(values), MOST_SHUFFLED)
    draw, y = np.random.default_rng(0), values[sample]
    return rise, max(_rise_of(above, draw.permutation(y))[0] for _ in range(RANDOM_ORDERS)), pairs


def _rise_of(above: np.ndarray, y: np.ndarray) -> tuple[float, int]:
    up = np.sign(y[above[1]] - y[above[0]])
    pairs = int(np.count_nonzero(up))
    return (float(up.sum() / pairs) if pairs else 0.0), pairs


def _comparable(
    rows: pd.DataFrame, inputs: Mapping[str, np.ndarray], sizes: Sequence[str], n: int, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """([2, pairs] smaller and larger point among the sampled ones, [m] the sampled points)."""
    sample = np.unique(np.linspace(0, n - 1, min(n, most)).astype(int))
    size = np.log(np.stack([inputs[name] for name in sizes])[:, sample])
    same = np.ones((len(sample), len(sample)), bool)
    others = [inputs[name][sample] for name in inputs if name not in sizes]
    kinds = ["benchmark", "metric", "task_family", "compressor", "judge", separating_column(rows, inputs)]
    others += [pd.factorize(rows[c].iloc[sample])[0] for c in kinds if c in rows and c not in sizes]
    for other in others:
        same &= other[:, None] == other[None, :]
    step = size[:, None, :] - size[:, :, None]
    above = same & (step >= 0).all(axis=0) & (step > 0).any(axis=0)
    return np.stack(np.nonzero(above)), sample
