"""Numbers, budgets, laws as text; wrapping by width."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalelaw.cli.show.fit import show_changes
from scalelaw.report.figures._ticks import alike, plain, round_numbers
from scalelaw.report.text import format as fmt
from scalelaw.report.text.formula import typeset
from scalelaw.report.text.measure import clip, text_width, wrap


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0709, "0.0709"), (13.52, "13.5"), (7, "7"), (0, "0"), (1234.5, "1,234"), (-0.5, "−0.5"), (1e-7, "1e−7"),
        (4.147e-17, "4.15e−17"), (2.5e7, "2.5e7"), (0.00037938, "0.000379"), (math.inf, "∞"), (math.nan, "not known"),
        (100, "100"), (576, "576"),
    ],
)  # fmt: skip
def test_short_numbers(value: float, text: str) -> None:
    assert fmt.short(value) == text


@given(st.floats(1e-12, 1e12))
def test_a_short_number_says_the_number(value: float) -> None:
    shown = float(fmt.short(value).replace(",", "").replace("−", "-"))
    assert shown == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5e8, "0.5B"),
        (1.8e9, "1.8B"),
        (7e9, "7B"),
        (6500, "6.5k"),
        (1.2e6, "1.2M"),
        (1.1e11, "110B"),
        (133e6, "133M"),
    ],
)
def test_sizes(value: float, text: str) -> None:
    assert fmt.parameters(value) == text


def test_budgets_and_costs() -> None:
    assert fmt.budget({"flops": 8e11}) == "800 GFLOPs per query"
    assert fmt.budget({"flops": 1.6e12}) == "1.6 TFLOPs per query"
    assert fmt.budget({"latency_ms": 80.0}).startswith("80 ms from the request")
    assert fmt.cost("memory_gb", 24.0) == "24 GB"
    assert fmt.percent(0.83) == "83%"
    assert (fmt.percent(1.0), fmt.percent(0.0)) == ("more than 99%", "less than 1%")
    assert (fmt.share(1.0), fmt.share(0.001)) == ("> 99%", "< 1%")


def test_intervals_that_are_not_known_are_left_out() -> None:
    assert fmt.span((0.1, 0.2)) == "0.1 to 0.2"
    assert fmt.span((0.1, math.inf)) == "0.1 to ∞"
    assert fmt.span((math.nan, math.nan)) == fmt.span(None) == fmt.span((None, None)) == ""  # type: ignore[arg-type]


def test_bounds_read_alike_from_an_object_and_from_json() -> None:
    assert fmt.plainly({"A": [0.0, math.inf]}) == fmt.plainly({"A": [0.0, None]}) == "A 0 to ∞"
    assert fmt.plainly([-math.inf, 1.0]) == fmt.plainly([None, 1.0]) == "−∞ to 1"


PUBLISHED = "error = A * (n_params / 1e9)^-alpha * visual_tokens^-beta + D"


def test_a_formula_in_symbols_and_in_numbers() -> None:
    params = {"A": 0.59077, "alpha": 0.07094, "beta": 0.0151, "D": 0.0}
    assert fmt.formula(PUBLISHED) == "error = A · N^−α · V^−β + D"
    assert fmt.formula(PUBLISHED, params) == "error = 0.591 · N^−0.0709 · V^−0.0151"
    assert typeset(PUBLISHED) == r"$\mathrm{error} = A\,N^{-\alpha }\,V^{-\beta } + D$"
    assert typeset(PUBLISHED, params) == r"$\mathrm{error} = 0.591\,N^{-0.0709}\,V^{-0.0151}$"
    flat = {**params, "beta": 0.0}
    assert fmt.formula(PUBLISHED, flat) == "error = 0.591 · N^−0.0709"
    assert typeset(PUBLISHED, flat) == r"$\mathrm{error} = 0.591\,N^{-0.0709}$"
    units = fmt.symbols({"n_params": 1e9, "visual_tokens": 1.0})
    assert units == "N: LLM size in billions of parameters; V: visual tokens in tokens per image"


@pytest.mark.parametrize("text", ["error = { what? }", "error = A ^", "ƒ(x) = $y$"])
def test_a_formula_that_cannot_be_set_stays_words(text: str) -> None:
    assert typeset(text) == text


@settings(deadline=None)
@given(st.text(st.sampled_from("abcdefghij _$-0"), max_size=120), st.floats(0.5, 4))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: float) -> None:
    lines = wrap(text, width, 10)
    assert all(text_width(line, 10) <= width + 1e-9 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_line_that_is_cut_says_so() -> None:
    assert clip("short", 3, 9) == "short"
    cut = clip("a name that is much too long for the place it has", 1, 9)
    assert cut.endswith("…")
    assert text_width(cut, 9) <= 1


def test_ticks_are_plain_numbers_with_the_same_decimals() -> None:
    assert alike([0.45, 0.5, 0.55]) == ["0.45", "0.50", "0.55"]
    assert alike([-0.005, 0.0, 0.005]) == ["−0.005", "0.000", "0.005"]
    assert plain(0.000001) == "0.000001"
    assert round_numbers(1, 100) == [1, 2, 5, 10, 20, 50, 100]


def test_an_uncertain_change_is_printed_as_uncertain(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"change": "another loss", "n_points": 28, "params": {"alpha": 0.1}}
    show_changes({"ablation": [{**row, "moved": None}]})
    printed = capsys.readouterr().out
    assert printed.splitlines()[2].endswith("?")
    assert "no intervals to compare with" in printed
    show_changes({"ablation": [{**row, "moved": []}]})
    printed = capsys.readouterr().out
    assert printed.splitlines()[2].endswith("-")
    assert "?" not in printed


def test_a_sentence_has_names_and_plain_numbers() -> None:
    formula = fmt.symbolic(
        "n_params (2.778e+05) of qwen-1.5: alpha_minus_beta -0.539 (-7.29e+03 to -0.109), 1e+10"
    )
    assert formula == "LLM size (277,800) of qwen-1.5: α − β −0.539 (−7290 to −0.109), 10B"


def test_of_a_choice_the_llm_counts_and_names_are_listed() -> None:
    assert fmt.of_model({"p_best": 0.42, "p_model": 0.99}) == 0.99
    assert fmt.of_model({"p_best": 0.42}) == 0.42
    assert fmt.of_model({"p_best": None, "p_model": None}) is None
    assert [fmt.listed("abc"[:k]) for k in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
