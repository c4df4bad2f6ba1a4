"""A report as one self-contained web page: the same blocks, with the values under the pointer."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Any
from xml.etree import ElementTree

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox

from scalelaw.files.safe_text import json_safe, one_line, printable
from scalelaw.report.blocks import (
    Block,
    Figure,
    Formula,
    Heading,
    Item,
    Paragraph,
    Row,
    Table,
    figures_of,
    flat,
    split,
    title_of,
)
from scalelaw.report.export import named_figures
from scalelaw.report.render.single import alone
from scalelaw.report.style import INK, MUTED, PAPER, RULE
from scalelaw.report.text import format as fmt
from scalelaw.report.text.formula import Formula as Typeset
from scalelaw.results.envelope import plain

_WIDTH = 4.0
"""Inches that a figure is drawn for: its type can be read on a phone, and fills a column of a screen."""
_POINT = 72.0
_VARIABLES = {
    INK: "ink", MUTED: "muted", PAPER: "paper", RULE: "rule", "#e6e9ec": "grid", "#d3d8dd": "hatch", "#eef0f2": "band",
}  # fmt: skip
_GREEK = re.compile(r"\\(alpha|beta|gamma|delta|epsilon|kappa|lambda|mu|nu|rho|sigma|theta)\s*")


def page_text(blocks: Sequence[Block], title: str, foot: str) -> str:
    """The whole page as HTML, with nothing that is loaded from elsewhere; to be called inside `style.styled()`."""
    names = iter(named_figures(blocks))
    sections, links, hovers, shapes = [], [], dict[str, Any](), dict[str, str]()
    for number, page in enumerate(split(blocks), 1):
        figures = []
        for _ in figures_of(page):
            name, figure = next(names)
            drawing, hovers[name] = _figure(name, figure, shapes)
            figures.append(f'<figure id="{name}" data-name="{name}">{drawing}</figure>')
        body = "".join(_tags_of(flat(page)))
        links.append(f'<li><a href="#page-{number}">{html.escape(one_line(title_of(page)))}</a></li>')
        sections.append(
            f'<section id="page-{number}">{body}<div class="figures">{"".join(figures)}</div></section>'
        )
    nav = f"<nav><details><summary>Contents</summary><ol>{''.join(links)}</ol></details></nav>"
    template = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    data = json_safe(json.dumps(plain(hovers), ensure_ascii=False, allow_nan=False)).replace("<", "\\u003c")
    letters = "".join(f'<path id="{name}" d="{path}"/>' for name, path in shapes.items())
    return template.substitute(
        title=html.escape(one_line(title)),
        nav=nav,
        sections="\n".join(
            [f'<svg class="letters" aria-hidden="true"><defs>{letters}</defs></svg>', *sections]
        ),
        data=data,
        foot=html.escape(one_line(foot)),
    )


def _tags_of(blocks: Iterable[Block]) -> Iterator[str]:
    """The text of a page; neighboring items become one list, neighboring rows one table."""
    for kind, group in groupby(blocks, key=type):
        if kind is Item:
            items = (block.text for block in group if isinstance(block, Item) and block.medium != "page")
            yield f"<ul>{''.join(f'<li>{_inline(text)}</li>' for text in items)}</ul>"
        elif kind is Row:
            yield _table((block.name, block.value) for block in group if isinstance(block, Row))
        else:
            yield from map(_tag, group)


def _tag(block: Block) -> str:
    if isinstance(block, Heading):
        name = "h2" if block.level == 1 else "h3"
        return f"<{name}>{_inline(block.text)}</{name}>"
    if isinstance(block, Paragraph):
        text = f"{fmt.capital(block.text)}." if block.kind == "key" else block.text
        return (
            f"<p class=headline>{_inline(text)}</p>"
            if block.kind == "headline"
            else f"<p>{_inline(text)}</p>"
        )
    if isinstance(block, Formula):
        return f"<p class=formula>{_inline(block.text)}</p>"
    return _table(block.rows) if isinstance(block, Table) else ""


def _table(rows: Iterable[Sequence[str]]) -> str:
    cells = ("".join(f"<td>{_inline(cell)}</td>" for cell in row) for row in rows)
    return f"<div class=wide><table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table></div>"


def _inline(text: str) -> str:
    """Text as HTML; a formula set for the page ('$...$') with true exponents and Greek letters."""
    if not isinstance(text, Typeset):
        return html.escape(printable(text))
    plain_text = html.escape(text[1:-1])
    text = _GREEK.sub(lambda m: fmt.greek(m[1]), plain_text).replace("\\,", " · ").replace("-", "−")
    while (plainer := re.sub(r"\\mathrm\{([^{}]*)\}", r"\1", text)) != text:
        text = plainer
    text = re.sub(r"\^\{([^{}]*)\}", r"<sup>\1</sup>", text)
    return re.sub(r"_\{([^{}]*)\}", r"<sub>\1</sub>", text)


def _figure(name: str, figure: Figure, shapes: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """The figure as SVG whose colors follow the page's, and what lies where in it.

    Its letters are added to `shapes` ({id: path}), which all figures of the page share.
    """
    drawn, box = alone(figure, _WIDTH)
    out = io.StringIO()
    drawn.savefig(out, format="svg", bbox_inches=box, transparent=True, metadata={"Date": None})
    axes = drawn.axes[0]
    drawing = _slim(out.getvalue(), name, f"{axes.get_title(loc='left')}, {axes.get_xlabel()}", shapes)
    under: dict[str, Any] = {"points": [p for axis in drawn.axes for p in _points(axis, box)]}
    if (hover := getattr(figure.figure, "hover", None)) is not None:
        under["surface"] = _grid(axes, hover(figure.data), box)
    return drawing, under


_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_DIGITS = re.compile(r"-?\d+\.\d{2,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def _slim(text: str, name: str, label: str, shapes: dict[str, str]) -> str:
    """A drawing of matplotlib with its letters in `shapes`, two digits to a coordinate, and without metadata."""
    ElementTree.register_namespace("", _SVG[1:-1])
    ElementTree.register_namespace("xlink", _LINK[1:-5])
    root = ElementTree.fromstring(text)
    letters: set[str] = set()
    for parent in list(root.iter()):
        for child in list(parent):
            glyph = child.get("id", "") if child.tag == f"{_SVG}path" and parent.tag == f"{_SVG}defs" else ""
            if glyph.startswith(_FACES):
                letters.add(glyph)
                shapes[f"letter-{glyph}"] = _rounded(child.get("d", ""), 0)
            if glyph.startswith(_FACES) or child.tag == f"{_SVG}metadata":
                parent.remove(child)
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                element.set(key, f"{name}-{value}")
            elif key == _LINK:
                target = value[1:]
                element.set(key, f"#letter-{target}" if target in letters else f"#{name}-{target}")
            elif key in _SHAPED:
                element.set(key, _rounded(value, _SHAPED[key]))
            else:
                element.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", _colored(value)))
    for key in ("width", "height"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-label", printable(label))
    slim = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r">\s+<", "><", slim)


_FACES = "DejaVu"
_SHAPED = {"d": 1, "x": 1, "y": 1, "width": 1, "height": 1, "points": 1, "transform": 3}
"""Attributes of coordinates, and how many digits they keep."""


def _rounded(text: str, digits: int) -> str:
    """Coordinates with fewer digits; a command of a path that follows itself is left out."""

    def short(match: re.Match[str]) -> str:
        return f"{float(match[0]):.{digits}f}".rstrip("0").rstrip(".") if digits else f"{float(match[0]):.0f}"

    words: list[str] = []
    command = ""
    for word in _DIGITS.sub(short, text).split():
        if word in _REPEATED and word == command:
            continue
        command = word if word.isalpha() else command
        words.append(word)
    return " ".join(words)


_REPEATED = ("L", "Q")
"""Commands of a path that need not be repeated."""


def _colored(text: str) -> str:
    """A style whose colors are the page's variables."""
    for color, variable in _VARIABLES.items():
        text = re.sub(rf"{color}\b", f"var(--{variable})", text)
    return text


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
