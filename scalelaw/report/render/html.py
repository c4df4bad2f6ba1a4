"""A report as one self-contained web page: the same text and figures, with the values under the pointer."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from scalelaw.files.safe_text import json_safe, one_line, printable
from scalelaw.report.export import named_figures, outline_of
from scalelaw.report.render.pdf import Page, Panel
from scalelaw.report.render.single import alone
from scalelaw.report.style import INK, MUTED, PAPER, RULE
from scalelaw.report.text import format as fmt
from scalelaw.report.text.formula import Formula
from scalelaw.results.envelope import plain

_WIDTHS = {"broad": 5.4, "slim": 3.4}
"""Inches that a figure is drawn for: on a screen, and on a phone, where the first would have type of 7 pixels."""
_POINT = 72.0
_VARIABLES = {
    INK: "ink", MUTED: "muted", PAPER: "paper", RULE: "rule", "#e6e9ec": "grid", "#d3d8dd": "hatch", "#eef0f2": "band",
}  # fmt: skip
_GREEK = re.compile(r"\\(alpha|beta|gamma|delta|epsilon|kappa|lambda|mu|nu|rho|sigma|theta)\s*")


def page_text(pages: Sequence[Page], title: str, foot: str) -> str:
    """The whole page as HTML, with nothing that is loaded from elsewhere; to be called inside `style.styled()`."""
    names = iter(named_figures(pages))
    sections, hovers = [], dict[str, Any]()
    for number, page in enumerate(pages, 1):
        figures = []
        for _ in page.panels:
            name, panel = next(names)
            for kind, width in _WIDTHS.items():
                mark = name if kind == "broad" else f"{name}-{kind}"
                drawing, hovers[mark] = _figure(mark, panel, width)
                figures.append(f'<figure class="{kind}" id="{mark}" data-name="{mark}">{drawing}</figure>')
        body = "".join(_tags_of(page.texts))
        sections.append(
            f'<section id="page-{number}">{body}<div class="figures">{"".join(figures)}</div></section>'
        )
    entries = [(number, title) for number, title in enumerate(outline_of(pages), 1) if title]
    links = "".join(
        f'<li><a href="#page-{number}">{html.escape(one_line(title))}</a></li>' for number, title in entries
    )
    nav = f"<nav><details><summary>Contents</summary><ol>{links}</ol></details></nav>"
    template = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    data = json_safe(json.dumps(plain(hovers), ensure_ascii=False, allow_nan=False)).replace("<", "\\u003c")
    return template.substitute(
        title=html.escape(one_line(title)),
        nav=nav,
        sections="\n".join(sections),
        data=data,
        foot=html.escape(one_line(foot)),
    )


def _tags_of(texts: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The words of a page; neighbouring items and rows become one list and one table."""
    tags = {
        "title": "h2",
        "headline": "p class=headline",
        "heading": "h3",
        "paragraph": "p",
        "formula": "p class=formula",
    }
    before = ""
    for kind, text in texts:
        if kind != before and before in ("item", "row"):
            yield "</ul>" if before == "item" else "</table></div>"
        if kind != before and kind in ("item", "row"):
            yield "<ul>" if kind == "item" else "<div class=wide><table>"
        before = kind
        if kind == "item":
            yield f"<li>{_inline(text)}</li>"
        elif kind == "row":
            yield "<tr>" + "".join(f"<td>{_inline(cell)}</td>" for cell in text.split("\t")) + "</tr>"
        else:
            tag = tags[kind]
            yield f"<{tag}>{_inline(text)}</{tag.split()[0]}>"
    if before in ("item", "row"):
        yield "</ul>" if before == "item" else "</table></div>"


def _inline(text: str) -> str:
    """Text as HTML; a formula set for the page ('$...$') with true exponents and Greek letters."""
    if not isinstance(text, Formula):
        return html.escape(printable(text))
    plain_text = html.escape(text[1:-1])
    text = _GREEK.sub(lambda m: fmt.greek(m[1]), plain_text).replace("\\,", " · ").replace("-", "−")
    while (plainer := re.sub(r"\\mathrm\{([^{}]*)\}", r"\1", text)) != text:
        text = plainer
    text = re.sub(r"\^\{([^{}]*)\}", r"<sup>\1</sup>", text)
    return re.sub(r"_\{([^{}]*)\}", r"<sub>\1</sub>", text)


def _figure(name: str, panel: Panel, width: float) -> tuple[str, dict[str, Any]]:
    """The figure as SVG whose colours follow the page's, and what lies where in it."""
    figure, box = alone(panel, width)
    out = io.StringIO()
    figure.savefig(out, format="svg", bbox_inches=box, transparent=True, metadata={"Date": None})
    drawing = out.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', drawing)
    drawing = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', drawing)
    drawing = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", drawing)
    for colour, variable in _VARIABLES.items():
        drawing = re.sub(rf"(?<=[: \"]){colour}\b", f"var(--{variable})", drawing)
    axes = figure.axes[0]
    alt = html.escape(f"{axes.get_title(loc='left')}, {axes.get_xlabel()}", quote=True)
    drawing = re.sub(r'<svg ([^>]*?)width="[^"]+" height="[^"]+"|<svg ([^>]*?)height="[^"]+" ([^>]*?)width="[^"]+"',
                     lambda m: f"<svg {''.join(g or '' for g in m.groups())}", drawing, count=1)  # fmt: skip
    drawing = drawing.replace("<svg ", f'<svg role="img" aria-label="{alt}" ', 1)
    under: dict[str, Any] = {"points": [p for axis in figure.axes for p in _points(axis, box)]}
    if (hover := getattr(panel.figure, "hover", None)) is not None:
        under["surface"] = _grid(axes, hover(panel.data), box)
    return drawing, under


def _points(axes: Axes, box: Bbox) -> Iterator[tuple[float, float, str]]:
    """Every marked point: where it lies in the drawing, and what it is."""
    names = _short(axes.get_xlabel()), _short(axes.get_ylabel())
    rows = axes.yaxis.get_gid() == "categories"
    labels = [text.get_text() for text in axes.get_yticklabels()] if rows else []
    for line in axes.lines:
        if line.get_marker() in ("None", "", None, " "):
            continue
        xy = np.column_stack([np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)])
        xy = xy[np.isfinite(xy).all(axis=1)]
        places = line.get_transform().transform(xy) if len(xy) else xy
        label = str(line.get_label())
        for (x, y), (left, up) in list(zip(xy, places, strict=True))[:400]:
            parts = [f"{names[0]} {_number(x)}"]
            if rows:
                row = round(float(y))
                parts = [*([labels[row]] if 0 <= row < len(labels) and labels[row] else []), *parts]
            elif names[1]:
                parts.append(f"{names[1]} {_number(y)}")
            if not label.startswith("_"):
                parts.insert(0, label)
            yield (*_place(axes, left, up, box), "; ".join(parts))


def _place(axes: Axes, left: float, up: float, box: Bbox) -> tuple[float, float]:
    """Pixels of the figure as points of the drawing, from its top left corner."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    scale = _POINT / figure.dpi
    return round(left * scale - box.x0 * _POINT, 1), round(box.y1 * _POINT - up * scale, 1)


def _grid(axes: Axes, under: dict[str, Any], box: Bbox) -> dict[str, Any]:
    """The values under the pointer, and where their corners lie in the drawing."""
    frame = axes.get_window_extent()
    return {
        "low": _place(axes, frame.x0, frame.y0, box),
        "high": _place(axes, frame.x1, frame.y1, box),
        **under,
    }


def _short(label: str) -> str:
    return label.partition(" (")[0]


def _number(value: float) -> str:
    return fmt.si(value) if abs(value) >= 1e5 else fmt.short(value, 4)
