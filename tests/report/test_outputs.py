"""What lies beside a report, its pieces for a paper, and the web page: read back as a reader's tools read them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pypdf import PdfReader

from scalelaw.errors import InputError
from scalelaw.report import write_report
from scalelaw.report.blocks import Block
from scalelaw.report.collect import gather
from scalelaw.report.export import named_figures
from scalelaw.report.render.latex import paper_files


@pytest.fixture(scope="module")
def paper(fitted: Any, optimum: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The figures and tables on one fit and one plan for a paper."""
    made: Path = tmp_path_factory.mktemp("outputs") / "paper"
    write_report([fitted, optimum], made, style="paper")
    return made


def test_the_pdf_has_truetype_fonts_text_that_can_be_read_and_metadata(written: Path) -> None:
    pdf = PdfReader(written / "report.pdf")
    fonts = {
        str(font.get_object()["/DescendantFonts"][0].get_object()["/Subtype"])
        for page in pdf.pages
        for font in page["/Resources"]["/Font"].values()  # type: ignore[index]
        if "/DescendantFonts" in font.get_object()
    }
    kinds = {
        str(font.get_object()["/Subtype"])
        for page in pdf.pages
        for font in page["/Resources"]["/Font"].values()  # type: ignore[index]
    }
    assert kinds <= {"/TrueType", "/Type0"}
    assert fonts <= {"/CIDFontType2"}
    assert not any(len(page.images) for page in pdf.pages)
    text = [page.extract_text() for page in pdf.pages]
    assert "Qwen-1.5 7B with 7 visual tokens" in text[0]
    assert "vlm_reasoning" in text[0]
    assert "scalelaw report fit.json" in text[-1]
    assert "9af2e78f0ae51d49" in text[-1]
    assert pdf.metadata is not None
    assert pdf.metadata.title
    assert pdf.metadata.creation_date is None


def test_beside_it_lie_its_words_and_every_figures_numbers(written: Path, fitted: Any) -> None:
    reply = json.loads((written / "report.data" / "report.json").read_text())
    assert reply["schema"] == "scalelaw.report_contents/1"
    data = reply["data"]
    assert data["studies"][0]["fit"]["params"]["alpha"] == fitted.params["alpha"]
    assert data["pages"][0]["said"][0]["kind"] == "title"
    named = [name for page in data["pages"] for name in page["figures"]]
    names = sorted(path.name for path in (written / "report.data").iterdir())
    assert names == sorted([*named, "manifest.json", "report.json"])
    frame = pd.read_csv(written / "report.data" / "04_parity.csv")
    assert len(frame) == fitted.n_points
    assert (frame["measured"] - frame["predicted"]).to_numpy() == pytest.approx(frame["residual"].to_numpy())


def test_every_kind_of_figure_has_numbers(blocks: list[Block]) -> None:
    for name, figure in named_figures(blocks):
        frame = figure.figure.frame(figure.data)
        assert len(frame) > 0, name
        assert frame.notna().any(axis=None), name


def test_figures_of_an_earlier_report_do_not_stay(tmp_path: Path) -> None:
    write_report(["vlm_reasoning", "vlm_ocr"], tmp_path / "report.pdf")
    assert len(list((tmp_path / "report.data").glob("*.csv"))) == 2
    write_report("vlm_reasoning", tmp_path / "report.pdf")
    assert sorted(path.name for path in (tmp_path / "report.data").iterdir()) == [
        "02_coverage_1.csv",
        "manifest.json",
        "report.json",
    ]


def test_the_paper_has_columns_tables_and_entries(paper: Path) -> None:
    for path in paper.glob("*.pdf"):
        page = PdfReader(path).pages[0]
        assert float(page.mediabox.width) / 72 == pytest.approx(3.4, abs=0.01), path.name
        sizes = re.findall(rb"/F\d+ ([\d.]+) Tf", page.get_contents().get_data())  # type: ignore[union-attr]
        assert min(map(float, sizes)) >= 8, path.name
        assert path.with_suffix(".svg").is_file()
        assert path.with_suffix(".png").is_file()
    tables = (paper / "tables.tex").read_text()
    assert tables.count("\\toprule") == tables.count("\\bottomrule") == 2
    assert "$\\alpha$ & 0.07094 &" in tables
    cited = set(re.findall(r"\\cite\{([^}]+)\}", tables))
    assert cited == {"arxiv-2411.03312"}
    entries = (paper / "references.bib").read_text()
    assert all(f"@misc{{{name}," in entries for name in cited)
    assert "has no entry" not in entries


def test_a_table_of_plans_states_card_price_and_costs(fitted: Any, optimum: Any) -> None:
    costs = {"flops": 8e11, "latency_ms": 12.0, "energy_j": 3.0, "memory_gb": 20.0, "usd_per_million": 21.7}
    searched = {**optimum.searched, "hardware": "h100-sxm", "usd_per_hour": 2.5}
    plan = replace(optimum, best={**optimum.best, "costs": costs}, runners_up=[], searched=searched)
    text = paper_files([], gather([fitted, plan]), True)["tables.tex"].decode()
    assert "h100-sxm" in text
    assert "\\$2.5 per hour" in text
    row = next(line for line in text.splitlines() if "Qwen-1.5 7B &" in line)
    assert row.split("&")[5:7] == [" 800 GFLOPs ", " \\$21.7 "]


class _Tags(HTMLParser):
    """The tags of a page: what is open at its end, what it loads, which ids it has."""

    empty = frozenset({"meta", "br", "path", "use", "rect", "image"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.loads += [str(attributes[key]) for key in ("src", "href", "xlink:href") if attributes.get(key)]
        self.ids += [str(attributes["id"])] if attributes.get("id") else []
        if tag not in self.empty:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.empty:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.empty:
            assert self.open.pop() == tag


def test_the_web_page_is_whole_and_loads_nothing(written: Path) -> None:
    text = (written / "page.html").read_text()
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    assert all(target.startswith("#") for target in tags.loads)
    assert not re.search(r"@import|url\((?!#)", text)
    assert len(tags.ids) == len(set(tags.ids))
    assert {target[1:] for target in tags.loads} <= set(tags.ids)
    assert "error = 0.591 · N<sup>" in text or "N<sup>−0.0709</sup>" in text
    assert "prefers-color-scheme: dark" in text
    assert "#1f2328" not in text.partition("<main>")[2].partition("</main>")[0]
    hovers = json.loads(re.findall(r'id="data">(.*?)</script>', text, re.DOTALL)[0])
    points = [p[2] for hover in hovers.values() for p in hover["points"]]
    assert "visual tokens V 16" in " ".join(points)
    assert any("surface" in hover for hover in hovers.values())


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

PROBE = """
<script>
const shown = [...document.querySelectorAll("figure")].filter(figure => figure.offsetWidth);
const figure = shown.find(figure => figure.dataset.name.includes("_surface"));
const box = figure.querySelector("svg").getBoundingClientRect();
const fire = (x, y) => figure.dispatchEvent(new PointerEvent("pointermove",
  {clientX: box.left + x * box.width, clientY: box.top + y * box.height}));
let heard = "";
for (let i = 1; i < 30 && !heard.includes("error"); i++) { fire(0.5, i / 30); heard = said.textContent; }
document.title = JSON.stringify({heard, wide: document.documentElement.scrollWidth, view: innerWidth,
  figures: shown.length, type: Math.min(...shown.map(figure => figure.querySelector("svg")).map(
    svg => 8 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width)),
  paper: getComputedStyle(document.body).backgroundColor,
  loaded: performance.getEntriesByType("resource").length});
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium: apt install chromium")
@pytest.mark.parametrize("wide", [1200, 900, 500, 390])
def test_a_browser_shows_the_page_and_answers_the_pointer(written: Path, wide: int, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text((written / "page.html").read_text().replace("</body>", PROBE + "</body>"))
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={wide},900",
               f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.findall(r"<title>(.*?)</title>", done.stdout)[0].replace("&quot;", '"').replace("&amp;", "&")
    seen = json.loads(title)
    assert re.match(r"visual tokens [\d.]+; LLM size [\d.]+ B; error 0\.\d{4}|.*error", seen["heard"])
    assert seen["wide"] <= seen["view"], "the page must not scroll sideways"
    assert seen["figures"] == len(list((written / "page.data").glob("*.csv"))), "each figure once"
    assert seen["type"] >= 9.9, "the smallest type of a figure, in pixels"
    assert seen["loaded"] == 0


@pytest.mark.parametrize(
    ("options", "code"),
    [({"style": "papr"}, "unknown_style"), ({"form": "docx"}, "unknown_format")],
)
def test_a_style_or_format_that_is_none_gets_a_sentence(
    options: dict[str, str], code: str, fitted: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        write_report(fitted, tmp_path / "report.pdf", **options)
    assert caught.value.code == code
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "options"),
    [("report.docx", {}), ("report.html", {"form": "pdf"}), ("report.pdf", {"form": "html"})],
)
def test_a_report_is_not_written_under_the_name_of_another_format(
    name: str, options: dict[str, Any], fitted: Any, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="is named otherwise") as caught:
        write_report(fitted, tmp_path / name, **options)
    assert caught.value.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_a_second_web_page_has_the_same_bytes(
    written: Path, wording: dict[str, str], fitted: Any, optimum: Any, tmp_path: Path
) -> None:
    again = write_report([fitted, optimum], tmp_path / "page.html", **wording)
    assert again.read_bytes() == (written / "page.html").read_bytes()
    for path in (tmp_path / "page.data").iterdir():
        assert path.read_bytes() == (written / "page.data" / path.name).read_bytes()
