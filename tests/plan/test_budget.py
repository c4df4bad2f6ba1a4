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


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [
        ("flops=800G", "flops", 8e11),
        ("0.8TF", "flops", 8e11),
        ("latency_ms=80", "latency_ms", 80),
        ("latency=0.08s", "latency_ms", 80),
        ("ttft=90 ms", "ttft_ms", 90),
        ("memory=24GiB", "memory_gb", 25.769803776),
        ("memory_gb=24", "memory_gb", 24),
        ("energy=.01Wh", "energy_j", 36),
        ("usd_per_million=40$", "usd_per_million", 40),
    ],
)
def test_units(text: str, kind: str, amount: float) -> None:
    assert parse_budget([text]) == {kind: pytest.approx(amount)}


@pytest.mark.parametrize(
    "text", ["latency_ms=80sec", "latency=80", "memory=24Gb", "8e11 GHz", "flops=1e12ms"]
)
def test_a_unit_misspelt_or_missing_names_those_there_are(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_budget([text])
    assert refusal.value.code == "unknown_unit"
    assert "Units: " in refusal.value.hint


@pytest.mark.parametrize(
    "text", ["8e11FLOPs", "8e11 FLOP", "8e11flops", "800GFLOPs", "flops=8e11F", "8e8 kFLOPs"]
)
def test_an_amount_of_flops_may_name_its_unit(text: str) -> None:
    assert parse_budget(text) == {"flops": pytest.approx(8e11)}
