"""The answer of the planner: what to deploy, how sure that is, and what lies beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from scalelaw.results.envelope import Answer, read_answer
from scalelaw.results.schema import invalid
from scalelaw.results.warning import Warning


@dataclass(frozen=True)
class Optimum(Answer):
    """What to deploy under a budget; the fields are the data of `scalelaw optimize --json`.

    budget: {kind: limit}. text_tokens, generate, batch: the query. cost: the FLOP accounting.
    best: {model, n_params, counted_as (of a mixture: which count n_params is), visual_tokens, dtype, batch, error,
        error_interval, costs {kind: value}, costs_interval {kind: [low, high]} (the 90% range of measured times,
        energy and prices), p_best, p_model, regret, binding}; error_interval, p_best, p_model and
        regret come from the law's bootstrap draws and are None without them; p_best is the share of draws in which
        this configuration is the pick, p_model that in which it is this model with any number of tokens; regret is
        the mean over draws of its error above the least that fits; binding is the limit that keeps a better one out,
        None where none does.
    runners_up: the pick of each other model that fits, the best first. near_ties: the cheapest configuration of each
        model that predicts nearly the pick's error, the cheapest first. pareto: the least error at each cost of the
        first budget's kind, in the ways to serve that hold every other limit (thinned to what a plot shows).
    continuous: {n_params, visual_tokens, error} with every size and fractional tokens allowed, within the token range;
        None where it cannot be had; searched["sizes_allowed"] says which sizes.
    extrapolates: the pick lies outside what was measured. searched: what was enumerated.
    warnings: (code, message) pairs. fit_hash: of the fit that was planned on; empty for several fits, and in files
    that were written before it was recorded.
    """

    command: ClassVar[str] = "optimize"

    budget: dict[str, float]
    text_tokens: float
    generate: float
    batch: float
    cost: str
    best: dict[str, Any]
    runners_up: list[dict[str, Any]]
    pareto: list[dict[str, Any]]
    continuous: dict[str, Any] | None
    extrapolates: bool
    warnings: list[Warning]
    law: str = ""
    searched: dict[str, Any] = field(default_factory=dict)
    near_ties: list[dict[str, Any]] = field(default_factory=list)
    fit_hash: str = ""


def load_optimum(path: str | Path) -> Optimum:
    """Read back what `Optimum.to_json` or `scalelaw optimize -o` wrote.

    Raises:
        InputError: for a file that cannot be read, and for one whose data are not those of an optimum.
    """
    return read_optimum(read_answer(path, "optimize")["data"], path)


def read_optimum(content: Mapping[str, Any], path: str | Path) -> Optimum:
    """An optimum from the data of its JSON, which has passed the schema. Raises InputError as `load_optimum`."""
    best = content["best"]
    if unknown := [kind for kind in content["budget"] if kind not in best["costs"]]:
        raise invalid("optimize", path, f"its best has no cost of kind '{unknown[0]}'")
    if best.get("binding") not in (None, *best["costs"]):
        raise invalid("optimize", path, f"its best.binding is no kind of cost: '{best['binding']}'")
    # other keys, such as a contrast, may lie beside
    data = {name: content[name] for name in Optimum.__dataclass_fields__ if name in content}
    data["warnings"] = [Warning(warning["code"], warning["message"]) for warning in data["warnings"]]
    return Optimum(**data)
