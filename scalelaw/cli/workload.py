"""The options of a query and of what serves it, shared by optimize and cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scalelaw.cli.app import names_of, number
from scalelaw.errors import InputError

TextTokens = Annotated[
    float, typer.Option(help="Text tokens of a query.", metavar="NUMBER", rich_help_panel="Query")
]
Generate = Annotated[
    float,
    typer.Option(
        help="Tokens generated per query: the number of passes after the prefill, with that of the last token.",
        metavar="NUMBER",
        rich_help_panel="Query",
    ),
]
Images = Annotated[float, typer.Option(help="Images per query.", metavar="NUMBER", rich_help_panel="Query")]
Tiles = Annotated[
    float,
    typer.Option(
        help="Tiles per image; the vision encoder runs once per tile.",
        metavar="NUMBER",
        rich_help_panel="Query",
    ),
]
ImagePixels = Annotated[
    list[str] | None,
    typer.Option(
        "--image",
        help="An image of the query, which gives the visual tokens: its size, or the path of a photo; repeatable.",
        metavar="WIDTHxHEIGHT",
        rich_help_panel="Query",
    ),
]
ImageSizes = Annotated[
    Path | None,
    typer.Option(
        "--image-sizes",
        help="A csv of many images (width, height, count), each of a query of its own: costs are means, and a budget "
        "limits what 95% of them cost.",
        metavar="FILE.csv",
        rich_help_panel="Query",
    ),
]
Frames = Annotated[
    int | None,
    typer.Option(
        "--frames",
        help="The query shows a video of this many frames; --image is the size of a frame.",
        metavar="NUMBER",
        rich_help_panel="Query",
    ),
]
Knobs = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A knob of the model's family, for --image: max_pixels=602112; repeatable.",
        metavar="KEY=VALUE",
        rich_help_panel="Query",
    ),
]
Prefix = Annotated[
    float,
    typer.Option(
        help="Share of the text whose keys and values are cached (0 to 1).",
        metavar="NUMBER",
        rich_help_panel="Query",
    ),
]
Questions = Annotated[
    float,
    typer.Option(
        help="Questions per image; the vision encoder runs once for all.",
        metavar="NUMBER",
        rich_help_panel="Query",
    ),
]
Tower = Annotated[
    str | None,
    typer.Option(
        help="A vision encoder's name (scalelaw list towers), its config.json, or none. [default: clip-vit-l-14-336]",
        metavar="NAME",
        rich_help_panel="Choices",
    ),
]
Compressor = Annotated[
    str | None,
    typer.Option(
        help="The compressor whose own cost counts (scalelaw list compressors). [default: none]",
        metavar="NAME",
        rich_help_panel="Choices",
    ),
]
Hardware = Annotated[
    str | None,
    typer.Option(
        autocompletion=names_of("hardware"),
        help="A card's name (scalelaw list hardware), or its YAML file.",
        metavar="NAME",
        rich_help_panel="Hardware",
    ),
]
Devices = Annotated[
    int,
    typer.Option(
        min=1, help="Cards that serve one model together.", metavar="NUMBER", rich_help_panel="Hardware"
    ),
]
Mfu = Annotated[
    str | None,
    typer.Option(
        help="Share of the card's peak that prefill reaches: 0.5, or a range 0.3:0.6. [default: the card's, else 0.5]",
        metavar="SHARE",
        rich_help_panel="Hardware",
    ),
]
Mbu = Annotated[
    str | None,
    typer.Option(
        help="Share of the card's bandwidth that is reached: 0.8, or a range. [default: the card's, else 0.8]",
        metavar="SHARE",
        rich_help_panel="Hardware",
    ),
]
Price = Annotated[
    float | None,
    typer.Option(
        "--usd-per-hour",
        help="Price of one card for an hour, in dollars.",
        metavar="NUMBER",
        rich_help_panel="Hardware",
    ),
]
Concurrency = Annotated[
    str | None,
    typer.Option(
        "--concurrency",
        help="Queries that are always in flight (a closed loop), instead of a batch that comes together.",
        metavar="NUMBER",
        rich_help_panel="Hardware",
    ),
]
CacheType = Annotated[
    str,
    typer.Option(
        "--cache-dtype",
        help="Number type of the KV cache: fp32, fp16, bf16, fp8, int8 or int4.",
        metavar="NAME",
        rich_help_panel="Hardware",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        min=0,
        help="Seed of the efficiencies drawn from ranges of --mfu and --mbu.",
        metavar="NUMBER",
        rich_help_panel="Uncertainty",
    ),
]


def workload_options(
    tower: str | None, compressor: str | None, mfu: str | None, mbu: str | None, **more: Any
) -> dict[str, Any]:
    """The options of a query and of what serves it, as `plan.workload.make_query` takes them."""
    for name, value in (("tower", tower), ("compressor", compressor)):
        if value is not None and not value.strip():
            raise InputError(f"--{name} is empty.", code="usage", hint="Name one, or none.")
    shares = {"mfu": _share(mfu, "--mfu"), "mbu": _share(mbu, "--mbu")}
    return {"tower": tower, "compressor": compressor, **shares, **more}


def _share(text: str | None, option: str) -> Any:
    if text is None:
        return None
    ends = tuple(number(end, option) for end in text.split(":"))
    return ends[0] if len(ends) == 1 else ends
