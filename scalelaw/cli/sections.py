"""The options of a command's help under headings, by what they are about."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand

SECTIONS = {
    "Data": "where input target weights by experiment column score scale decimal models-of paired sweep set",
    "Law": "law laws share holdout strict",
    "Loss": "loss delta expectile residual tail-weight",
    "Parameters": "fix bound tie-of",
    "Uncertainty": "bootstrap resample cluster interval level seed ablate influence",
    "Question": "budget fit weight within target-error minimise tie contrast tolerance inverse explain",
    "Query": "text-tokens generate images tiles cached-prefix questions-per-image",
    "Choices": "models visual-tokens tower compressor cost convention",
    "Hardware": "hardware batch dtype cache-dtype devices mfu mbu usd-per-hour",
    "Running": "executor jobs resources dry-run prepare status track",
    "Output": "output out title style format json help",
}
"""Heading -> options. `NAME-of` is NAME in a command that has no budget."""


def section(option: str, command: str) -> str:
    """The heading that an option (without its dashes) of a command stands under. Raises KeyError for one without."""
    plans = command in ("optimize", "cost")
    wanted = f"{option}-of" if option in ("tie", "models") and not plans else option
    found = [heading for heading, held in SECTIONS.items() if wanted in held.split()]
    if not found:
        raise KeyError(f"--{option} of {command} stands under no heading")
    return found[0]


class Sectioned(TyperCommand):
    """A command whose help lists its arguments, then its options by heading; plain text, as wide as is asked."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and every heading that has an option."""
        held: dict[str, list[tuple[str, str]]] = {"Arguments": [], **{heading: [] for heading in SECTIONS}}
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is None:
                continue
            if param.param_type_name == "argument":
                heading = "Arguments"
            else:
                heading = section(max(param.opts, key=len).lstrip("-"), str(self.name))
            held[heading].append(record)
        for heading, records in held.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)
