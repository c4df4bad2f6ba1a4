"""Plug-in packages: the files in a folder are its plug-ins, listed without being imported.

A plug-in package is a folder of this package (`laws`, `costs`, ...). A plug-in is named by its file there, by the path
of a user's own file (`./my_law.py`), or by an entry point of an installed package in the group `scalelaw.<package>`.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import os
import re
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from scalelaw.errors import InputError, missing_dependency, unknown
from scalelaw.files.paths import PACKAGE
from scalelaw.files.safe_load import check_regular

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

REQUIRED = {
    "costs": ("kinds", "needs", "parts"),
    "compressors": ("Compressor",),
    "objectives": ("Objective",),
    "datasets": ("Dataset|Conversations",),
    "executors": ("run",),
    "importers": ("read",),
    "families": ("MODEL_TYPES", "SETTINGS", "count_image"),
    "engines": ("VERSION", "CHECKED", "FLAGS", "REQUEST", "serve"),
    "benchmarks": ("matches", "rows"),
    "figures": ("TITLE", "prepare", "draw", "frame", "margins"),
}
"""The names that a plug-in of each package must define; `fit.law` checks laws."""
PACKAGES = (
    "laws", "costs", "compressors", "objectives", "datasets", "executors", "importers", "families", "engines",
    "benchmarks", "figures",
)  # fmt: skip
_FOLDERS = {"figures": "report/figures"}
"""Where the folder of a package lies, unless it is a folder of this package by the same name."""


def names(package: str) -> tuple[str, ...]:
    """The plug-ins of a package, sorted: files in its folder and entry points of installed packages."""
    return tuple(sorted({*_files(package), *_installed(package)}))


def summary(package: str, name: str) -> str:
    """The first line of a plug-in's docstring, read without importing it."""
    path = _files(package).get(name)
    if path is None:
        return f"installed: {_installed(package)[name].value}"
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return doc.strip().split("\n", 1)[0]


def load(package: str, name: str) -> ModuleType:
    """The plug-in module `name` of `package`; a name that ends in .py is a user's own file, and is run.

    A name that was read from a file goes through `name_from_file` first.
    Raises InputError for an unknown name (with those there are) and for a file that cannot be imported or is no such
    plug-in.
    """
    if name in _files(package):
        return import_module(f"scalelaw.{_FOLDERS.get(package, package).replace('/', '.')}.{name}")
    if name.endswith(".py"):
        return _from_path(package, Path(name))
    if name in _installed(package):
        module: ModuleType = _installed(package)[name].load()
        return module
    raise unknown(_singular(package), name, names(package))


def _singular(package: str) -> str:
    return "family" if package == "families" else package.removesuffix("s")


def import_module(name: str) -> ModuleType:
    """A module of this package that may need an extra. Raises MissingDependency with the install line without it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise missing_dependency(error) from error


def name_from_file(package: str, name: Any, origin: str | os.PathLike[str], hint: str = "") -> str:
    """The name of a plug-in that was read from the file `origin`: a bundled or installed one, never a path.

    A path is a program, and whoever wrote the file could name any. It is accepted from a command line, an argument of
    a function, or an experiment that the user runs, and from nowhere else; `hint` says how the user names it there.
    Raises InputError: `law_file`, `compressor_file`, ... for a path, `unknown_law`, ... for another unknown name.
    """
    kind = package.removesuffix("s")
    if isinstance(name, str) and (name in _files(package) or name in _installed(package)):
        return name
    if isinstance(name, str) and not _PATH.search(name):
        raise unknown(kind, name, names(package))
    raise InputError(
        f"{origin} names the {kind} file {str(name)[:200]!r}, which is a program: it is not run.",
        code=f"{kind}_file",
        hint=hint or f"A file may name a bundled or installed {kind}: {', '.join(names(package))}.",
    )


_PATH = re.compile(r"[/\\~]|\.py", re.IGNORECASE)


def folder(package: str) -> Path:
    """The folder of a plug-in package."""
    return PACKAGE / _FOLDERS.get(package, package)


def _files(package: str) -> dict[str, Path]:
    return {p.stem: p for p in sorted(folder(package).glob("*.py")) if not p.stem.startswith("_")}


def _installed(package: str) -> dict[str, EntryPoint]:
    """The entry points of installed packages; metadata that lies in the working directory is not an installation."""
    try:
        here = os.path.realpath(os.getcwd())
    except OSError:  # the folder was removed
        here = ""
    return _entries(package, tuple(place for place in sys.path if place and os.path.realpath(place) != here))


@lru_cache(maxsize=32)
def _entries(package: str, places: tuple[str, ...]) -> dict[str, EntryPoint]:
    # here, as few commands need it and its import takes 20 ms
    from importlib.metadata import distributions

    group = f"scalelaw.{package}"
    entries = (
        entry for distribution in distributions(path=list(places)) for entry in distribution.entry_points
    )
    return {entry.name: entry for entry in entries if entry.group == group and not _PATH.search(entry.name)}


def _from_path(package: str, path: Path) -> ModuleType:
    kind = _singular(package)
    if not os.path.isfile(path):
        raise InputError(
            f"There is no file {path}.", code="no_such_file", hint=f"Give the path of your own {kind}'s file."
        )
    check_regular(path)
    tag = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(f"scalelaw_user_{package}_{path.stem}_{tag}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file.", code=f"unreadable_{kind}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        where = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        raise InputError(
            f"The {kind} file {path} cannot be loaded{where}: {type(error).__name__}: {error}.",
            code=f"unreadable_{kind}",
            hint=f"See the files in scalelaw/{_FOLDERS.get(package, package)}/ for its shape.",
        ) from error
    for needed in REQUIRED.get(package, ()):
        if not any(hasattr(module, name) for name in needed.split("|")):
            raise InputError(
                f"The {kind} '{path}' lacks {needed.replace('|', ' or ')}.",
                code=f"bad_{kind}",
                hint=f"See the files in scalelaw/{_FOLDERS.get(package, package)}/ for its shape.",
            )
    return module
