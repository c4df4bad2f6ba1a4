"""The face for a terminal: each command reads, calls one function, writes; it computes nothing.

With --json a command prints exactly one object on stdout (see `scalelaw.answers`); words and progress go to
stderr. Exit codes: see `scalelaw.errors`. Libraries are imported inside the commands, so that help is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from scalelaw import __version__, plugins
from scalelaw.answers import answer, dumps, refusal
from scalelaw.errors import InputError, NoAnswer, ScalelawError, unknown

app = typer.Typer(
    name="scalelaw",
    help="Fits scaling laws of vision-language models and plans inference budgets: "
    "under my budget, how large an LLM and how many visual tokens?",
    epilog="First steps: scalelaw fit vlm_reasoning -o fit.json; scalelaw optimize fit.json --budget 8e11",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

COMMANDS = ("sweep", "import", "fit", "optimize", "report", "list")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout, words on stderr.")]
Table = Annotated[
    str,
    typer.Argument(
        help="A parquet or csv file, a sweep's folder, '-' (csv on stdin), or a bundled table's name."
    ),
]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="Write the answer to this file.")]


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code and prints a sentence, never a traceback, for what a user can cause."""
    given = sys.argv[1:] if arguments is None else arguments
    command = next((a for a in given if a in COMMANDS), "scalelaw")
    try:
        return int(app(given, standalone_mode=False) or 0)
    except ScalelawError as error:
        return _refuse(command, given, error)
    except (KeyboardInterrupt, typer.Abort):
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if hasattr(error, "format_message"):  # what typer says of a wrong option or argument
            hint = f"See: {command if command == 'scalelaw' else f'scalelaw {command}'} --help"
            return _refuse(command, given, InputError(error.format_message(), code="usage", hint=hint))
        if os.environ.get("SCALELAW_DEBUG"):
            raise
        sentence = f"Unexpected {type(error).__name__}: {error}"
        hint = "This is a fault of scalelaw's; SCALELAW_DEBUG=1 shows where."
        return _refuse(command, given, ScalelawError(sentence, code="unexpected", hint=hint))


def _refuse(command: str, given: list[str], error: ScalelawError) -> int:
    if "--json" in given:
        sys.stdout.write(dumps(refusal(command, error)))
    print(f"error: {error.message}" + (f"\n  {error.hint}" if error.hint else ""), file=sys.stderr)
    return error.exit_code


def _give(
    command: str,
    data: Mapping[str, Any],
    warnings: Iterable[tuple[str, str]],
    as_json: bool,
    output: Path | None = None,
) -> None:
    """Write an answer: to its file, and to stdout if JSON was asked for; warnings go to stderr either way."""
    text = dumps(answer(command, data, warnings := list(warnings)))
    if output is not None:
        from scalelaw.files import write_text

        write_text(output, text)
    if as_json:
        sys.stdout.write(text)
    for _, message in warnings:
        print(f"warning: {message}", file=sys.stderr)


def _pairs(terms: list[str] | None, option: str) -> dict[str, str]:
    """`a=b` terms as a dict. Raises InputError for a term without '=' and for one given twice."""
    pairs: dict[str, str] = {}
    for term in terms or []:
        name, equals, value = term.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise InputError(f"{option} takes name=value; '{term}' is not of that form.", code="usage")
        if name.strip() in pairs:
            raise InputError(f"{option} names '{name.strip()}' twice.", code="usage")
        pairs[name.strip()] = value.strip()
    return pairs


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{option}: '{text}' is not a number.", code="usage") from error


def _bound(text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    if not colon:
        raise InputError(f"--bound takes name=low:high; '{text}' is not of that form.", code="usage")
    return _number(low or "-inf", "--bound"), _number(high or "inf", "--bound")


def _version(asked: bool) -> None:
    if asked:
        print(f"scalelaw {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def fit(
    table: Table,
    law: Annotated[
        str, typer.Option(help="A law's name (scalelaw list laws) or ./file.py.")
    ] = "product_power",
    where: Annotated[list[str] | None, typer.Option(help="Keep rows with column=value; repeatable.")] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="Read a law's input from a column: n_params=COLUMN; repeatable."),
    ] = None,
    target: Annotated[str, typer.Option(help="The column to explain.")] = "error",
    loss: Annotated[str, typer.Option(help="squared or huber.")] = "squared",
    delta: Annotated[
        float | None, typer.Option(help="The Huber loss is quadratic up to this residual.")
    ] = None,
    residual: Annotated[str, typer.Option(help="linear (y - f) or log (ln y - ln f).")] = "linear",
    fix: Annotated[list[str] | None, typer.Option(help="Hold a parameter: D=0; repeatable.")] = None,
    bound: Annotated[list[str] | None, typer.Option(help="Bound a parameter: alpha=0:1; repeatable.")] = None,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Bootstrap refits for the intervals; 0 for none.")
    ] = 1000,
    resample: Annotated[
        str, typer.Option(help="What the bootstrap resamples: residual or case.")
    ] = "residual",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    holdout: Annotated[
        str | None, typer.Option(help="'largest': also fit without the largest n_params and predict it.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 if the law is not identified.")] = False,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Fit a law to a table.

    Example: scalelaw fit vlm_reasoning --law product_power -o fit.json
    """
    from scalelaw.fit import fit_law

    fitted = fit_law(
        table,
        law=law,
        where=where,
        inputs=_pairs(inputs, "--input"),
        target=target,
        loss=loss,
        delta=delta,
        residual=residual,
        fix={name: _number(value, "--fix") for name, value in _pairs(fix, "--fix").items()},
        bounds={name: _bound(value) for name, value in _pairs(bound, "--bound").items()},
        bootstrap=bootstrap,
        resample=resample,
        seed=seed,
        holdout=holdout,
    )
    if not as_json:
        from scalelaw.report.terminal import show_fit

        show_fit(fitted)
    if strict and fitted.status in ("not_identified", "not_converged"):
        _give("fit", fitted.to_dict(), fitted.warnings, False, output)
        raise NoAnswer(
            f"The law is {fitted.status.replace('_', ' ')}.", code=fitted.status, best=fitted.to_dict()
        )
    _give("fit", fitted.to_dict(), fitted.warnings, as_json, output)


@app.command()
def optimize(
    fit_file: Annotated[
        Path, typer.Argument(metavar="FIT.json", help="What `scalelaw fit -o FIT.json` wrote.")
    ],
    budget: Annotated[
        list[str], typer.Option(help="FLOPs per query (1e12), or kind=amount; repeatable: all must hold.")
    ],
    text_tokens: Annotated[float, typer.Option(min=0, help="Text tokens of a query.")] = 50,
    generate: Annotated[float, typer.Option(min=0, help="Tokens generated per query.")] = 0,
    models: Annotated[
        str | None,
        typer.Option(help="A family, names, or a YAML file. [default: the sizes that were measured]"),
    ] = None,
    visual_tokens: Annotated[
        str | None, typer.Option(help="Counts to choose from: 1,4,16 or 1:576. [default: the measured range]")
    ] = None,
    hardware: Annotated[str | None, typer.Option(help="A card's name (scalelaw list hardware).")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Queries served together.")] = 1,
    cost: Annotated[str | None, typer.Option(help="The FLOP accounting (scalelaw list costs).")] = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Find the configuration with the least error inside a budget.

    Example: scalelaw optimize fit.json --budget 8e11 --text-tokens 50
    """
    from scalelaw.fit import load_fit
    from scalelaw.plan import find_optimum, parse_budget

    optimum = find_optimum(
        load_fit(fit_file),
        budget=parse_budget(budget),
        text_tokens=text_tokens,
        generate=generate,
        models=models,
        visual_tokens=visual_tokens,
        hardware=hardware,
        batch=batch,
        cost=cost,
    )
    if not as_json:
        from scalelaw.report.terminal import show_optimum

        show_optimum(optimum)
    _give("optimize", optimum.to_dict(), optimum.warnings, as_json, output)


@app.command()
def sweep(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml", help="The experiment.")],
    out: Annotated[Path | None, typer.Option(help="The sweep's folder. [default: sweeps/NAME]")] = None,
    executor: Annotated[str, typer.Option(help="local or inline (scalelaw list executors).")] = "local",
    jobs: Annotated[int | None, typer.Option(min=1, help="Cells at once. [default: the cores]")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the cells and their FLOPs; train nothing.")
    ] = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Override a key: recipe.steps=100; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train and score every cell of an experiment that has no result yet.

    Example: scalelaw sweep experiments/demo.yaml --jobs 2
    """
    from scalelaw.config import read_experiment
    from scalelaw.sweep import plan_sweep, run_sweep

    stated = read_experiment(experiment, changes)
    folder = out or Path("sweeps") / stated.name
    if dry_run:
        planned = plan_sweep(stated, folder)
        if not as_json:
            from scalelaw.report.terminal import show_cells

            show_cells(planned)
        _give("sweep", planned.to_dict(), (), as_json)
        return
    result = run_sweep(stated, folder, executor=executor, jobs=jobs)
    if not as_json:
        from scalelaw.report.terminal import show_sweep

        show_sweep(result)
    _give("sweep", result.to_dict(), result.warnings, as_json)


@app.command("import")
def import_(
    form: Annotated[
        str, typer.Argument(metavar="FORMAT", help="An importer's name (scalelaw list importers).")
    ],
    path: Annotated[Path, typer.Argument(help="The file or folder to import.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The table to write (parquet).")],
    models: Annotated[
        Path | None,
        typer.Option(help="YAML with what the file does not say (columns, scale, constants, model)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn published numbers into a results table.

    Example: scalelaw import published_table numbers.csv --models columns.yaml -o numbers.parquet
    """
    from scalelaw.config import read_mapping
    from scalelaw.table import write_table

    rows = plugins.load("importers", form).read(path, read_mapping(models))
    write_table(rows, output, {"scalelaw.version": __version__})
    _give("import", {"format": form, "rows": len(rows), "table": output}, (), as_json)
    print(f"{len(rows)} rows written to {output}.", file=sys.stderr)


@app.command()
def report(
    items: Annotated[
        list[str], typer.Argument(metavar="FIT.json|OPTIMUM.json|TABLE", help="What to report on.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The PDF to write.")] = Path("report.pdf"),
    title: Annotated[str | None, typer.Option(help="The title on page one.")] = None,
    as_json: Json = False,
) -> None:
    """Draw one PDF from fits, optima and tables.

    Example: scalelaw report fit.json optimum.json -o report.pdf
    """
    from scalelaw.report import write_report

    written = write_report(list(items), output, title=title)
    _give("report", {"report": written, "items": items}, (), as_json)
    print(f"The report is {written}.", file=sys.stderr)


_LISTS = (*plugins.DRAWERS, "models", "hardware", "tables")


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(metavar="|".join(_LISTS), help="Which drawer or catalogue.")],
    as_json: Json = False,
) -> None:
    """List what there is: plug-ins, models, hardware, tables.

    Example: scalelaw list laws
    """
    if what not in _LISTS:
        raise unknown("list", what, _LISTS)
    if what in plugins.DRAWERS:
        entries = {name: plugins.summary(what, name) for name in plugins.names(what)}
    elif what == "tables":
        from scalelaw.table import bundled_tables, describe

        entries = {name: str(describe(name).get("title", "")) for name in bundled_tables()}
    else:
        from scalelaw import plan

        entries = plan.list_models() if what == "models" else plan.list_hardware()
    if not as_json:
        width = max(map(len, entries), default=0)
        for name, meaning in entries.items():
            print(f"{name:<{width}}  {meaning}".rstrip())
    _give(
        "list", {what: [{"name": name, "summary": meaning} for name, meaning in entries.items()]}, (), as_json
    )


if __name__ == "__main__":
    sys.exit(main())
