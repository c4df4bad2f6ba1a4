"""The commands that explain: fit, compare."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scalelaw.cli.app import Json, Output, Table, Verbose, Where, app, give, names_of, number, numbers, pairs
from scalelaw.cli.help import Sectioned
from scalelaw.cli.table_options import AsIs, Inputs, Scales, Scores, Target, input_columns
from scalelaw.errors import InputError, NoAnswer
from scalelaw.laws import DEFAULT


@app.command("fit", cls=Sectioned)
def fit(
    table: Table,
    law: Annotated[
        str,
        typer.Option(
            autocompletion=names_of("laws"),
            help="A law's name (scalelaw list laws), auto, your own file (./mine.py), or a formula: 'E + A*N**-a'.",
            metavar="LAW",
            rich_help_panel="Law",
        ),
    ] = DEFAULT,
    laws: Annotated[
        str | None,
        typer.Option(
            help="With --law auto: the candidate laws, separated by commas. "
            "[default: all whose inputs the table has]",
            metavar="LAW,...",
            rich_help_panel="Law",
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
            help="Loss to minimize: squared, huber (robust to outliers) or expectile (asymmetric).",
            metavar="NAME",
            rich_help_panel="Loss",
        ),
    ] = "squared",
    delta: Annotated[
        float | None,
        typer.Option(
            help="With --loss huber: the residual up to which the loss is quadratic. [default: 1e-3]",
            metavar="NUMBER",
            rich_help_panel="Loss",
        ),
    ] = None,
    expectile: Annotated[
        float | None,
        typer.Option(
            help="With --loss expectile: the weight of points above the law, between 0 and 1.",
            metavar="NUMBER",
            rich_help_panel="Loss",
        ),
    ] = None,
    residual: Annotated[
        str | None,
        typer.Option(
            help="Residual: linear (y - f) or log (ln y - ln f). [default: linear; auto with one input: log]",
            metavar="NAME",
            rich_help_panel="Loss",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="How much points count: error_se (then 1 / se^2), or a column that holds the weights. "
            "[default: all alike]",
            metavar="COLUMN",
            rich_help_panel="Data",
        ),
    ] = None,
    tail_weight: Annotated[
        list[str] | None,
        typer.Option(
            help="Multiply the weights by an input to this power: 1.5 (the first input) or n_params=1.5; repeatable.",
            metavar="[INPUT=]NUMBER",
            rich_help_panel="Loss",
        ),
    ] = None,
    fix: Annotated[
        list[str] | None,
        typer.Option(
            help="Fix a parameter: D=0; repeatable.",
            metavar="PARAMETER=NUMBER",
            rich_help_panel="Parameters",
        ),
    ] = None,
    bound: Annotated[
        list[str] | None,
        typer.Option(
            help="Bound a parameter: alpha=0:1; repeatable.",
            metavar="PARAMETER=LOW:HIGH",
            rich_help_panel="Parameters",
        ),
    ] = None,
    tie: Annotated[
        list[str] | None,
        typer.Option(
            help="Tie a parameter to others: alpha=beta; repeatable.",
            metavar="PARAMETER=PARAMETER",
            rich_help_panel="Parameters",
        ),
    ] = None,
    bootstrap: Annotated[
        int,
        typer.Option(
            min=0,
            help="Bootstrap refits for the intervals; 0 for none.",
            metavar="NUMBER",
            rich_help_panel="Uncertainty",
        ),
    ] = 1000,
    resample: Annotated[
        str | None,
        typer.Option(
            help="How a refit is drawn: wild, neighbour, residual, case or cluster. [default: what suits the loss]",
            metavar="NAME",
            rich_help_panel="Uncertainty",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="With --resample cluster: the column that groups the rows, such as model.",
            metavar="COLUMN",
            rich_help_panel="Uncertainty",
        ),
    ] = None,
    interval: Annotated[
        str,
        typer.Option(
            help="Method of the intervals: percentile (nominal coverage), bca (lower for exponents) or profile.",
            metavar="NAME",
            rich_help_panel="Uncertainty",
        ),
    ] = "percentile",
    level: Annotated[
        float,
        typer.Option(
            help="Confidence level of the intervals: 0.95 for 95%.",
            metavar="NUMBER",
            rich_help_panel="Uncertainty",
        ),
    ] = 0.95,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of the bootstrap.", metavar="NUMBER", rich_help_panel="Uncertainty"),
    ] = 0,
    holdout: Annotated[
        str | None,
        typer.Option(
            help="Also fit without the largest value and predict it: largest, or largest:INPUT.",
            metavar="RULE",
            rich_help_panel="Law",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Fit each value of this column separately: task_family.",
            metavar="COLUMN",
            rich_help_panel="Data",
        ),
    ] = None,
    share: Annotated[
        str | None,
        typer.Option(
            help="With --by: test whether the groups share these parameters: alpha,beta.",
            metavar="PARAMETER,...",
            rich_help_panel="Law",
        ),
    ] = None,
    ablate: Annotated[
        bool,
        typer.Option(
            "--ablate",
            help="Also refit with other options and report which conclusions change.",
            rich_help_panel="Uncertainty",
        ),
    ] = False,
    influence: Annotated[
        bool,
        typer.Option(
            "--influence",
            help="Also report the influence of each point on the conclusions.",
            rich_help_panel="Uncertainty",
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with code 3 if the points do not identify the law (at_bound passes).",
            rich_help_panel="Law",
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
    from scalelaw.fit.options import FitOptions
    from scalelaw.table.read import read_table

    options = FitOptions(
        loss=loss,
        delta=delta,
        expectile=expectile,
        residual=residual,
        weights=weights,
        tail_weight=_tail(tail_weight),
        fix=numbers(fix, "--fix"),
        bounds={name: _ends(value) for name, value in pairs(bound, "--bound").items()},
        tie=pairs(tie, "--tie"),
        bootstrap=bootstrap,
        resample=resample,
        cluster=cluster,
        interval=interval,
        level=level,
        seed=seed,
        holdout=holdout,
        **_reading(score, scale, as_is),
    )
    question = {"where": where, "inputs": input_columns(inputs), "target": target, **vars(options)}
    if by is not None:
        if laws is not None:
            raise InputError("--laws is for one --law auto, without --by.", code="usage")
        grouped = fits.fit_groups(table, by, law, _names(share), **question)

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
    fitted = fits.fit_law(rows, law, laws=_names(laws) or None, **question)
    data = fitted.to_dict()
    if ablate:
        data["ablation"] = fits.ablate(rows, law, **question)
    if influence:
        data["influence"] = fits.influence(rows, law, **question)
    refused = strict and fitted.status in ("not_identified", "not_converged")

    def words() -> None:
        with at_most(MOST_LINES, fitted.warnings, verbose):
            show_fit(fitted)
            show_changes(data)

    printed = None if as_json else words  # a refusal is itself the JSON object
    give("fit", data, fitted.warnings, as_json=as_json and not refused, output=output, words=printed)
    if refused:
        raise NoAnswer(f"The law is {fitted.status.replace('_', ' ')}.", code=fitted.status, best=data)


@app.command("compare", cls=Sectioned)
def compare(
    table: Table,
    laws: Annotated[
        str | None,
        typer.Option(
            help="The laws, separated by commas. [default: all whose inputs the table has]",
            metavar="LAW,...",
            rich_help_panel="Law",
        ),
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
            help="Residual: linear (y - f) or log (ln y - ln f). [default: linear; with one input, log]",
            metavar="NAME",
            rich_help_panel="Loss",
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

    comparison = compare_laws(
        table,
        _names(laws) or None,
        input_columns(inputs),
        target,
        where,
        residual=residual,
        **_reading(score, scale, as_is),
    )
    give(
        "compare",
        comparison.to_dict(),
        comparison.warnings,
        as_json=as_json,
        output=output,
        words=lambda: show_comparison(comparison),
    )


def _reading(scores: list[str] | None, scale: list[str] | None, as_is: bool) -> dict[str, Any]:
    """How the table is read, as `fit_law` takes it."""
    return {"score": numbers(scores, "--score"), "scale": numbers(scale, "--scale"), "as_is": as_is}


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


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
