"""What every command shares: how an answer or a refusal is written, how terms are read, common options."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from pathlib import Path
from typing import Annotated, Any

import typer

from scalelaw.cli import paths, streams
from scalelaw.cli.help import Commands
from scalelaw.errors import (
    EXTRA_OF,
    InputError,
    Interrupted,
    PredictionWarning,
    ScalelawError,
    missing_dependency,
)
from scalelaw.files.environment import drop_invalid_epoch, drop_unknown_backend, shadowing_files
from scalelaw.files.paths import protected
from scalelaw.files.safe_text import discard, json_ascii, say
from scalelaw.results.envelope import answer_text, dumps, refusal
from scalelaw.version import __version__

app = typer.Typer(
    name="scalelaw",
    cls=Commands,
    help="Fits scaling laws of vision-language models and plans inference budgets: "
    "under my budget, how large an LLM and how many visual tokens?",
    epilog="First steps: scalelaw fit vlm_reasoning -o fit.json; scalelaw optimize fit.json --budget 8e11",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def names_of(kind: str) -> Callable[[str], list[str]]:
    """For shell completion: the names of a plug-in package or catalogue (`schemas`, `tables`, ...) with a prefix.

    The names of tables include files.
    """

    def complete(incomplete: str) -> list[str]:
        matches = [name for name in listed(kind) if name.startswith(incomplete)]
        if kind != "tables":
            return matches
        paths = Path().glob(f"{incomplete}*") if not incomplete.startswith(("/", ".", "~")) else ()
        return matches + sorted(f"{path}/" if path.is_dir() else str(path) for path in paths)

    return complete


def listed(kind: str) -> dict[str, str]:
    """What there is of a kind, by name, with a line on each: plug-ins, models, hardware, tables."""
    from scalelaw import plugins

    if kind == "figures":
        from scalelaw.report.render.figure import summaries

        return summaries()
    if kind in plugins.PACKAGES:
        return {name: plugins.summary(kind, name).removeprefix(f"{name}: ") for name in plugins.names(kind)}
    if kind == "tables":
        from scalelaw.table.read import bundled_tables, describe

        return {name: str(describe(name).get("title", "")) for name in bundled_tables()}
    if kind == "schemas":
        from scalelaw.results.schema import described

        return dict.fromkeys(described(), "")
    from scalelaw import plan

    by_kind = {"models": plan.list_models, "towers": plan.list_towers, "hardware": plan.list_hardware}
    return by_kind[kind]()


Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON object on stdout and text on stderr.", rich_help_panel="Output"
    ),
]
Table = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        autocompletion=names_of("tables"),
        help="A parquet or csv file, a sweep's folder, '-' (csv on stdin), or a bundled table's name.",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN=VALUE",
        help="Use only the rows with this value; repeatable, every condition applies.",
        rich_help_panel="Data",
    ),
]
LawFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--law",
        metavar="FILE.py",
        help="The law file of a fit that was made with one; repeatable.",
        rich_help_panel="Law",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="Write the answer to this file.", metavar="FILE", rich_help_panel="Output"
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        help="Print the whole answer; without it a terminal gets at most 25 lines.",
        rich_help_panel="Output",
    ),
]


MOST_WARNINGS = 20
"""More warnings of one answer than these are not all printed; --json has them."""

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EFBIG)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit code. A sentence, never a traceback, for what a user can cause."""
    argv = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    command = next((a for a in argv if a in commands()), "scalelaw")
    drop_invalid_epoch()
    drop_unknown_backend()
    try:
        inputs, outputs = paths.named(argv)
        streams.prepare(command, argv, bool(outputs))
        warnings.simplefilter("ignore", PredictionWarning)  # an answer has warnings of its own
        if "" in argv:
            hint = "A variable of the shell may be unset."
            raise InputError("One of the arguments is empty.", code="usage", hint=hint)
        with protected(inputs):
            paths.check_streams(command, inputs, "--json" in argv)
            paths.check(command, argv, inputs, outputs)
            code = int(_only(argv[0])(argv, prog_name="scalelaw", standalone_mode=False) or 0)
        if code == Interrupted.exit_code:  # newer typers turn Ctrl-C into this code
            raise KeyboardInterrupt
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        discard(sys.stdout)
        return 0
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001
        if isinstance(error, SystemExit) and isinstance(error.__context__, OSError):
            return 0  # so typer and rich end where whoever read the answer had enough of it
        return _end(command, argv, error)


def _only(command: str) -> typer.Typer:
    """The app with this command alone, as building all of them takes as long as a small fit; else the whole app."""
    matches = [registered for registered in app.registered_commands if registered.name == command]
    if not matches:
        return app
    alone = copy(app)
    alone.registered_commands = matches
    return alone


def _end(command: str, argv: list[str], error: BaseException) -> int:
    """Say what ended a command; its exit code."""
    if isinstance(error, ScalelawError):
        return _refuse(command, argv, error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        sentence = "Interrupted; what is finished is kept."
        return _refuse(command, argv, Interrupted(sentence, code="interrupted"))
    if hasattr(error, "format_message"):  # what typer says of a wrong option or argument
        hint = f"See: {command if command == 'scalelaw' else f'scalelaw {command}'} --help"
        return _refuse(command, argv, InputError(error.format_message(), code="usage", hint=hint))
    if isinstance(error, OSError) and error.errno in _UNWRITABLE and error.filename is None:
        discard(sys.stdout)  # nor could what is still held back be written
        sentence = f"The answer could not be written: {error.strerror}."
        return _refuse(
            command,
            [],
            InputError(
                sentence, code="cannot_write", hint="Free some space, or write to another disk with -o."
            ),
        )
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in EXTRA_OF:
        return _refuse(command, argv, missing_dependency(error))
    if os.environ.get("SCALELAW_DEBUG"):
        raise error
    if isinstance(error, ImportError | AttributeError) and (files := shadowing_files(error)):
        return _refuse(
            command,
            argv,
            InputError(
                f"{files[0]} is imported in place of an installed module of the same name.",
                code="shadowed_module",
                hint="Rename it, or run `scalelaw` (or `python -P -m scalelaw`) without its folder in PYTHONPATH.",
            ),
        )
    sentence = f"Unexpected {type(error).__name__}: {error}"
    hint = "This is a fault of scalelaw's; SCALELAW_DEBUG=1 shows where."
    return _refuse(command, argv, ScalelawError(sentence, code="unexpected", hint=hint))


def commands() -> tuple[str, ...]:
    """The names of the commands, as typed."""
    return tuple(str(command.name) for command in app.registered_commands)


def give(
    command: str,
    data: Mapping[str, Any],
    warnings: Iterable[tuple[str, str]] = (),
    *,
    as_json: bool,
    output: Path | None = None,
    words: Callable[[], None] | None = None,
) -> None:
    """Write an answer: to its file, then its warnings to stderr, then to stdout as JSON or in `words`.

    The file comes first: whoever reads stdout may stop early. Warnings come before what they are about.
    """
    warnings = list(warnings)
    text = answer_text(command, data, warnings) if as_json or output is not None else ""
    # files that a catalogue or a card names are known only now
    paths.check_streams(as_json=as_json)
    if output is not None:
        from scalelaw.files.paths import write_text

        write_text(output, text, by_user=True)
    for line in _shown(warnings):
        say(line, sys.stderr)
    if as_json:
        print_json(text)
    elif words is not None:
        words()


def print_json(text: str) -> None:
    """Print JSON text; where the output's encoding lacks characters, all beyond ASCII as JSON's own escapes."""
    sys.stdout.write(text if streams.is_unicode(sys.stdout) else json_ascii(text))


def _shown(warnings: list[tuple[str, str]]) -> list[str]:
    """The warnings as lines, each message once; of very many the first, one of every further code, and how many more
    there are."""
    lines: dict[str, str] = {}
    for code, message in warnings:
        lines.setdefault(f"warning: {message}", code)
    if len(lines) <= MOST_WARNINGS:
        return list(lines)
    shown = list(lines)[: MOST_WARNINGS // 2]
    known = {lines[line] for line in shown}
    for line in list(lines)[MOST_WARNINGS // 2 :]:
        if lines[line] not in known:
            known.add(lines[line])
            shown.append(line)
    return [*shown, f"warning: and {len(lines) - len(shown)} more like these; all are in --json."]


def need_files(paths: Iterable[str]) -> None:
    """Raises InputError for a path where no file is."""
    for path in paths:
        if not os.path.isfile(path):
            raise InputError(f"There is no file {path}.", code="no_such_file")


def pairs(terms: list[str] | None, option: str, empty: bool = False) -> dict[str, str]:
    """`a=b` terms as a dict; `a=` is one where `empty`. Raises InputError for another form, and for a name twice."""
    values: dict[str, str] = {}
    for term in terms or []:
        name, equals, value = (part.strip() for part in term.partition("="))
        if not equals or not name or not (value or empty):
            raise InputError(f"{option} takes name=value; '{term}' is not of that form.", code="usage")
        if name in values:
            raise InputError(f"{option} names '{name}' twice.", code="usage")
        values[name] = value
    return values


def number(text: str, option: str) -> float:
    """A number. Raises InputError, naming the option, for what is none."""
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"{option}: '{text}' is not a number.", code="usage") from error


def numbers(terms: list[str] | None, option: str) -> dict[str, float]:
    """`name=number` terms as a dict."""
    return {name: number(value, option) for name, value in pairs(terms, option).items()}


def _refuse(command: str, argv: list[str], error: ScalelawError) -> int:
    if "--json" in argv:
        print_json(dumps(refusal(command, error)))
    say(f"error: {error.message}" + (f"\n  {error.hint}" if error.hint else ""), sys.stderr)
    return error.exit_code


def _version(wanted: bool) -> None:
    if wanted:
        say(f"scalelaw {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
