"""Text of numbers, costs, budgets, names and statuses, for reports and for the terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import PurePath
from typing import Any

from scalelaw import plugins
from scalelaw.files.safe_text import one_line
from scalelaw.fit import FittedLaw
from scalelaw.fit.law_average import PREFIX, average_labels
from scalelaw.report.text.numbers import count as count
from scalelaw.report.text.numbers import error as error
from scalelaw.report.text.numbers import fraction as fraction
from scalelaw.report.text.numbers import listed as listed
from scalelaw.report.text.numbers import parameters as parameters
from scalelaw.report.text.numbers import percent as percent
from scalelaw.report.text.numbers import share as share
from scalelaw.report.text.numbers import short as short
from scalelaw.report.text.numbers import si as si
from scalelaw.report.text.numbers import tokens as tokens
from scalelaw.table.schema import COLUMNS

INPUTS: dict[str, tuple[str, str, str]] = {
    "n_params": ("N", "LLM size", "parameters"),
    "n_params_vision": ("N", "vision tower size", "parameters"),
    "n_params_total": ("N", "model size", "parameters"),
    "visual_tokens": ("V", "visual tokens", "tokens per image"),
    "text_tokens": ("Q", "text tokens", "tokens per question"),
    "train_samples": ("S", "image-text pairs seen", "pairs"),
    "train_tokens": ("T", "training tokens", "tokens"),
    "train_flops": ("C", "training compute", "FLOPs"),
}
"""Known inputs: symbol, name and unit."""

LOSS = "loss"
"""What a target is called whose values are losses: no share of 1, and 0 is no perfect score."""

STATUS = {
    "identified": "The data determine every parameter of the law.",
    "at_bound": "A parameter lies on its bound: a limit, not an estimate.",
    "not_identified": "The data do not determine every parameter: other values fit as well.",
    "not_converged": "The optimizer did not converge: the parameters are not an optimum.",
}

_GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ"}
_LETTER = "alpha|beta|gamma|delta"
_NAMES = {
    "ocr": "OCR",
    "vqa": "VQA",
    "mqt": "MQT",
    "none": "no compressor",
    "quecc": "QueCC",
    "fastv": "FastV",
    "token_packer": "TokenPacker",
    "token_packer_hd": "TokenPacker-HD",
    "prumerge": "PruMerge",
    "llava_mini": "LLaVA-Mini",
}


def level(name: str, value: float) -> str:
    """A value of an input as a label: 7B for a size, 16 for tokens, 3.2M for a large count."""
    if name.startswith("n_params") and name != "n_params_vision":
        return parameters(value)
    return si(value) if value >= 1e5 else short(value)


def cell(value: float | None, digits: int = 4) -> str:
    """A number in a table; a dash where it is not known."""
    return "-" if value is None or math.isnan(value) else short(value, digits)


def cell_span(interval: Sequence[float] | None, digits: int = 4) -> str:
    """An interval in a table; a dash where it is not known."""
    return span(interval, lambda end: short(end, digits)) or "-"


def of_model(choice: Mapping[str, Any]) -> float | None:
    """In which share of the refits a choice's LLM is best, with whichever visual tokens; None where it is not known."""
    best: float | None = choice.get("p_model", choice.get("p_best"))
    return best


def configuration(choice: Mapping[str, Any], begins: bool = False) -> str:
    """One configuration: 'Qwen-1.5 7B with 7 visual tokens', 'a 7B LLM with 7 visual tokens' where the model has
    no name but its size; `begins`: at the beginning of a sentence."""
    name = plain_name(choice["model"])
    article = "A" if begins else "a"
    name = f"{article} {parameters(choice['n_params'])} LLM" if re.fullmatch(r"[\d.]+[kMB]?", name) else name
    return f"{name} with {tokens(choice['visual_tokens'])}"


def cost(kind: str, value: float, units: Mapping[str, str] | None = None) -> str:
    """An amount of a kind of cost in its unit, without what it is for: '800 GFLOPs', '80 ms', '24 GB', '$21.7'."""
    if kind == "flops":
        return si(value, "FLOPs")
    unit, dollar = _unit_of(kind, units)
    return f"${short(value)}" if dollar else f"{short(value)} {unit}".strip()


def kind(name: str) -> str:
    """A kind of cost by its name, without its unit: 'latency', 'first token'."""
    known = {
        "flops": "compute",
        "ttft_ms": "first token",
        "tpot_ms": "each token",
        "ms_per_token": "time per token",
        "usd_per_million": "price",
        "usd_per_million_tokens": "price per token",
    }
    return known.get(name, named(name.rpartition("_")[0] or name))


@cache
def cost_unit(kind: str) -> str:
    """The unit of a kind of cost, as its file states it: 'FLOPs per query'; nothing where no file says it."""
    for name in plugins.names("costs"):
        kinds: dict[str, str] = plugins.load("costs", name).kinds
        if kind in kinds:
            return kinds[kind]
    return ""


_MEANINGS = {
    "flops": "per query",
    "latency_ms": "from the request to the last token",
    "ttft_ms": "to the first token",
    "ms_per_token": "per generated token",
    "usd_per_million": "per million queries",
    "usd_per_million_tokens": "per million generated tokens",
    "energy_j": "per query",
    "memory_gb": "of device memory",
}
"""What an amount of the project's own kinds of cost is for, in few words."""
_UNITS = {"milliseconds": "ms", "joules": "J", "seconds": "s", "GB": "GB"}


def _unit_of(kind: str, units: Mapping[str, str] | None) -> tuple[str, bool]:
    """The first word of the unit of a kind, shortened, and whether it is dollars."""
    word = (cost_unit(kind) or (units or {}).get(kind, "")).partition(" ")[0]
    return _UNITS.get(word, word), word == "dollars"


def meaning(kind: str, units: Mapping[str, str] | None = None) -> str:
    """What an amount of a kind is for: 'per million queries'; of a stranger's kind what its file says after the unit,
    or its name."""
    if kind in _MEANINGS:
        return _MEANINGS[kind]
    phrase = cost_unit(kind) or (units or {}).get(kind, "")
    return phrase.partition(" ")[2] if phrase else f"({kind})"


def amount(kind: str, value: float, units: Mapping[str, str] | None = None) -> str:
    """An amount with its unit and its meaning: '0.207 ms per generated token', '$21.7 per million queries'."""
    return f"{cost(kind, value, units)} {meaning(kind, units)}".strip()


def units_of(optimum: Mapping[str, Any]) -> Mapping[str, str]:
    """The units of the kinds of cost that a user's own cost file gave to a plan."""
    units = (optimum.get("searched") or {}).get("units")
    return {str(k): one_line(v) for k, v in units.items()} if isinstance(units, Mapping) else {}


def budget(limits: Mapping[str, float], units: Mapping[str, str] | None = None) -> str:
    """A budget: '800 GFLOPs per query and 24 GB of device memory'."""
    return listed([amount(kind, value, units) for kind, value in limits.items()] or ["no budget"])


def ask(optimum: Mapping[str, Any]) -> str:
    """The budget, objective and workload of a plan: 'Under 800 GFLOPs per query with 50 text tokens'."""
    rule = optimum["searched"].get("rule") or {}
    under = (
        f"Under {budget(optimum['budget'], units_of(optimum))}" if optimum["budget"] else "Without a budget"
    )
    if rule.get("target_error") is not None:
        under += (
            f", at the least cost that reaches {_a(target_of_plan(optimum))} of {error(rule['target_error'])}"
        )
    elif rule.get("within"):
        under += f", at the least cost within {error(rule['within'])} of the least {target_of_plan(optimum)}"
    return f"{under}{', ' if ',' in under else ' '}with {workload(optimum)}"


def _a(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeio' else 'a'} {noun}"


def workload(optimum: Mapping[str, Any]) -> str:
    """The query that was planned for: '50 text tokens, 8 generated tokens, batches of 4'."""
    parts = [count(optimum["text_tokens"], "text token")]
    images = (optimum.get("searched") or {}).get("images", 1)
    if images != 1:
        parts.insert(0, count(images, "image"))
    if optimum.get("generate"):
        parts.append(count(optimum["generate"], "generated token"))
    if optimum.get("batch", 1) != 1:
        parts.append(f"batches of {short(optimum['batch'])}")
    return ", ".join(parts)


def costing(cost: str) -> str:
    """How a cost counts, in the words of its file: 'Linear FLOPs: 2 N (Q + V + G), the cost of the published law'."""
    return (
        plugins.summary("costs", cost).rstrip(".")
        if cost in plugins.names("costs")
        else f"Costs by {plain_name(cost)}"
    )


def symbol(name: str) -> str:
    """The symbol of an input in a formula."""
    return INPUTS[name][0] if name in INPUTS else name


def named(name: str) -> str:
    """An input or target by its name: 'LLM size', 'visual tokens', 'error'; a user's own file by its stem."""
    name = plain_name(name)
    return INPUTS[name][1] if name in INPUTS else _NAMES.get(name, name.replace("_", " "))


def plain_name(name: Any) -> str:
    """A plug-in by its name; a user's own file by the stem of its path: './mine/pool.py' as 'pool'."""
    text = str(name)
    return re.split(r"[/\\]", text)[-1][:-3] or text if text.endswith(".py") else text


def law(name: str) -> str:
    """A law by its name; a law file by the name of the file; an average by its members."""
    if is_average(name):
        members = dict.fromkeys(label.rpartition("@")[0] for label in average_labels(name))
        return f"average of {', '.join(map(law, members))}"
    return named(PurePath(name).stem if name.endswith(".py") else name)


def kind_of_law(name: str) -> str:
    """A law with what it is: 'law product power', 'average of log linear, product power'."""
    return law(name) if is_average(name) else f"law {law(name)}"


def is_average(name: str) -> bool:
    """Whether a law's name is that of an average of laws: it predicts and has no parameters of its own."""
    return name.startswith(PREFIX)


def status(fitted: FittedLaw) -> str:
    """The status of a fit and what it means, in sentences."""
    if is_average(fitted.law):
        return "An average of laws: it predicts and has no parameters of its own."
    return f"{named(fitted.status)}. {STATUS.get(fitted.status, '')}".strip()


def capital(text: str) -> str:
    """The text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def target_of(fitted: FittedLaw) -> str:
    """What a fit predicts, by the name that figures and sentences use: its target, or `loss` for a loss."""
    kind = getattr(fitted, "target_kind", "")
    labels = fitted.points.get("labels", {}) if isinstance(fitted.points, Mapping) else {}
    directions = set(labels.get("direction", ()))
    return LOSS if fitted.target == "error" and (kind == LOSS or directions == {LOSS}) else fitted.target


def target_of_plan(optimum: Mapping[str, Any]) -> str:
    """The same for a plan, as its `searched` records it."""
    return str((optimum.get("searched") or {}).get("target") or "error")


def target_of_rows(frame: Any) -> str:
    """The same for a table's column `error`."""
    directions = frame["direction"].dropna().unique() if "direction" in frame else ()
    return (
        LOSS
        if len(directions) and set(directions) == {LOSS} and frame["direction"].notna().all()
        else "error"
    )


def unit(name: str) -> str:
    """The unit of an input or target."""
    if name in INPUTS:
        return INPUTS[name][2]
    if name == LOSS:
        return "in its own unit"
    return {"": "units of the table", "1": "fraction"}.get(
        unit_name := COLUMNS.get(name, ("", "", ""))[1], unit_name
    )


def axis(name: str) -> str:
    """The label of an axis, with its unit."""
    letter = f" {symbol(name)}" if name in INPUTS else ""
    return f"{named(name)}{letter} ({unit(name)})"


def greek(name: str) -> str:
    """A parameter's name as it is written in formulas: alpha as α; a weight of an average by the law it is of."""
    if weight := re.fullmatch(r"weight\.(.+)@(.+)", name):
        return f"weight of {law(weight[1])}" + ("" if weight[2] == "0" else f" (tail weight {weight[2]})")
    for word, sign in (("_over_", "/"), ("_minus_", " − ")):
        first, joined, second = name.partition(word)
        if joined and {first, second} <= set(_GREEK):
            return f"{_GREEK[first]}{sign}{_GREEK[second]}"
    for word, (letter, _, _) in INPUTS.items():
        name = re.sub(rf"(?<![^_]){word}(?![^_])", letter, name)
    return _GREEK.get(name, name.replace("_", " "))


def symbolic(text: str) -> str:
    """A sentence with the parameters' names as they are written in formulas (alpha_over_beta as α/β), inputs by their
    names and numbers without powers of ten."""
    text = re.sub(
        rf"(?<![A-Za-z_])(?:{_LETTER})(?:_(?:over|minus)_(?:{_LETTER}))?(?![A-Za-z_])",
        lambda m: greek(m[0]),
        text,
    )
    text = re.sub(r"\b[a-z]+(?:_[a-z]+)*_(?:n_params|visual_tokens)_[a-z_]+\b", lambda m: greek(m[0]), text)
    text = re.sub(r"\b(n_params|visual_tokens)\b", lambda m: named(m[0]), text)
    text = re.sub(r"(?<![\w.])-?\d(?:\.\d+)?e[+-]\d+\b", lambda m: _plain(float(m[0])), text)
    return re.sub(r"(?<![\w.,)–-])-(?=\d)", "−", text)


def _plain(value: float) -> str:
    return short(value, 4) if abs(value) < 1e6 else parameters(value)


def formula(text: str, params: Mapping[str, float] | None = None, digits: int = 3) -> str:
    """A law's formula in symbols: N^−α · V^−β; with the fitted numbers in the places of `params` where given."""
    for name in INPUTS:
        text = re.sub(rf"\({name} / [0-9.e+]+\)|\b{name}\b", symbol(name), text)
    for name, value in sorted((params or {}).items(), key=lambda item: -len(item[0])):
        text = re.sub(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z_(])", short(value, digits), text)
    text = re.sub(rf"(?<![A-Za-z])({_LETTER})(?![A-Za-z])", lambda m: _GREEK[m[0]], text)
    text = re.sub(r" \* \w+\^-0(?![\w.])", "", text)
    text = text.replace("_", " ") if is_sentence(text) else text
    text = text.replace(" * ", " · ").replace("^-", "^−").replace("^−−", "^").replace("+ −", "− ")
    return re.sub(r" [+−] 0(?= [+−]|$)", "", text)


def is_sentence(formula: str) -> bool:
    """Whether a formula is a sentence, as that of an average is: two of them side by side."""
    return re.search(r"[A-Za-z_]{2,} [A-Za-z_]{2,}", formula) is not None


def symbols(inputs: Mapping[str, float], columns: Mapping[str, str] | None = None) -> str:
    """What the symbols of a formula stand for: 'N: LLM size in billions of parameters; V: visual tokens'.

    columns: the table's column that each input was read from, where it is another.
    """
    scales = {1e3: "thousands of ", 1e6: "millions of ", 1e9: "billions of ", 1e12: "trillions of "}
    parts = []
    for name, scale in inputs.items():
        amount = scales.get(scale, "" if scale == 1 else f"units of {short(scale)} ")
        column = (columns or {}).get(name, name)
        what = (
            f"{named(column)} in " if column in INPUTS else "in " if column == name else f"{named(column)}, "
        )
        parts.append(f"{symbol(name)}: {what}{amount}{unit(column)}")
    return "; ".join(parts)


def span(interval: Sequence[float] | None, form: Callable[[float], str] = short) -> str:
    """An interval as 'low to high'; nothing where it is not known."""
    if interval is None or any(end is None or math.isnan(end) for end in interval):
        return ""
    return f"{form(interval[0])} to {form(interval[1])}"


def plainly(value: Any) -> str:
    """Any value of a checklist as text: numbers short, lists with commas, mappings as 'name value'."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if value >= 100_000 else str(value)
    if isinstance(value, float):
        return short(value, 6)
    if isinstance(value, Mapping):
        return "; ".join(f"{str(k).replace('_', ' ')} {plainly(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list | tuple):
        if len(value) == 2 and any(isinstance(v, int | float) for v in value):
            low, high = (
                "∞" if v is None or v == math.inf else plainly(v).replace("−inf", "−∞") for v in value
            )
            return f"{'−∞' if value[0] is None else low} to {high}"
        return ", ".join(plainly(v) for v in value) or "none"
    return str(value)
