"""The commands that decide: optimize, cost, calibrate."""

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
    number,
    numbers,
    pairs,
)
from scalelaw.cli.help import Sectioned
from scalelaw.errors import InputError

TextTokens = Annotated[float, typer.Option(help="Text tokens of a query.")]
Generate = Annotated[
    float,
    typer.Option(
        help="Tokens generated per query: so many passes after the prefill, the last token's own among them."
    ),
]
Images = Annotated[float, typer.Option(help="Images per query.")]
Tiles = Annotated[float, typer.Option(help="Tiles per image: the tower runs once for each.")]
Prefix = Annotated[float, typer.Option(help="Share of the text whose keys and values are cached (0 to 1).")]
Questions = Annotated[float, typer.Option(help="Questions asked of one image: the tower runs once for all.")]
Tower = Annotated[
    str | None,
    typer.Option(
        help="A vision tower's name (scalelaw list towers), its config.json, or none. [default: clip-vit-l-14-336]"
    ),
]
Compressor = Annotated[
    str | None,
    typer.Option(help="The compressor whose own cost counts (scalelaw list compressors). [default: none]"),
]
Hardware = Annotated[
    str | None,
    typer.Option(
        autocompletion=names_of("hardware"), help="A card's name (scalelaw list hardware), or its YAML file."
    ),
]
Devices = Annotated[int, typer.Option(min=1, help="Cards that serve one model together.")]
Mfu = Annotated[
    str | None,
    typer.Option(
        help="Share of the card's peak that prefill reaches: 0.5, or a range 0.3:0.6. [default: the card's, else 0.5]"
    ),
]
Mbu = Annotated[
    str | None,
    typer.Option(
        help="Share of the card's bandwidth that is reached: 0.8, or a range. [default: the card's, else 0.8]"
    ),
]
Price = Annotated[
    float | None, typer.Option("--usd-per-hour", help="Price of one card for an hour, in dollars.")
]
CacheType = Annotated[
    str,
    typer.Option("--cache-dtype", help="Number type of the KV cache: fp32, fp16, bf16, fp8, int8 or int4."),
]
Seed = Annotated[
    int, typer.Option(min=0, help="Seed of the efficiencies drawn from ranges of --mfu and --mbu.")
]

QUERY = (
    "text_tokens",
    "generate",
    "hardware",
    "batch",
    "dtype",
    "cache_dtype",
    "images",
    "tiles",
    "cached_prefix",
    "questions_per_image",
    "tower",
    "compressor",
    "devices",
    "usd_per_hour",
    "seed",
)
"""The options that say what a query is and what serves it, as `plan.query.make_query` takes them."""


def _query(given: dict[str, Any]) -> dict[str, Any]:
    """The query among a command's arguments."""
    if empty := [
        name for name in ("tower", "compressor") if given[name] is not None and not given[name].strip()
    ]:
        raise InputError(f"--{empty[0]} is empty.", code="usage", hint="Name one, or none.")
    shares = {name: _share(given[name], f"--{name}") for name in ("mfu", "mbu")}
    return {name: given[name] for name in QUERY} | shares


def _share(text: str | None, option: str) -> Any:
    if text is None:
        return None
    ends = tuple(number(end, option) for end in text.split(":"))
    return ends[0] if len(ends) == 1 else ends


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
            help="FLOPs per query (1e12), or another kind: latency_ms=80, memory_gb=24; repeatable: all must hold."
        ),
    ] = None,
    fits: Annotated[
        list[str] | None,
        typer.Option("--fit", help="A task's fit: ocr=ocr.json; repeatable: plan for them all."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weight",
            help="A task's share of the error: ocr=0.3; repeatable. [default: equal shares of what is left]",
        ),
    ] = None,
    law_files: LawFiles = None,
    text_tokens: TextTokens = 50,
    generate: Generate = 0,
    models: Annotated[
        str | None,
        typer.Option(
            autocompletion=names_of("models"),
            help="A family, names, all, ladder:LOW:HIGH (made to measure between two sizes), or a YAML file. "
            "[default: the sizes that were measured]",
        ),
    ] = None,
    visual_tokens: Annotated[
        str | None, typer.Option(help="Counts to choose from: 1,4,16 or 1:576. [default: the measured range]")
    ] = None,
    within: Annotated[
        float | None, typer.Option(help="Take the cheapest whose error is at most so much above the least.")
    ] = None,
    target_error: Annotated[
        float | None, typer.Option(help="Take the cheapest that reaches this error.")
    ] = None,
    minimise: Annotated[
        str | None,
        typer.Option(
            help="With --within or --target-error: the kind of cost that is to be least. "
            "[default: the first budget's, else flops]"
        ),
    ] = None,
    tie: Annotated[float, typer.Option(help="Errors closer than this to the pick's are near ties.")] = 0.001,
    contrast: Annotated[
        bool,
        typer.Option("--contrast", help="Also the pick under every other kind of budget of the same size."),
    ] = False,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="With --contrast: tokens are free while latency rises by less than this share. [default: 0.05]"
        ),
    ] = None,
    inverse: Annotated[
        bool, typer.Option("--inverse", help="Also where the next model pays, and what a larger budget buys.")
    ] = False,
    hardware: Hardware = None,
    batch: Annotated[
        str, typer.Option(help="Queries served together; several to choose from: 1,8,32.")
    ] = "1",
    dtype: Annotated[
        str,
        typer.Option(
            help="Number type of the weights: fp32, fp16, bf16, fp8, int8 or int4; several to choose from: bf16,int8."
        ),
    ] = "bf16",
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
            "[default: layer_flops where shapes are known, else linear_flops]"
        ),
    ] = None,
    seed: Seed = 0,
    verbose: Verbose = False,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Find the configuration with the least error inside a budget.

    Example: scalelaw optimize fit.json --budget 8e11 --text-tokens 50
    """
    from scalelaw import plan

    asked = {**_query(locals()), "models": models, "visual_tokens": visual_tokens, "cost": cost}
    limits = plan.parse_budget(budget, cost) if budget else None
    if target_error is not None and (contrast or inverse):
        raise InputError(
            "--contrast and --inverse start from a budget, not from --target-error.", code="bad_objective"
        )
    if tolerance is not None and not contrast:
        raise InputError("--tolerance belongs to --contrast.", code="usage")
    law = _law(fit_file, pairs(fits, "--fit"), numbers(weights, "--weight"), law_files or [])
    optimum = plan.find_optimum(
        law, limits, within=within, target_error=target_error, minimise=minimise, tie=tie, **asked
    )
    data, warnings = optimum.to_dict(), list(optimum.warnings)
    if contrast:
        free: dict[str, Any] = {} if tolerance is None else {"tolerance": tolerance}
        found = plan.contrast_budgets(law, limits, within=within, **free, **asked)
        data["contrast"] = found.to_dict()
        warnings += [held for held in found.warnings if held not in warnings]
    if inverse:
        data["inverse"] = plan.inverse_questions(law, limits, within=within, **asked)
    from scalelaw.cli.show.fit import show_front
    from scalelaw.cli.show.plan import show_contrast, show_inverse, show_optimum
    from scalelaw.cli.show.printer import MOST_LINES, at_most

    def words() -> None:
        with at_most(MOST_LINES, warnings, verbose):
            show_optimum(optimum)
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


@app.command("cost", cls=Sectioned)
def cost(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", autocompletion=names_of("models"), help="A model's name, or its config.json."
        ),
    ],
    visual_tokens: Annotated[float, typer.Option(help="Visual tokens that the LLM sees of an image.")] = 576,
    text_tokens: TextTokens = 50,
    generate: Generate = 0,
    convention: Annotated[
        str,
        typer.Option(
            help="What is counted as FLOPs: exact, all-logits, useful-causal, 2N, fastv, pyramiddrop or vtw."
        ),
    ] = "exact",
    explain: Annotated[
        str | None,
        typer.Option(help="A published number of FLOPs (3.82e12): which convention and length give it?"),
    ] = None,
    hardware: Hardware = None,
    batch: Annotated[int, typer.Option(min=1, help="Queries served together.")] = 1,
    dtype: Annotated[
        str, typer.Option(help="Number type of the weights: fp32, fp16, bf16, fp8, int8 or int4.")
    ] = "bf16",
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
    """Say what one query costs, part by part.

    Example: scalelaw cost llava-1.5-7b --visual-tokens 576 --text-tokens 50
    """
    from scalelaw.plan import explain_flops, find_cost

    query = _query(locals() | {"seed": 0})
    bill = find_cost(model, visual_tokens, convention=convention, **query)
    data = bill.to_dict()
    if explain is not None:
        data["explained"] = explain_flops(explain, model, visual_tokens, **query)

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
        Path,
        typer.Argument(
            metavar="LATENCIES.csv", help="Columns model, visual_tokens, latency_ms or ttft_ms, ..."
        ),
    ],
    hardware: Annotated[str, typer.Option(help="The card they were measured on (scalelaw list hardware).")],
    devices: Devices = 1,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the card as YAML: --hardware takes it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit a card's efficiencies and overheads to measured latencies.

    Example: scalelaw calibrate latencies.csv --hardware h100-sxm -o my_h100.yaml
    """
    from scalelaw import plan

    found = plan.calibrate(measured, hardware, devices)
    if output is not None:
        found.write(output)

    def words() -> None:
        from scalelaw.cli.show.plan import show_calibration

        show_calibration(found)

    give("calibrate", found.to_dict(), found.warnings, as_json=as_json, words=words)
