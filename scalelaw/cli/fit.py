"""The commands that explain: fit, compare."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scalelaw.cli.app import Json, Output, Table, Verbose, Where, app, give, names_of, number, numbers, pairs
from scalelaw.cli.help import Sectioned
from scalelaw.errors import InputError, NoAnswer

Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        help="Read a law's input from another column: n_params=size. NAME= keeps a name of a formula a parameter; "
        "repeatable.",
    ),
]
Target = Annotated[str, typer.Option(help="The column that the law explains.")]
Scores = Annotated[
    list[str] | None,
    typer.Option("--score", help="Explain 1 - COLUMN/MAX in place of --target: acc=100."),
]
Scales = Annotated[
    list[str] | None,
    typer.Option(
        "--scale",
        help="Multiply a column of the table: n_params=1e9 for billions; repeatable.",
    ),
]
AsIs = Annotated[
    bool,
    typer.Option(
        "--as-is", help="Fit a target that looks like a score, and values whose unit looks wrong, unchanged."
    ),
]


@app.command("fit", cls=Sectioned)
def fit(
    table: Table,
    law: Annotated[
        str,
        typer.Option(
            autocompletion=names_of("laws"),
            help="A law's name (scalelaw list laws), auto, your own file (./mine.py), or a formula: 'E + A*N**-a'.",
        ),
    ] = "product_power",
    laws: Annotated[
        str | None,
        typer.Option(
            help="With --law auto: the laws to choose among, separated by commas. "
            "[default: all whose inputs the table has]"
        ),
    ] = None,
    where: Where = None,
    inputs: Inputs = None,
    target: Target = "error",
    score: Scores = None,
    scale: Scales = None,
    as_is: AsIs = False,
    loss: Annotated[
        str,
        typer.Option(
            help="What is made least: squared, huber (outliers count less) or expectile (one side counts more)."
        ),
    ] = "squared",
    delta: Annotated[
        float | None,
        typer.Option(help="With --loss huber: quadratic up to this residual, linear beyond. [default: 1e-3]"),
    ] = None,
    expectile: Annotated[
        float | None,
        typer.Option(
            help="With --loss expectile: how much points above the law count against those below (0 to 1)."
        ),
    ] = None,
    residual: Annotated[
        str | None,
        typer.Option(
            help="What is compared: linear (y - f) or log (ln y - ln f). [default: linear; auto with one input: log]"
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="How much points count: error_se (then 1 / se^2), or a column that holds the weights. "
            "[default: all alike]"
        ),
    ] = None,
    tail_weight: Annotated[
        list[str] | None,
        typer.Option(
            help="Let points count by an input to this power: 1.5 (every input), or n_params=1.5; repeatable."
        ),
    ] = None,
    fix: Annotated[list[str] | None, typer.Option(help="Hold a parameter: D=0; repeatable.")] = None,
    bound: Annotated[list[str] | None, typer.Option(help="Bound a parameter: alpha=0:1; repeatable.")] = None,
    tie: Annotated[
        list[str] | None, typer.Option(help="Tie a parameter to others: alpha=beta; repeatable.")
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(min=0, help="Bootstrap refits for the intervals; 0 for none.")
    ] = 1000,
    resample: Annotated[
        str | None,
        typer.Option(
            help="What a refit draws anew: wild, neighbour, residual, case or cluster. [default: what suits the loss]"
        ),
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(help="The column that says which rows belong together: model.")
    ] = None,
    interval: Annotated[
        str,
        typer.Option(
            help="How they are made: percentile (covers as often as it says), bca (exponents too rarely) or profile."
        ),
    ] = "percentile",
    level: Annotated[float, typer.Option(help="Level of the intervals: 0.95 for 95 %.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    holdout: Annotated[
        str | None,
        typer.Option(help="Also fit without the largest and predict it: largest, or largest:INPUT."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Fit each value of this column apart: task_family.")] = None,
    share: Annotated[
        str | None,
        typer.Option(
            help="With --by: say whether these parameters may be the same in all groups: alpha,beta."
        ),
    ] = None,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Also refit under other choices and say which conclusions move.")
    ] = False,
    influence: Annotated[
        bool, typer.Option("--influence", help="Also say what each point does to the conclusions.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit 3 if the points do not determine the law (at_bound passes: a limit is an answer).",
        ),
    ] = False,
    verbose: Verbose = False,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Fit a law to a table.

    Example: scalelaw fit vlm_reasoning --law product_power -o fit.json
    """
    from scalelaw import fit as fits
    from scalelaw.cli.show.fit import show_changes, show_fit, show_groups
    from scalelaw.cli.show.printer import MOST_LINES, at_most
    from scalelaw.files.safe_load import is_pipe
    from scalelaw.table.read import read_table

    asked: dict[str, Any] = {
        "where": where,
        "inputs": _inputs(inputs),
        "target": target,
        "loss": loss,
        "delta": delta,
        "expectile": expectile,
        "residual": residual,
        "weights": weights,
        "tail_weight": _tail(tail_weight),
        "fix": numbers(fix, "--fix"),
        "bounds": {name: _ends(value) for name, value in pairs(bound, "--bound").items()},
        "tie": pairs(tie, "--tie"),
        "bootstrap": bootstrap,
        "resample": resample,
        "cluster": cluster,
        "interval": interval,
        "level": level,
        "seed": seed,
        "holdout": holdout,
        **_reading(score, scale, as_is),
    }
    if by is not None:
        if laws is not None:
            raise InputError("--laws is for one --law auto, without --by.", code="usage")
        grouped = fits.fit_groups(table, by, law, _names(share), **asked)

        def group_words() -> None:
            with at_most(MOST_LINES, grouped.warnings, verbose):
                show_groups(grouped)

        give(
            "fit_groups",
            grouped.to_dict(),
            grouped.warnings,
            as_json=as_json,
            output=output,
            words=group_words,
        )
        return
    if share is not None:
        raise InputError("--share needs --by COLUMN.", code="usage")
    rows = read_table(table) if table == "-" or is_pipe(table) else table  # a pipe can be read only once
    fitted = fits.fit_law(rows, law, laws=_names(laws) or None, **asked)
    data = fitted.to_dict()
    if ablate:
        data["ablation"] = fits.ablate(rows, law, **asked)
    if influence:
        data["influence"] = fits.influence(rows, law, **asked)
    refused = strict and fitted.status in ("not_identified", "not_converged")

    def words() -> None:
        with at_most(MOST_LINES, fitted.warnings, verbose):
            show_fit(fitted)
            show_changes(data)

    told = None if as_json else words  # a refusal is itself the JSON object
    give("fit", data, fitted.warnings, as_json=as_json and not refused, output=output, words=told)
    if refused:
        raise NoAnswer(f"The law is {fitted.status.replace('_', ' ')}.", code=fitted.status, best=data)


@app.command("compare", cls=Sectioned)
def compare(
    table: Table,
    laws: Annotated[
        str | None,
        typer.Option(help="The laws, separated by commas. [default: all whose inputs the table has]"),
    ] = None,
    where: Where = None,
    inputs: Inputs = None,
    target: Target = "error",
    score: Scores = None,
    scale: Scales = None,
    as_is: AsIs = False,
    residual: Annotated[
        str | None,
        typer.Option(
            help="What is compared: linear (y - f) or log (ln y - ln f). [default: linear; with one input, log]"
        ),
    ] = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Compare laws by how well they fit and how well they extrapolate.

    The weight is a law's share in the average of `--law auto`: from its score, the error of predicting the largest
    points from the others, not from AICc, which says how well the points at hand are described. AICc compares only
    fits with the same loss, residuals and weights.

    Example: scalelaw compare vlm_reasoning
    """
    from scalelaw.cli.show.fit import show_comparison
    from scalelaw.fit import compare as compare_laws

    found = compare_laws(
        table,
        _names(laws) or None,
        _inputs(inputs),
        target,
        where,
        residual=residual,
        **_reading(score, scale, as_is),
    )
    give(
        "compare",
        found.to_dict(),
        found.warnings,
        as_json=as_json,
        output=output,
        words=lambda: show_comparison(found),
    )


def _reading(scores: list[str] | None, scale: list[str] | None, as_is: bool) -> dict[str, Any]:
    """How the table is read, as `fit_law` takes it."""
    return {"score": numbers(scores, "--score"), "scale": numbers(scale, "--scale"), "as_is": as_is}


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _inputs(terms: list[str] | None) -> dict[str, str | float]:
    """Columns by input; a number is the input's value for all rows."""
    found: dict[str, str | float] = {}
    for name, value in pairs(terms, "--input", empty=True).items():
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = value
    return found


def _tail(terms: list[str] | None) -> Any:
    """One number for all inputs, or numbers by input."""
    if not terms:
        return 0.0
    if len(terms) == 1 and "=" not in terms[0]:
        return number(terms[0], "--tail-weight")
    return numbers(terms, "--tail-weight")


def _ends(text: str) -> tuple[float, float]:
    low, colon, high = text.partition(":")
    if not colon:
        raise InputError(f"--bound takes name=low:high; '{text}' is not of that form.", code="usage")
    return number(low or "-inf", "--bound"), number(high or "inf", "--bound")
