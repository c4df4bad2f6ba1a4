"""A law by its name: a file of the drawer, a path, an entry point, a variant, a formula, or an average of others."""

from __future__ import annotations

from functools import lru_cache

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.fit.average import PREFIX, average_labels, average_law
from scalelaw.fit.expression import is_expression, law_names
from scalelaw.fit.law import Law, make_law


def load_law(name: str, inputs: tuple[str, ...] = ()) -> Law:
    """The law of this name: a file of `scalelaw/laws`, a path to a law file, an installed entry point.

    `name:argument` is a variant, where the law has them: `bnsl:2`. A formula such as `E + A*N**-alpha` is a law too;
    `inputs` says which further names in it are inputs. `average:...` is the average of several (see `average`).

    Raises InputError for an unknown name and for a law file that breaks the contract of `scalelaw.laws`.
    """
    if name.startswith(PREFIX):
        labels = average_labels(name)
        return average_law(name, {label: load_law(label.rpartition("@")[0], inputs) for label in labels})
    if is_expression(name, inputs):
        return make_law(name, law_names(name, inputs))
    return _read(name) if name.endswith(".py") else _named(name)


def _read(name: str) -> Law:
    base, colon, argument = name.partition(":")
    if not colon or name.endswith(".py"):
        return make_law(name, vars(plugins.load("laws", name)))
    module = plugins.load("laws", base)
    if not hasattr(module, "variant"):
        raise InputError(f"The law '{base}' has no variants.", code="bad_law", hint=f"Ask for '{base}'.")
    return make_law(name, module.variant(argument))


_named = lru_cache(maxsize=64)(_read)
