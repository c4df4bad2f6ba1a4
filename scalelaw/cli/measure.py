"""The command `measure`: a served model, timed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from scalelaw.cli.app import Json, app, give
from scalelaw.cli.help import Sectioned
from scalelaw.files.safe_text import say


@app.command("measure", cls=Sectioned)
def measure(
    target: Annotated[
        str,
        typer.Argument(
            metavar="ENDPOINT",
            help="The base URL of an OpenAI-compatible server: http://localhost:8000/v1. Only this host is contacted.",
        ),
    ],
    image: Annotated[
        list[str] | None,
        typer.Option(
            help="A size of image to measure, in pixels; repeatable, or comma-separated; 'none' for text only. "
            "[default: 448x448,1344x1344]",
            metavar="WIDTHxHEIGHT",
            rich_help_panel="Images",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(min=1, help="Images of a request.", metavar="NUMBER", rich_help_panel="Images")
    ] = 1,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Area to which the server reduces an image; where it does not, images are resized before.",
            metavar="NUMBER",
            rich_help_panel="Images",
        ),
    ] = None,
    concurrency: Annotated[
        str,
        typer.Option(
            help="Requests in flight at once, comma-separated.", metavar="NUMBERS", rich_help_panel="Query"
        ),
    ] = "1,8",
    arrival_rate: Annotated[
        str | None,
        typer.Option(
            help="Requests per second that arrive at random times, comma-separated; in place of --concurrency.",
            metavar="NUMBERS",
            rich_help_panel="Query",
        ),
    ] = None,
    generate: Annotated[
        str,
        typer.Option(help="Generated tokens, comma-separated.", metavar="NUMBERS", rich_help_panel="Query"),
    ] = "64",
    text_tokens: Annotated[
        int,
        typer.Option(
            min=1,
            help="Words of the prompt, about a token each; the rows have the server's count.",
            metavar="NUMBER",
            rich_help_panel="Query",
        ),
    ] = 64,
    model: Annotated[
        str,
        typer.Option(
            help="The served model's name, where the server lists several.",
            metavar="NAME",
            rich_help_panel="Choices",
        ),
    ] = "",
    calibrate_as: Annotated[
        str,
        typer.Option(
            help="The model's name in the catalogue, or its config.json, for the rows that `calibrate` reads. "
            "[default: the served name]",
            metavar="NAME",
            rich_help_panel="Choices",
        ),
    ] = "",
    devices: Annotated[
        int,
        typer.Option(
            min=1,
            help="Cards that serve the model together, for the rows.",
            metavar="NUMBER",
            rich_help_panel="Hardware",
        ),
    ] = 1,
    dtype: Annotated[
        str,
        typer.Option(
            help="Number type of the served weights, for the rows.",
            metavar="NAME",
            rich_help_panel="Hardware",
        ),
    ] = "bf16",
    requests: Annotated[
        int,
        typer.Option(
            min=2,
            help="Counted requests between two looks at the spread.",
            metavar="NUMBER",
            rich_help_panel="Running",
        ),
    ] = 8,
    spread: Annotated[
        float,
        typer.Option(
            help="Widest relative half-interval of a median; a cell above it has no time.",
            metavar="SHARE",
            rich_help_panel="Running",
        ),
    ] = 0.1,
    max_requests: Annotated[
        int,
        typer.Option(min=1, help="Requests of the whole run.", metavar="NUMBER", rich_help_panel="Running"),
    ] = 2000,
    max_seconds: Annotated[
        float,
        typer.Option(help="Seconds of the whole run.", metavar="NUMBER", rich_help_panel="Running"),
    ] = 300,
    timeout: Annotated[
        float, typer.Option(help="Seconds of one request.", metavar="NUMBER", rich_help_panel="Running")
    ] = 120,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Seed of words and pictures. [default: new ones in every run, which no cache has seen]",
            metavar="NUMBER",
            rich_help_panel="Running",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the plan of requests; send none.", rich_help_panel="Running"),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Write the rows to this csv, for `scalelaw calibrate`; a .json file gets the whole answer.",
            metavar="FILE",
            rich_help_panel="Output",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Time a served model: image sizes x concurrency x generated tokens, with text-only twins.

    Replies are streamed and every image is new. A median is repeated until it is stable, or its cell is refused with
    the reason. An API key is read from the environment variable SCALELAW_API_KEY and written nowhere.

    Example: scalelaw measure http://localhost:8000/v1 --image 448x448 --image 1344x1344 -o latencies.csv
    """
    from scalelaw.measure import measure_latency
    from scalelaw.measure.address import read_address
    from scalelaw.measure.run import IMAGES
    from scalelaw.results.measurement import csv_of

    def report(rows: list[dict[str, Any]]) -> None:
        from scalelaw.files.paths import write_text

        row = rows[-1]
        shown = row["image_size"] or (f"text for {row['twin_of']}" if row["twin_of"] else "text")
        load = f"x {row['concurrency']}" if row["concurrency"] else f"at {row['arrival_rate']:g}/s"
        say(f"{shown} {load}, {row['generate']:g} tokens: {row['status']}", sys.stderr)
        if output is not None and not output.name.endswith(".json"):
            # what is finished is kept where the run is interrupted
            write_text(output, csv_of(rows), by_user=True)

    if not dry_run:
        say(f"Contacting {read_address(target).host}", sys.stderr)
    measurement = measure_latency(
        target,
        image=IMAGES if image is None else "" if image in (["none"], [""]) else image,
        images=images,
        max_pixels=max_pixels,
        concurrency=concurrency,
        arrival_rate=arrival_rate,
        generate=generate,
        text_tokens=text_tokens,
        model=model,
        calibrate_as=calibrate_as,
        devices=devices,
        dtype=dtype,
        requests=requests,
        spread=spread,
        max_requests=max_requests,
        max_seconds=max_seconds,
        timeout=timeout,
        seed=seed,
        dry_run=dry_run,
        report=report,
    )
    if output is not None and not dry_run:
        measurement.write(output)

    def words() -> None:
        from scalelaw.cli.show.measure import show_measurement

        show_measurement(measurement, output)

    give("measure", measurement.to_dict(), measurement.warnings, as_json=as_json, words=words)
