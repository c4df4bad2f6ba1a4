"""The command `tokens`: from pixels and frames to visual tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalelaw.cli.app import Json, Output, app, give, names_of, pairs
from scalelaw.cli.help import Sectioned


@app.command("tokens", cls=Sectioned)
def tokens(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=names_of("families"),
            help="A family (scalelaw list families), or a folder with a model's config.json and "
            "preprocessor_config.json.",
        ),
    ],
    image: Annotated[
        list[str] | None,
        typer.Option(
            help="An image: its size, or the path of a photo; repeatable: all in one prompt.",
            metavar="WIDTHxHEIGHT",
            rich_help_panel="Images",
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(
            help="Count videos of this many frames, as the model is shown; --image is a frame's size.",
            metavar="NUMBER",
            rich_help_panel="Images",
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(
            help="Frames per second, which gives the seconds that a video spans.",
            metavar="NUMBER",
            rich_help_panel="Images",
        ),
    ] = None,
    image_sizes: Annotated[
        Path | None,
        typer.Option(
            help="A csv of many images, each alone: width, height, and count where a row is several.",
            metavar="FILE.csv",
            rich_help_panel="Images",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A knob of the family: max_pixels=602112; repeatable.",
            metavar="KEY=VALUE",
            rich_help_panel="Data",
        ),
    ] = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Count the visual tokens that images or videos become, exactly as the model's own processor does.

    Also shows what each knob of the family would change, and the cheapest setting that does not reduce the image.

    Example: scalelaw tokens qwen2.5-vl --image 1920x1080 --set max_pixels=602112
    """
    from scalelaw.tokens import count_tokens

    result = count_tokens(
        model,
        image or (),
        image_sizes=image_sizes,
        frames=frames,
        fps=fps,
        settings=pairs(set_, "--set"),
    )

    def words() -> None:
        from scalelaw.cli.show.tokens import show_tokens

        show_tokens(result)

    give("tokens", result.to_dict(), result.warnings, as_json=as_json, output=output, words=words)
