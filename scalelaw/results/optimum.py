"""The answer of the planner: what to deploy, how sure that is, and what lies beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, field
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError
from scalelaw.results.envelope import answer, dumps, read_answer


@dataclass(frozen=True)
class Optimum:
    """What to deploy under a budget; the fields are the data of `scalelaw optimize --json`.

    budget: {kind: limit}. text_tokens, generate, batch: the query. cost: the FLOP accounting.
    best: {model, n_params, counted_as (of a mixture: which count n_params is), visual_tokens, dtype, batch, error,
        error_interval, costs {kind: value}, p_best, p_model, regret, binding}; error_interval, p_best, p_model and
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
    warnings: (code, message) pairs.
    """

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
    warnings: list[tuple[str, str]]
    law: str = ""
    searched: dict[str, Any] = field(default_factory=dict)
    near_ties: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The data of the answer; warnings as {code, message}."""
        facts = asdict(self)
        facts["warnings"] = [{"code": code, "message": message} for code, message in self.warnings]
        return facts

    def to_json(self) -> str:
        """The whole answer (schema scalelaw.optimize/1) as JSON text, in full precision."""
        return dumps(answer("optimize", self.to_dict(), self.warnings))


def load_optimum(path: str | Path) -> Optimum:
    """Read back what `Optimum.to_json` or `scalelaw optimize -o` wrote.

    Raises InputError where it cannot be read, or where a field is missing or is not what it must be.
    """
    content = read_answer(path, "optimize")["data"]
    data = {
        name: content[name] for name in Optimum.__dataclass_fields__ if name in content
    }  # a contrast may lie beside
    for name, (holds, expected) in FIELDS.items():
        field_ = Optimum.__dataclass_fields__[name]
        if name not in data and not (field_.default is MISSING and field_.default_factory is MISSING):
            continue
        if name not in data or not holds(data[name]):
            raise InputError(f"{path} is not an optimum: its {name} is not {expected}.", code="wrong_schema")
    if unknown := [kind for kind in data["budget"] if kind not in data["best"]["costs"]]:
        raise InputError(
            f"{path} is not an optimum: its best has no cost of kind '{unknown[0]}'.", code="wrong_schema"
        )
    data["warnings"] = [(w["code"], w["message"]) for w in data["warnings"]]
    return Optimum(**data)


def _is_number(value: Any, least: float = -1e30) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= 1e30


def _is_count(value: Any) -> bool:
    return _is_number(value, 0.0)


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


def _is_choice(value: Any) -> bool:
    if not isinstance(value, dict) or not _are_numbers(value.get("costs")) or "flops" not in value["costs"]:
        return False
    interval = value.get("error_interval")
    shares = (value.get(name) for name in ("p_best", "p_model", "regret"))
    return (
        isinstance(value.get("model"), str)
        and isinstance(value.get("dtype"), str)
        and value.get("binding") in (None, *value["costs"])
        and all(_is_number(value.get(name), 1e-9) for name in ("n_params", "visual_tokens", "batch"))
        and _is_number(value.get("error"))
        and all(share is None or _is_number(share) for share in shares)
        and (
            interval is None
            or (isinstance(interval, list) and len(interval) == 2 and all(map(_is_number, interval)))
        )
    )


def _are_choices(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_choice, value))


def _is_continuous(value: Any) -> bool:
    names = ("n_params", "visual_tokens", "error")
    return value is None or (_are_numbers(value) and all(name in value for name in names))


def _are_warnings(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and isinstance(item.get("code"), str) and isinstance(item.get("message"), str)
        for item in value
    )


def _is_searched(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    if not value:
        return True
    ends, rule = value.get("visual_tokens"), value.get("rule", {})
    return (
        isinstance(value.get("models"), list)
        and all(isinstance(name, str) for name in value["models"])
        and all(_is_text(value.get(name)) for name in ("tower", "compressor", "hardware", "sizes_allowed"))
        and isinstance(value.get("calibrated", False), bool)
        and all(isinstance(value.get(name), str) for name in ("models_from", "visual_tokens_from"))
        and isinstance(ends, list) and len(ends) == 2 and all(map(_is_number, ends))
        and all(_is_count(value.get(name)) for name in ("configurations", "that_fit"))
        and _are_numbers(value.get("limits", {})) and isinstance(rule, dict)
    )  # fmt: skip


FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "budget": (_are_numbers, "{kind: number}"),
    **dict.fromkeys(("text_tokens", "generate", "batch"), (_is_count, "a number of at least 0")),
    **{name: (lambda value: isinstance(value, str), "text") for name in ("cost", "law")},
    "best": (
        lambda value: _is_choice(value) and {"p_best", "error_interval"} <= set(value),
        "a configuration with its error, costs and certainty",
    ),
    **dict.fromkeys(("runners_up", "pareto", "near_ties"), (_are_choices, "a list of configurations")),
    "continuous": (_is_continuous, "{n_params, visual_tokens, error} or null"),
    "extrapolates": (lambda value: isinstance(value, bool), "true or false"),
    "warnings": (_are_warnings, "a list of {code, message}"),
    "searched": (_is_searched, "what was searched"),
}
"""What each field of an optimum must be, and how that is said."""
