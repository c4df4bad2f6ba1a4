"""The command that decides: optimize."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scalelaw.cli.app import (
    Json,
    LawFiles,
    Output,
    Verbose,
    app,
    give,
    names_of,
    need_files,
    numbers,
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
    Mbu,
    Mfu,
    Prefix,
    Price,
    Questions,
    Seed,
    TextTokens,
    Tiles,
    Tower,
    workload_options,
)
from scalelaw.errors import InputError


@app.command("optimize", cls=Sectioned)
def optimize(
    fit_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FIT.json",
            help="What `scalelaw fit TABLE -o FIT.json` wrote; or name several with --fit.",
        ),
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            help="FLOPs per query (1e12), or another kind: latency_ms=80, memory_gb=24; repeatable.",
            metavar="AMOUNT",
            rich_help_panel="Question",
        ),
    ] = None,
    fits: Annotated[
        list[str] | None,
        typer.Option(
            "--fit",
            help="The fit of a task: ocr=ocr.json; repeatable, the plan covers every task.",
            metavar="TASK=FIT.json",
            rich_help_panel="Question",
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weight",
            help="Weight of a task's error: ocr=0.3; repeatable. [default: equal shares of the rest]",
            metavar="TASK=SHARE",
            rich_help_panel="Question",
        ),
    ] = None,
    law_files: LawFiles = None,
    text_tokens: TextTokens = 50,
    generate: Generate = 0,
    models: Annotated[
        str | None,
        typer.Option(
            autocompletion=names_of("models"),
            help="A family, names, all, ladder:LOW:HIGH (custom sizes between two), or a YAML file. "
            "[default: the measured sizes]",
            metavar="MODELS",
            rich_help_panel="Choices",
        ),
    ] = None,
    visual_tokens: Annotated[
        str | None,
        typer.Option(
            help="Candidate token counts: 1,4,16 or 1:576. [default: the measured range]",
            metavar="NUMBER,...",
            rich_help_panel="Choices",
        ),
    ] = None,
    image: ImagePixels = None,
    image_sizes: ImageSizes = None,
    frames: Frames = None,
    within: Annotated[
        float | None,
        typer.Option(
            help="Choose the cheapest whose error exceeds the lowest by at most this much.",
            metavar="NUMBER",
            rich_help_panel="Question",
        ),
    ] = None,
    target_error: Annotated[
        float | None,
        typer.Option(
            help="Choose the cheapest that reaches this error.", metavar="NUMBER", rich_help_panel="Question"
        ),
    ] = None,
    minimise: Annotated[
        str | None,
        typer.Option(
            help="With --within or --target-error: the kind of cost to minimize. "
            "[default: the first budget's, else flops]",
            metavar="NAME",
            rich_help_panel="Question",
        ),
    ] = None,
    tie: Annotated[
        float,
        typer.Option(
            help="Configurations whose error is this close to the best are near ties.",
            metavar="NUMBER",
            rich_help_panel="Question",
        ),
    ] = 0.001,
    contrast: Annotated[
        bool,
        typer.Option(
            "--contrast",
            help="Also find the optimum under every other kind of budget of the same size.",
            rich_help_panel="Question",
        ),
    ] = False,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="With --contrast: tokens are free while latency rises by less than this share. [default: 0.05]",
            metavar="NUMBER",
            rich_help_panel="Question",
        ),
    ] = None,
    inverse: Annotated[
        bool,
        typer.Option(
            "--inverse",
            help="Also report when the next larger model pays off, and what a larger budget gains.",
            rich_help_panel="Question",
        ),
    ] = False,
    hardware: Hardware = None,
    batch: Annotated[
        str,
        typer.Option(
            help="Queries per batch; several candidates: 1,8,32.",
            metavar="NUMBER,...",
            rich_help_panel="Hardware",
        ),
    ] = "1",
    dtype: Annotated[
        str,
        typer.Option(
            help="Number type of the weights: fp32, fp16, bf16, fp8, int8, int4, w8a16, w4a16 (AWQ, GPTQ), "
            "nvfp4, mxfp4, or one of llama.cpp, q4_k_m for example; several candidates: bf16,int8.",
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
    cost: Annotated[
        str | None,
        typer.Option(
            help="How FLOPs are counted: layer_flops, linear_flops, or your own file. "
            "[default: layer_flops where shapes are known, else linear_flops]",
            metavar="NAME",
            rich_help_panel="Choices",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            autocompletion=names_of("engines"),
            help="Also give the command line and the request fields of a serving engine (scalelaw list engines).",
            metavar="NAME",
            rich_help_panel="Engine",
        ),
    ] = None,
    engine_model: Annotated[
        str | None,
        typer.Option(
            help="With --engine: what it loads, a repository, folder or file. [default: the model's name]",
            metavar="MODEL",
            rich_help_panel="Engine",
        ),
    ] = None,
    engine_family: Annotated[
        str | None,
        typer.Option(
            autocompletion=names_of("families"),
            help="With --engine: the model's family (scalelaw list families). [default: by the model's files or name]",
            metavar="FAMILY",
            rich_help_panel="Engine",
        ),
    ] = None,
    seed: Seed = 0,
    verbose: Verbose = False,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Find the configuration with the lowest error within a budget.

    Example: scalelaw optimize fit.json --budget 8e11 --text-tokens 50
    """
    from scalelaw import plan

    workload = workload_options(
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
        seed=seed,
    )
    options = {**workload, "models": models, "visual_tokens": visual_tokens, "cost": cost}
    if image or image_sizes is not None or frames is not None:
        options |= {"image": tuple(image or ()), "image_sizes": image_sizes, "frames": frames}
    limits = plan.parse_budget(budget, cost) if budget else None
    if target_error is not None and (contrast or inverse):
        raise InputError(
            "--contrast and --inverse start from a budget, not from --target-error.", code="bad_objective"
        )
    if tolerance is not None and not contrast:
        raise InputError("--tolerance belongs to --contrast.", code="usage")
    if engine is None and (engine_model is not None or engine_family is not None):
        raise InputError("--engine-model and --engine-family belong to --engine.", code="usage")
    law = _law(fit_file, pairs(fits, "--fit"), numbers(weights, "--weight"), law_files or [])
    optimum = plan.find_optimum(
        law, limits, within=within, target_error=target_error, minimise=minimise, tie=tie, **options
    )
    if engine is not None:
        sizes = optimum.searched.get("image_sizes")
        optimum = plan.serve_optimum(
            optimum,
            engine,
            models=models,
            model=engine_model,
            family=engine_family,
            images=[tuple(size) for size in sizes] if isinstance(sizes, list) else (),
            cache_dtype=cache_dtype,
        )
    data, warnings = optimum.to_dict(), list(optimum.warnings)
    if contrast:
        free: dict[str, Any] = {} if tolerance is None else {"tolerance": tolerance}
        contrasted = plan.contrast_budgets(law, limits, within=within, **free, **options)
        data["contrast"] = contrasted.to_dict()
        warnings += [warning for warning in contrasted.warnings if warning not in warnings]
    if inverse:
        data["inverse"] = plan.inverse_questions(law, limits, within=within, **options)
    from scalelaw.cli.show.fit import show_front
    from scalelaw.cli.show.plan import show_contrast, show_engine, show_inverse, show_optimum
    from scalelaw.cli.show.printer import MOST_LINES, at_most

    def words() -> None:
        with at_most(MOST_LINES, warnings, verbose):
            show_optimum(optimum)
            if engine is not None:
                show_engine(optimum)
            show_front(optimum)
            if contrast:
                show_contrast(data["contrast"])
            if inverse:
                show_inverse(data["inverse"])

    give("optimize", data, warnings, as_json=as_json, output=output, words=words)


def _law(fit_file: Path | None, fits: dict[str, str], weights: dict[str, float], law: list[str]) -> Any:
    from scalelaw.fit import load_fit
    from scalelaw.plan import blend

    if (fit_file is None) == (not fits):
        raise InputError("Give one FIT.json, or several with --fit TASK=FILE.", code="usage")
    need_files(law)
    if fit_file is not None:
        if weights:
            raise InputError("--weight needs the tasks' fits as --fit TASK=FILE.", code="usage")
        return load_fit(fit_file, law)
    return blend({name: load_fit(path, law) for name, path in fits.items()}, weights)
