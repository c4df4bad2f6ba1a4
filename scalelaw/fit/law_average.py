"""An average of fitted laws, which is itself a law.

Its parameters are the parameters and weights of its members. Its name lists the law and the tail weight of each member,
`average:log:power_offset@0|m4@1.5`; `log` averages the logarithms of the predictions, `linear` the predictions.
Whatever uses a fitted law (predictions, draws, plans, reports, JSON) can use an average. Each draw is of one member,
whose weight is 1 in it, so the spread of the draws covers both the noise and the disagreement of the laws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scalelaw.errors import InputError
from scalelaw.fit.law import Law
from scalelaw.fit.signature import Ordered

PREFIX = "average:"
SPACES = ("linear", "log")


def average_name(space: str, members: Sequence[tuple[str, float]]) -> str:
    """The name of the average of members (law, tail weight)."""
    return f"{PREFIX}{space}:" + "|".join(f"{law}@{gamma:g}" for law, gamma in members)


def average_labels(name: str) -> list[str]:
    """The members' labels, `law@gamma` each. Raises InputError where the name cannot be read."""
    space, colon, listed = name.removeprefix(PREFIX).partition(":")
    labels = listed.split("|")
    if space not in SPACES or not colon or not all("@" in label for label in labels):
        raise InputError(
            f"'{name}' is not an average of laws.",
            code="bad_law",
            hint="It has the form average:log:power_offset@0|m4@1.5.",
        )
    return labels


def average_law(name: str, by_label: Mapping[str, Law]) -> Law:
    """The average with this name, from its members by label, in order."""
    space = name.removeprefix(PREFIX).partition(":")[0]
    labels, members = list(by_label), list(by_label.values())
    units: dict[str, float] = {}
    for member in members:
        units = {**member.units, **units}
    sizes = [len(member.parameters) for member in members]
    ends = np.cumsum([len(units) + len(members), *sizes])
    bounds = {f"weight.{label}": (0.0, 1.0) for label in labels}
    for label, member in zip(labels, members, strict=True):
        bounds |= {f"{label}.{parameter}": pair for parameter, pair in member.bounds.items()}

    def predict(*arguments: Any) -> Any:
        """The weighted mean of the members' predictions (of their logarithms); all arguments broadcast."""
        by_input = dict(zip(units, arguments, strict=False))
        total: Any = 0.0
        with np.errstate(all="ignore"):
            for k, member in enumerate(members):
                weight = arguments[len(units) + k]
                if not np.any(weight):
                    continue
                scaled = [by_input[n] * (units[n] / unit) for n, unit in member.units.items()]
                value = member.predict(*scaled, *arguments[ends[k] : ends[k + 1]])
                term = np.log(value) if space == "log" else value
                total = total + np.where(np.asarray(weight) > 0, weight * term, 0.0)
            return np.exp(total) if space == "log" else total

    names = ", ".join(dict.fromkeys(member.name for member in members))
    mean = "exp(sum of weight * ln prediction)" if space == "log" else "sum of weight * prediction"
    return Law(
        name=name,
        formula=f"error = {mean} over {len(members)} fits of {names}",
        source="; ".join(dict.fromkeys(member.source for member in members if member.source)),
        units=units,
        bounds=bounds,
        linear=(),
        predict=Ordered(predict),
    )


def effective_parameters(params: Mapping[str, float]) -> float:
    """The effective number of parameters of an average: its members' numbers, averaged by weight.

    That is the trace of its hat matrix, which is the weighted mean of those of its members.
    """
    owners = [name.rpartition(".")[0] for name in params]
    weights = {n.removeprefix("weight."): w for n, w in params.items() if n.startswith("weight.")}
    return float(sum(weight * owners.count(label) for label, weight in weights.items()))
