"""The help of a command: its arguments, then its options under headings.

An option states its heading as `rich_help_panel` and its value as `metavar`, where it is declared.
"""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

from scalelaw.errors import InputError

HEADINGS = (
    "Data", "Law", "Loss", "Parameters", "Uncertainty", "Question", "Query", "Images", "Choices", "Hardware", "Engine",
    "Running", "Output",
)  # fmt: skip
"""The headings in the order of a help text; `--help` itself is under the last."""


class Sectioned(TyperCommand):
    """A command whose help lists its arguments, then its options by heading, as plain text."""

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
        sections: dict[str, list[tuple[str, str]]] = {name: [] for name in ("Arguments", *HEADINGS)}
        for param in self.get_params(ctx):
            if (record := param.get_help_record(ctx)) is None:
                continue
            if param.param_type_name == "argument":
                sections["Arguments"].append((re.sub(r" <.*>$", "", record[0]), record[1]))
            else:
                sections[heading_of(param)].append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def heading_of(option: Any) -> str:
    """The heading of a command's option."""
    return getattr(option, "rich_help_panel", None) or HEADINGS[-1]


class Commands(TyperGroup):
    """All commands, each with its whole first sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, one below the other."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, made.get_short_help_str(1000)) for name, made in commands if made])
