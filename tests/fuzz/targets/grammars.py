"""Aims at the small grammars of the command line: formulas, budgets, counts of tokens, choices of rows, options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mutations as by
import numpy as np

from scalelaw.cli import fit as fit_face
from scalelaw.cli.app import number, numbers, pairs
from scalelaw.cli.table_options import input_columns
from scalelaw.errors import InputError
from scalelaw.fit.formula_law import FUNCTIONS, Expression
from scalelaw.fit.load_law import load_law
from scalelaw.fit.parameters import freedom
from scalelaw.plan import parse_budget
from scalelaw.plan.budget import UNITS, kinds
from scalelaw.plan.tokens import token_counts
from scalelaw.table.points import points
from scalelaw.table.read import read_table, write_table
from scalelaw.table.schema import COLUMNS

from .shared import Chance, Target, _frame, void

NAMES = [
    "N",
    "V",
    "x",
    "A",
    "alpha",
    "beta",
    "E",
    "n_params",
    "visual_tokens",
    "text_tokens",
    "Bq",
    "lambda",
    "if",
]
SIGNS = [
    "+",
    "-",
    "*",
    "/",
    "**",
    "^",
    "(",
    ")",
    " ",
    "=",
    ",",
    "//",
    "%",
    "@",
    "|",
    "<",
    "[",
    "{",
    ":",
    ";",
    "#",
    "\\",
    "'",
]
FORMULAS = [
    "E + A*N**-alpha", "E + A/N**alpha + B/V**beta", "A*exp(-alpha*log(N))*V**-beta + D", "error = c - a*log(n_params)",
    "sqrt(A*tanh(x/b))", "log1p(a*N)/expm1(b*V)", "-(-A*N**(-alpha))", "1e9*A*N**-.5",
]  # fmt: skip


def _formula(chance: Chance) -> str:
    if chance.random() < 0.35:
        return by.text(chance, chance.choice(FORMULAS), [*NAMES, *SIGNS, *FUNCTIONS])
    return _term(chance, chance.choice((1, 2, 3, 4, 6)))


def _term(chance: Chance, depth: int) -> str:
    kind = chance.randrange(8)
    if depth == 0 or kind == 0:
        return by.number(chance) if chance.random() < 0.3 else chance.choice(NAMES[:11])
    inner = _term(chance, depth - 1)
    if kind == 1:
        return f"{chance.choice([*FUNCTIONS, 'open', '__import__', 'eval'])}({inner})"
    if kind == 2:
        return f"{chance.choice('+-~')}{inner}"
    if kind == 3:
        return f"({inner}){chance.choice(('', '', '.real', '[0]', '()', ' if 1 else 2', ' for i in x'))}"
    return f"{inner}{chance.choice(SIGNS[:6] + ['*', '+'] * 3)}{_term(chance, depth - 1)}"


def _expression(text: str, folder: Path) -> None:
    parsed = Expression(text)
    parsed({name: np.array([0.5, 3.0, 1e9]) for name in parsed.names})
    parsed(dict.fromkeys(parsed.names, 0.0))


def _law(text: str, folder: Path) -> None:
    load_law(text)


KINDS = [*kinds(), "latency", "usd"]
UNIT_WORDS = sorted({unit for units in UNITS.values() for unit in units})


def _budget(chance: Chance) -> list[str]:
    def one() -> str:
        plain = (
            f"{chance.random() * 10 ** chance.randrange(15):.4g}"
            if chance.random() < 0.6
            else by.number(chance)
        )
        unit = chance.choice(["", "", "", *UNIT_WORDS]) if chance.random() < 0.9 else by.word(chance)
        kind = chance.choice(KINDS) if chance.random() < 0.9 else by.word(chance)
        amount = f"{plain}{chance.choice(('', '', ' '))}{unit}"
        named = f"{kind}={amount}" if chance.random() < 0.8 else amount
        return by.text(chance, named, [*KINDS, "=", ".", "e"]) if chance.random() < 0.2 else named

    return [one() for _ in range(chance.choice((1, 1, 1, 2, 3)))]


def _tokens(chance: Chance) -> str:
    def end() -> str:
        return str(chance.randrange(1, 700)) if chance.random() < 0.9 else by.number(chance)

    parts = [end() if chance.random() < 0.5 else f"{end()}:{end()}" for _ in range(chance.randrange(1, 5))]
    made = ",".join(parts)
    return (
        by.text(chance, made, [",", ":", "1e7"])
        if chance.random() < 0.3
        else made * chance.choice((1, 1, 1, 40))
    )


def _where(chance: Chance) -> list[str]:
    known = [*COLUMNS, "nothing"]
    values = ["reasoning", "500000000", "5e8", "16", "ok", "token_packer", "0.6145", "Qwen-1.5 0.5B"]

    def one() -> str:
        made = f"{by.word(chance, known)}{chance.choice('====:<')}{by.word(chance, values)}"
        return by.text(chance, made, known) if chance.random() < 0.2 else made

    return [one() for _ in range(chance.choice((1, 1, 2)))]


def _choose(terms: list[str], folder: Path) -> None:
    path = folder / "where.parquet"
    if not path.exists():
        write_table(_frame(), path)
    outcomes = []
    for source in (_frame(), read_table(path, where=terms)):
        try:
            outcomes.append(len(points(source, ["n_params", "visual_tokens"], where=terms)))
        except InputError as error:
            outcomes.append(error.code)
    assert outcomes[0] == outcomes[1], f"chosen while reading: {outcomes}"


def _options(chance: Chance) -> dict[str, list[str]]:
    names = ["A", "alpha", "beta", "D"]

    def terms(value: Callable[[], str]) -> list[str]:
        fixed = chance.sample(names, chance.choice((0, 0, 1, 1, 2)))
        made = [f"{name if chance.random() < 0.9 else by.word(chance)}={value()}" for name in fixed]
        return [by.text(chance, term, names) if chance.random() < 0.05 else term for term in made]

    return {
        "fix": terms(lambda: by.number(chance) if chance.random() < 0.3 else f"{chance.random():.3g}"),
        "bound": terms(lambda: ":".join(sorted((by.number(chance), by.number(chance))))),
        "tie": terms(lambda: _formula(chance) if chance.random() < 0.3 else by.word(chance, [*names, "2*beta"])),
        "tail": terms(lambda: by.number(chance)),
        "input": terms(lambda: by.word(chance, list(COLUMNS))),
    }  # fmt: skip


def _free(terms: dict[str, list[str]], folder: Path) -> None:
    bounds = {name: fit_face._ends(value) for name, value in pairs(terms["bound"], "--bound").items()}
    fit_face._tail(terms["tail"])
    input_columns(terms["input"])
    free = freedom(
        load_law("product_power"), numbers(terms["fix"], "--fix"), bounds, pairs(terms["tie"], "--tie")
    )
    free.expand(np.full((len(free.lower), 2), 0.3))
    number("1", "--x")


TARGETS = [
    Target("expression", _formula, _expression, 400),
    Target("--budget", _budget, lambda terms, folder: void(parse_budget(terms)), 300),
    Target("--fix, --bound, --tie", _options, _free, 110),
    Target("--visual-tokens", _tokens, lambda text, folder: void(token_counts(text)), 50),
    Target("law formula", _formula, _law, 8),
    Target("--where", _where, _choose, 2),
]
