"""Warnings about the best configuration: outside the measured range, or at an edge of what was searched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from scalelaw.model_shapes.count_shape import shape_warnings
from scalelaw.plan.catalogue import Model
from scalelaw.plan.grid import Grid
from scalelaw.plan.hull import among
from scalelaw.plan.objective import Rule
from scalelaw.plan.p_best import has_draws
from scalelaw.plan.problem import Problem

POOR = " Beyond a factor of 4 no law is reliable."


def out_of_range(
    fitted: Any, choice: dict[str, Any], text_tokens: float
) -> Iterator[tuple[str, float, float, float]]:
    """The inputs at which a choice lies outside the measured range: (input, value, nearest end, factor beyond it)."""
    known = {**choice, "text_tokens": text_tokens}
    for name, (low, high) in fitted.measured_range.items():
        value = float(known[name])
        if value > high * (1 + 1e-9):
            yield name, value, high, value / high
        elif value < low * (1 - 1e-9):
            yield name, value, low, low / value if value > 0 else float("inf")


def is_extrapolation(problem: Problem, choice: dict[str, Any]) -> bool:
    """Whether a choice lies outside what was measured: beyond the range of an input, or outside the points' hull."""
    text = problem.query.work.text_tokens
    ranged = any(True for _ in out_of_range(problem.fitted, choice, text))
    return ranged or not is_in_hull(problem.fitted, choice, text)


def is_in_hull(fitted: Any, choice: dict[str, Any], text_tokens: float) -> bool:
    """Whether a choice lies in the hull of the points; of several fits, of every one that counts."""
    known = {**choice, "text_tokens": text_tokens}
    for fit in getattr(fitted, "counted", {"": fitted}).values():
        points = {name: fit.points["inputs"][name] for name in fit.inputs if name in fit.points["inputs"]}
        if len(points) == len(fit.inputs) and not among(points, {name: known[name] for name in points}).all():
            return False
    return True


def for_choice(problem: Problem, grid: Grid, pick: dict[str, Any], rule: Rule) -> list[tuple[str, str]]:
    """The warnings (code, message) of a pick."""
    fitted = problem.fitted
    return [
        *_range(problem, pick),
        *_edges(grid, pick),
        *_fit(fitted, pick),
        *(_measured(problem, grid, pick) if rule.least else ()),
        *_unseen(problem, pick),
    ]


def for_sizes(models: Sequence[Model]) -> list[tuple[str, str]]:
    """Warnings (code, message) about sizes that are not those of the configuration."""
    warnings = []
    for model in models:
        if model.source != "given" or model.shape is None:
            continue
        exact = model.shape.n_params
        if model.counted_as.startswith("a number") or (
            not model.shape.experts and abs(model.n_params / exact - 1) > 0.05
        ):
            warnings.append((
                "n_params_differ",
                f"{model.name} is given {model.n_params:.4g} parameters; its configuration has {exact:.4g}: the law "
                "sees the first, costs of the layers the second.",
            ))  # fmt: skip
    return warnings


def for_continuous(problem: Problem, continuous: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The warnings (code, message) of the optimum with every size allowed."""
    beyond = out_of_range(problem.fitted, continuous, problem.query.work.text_tokens) if continuous else ()
    return [
        (
            "continuous_extrapolates",
            f"With any size allowed, {name} ({value:.4g}) lies a factor of {factor:.3g} "
            f"{'above the largest' if value > end else 'below the smallest'} measured ({end:g}): that error is "
            f"extrapolated.{POOR if factor > 4 else ''}",
        )
        for name, value, end, factor in beyond
        if name != "text_tokens"
    ]


def is_share(fitted: Any) -> bool:
    """Whether what the law predicts is an error, a share of 1; a loss or another column is not."""
    kind = getattr(
        fitted, "target_kind", "error" if getattr(fitted, "target", "error") == "error" else "other"
    )
    return bool(kind == "error")


def target_facts(fitted: Any) -> dict[str, str]:
    """What the predictions of a plan are, where they are no error: `loss`, or `other` with the name of the column."""
    if is_share(fitted):
        return {}
    kind = str(getattr(fitted, "target_kind", "other"))
    return {
        "target_kind": kind,
        "target": kind if kind == "loss" else str(getattr(fitted, "target", "value")),
    }


def for_choices(fitted: Any, choices: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """The warning (code, message) of listed configurations whose predicted error lies outside 0 to 1."""
    if not is_share(fitted):
        return []
    places = {(c["model"], c["visual_tokens"]): c["error"] for c in choices if not 0 <= c["error"] <= 1}
    if not places:
        return []
    (model, tokens), error = max(places.items(), key=lambda entry: abs(entry[1] - 0.5))
    every = len({(c["model"], c["visual_tokens"]) for c in choices})
    message = (
        f"For {len(places)} of {every} listed configurations (as {model} with {tokens:g} visual "
        f"token{'' if tokens == 1 else 's'}: {error:.3g}) the law predicts an error outside 0 to 1: "
        "the law does not apply there. They are listed unchanged."
    )
    return [("impossible_errors", message)]


def _range(problem: Problem, pick: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value, end, factor in out_of_range(problem.fitted, pick, problem.query.work.text_tokens):
        side = "above the largest" if value > end else "below the smallest"
        yield (
            "extrapolates",
            f"The best configuration's {name} ({value:g}) lies a factor of {factor:.3g} {side} measured ({end:g}): "
            f"its error is extrapolated.{POOR if factor > 4 else ''}",
        )
    text = problem.query.work.text_tokens
    if not any(True for _ in out_of_range(problem.fitted, pick, text)) and not is_in_hull(
        problem.fitted, pick, text
    ):
        yield (
            "extrapolates",
            f"The best configuration ({pick['model']} with {pick['visual_tokens']:g} visual tokens) lies outside "
            "the measured points, which vary model size and visual tokens together. Its error is extrapolated: "
            "measure near it.",
        )


def _edges(grid: Grid, pick: dict[str, Any]) -> Iterator[tuple[str, str]]:
    sizes, counts = grid.n_params, grid.visual_tokens
    if len(sizes) > 1 and pick["n_params"] == sizes.max():
        yield (
            "largest_model",
            f"The best model is the largest of the catalogue ({pick['model']}): a larger one may be better.",
        )
    if len(sizes) > 1 and pick["n_params"] == sizes.min():
        yield (
            "smallest_model",
            f"The best model is the smallest of the catalogue ({pick['model']}): a smaller one may be better.",
        )
    if len(counts) > 1 and pick["visual_tokens"] == counts.max():
        yield (
            "most_visual_tokens",
            f"The best number of visual tokens is the largest one searched ({counts.max():g}): more may be better.",
        )
    if len(counts) > 1 and pick["visual_tokens"] == counts.min() > 1:
        yield (
            "fewest_visual_tokens",
            f"The best number of visual tokens is the smallest one searched ({counts.min():g}): fewer may be better.",
        )


def _fit(fitted: Any, pick: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if fitted.status in ("not_identified", "not_converged"):
        yield (
            f"fit_{fitted.status}",
            f"The law is {fitted.status.replace('_', ' ')}: read the fit's warnings first.",
        )
    if not has_draws(fitted):
        yield (
            "no_draws",
            "The fit has no bootstrap draws, so there is no p_best and no interval of the error.",
        )
    if not 0 <= pick["error"] <= 1 and is_share(fitted):
        yield (
            "impossible_error",
            f"The law predicts an error of {pick['error']:.3g}, which lies outside 0 to 1.",
        )


def _measured(problem: Problem, grid: Grid, pick: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Where the pick itself was measured otherwise than the law has it, and where something inside the budget was
    measured with a lower error than the pick."""
    fitted, measured = problem.fitted, _runs(problem)
    at_pick = measured.get((float(pick["n_params"]), float(pick["visual_tokens"])), np.empty(0))
    low, high = pick.get("error_interval") or (np.nan, np.nan)
    if at_pick.size:
        far = abs(pick["error"] - at_pick.mean()) > 2 * fitted.rmse
        outside = at_pick.size > 1 and (bool((at_pick < low).all()) or bool((at_pick > high).all()))
        if far or outside:
            yield (
                "measured_otherwise",
                f"The best configuration was measured, {_times(at_pick)}, with an error of {at_pick.mean():.3g}; "
                f"the law predicts {pick['error']:.3g}. Check the measurements there, or use another law.",
            )
    there = at_pick if at_pick.size else np.array([pick["error"]])
    better = []
    rows = _places(grid.n_params)
    columns = {tokens: place for place, tokens in enumerate(grid.visual_tokens.tolist())}
    for (size, tokens), runs in measured.items():
        column = columns.get(tokens)
        if column is None or runs.max() >= there.min():
            continue
        row = next((row for row in rows.get(size, ()) if grid.fits[row, column]), None)
        if row is None:
            continue
        if min(runs.size, at_pick.size) > 1 or there.mean() - runs.mean() > 2 * fitted.rmse:
            better.append((float(runs.mean()), int(row), int(column), runs))
    if better:
        mean, row, column, runs = min(better, key=lambda entry: entry[:3])
        yield (
            "measured_better",
            f"{grid.models[row].name} with {grid.visual_tokens[column]:g} visual tokens is inside the budget and was "
            f"measured with a lower error: {mean:.3g} ({_times(runs)}), against {there.mean():.3g} "
            f"{'measured' if at_pick.size else 'predicted'} for the best configuration. "
            "The law does not follow the measurements.",
        )


def _places(values: np.ndarray) -> dict[float, list[int]]:
    """{value: where it stands}."""
    indices: dict[float, list[int]] = {}
    for place, value in enumerate(values.tolist()):
        indices.setdefault(value, []).append(place)
    return indices


def _times(runs: np.ndarray) -> str:
    return "once" if runs.size == 1 else f"{runs.size} times"


def _runs(problem: Problem) -> dict[tuple[float, float], np.ndarray]:
    """What was measured at each (n_params, visual tokens), where the law sees just these."""
    inputs, target = problem.fitted.points["inputs"], problem.fitted.points.get("target")
    if target is None or set(problem.fitted.inputs) != {"n_params", "visual_tokens"}:
        return {}
    places = np.stack([inputs["n_params"], inputs["visual_tokens"]], axis=1).astype(float)
    values, rows = np.unique(places, axis=0, return_inverse=True)
    every = np.asarray(target, dtype=float)
    return {(n, v): every[rows.ravel() == index] for index, (n, v) in enumerate(values.tolist())}


def _unseen(problem: Problem, pick: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the law does not cover in the way the configuration is served."""
    model = next(m for m in problem.models if m.name == pick["model"])
    if model.counted_as:
        yield (
            "mixture",
            f"{model.name} is a mixture of experts, and the law was measured on dense models: its n_params of "
            f"{model.n_params:.3g} is {model.counted_as}, a rule of thumb.",
        )
    yield from shape_warnings(model.shape)
    if pick["dtype"] in ("fp8", "int8", "int4"):
        yield "narrow_weights", f"The law does not include the error that {pick['dtype']} weights add."
