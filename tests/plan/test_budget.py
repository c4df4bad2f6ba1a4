"""Budgets from words."""

from __future__ import annotations

import pytest

from scalelaw.errors import InputError
from scalelaw.plan import parse_budget


def test_a_bare_number_is_flops_per_query() -> None:
    assert parse_budget("8e11") == parse_budget(["flops=8e11"]) == {"flops": 8e11}


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "abc", "", "flops=", "flops=0", "flops=x"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_budget([text])
    assert refusal.value.code == "bad_budget"


def test_an_unknown_kind_names_those_there_are() -> None:
    with pytest.raises(InputError, match="Unknown kind of budget 'flop'. Did you mean 'flops'") as refusal:
        parse_budget(["flop=1"])
    assert "flops" in refusal.value.hint


def test_a_kind_is_given_once() -> None:
    with pytest.raises(InputError, match="given twice"):
        parse_budget(["1e12", "flops=1e11"])
