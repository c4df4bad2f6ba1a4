"""The commands about costs: cost, calibrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalelaw.cli.app import (
    Json,
    Output,
    app,
    give,
    names_of,
    pairs,
)
from scalelaw.cli.help import Sectioned
from scalelaw.cli.workload import (
    CacheType,
    Compressor,
    Concurrency,
    Devices,
    Frames,
    Generate,
    Hardware,
    ImagePixels,
    Images,
    ImageSizes,
    Knobs,
    Mbu,
    Mfu,
    Prefix,
    Price,
    Questions,
    TextTokens,
    Tiles,
    Tower,
    workload_options,
)
from scalelaw.errors import InputError


@app.command("cost", cls=Sectioned)
def cost(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", autocompletion=names_of("models"), help="A model's name, or its config.json."
        ),
    ],
    visual_tokens: Annotated[
        float | None,
        typer.Option(
            help="Visual tokens per image in the LLM; 0 is a text query, with the model's encoder in memory. "
            "[default: 576, or those that --image gives]",
            metavar="NUMBER",
            rich_help_panel="Choices",
        ),
    ] = None,
    image: ImagePixels = None,
    image_sizes: ImageSizes = None,
    frames: Frames = None,
    set_: Knobs = None,
    text_tokens: TextTokens = 50,
    generate: Generate = 0,
    convention: Annotated[
        str,
        typer.Option(
            help="FLOP convention: exact, all-logits, useful-causal, 2N, fastv, pyramiddrop or vtw.",
            metavar="NAME",
            rich_help_panel="Choices",
        ),
    ] = "exact",
    explain: Annotated[
        str | None,
        typer.Option(
            help="A published number of FLOPs (3.82e12): find the convention and length that give it.",
            metavar="AMOUNT",
            rich_help_panel="Question",
        ),
    ] = None,
    hardware: Hardware = None,
    batch: Annotated[
        int,
        typer.Option(min=1, help="Queries per batch.", metavar="NUMBER", rich_help_panel="Hardware"),
    ] = 1,
    dtype: Annotated[
        str,
        typer.Option(
            help="Number type of the weights: fp32, fp16, bf16, fp8, int8, int4, w8a16, w4a16 (AWQ, GPTQ), "
            "nvfp4, mxfp4, or one of llama.cpp, q4_k_m for example.",
            metavar="NAME",
            rich_help_panel="Hardware",
        ),
    ] = "bf16",
    concurrency: Concurrency = None,
    cache_dtype: CacheType = "bf16",
    images: Images = 1,
    tiles: Tiles = 1,
    cached_prefix: Prefix = 0,
    questions_per_image: Questions = 1,
    tower: Tower = None,
    compressor: Compressor = None,
    devices: Devices = 1,
    mfu: Mfu = None,
    mbu: Mbu = None,
    usd_per_hour: Price = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Compute the cost of one query, by component.

    Example: scalelaw cost llava-1.5-7b --image 1280x720 --text-tokens 50
    """
    from scalelaw.plan import explain_flops, find_cost

    query = workload_options(
        text_tokens=text_tokens,
        generate=generate,
        hardware=hardware,
        batch=batch,
        dtype=dtype,
        cache_dtype=cache_dtype,
        concurrency=concurrency,
        images=images,
        tiles=tiles,
        cached_prefix=cached_prefix,
        questions_per_image=questions_per_image,
        tower=tower,
        compressor=compressor,
        devices=devices,
        mfu=mfu,
        mbu=mbu,
        usd_per_hour=usd_per_hour,
        seed=0,
    )
    bill = find_cost(
        model,
        visual_tokens,
        convention=convention,
        image=tuple(image or ()),
        image_sizes=image_sizes,
        frames=frames,
        settings=pairs(set_, "--set"),
        **query,
    )
    data = bill.to_dict()
    if explain is not None:
        if image or image_sizes is not None:
            raise InputError("--explain takes --visual-tokens, not images.", code="usage")
        data["explained"] = explain_flops(explain, model, bill.visual_tokens, **query)

    def words() -> None:
        from scalelaw.cli.show.plan import show_bill, show_explained

        if explain is None:
            show_bill(bill)
        else:
            show_explained(explain, data["explained"])

    give("cost", data, bill.warnings, as_json=as_json, output=output, words=words)


@app.command("calibrate", cls=Sectioned)
def calibrate(
    measured: Annotated[
        Path | None,
        typer.Argument(
            metavar="LATENCIES",
            help="A csv of times (--explain-columns lists its columns), as `scalelaw measure` writes it; or the JSON "
            "file of a benchmark tool (scalelaw list benchmarks).",
        ),
    ] = None,
    hardware: Annotated[
        str | None,
        typer.Option(
            help="The card of the measurements (scalelaw list hardware).",
            metavar="NAME",
            rich_help_panel="Hardware",
        ),
    ] = None,
    devices: Devices = 1,
    model: Annotated[
        str,
        typer.Option(
            autocompletion=names_of("models"),
            help="The model of rows that name none: a name of the catalogue, or a config.json.",
            metavar="NAME",
            rich_help_panel="Data",
        ),
    ] = "",
    value: Annotated[
        list[str] | None,
        typer.Option(
            help="A value for a column that the rows lack: visual_tokens=576; repeatable.",
            metavar="COLUMN=VALUE",
            rich_help_panel="Data",
        ),
    ] = None,
    explain_columns: Annotated[
        bool,
        typer.Option("--explain-columns", help="List the columns of the csv.", rich_help_panel="Data"),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Write the calibrated card as YAML, for --hardware.",
            metavar="FILE",
            rich_help_panel="Output",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit a card's constants to measured times; bad rows are named and left out.

    Example: scalelaw calibrate latencies.csv --hardware h100-sxm -o my_h100.yaml
    """
    from scalelaw import plan

    if explain_columns:
        columns = plan.explain_columns()

        def list_columns() -> None:
            from scalelaw.cli.show.plan import show_columns

            show_columns(columns)

        give("calibrate", {"columns": columns}, as_json=as_json, words=list_columns)
        return
    if measured is None or hardware is None:
        missing = "argument 'LATENCIES'" if measured is None else "option '--hardware'"
        raise InputError(f"Missing {missing}.", code="usage", hint="See: scalelaw calibrate --help")
    card = plan.calibrate(measured, hardware, devices, model=model, values=pairs(value, "--value"))
    if output is not None:
        card.write(output)

    def words() -> None:
        from scalelaw.cli.show.plan import show_calibration

        show_calibration(card)

    give("calibrate", card.to_dict(), card.warnings, as_json=as_json, words=words)
