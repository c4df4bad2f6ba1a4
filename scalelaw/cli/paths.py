"""Which files a command line names: those that are read, and those that are written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from scalelaw.cli import streams
from scalelaw.errors import InputError
from scalelaw.files import paths
from scalelaw.files.paths import SweepFolder

_OUTPUTS = ("-o", "--output", "--out")
_SWEEPS = ("sweep", "run-cell")
"""Commands whose output is a folder that they also read."""


def named(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The files and folders that exist among the arguments (inputs), and the values of -o (outputs)."""
    inputs: list[str] = []
    outputs: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        option, equals, value = argument.partition("=")
        if argument in _OUTPUTS:
            outputs += [value for value in (next(rest, None),) if value]
        elif option in _OUTPUTS and equals:
            outputs.append(value)
        elif argument.startswith("-o") and not argument.startswith("--"):
            outputs.append(argument[2:])
        else:
            inputs += _existing(argument)
    return inputs, outputs


def _existing(argument: str) -> Iterator[str]:
    """Every path in `FILE`, `TASK=FILE`, `--option=FILE`, `FILE,FILE`, `FILE.py:variant`; - is standard input."""
    if argument == "-":
        yield "/dev/stdin"
    parts = {argument, argument.partition("=")[2], *re.split("[,|]", argument)}
    for part in {*parts, *(part.rpartition(":")[0] for part in parts)}:
        try:
            if part and os.path.exists(part):
                yield part
        except ValueError:
            continue


def check(command: str, arguments: Sequence[str], inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Check the outputs of a command before it begins, inside `files.protected(inputs)`.

    Raises InputError `would_overwrite_input`, or `cannot_write` for what cannot be written.
    """
    if command in _SWEEPS:
        return
    folder_wanted = "paper" in arguments
    for output in outputs:
        if output.endswith(("/", os.sep)) and not folder_wanted:
            raise InputError(f"Cannot write {output}: it names a folder.", code="cannot_write")
        if not (folder_wanted and os.path.isdir(output)):
            paths.check_output(output)
        for folder in filter(os.path.isdir, inputs):
            layout = SweepFolder(Path(folder))
            if os.path.isfile(layout.experiment) and os.path.exists(output) and _holds(layout, output):
                raise InputError(
                    f"{output} belongs to the sweep {folder}, which is an input, and would be overwritten.",
                    code="would_overwrite_input",
                    hint="Write to another name with -o.",
                )


def check_streams(command: str = "", folders: Sequence[str] = (), as_json: bool = False) -> None:
    """Check that standard output and standard error go to no input, inside `files.protected`.

    A stream that does is first sent elsewhere, so that the refusal is not written into the input either.

    Args:
        folders: input folders; the files of a sweep in one count as inputs, except of a command that runs the sweep.

    Raises:
        InputError: `would_overwrite_input`.
    """
    numbers = paths.streams_on_inputs()
    if command not in _SWEEPS:
        layouts = [SweepFolder(Path(folder)) for folder in folders if os.path.isdir(folder)]
        layouts = [layout for layout in layouts if os.path.isfile(layout.experiment)]
        places = {n: os.path.realpath(f"/dev/fd/{n}") for n in (1, 2) if n not in numbers}
        files = {number: place for number, place in places.items() if os.path.isfile(place)}
        numbers += [n for n, place in files.items() if any(_holds(layout, place) for layout in layouts)]
    if not numbers:
        return
    names = " and ".join(f"standard {'output' if number == 1 else 'error'}" for number in sorted(numbers))
    for number in numbers:
        streams.detach(number, to_stdout=number == 2 and 1 not in numbers and not as_json)
    raise InputError(
        f"One of the inputs is where {names} goes, and would be overwritten.",
        code="would_overwrite_input",
        hint="Redirect to another file.",
    )


def _holds(layout: SweepFolder, output: str) -> bool:
    place = Path(os.path.realpath(output))
    own = (layout.experiment, layout.manifest, layout.lock, layout.results, layout.gathered)
    inner = (
        layout.cells,
        layout.stages,
        *(layout.root / name for name in ("saved", "locks", "failed", "logs")),
    )
    if any(os.path.exists(path) and os.path.samefile(path, place) for path in own):
        return True
    return any(place.is_relative_to(os.path.realpath(path)) for path in inner)
