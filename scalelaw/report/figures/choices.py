"""The choice: the best configuration and those behind it, each with its predicted error and interval."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from scalelaw.report.figures.parts import no_error_beyond, panel_heading
from scalelaw.report.render.pdf import clip
from scalelaw.report.series import Choices
from scalelaw.report.style import MUTED, PETROFF10, SMALL, TINY
from scalelaw.report.text import format as fmt
from scalelaw.report.ticks import plain_target

NAMES = 1.7
"""The widest a model's name is written, in inches."""


def draw_choices(axes: Axes, data: Choices) -> None:
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
            clip(fmt.plain_name(choice["model"]), NAMES, SMALL, weight),
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
