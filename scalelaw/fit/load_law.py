"""A law by its name: a plug-in, a path, an entry point, a variant, a formula, or an average of others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.fit.formula_law import is_expression, law_names
from scalelaw.fit.law import FIELDS, Law, make_law
from scalelaw.fit.law_average import PREFIX, average_labels, average_law
from scalelaw.fit.law_checks import check


def load_law(name: str, inputs: tuple[str, ...] = ()) -> Law:
    """The law of this name: a file of `scalelaw/laws`, a path to a law file, an installed entry point.

    `name:argument` is a variant, where the law has them: `bnsl:2`. A formula such as `E + A*N**-alpha` is a law too;
    `inputs` are its inputs (see `law_names`). `average:...` is an average of laws (see `law_average`).

    Raises InputError for an unknown name and for a law file that breaks the contract of `scalelaw.laws`.
    """
    if name.startswith(PREFIX):
        labels = average_labels(name)
        return average_law(name, {label: load_law(label.rpartition("@")[0], inputs) for label in labels})
    if is_expression(name, inputs):
        return make_law(name, law_names(name, inputs))
    return _read(name) if ".py" in name else _named(name)


def law_from_file(
    name: str, own: Sequence[str | Path], inputs: Sequence[str], origin: str | os.PathLike[str]
) -> str:
    """The name of a law that was read from the file `origin`, safe to pass to `load_law`: only files of `own` run.

    `own` are the law files that the user named; one with the same file name replaces the one that `origin` names. Every
    form of `load_law` is checked: formulas, averages, variants.
    Raises InputError `law_file` for a path that the user did not name, `unknown_law` for an unknown name.
    """
    if name.startswith(PREFIX):
        members = [label.rpartition("@")[0] for label in average_labels(name)]
        space, gammas = name.split(":")[1], [label.rpartition("@")[2] for label in average_labels(name)]
        if any(member.startswith(PREFIX) for member in members):
            raise InputError(f"The law of {origin} is an average of averages.", code="bad_law")
        checked = [law_from_file(member, own, inputs, origin) for member in members]
        return f"{PREFIX}{space}:" + "|".join(f"{m}@{g}" for m, g in zip(checked, gammas, strict=True))
    if is_expression(name, inputs):
        return name
    base, argument = _variant(name)
    named = [str(file) for file in own if Path(file).name == Path(base).name]
    same = [file for file in named if os.path.realpath(file) == os.path.realpath(base)] or named
    if same and base.endswith(".py"):
        return same[0] + argument
    line = base[:200] if base.endswith(".py") else "FILE.py"
    hint = f"If it is yours, name it: --law {line} (in Python load_fit(path, law=...))."
    return plugins.name_from_file("laws", base, origin, hint) + argument


def _variant(name: str) -> tuple[str, str]:
    """A law's name or path, and its argument with the colon before it: ("bnsl", ":2")."""
    base, colon, argument = name.partition(":") if not name.endswith(".py") else (name, "", "")
    # a path may contain a colon
    if colon and ".py:" in name:
        base, argument = name[: name.rindex(".py:") + 3], name[name.rindex(".py:") + 4 :]
    return base, colon + argument


def _read(name: str) -> Law:
    base, argument = _variant(name)
    if not argument:
        return law_of(name, plugins.load("laws", base))
    module = plugins.load("laws", base)
    if not hasattr(module, "variant"):
        raise InputError(f"The law '{base}' has no variants.", code="bad_law", hint=f"Use '{base}'.")
    return make_law(name, module.variant(argument[1:]))


def law_of(name: str, loaded: Any) -> Law:
    """The law defined by a module, a class, an instance of one, or a `Law`."""
    if isinstance(loaded, Law):
        check(loaded)
        return replace(loaded, name=name)
    if isinstance(loaded, type):
        loaded = loaded()
    return make_law(name, {field: getattr(loaded, field) for field in FIELDS if hasattr(loaded, field)})


_named = lru_cache(maxsize=64)(_read)
