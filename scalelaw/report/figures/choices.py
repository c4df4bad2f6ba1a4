"""The choice: the best configuration and those behind it, each with its predicted error and interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from scalelaw.report.figures._contract import Margins
from scalelaw.report.figures._parts import no_error_beyond, panel_heading
from scalelaw.report.figures._prepare import costs_of
from scalelaw.report.figures._ticks import plain_target
from scalelaw.report.study import Study
from scalelaw.report.style import MUTED, PETROFF10, SMALL, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.text.measure import clip, text_width
from scalelaw.report.text.sentences import target

TITLE = "The best of each LLM within the budget"
IN_SECTION = True
_MOST = 8
_NAMES = 1.7
"""The widest a model's name is written, in inches."""


@dataclass(frozen=True)
class Choices:
    """Configurations as an optimum lists them, the best first; n: points of the fit, 0 where it is not at hand."""

    choices: tuple[Mapping[str, Any], ...]
    target: str
    n: int


def prepare(study: Study) -> Choices | None:
    """The best configuration of the first plan and its runners-up."""
    return choices(study) if study.optima else None


def choices(study: Study, most: int = _MOST) -> Choices:
    """The best configuration of the first plan and its runners-up, at most `most`."""
    every = [study.optima[0]["best"], *study.optima[0]["runners_up"]]
    return Choices(tuple(every[:most]), target(study), study.fitted.n_points if study.fitted else 0)


def draw(axes: Axes, data: Choices) -> None:
    """Draw a row per configuration, the best on top; left of it what it is, right of it how often it is best."""
    choices, target, n = data.choices, data.target, data.n
    spans = [c["error_interval"] or (c["error"], c["error"]) for c in choices]
    plain_target(
        axes, "x", min(s[0] for s in spans), max(s[1] for s in spans), f"predicted {fmt.axis(target)}"
    )
    no_error_beyond(axes, "x", target)
    axes.set_ylim(len(choices) - 0.5, -0.5)
    axes.yaxis.set_gid("categories")
    axes.yaxis.set_major_locator(NullLocator())
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)
    for row, (choice, (low, high)) in enumerate(zip(choices, spans, strict=True)):
        colour, marker = (PETROFF10[0], "o") if row == 0 else (MUTED, "s")
        axes.plot([low, high], [row, row], color=colour, linewidth=3, alpha=0.45, solid_capstyle="butt")
        axes.plot(choice["error"], row, marker=marker, color=colour, markersize=8 if row == 0 else 6)
        weight = "bold" if row == 0 else "normal"
        place: dict[str, Any] = {
            "xycoords": ("axes fraction", "data"),
            "textcoords": "offset points",
            "annotation_clip": False,
        }
        axes.annotate(
            clip(fmt.plain_name(choice["model"]), _NAMES, SMALL, weight),
            (0, row),
            (-10, 1),
            ha="right",
            va="bottom",
            size=SMALL,
            weight=weight,
            **place,
        )
        axes.annotate(f"{fmt.tokens(choice['visual_tokens'])}", (0, row), (-10, -1), ha="right", va="top", size=TINY,
                      color=MUTED, **place)  # fmt: skip
        if (best_in := fmt.of_model(choice)) is not None:
            axes.annotate(fmt.share(best_in), (1, row), (10, 0), ha="left", va="center", size=SMALL,
                          weight=weight, **place)  # fmt: skip
    panel_heading(axes, "", f"n = {n}" if n else fmt.count(len(choices), "configuration"))
    if any(c.get("p_best") is not None for c in choices):
        axes.annotate("best in", (1, 1), (10, 8), xycoords="axes fraction", textcoords="offset points", ha="left",
                      va="bottom", size=TINY, color=MUTED, annotation_clip=False)  # fmt: skip


def frame(data: Choices) -> pd.DataFrame:
    """Each configuration with its error, interval, costs, and in which share of the refits it is best."""
    rows = []
    for choice in data.choices:
        low, high = choice.get("error_interval") or (None, None)
        shares = {"p_best": choice.get("p_best"), "p_model": fmt.of_model(choice)}
        rows.append({**costs_of(choice), "low": low, "high": high, **shares})
    return pd.DataFrame(rows)


def margins(data: Choices, width: float) -> Margins:
    """Names at the left, shares of the refits at the right."""
    names = max(min(text_width(fmt.plain_name(c["model"]), SMALL, "bold"), _NAMES) for c in data.choices)
    names = max(names, *(text_width(fmt.tokens(c["visual_tokens"]), TINY) for c in data.choices))
    shares = 0.7 if any(c.get("p_best") is not None for c in data.choices) else 0.1
    return Margins(names + 0.25, shares, 0.37 * len(data.choices) + 0.1)
