"""The options of a command's help under headings, by what they are about, and what each takes."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

from scalelaw.errors import InputError

SECTIONS = {
    "Data": "where at input target weights by experiment column score scale decimal models-of as-is paired sweep set",
    "Law": "law laws share holdout strict",
    "Loss": "loss delta expectile residual tail-weight",
    "Parameters": "fix bound tie-of",
    "Uncertainty": "bootstrap resample cluster interval level seed ablate influence",
    "Question": "budget fit weight within target-error minimise tie contrast tolerance inverse explain",
    "Query": "text-tokens generate images tiles cached-prefix questions-per-image",
    "Images": "image frames fps image-sizes",
    "Choices": "models visual-tokens tower compressor cost convention",
    "Hardware": "hardware batch dtype cache-dtype devices mfu mbu usd-per-hour",
    "Running": "executor jobs resources dry-run prepare status track",
    "Output": "output out title style figures verbose figure size dpi format json help",
}
"""Heading -> options. `NAME-of` is NAME in a command that has no budget."""
PLANS = ("optimize", "cost")


def section(option: str, command: str) -> str:
    """The heading that an option (without its dashes) of a command stands under. Raises KeyError for one without."""
    wanted = f"{option}-of" if option in ("tie", "models") and command not in PLANS else option
    found = [heading for heading, held in SECTIONS.items() if wanted in held.split()]
    if not found:
        raise KeyError(f"--{option} of {command} stands under no heading")
    return found[0]


VALUES = {
    "NUMBER": (
        "delta expectile bootstrap level seed text-tokens generate images tiles cached-prefix questions-per-image "
        "within target-error tolerance tie devices usd-per-hour jobs dpi visual-tokens-of batch-of frames fps"
    ),
    "NAME": (
        "loss residual resample interval minimise tower compressor cost hardware dtype cache-dtype convention executor "
        "track experiment style format figure"
    ),
    "NUMBER,...": "visual-tokens batch",
    "LAW": "law",
    "LAW,...": "laws",
    "RULE": "holdout",
    "PARAMETER,...": "share",
    "COLUMN": "target weights by cluster",
    "INPUT=COLUMN": "input",
    "[INPUT=]NUMBER": "tail-weight",
    "PARAMETER=NUMBER": "fix",
    "PARAMETER=LOW:HIGH": "bound",
    "PARAMETER=PARAMETER": "tie-of",
    "COLUMN=NAME": "column",
    "COLUMN=FACTOR": "scale",
    "COLUMN=MAXIMUM": "score",
    "MARK": "decimal",
    "KEY=VALUE": "set",
    "WIDTHxHEIGHT": "image",
    "FILE.csv": "image-sizes",
    "AMOUNT": "budget explain",
    "TASK=FIT.json": "fit",
    "TASK=SHARE": "weight",
    "MODELS": "models",
    "SHARE": "mfu mbu",
    "FILE.yaml": "models-of resources",
    "FILE": "output",
    "DIR": "out",
    "TEXT": "title",
}
"""What an option takes, as its help shows it -> options, but for those that say it themselves. `NAME-of` is NAME where
it means something else than in `optimize`."""


def value(option: str, command: str) -> str | None:
    """What an option (without its dashes) of a command takes; None where nothing is said."""
    one = option in ("tie", "models") and command not in PLANS
    one = one or (option in ("visual-tokens", "batch") and command != "optimize")
    wanted = f"{option}-of" if one else option
    return next((shown for shown, held in VALUES.items() if wanted in held.split()), None)


class Sectioned(TyperCommand):
    """A command whose help lists its arguments, then its options by heading; plain text, as wide as is asked."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        for param in self.params:
            if param.param_type_name == "option" and not getattr(param, "is_flag", False):
                param.metavar = param.metavar or value(_name(param), str(self.name))

    def invoke(self, ctx: Any) -> Any:
        """Run the command. An end of file inside is a truncated file, which typer would take for Ctrl-D."""
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise InputError(
                f"A file that {ctx.command_path} reads ends too early: {error}.",
                code="truncated_file",
                hint="Remove or repair the file, and run the command again.",
            ) from error

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Arguments by their bare names."""
        return [re.sub(r"[{}]", "", piece) for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and every heading that has an option."""
        held: dict[str, list[tuple[str, str]]] = {"Arguments": [], **{heading: [] for heading in SECTIONS}}
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is None:
                continue
            if param.param_type_name == "argument":
                held["Arguments"].append((re.sub(r" <.*>$", "", record[0]), record[1]))
            else:
                held[section(_name(param), str(self.name))].append(record)
        for heading, records in held.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def _name(param: Any) -> str:
    return max(param.opts, key=len).lstrip("-")


class Commands(TyperGroup):
    """All commands, each with its whole first sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, one below the other."""
        held = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, made.get_short_help_str(1000)) for name, made in held if made])
