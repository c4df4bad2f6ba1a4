"""The command `convert`: released checkpoints to our model and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalelaw.cli.app import Json, app, give
from scalelaw.cli.help import Sectioned
from scalelaw.files.safe_text import say


@app.command("convert", cls=Sectioned)
def convert(
    checkpoint: Annotated[
        Path,
        typer.Argument(metavar="CHECKPOINT", help="A folder with a model, or the file mm_projector.bin."),
    ],
    to: Annotated[
        Path, typer.Option(help="The folder to write, new or empty.", metavar="DIR", rich_help_panel="Output")
    ],
    layout: Annotated[
        str,
        typer.Option(
            help="Layout to write: scalelaw, llava, llava-hf or mm_projector.",
            metavar="NAME",
            rich_help_panel="Output",
        ),
    ] = "scalelaw",
    tower: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the vision encoder, where the checkpoint only names it.",
            metavar="NAME",
            rich_help_panel="Data",
        ),
    ] = None,
    llm: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the LLM, for a file mm_projector.bin.", metavar="DIR", rich_help_panel="Data"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Convert a checkpoint of LLaVA-1.5, of the QueCC repository or of llava-hf to the model of this package, or back.

    The logits stay the same. The layout of the checkpoint is found from its config.json. Weights are read as tensors
    only; no code of a checkpoint is run.

    Example: scalelaw convert llava-v1.5-7b --to mine --tower clip-vit-large-patch14-336
    """
    from scalelaw.vlm.convert import convert as convert_checkpoint

    facts = convert_checkpoint(checkpoint, to, layout, tower=tower, llm=llm)

    def words() -> None:
        say(f"Wrote {facts['folder']}: {facts['layout_from']} to {facts['layout_to']}, compressor "
            f"{facts['compressor']}, {facts['visual_tokens']} visual tokens.")  # fmt: skip

    give("convert", facts, as_json=as_json, words=words)
