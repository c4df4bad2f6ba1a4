"""The commands about scalelaw itself: doctor, schema."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from scalelaw.cli.app import Json, app, give, names_of
from scalelaw.cli.help import Sectioned
from scalelaw.files.safe_text import json_safe


@app.command("doctor", cls=Sectioned)
def doctor(as_json: Json = False) -> None:
    """Show what is installed, the devices and schedulers, and what each missing extra adds.

    Example: scalelaw doctor
    """
    from scalelaw.cli.doctor import examine

    checks = examine()
    if not as_json:
        from scalelaw.cli.show.environment import show_doctor

        show_doctor(checks)
    give("doctor", checks, as_json=as_json)


@app.command("schema", cls=Sectioned)
def schema(
    command: Annotated[
        str,
        typer.Argument(
            metavar="COMMAND",
            help="The command: fit, optimize, cost, ...",
            autocompletion=names_of("schemas"),
        ),
    ],
    as_json: Json = False,
) -> None:
    """Print the JSON Schema of a command's --json answer.

    Example: scalelaw schema fit
    """
    from scalelaw.results import schema

    document = schema.schema(command)
    if not as_json:
        sys.stdout.write(json_safe(json.dumps(document, indent=2, ensure_ascii=False)) + "\n")
    give("schema", document, as_json=as_json)
