"""Typed formulas: which names are inputs, which parameters are linear, and fits as sure as those of law files."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.fit import compare
from scalelaw.fit.formula_law import Expression

TWO = "E + A*N**-a + B*D**-b"


def isoflop(noise: float = 0.003) -> pd.DataFrame:
    """36 losses of Chinchilla's form in columns N, D and loss."""
    draw = np.random.default_rng(3)
    sizes, tokens = np.meshgrid(np.geomspace(1e7, 1e10, 6), np.geomspace(1e9, 1e12, 6))
    loss = 1.8 + 500 * sizes**-0.35 + 2000 * tokens**-0.37 + noise * draw.normal(size=sizes.shape)
    return pd.DataFrame({"N": sizes.ravel(), "D": tokens.ravel(), "loss": loss.ravel()})


@pytest.mark.parametrize("inputs", [{}, {"n_params": "N"}, {"N": "N"}, {"N": "N", "D": "D"}])
def test_a_column_of_the_table_is_an_input(inputs: dict[str, str]) -> None:
    fitted = sl.fit_law(isoflop(), TWO, inputs, target="loss", bootstrap=0)
    assert set(fitted.inputs) == {"N", "D"}
    assert fitted.params["a"] == pytest.approx(0.35, abs=0.02)
    assert fitted.params["b"] == pytest.approx(0.37, abs=0.02)
    assert fitted.r2 > 0.999
    assert ("formula_input" in [code for code, _ in fitted.warnings]) == ("D" not in inputs)


def test_an_empty_column_keeps_a_name_a_parameter() -> None:
    fitted = sl.fit_law(isoflop(), "E + A*N**-a*D", {"D": ""}, target="loss", fix={"D": 2.0}, bootstrap=0)
    assert fitted.inputs == ["N"]
    assert fitted.params["D"] == 2.0


@pytest.mark.parametrize(
    ("table", "law", "inputs", "code"),
    [
        (isoflop().rename(columns={"N": "size"}), TWO, {}, "missing_column"),
        (isoflop(), TWO, {"N": "size"}, "missing_column"),
        (isoflop(), "E + A*x**-a", {}, "missing_column"),
        (isoflop(), "E + A*N**-a*visual_tokens**-b", {}, "missing_column"),
        (isoflop(), "E + A*N**-a + loss", {}, "target_in_formula"),
        (isoflop().assign(a="text"), TWO, {}, "not_a_number"),
        (isoflop(), TWO, {"q": "N"}, "unknown_input"),
    ],
)
def test_a_name_that_is_meant_and_missing_is_refused(
    table: pd.DataFrame, law: str, inputs: dict[str, str], code: str
) -> None:
    with pytest.raises(InputError) as caught:
        sl.fit_law(table, law, inputs, target="loss", bootstrap=0)
    assert caught.value.code == code


def test_the_letter_d_is_the_training_tokens_unless_it_is_a_term() -> None:
    table = isoflop().rename(columns={"N": "n_params", "D": "train_tokens"})
    fitted = sl.fit_law(table, TWO, target="loss", bootstrap=0)
    assert fitted.inputs == ["N", "D"]
    assert fitted.params["b"] == pytest.approx(0.37, abs=0.02)
    assert "formula_input" in [code for code, _ in fitted.warnings]
    assert "D" in sl.fit_law(table, "A*N**-a + D", target="loss", bootstrap=0).params


def test_compare_has_the_same_rule_and_says_a_tie() -> None:
    comparison = compare("vlm_reasoning", ["product_power", "additive_power", "E + A*(N/1e9)**-a + B*V**-b"])
    assert comparison.inputs == ("n_params", "visual_tokens")
    assert set(comparison.tie) == {"additive_power", "E + A*(N/1e9)**-a + B*V**-b"}
    assert comparison.winner == ""
    assert json.loads(comparison.to_json())["data"]["tie"] == list(comparison.tie)
    alone = compare("vlm_reasoning", ["product_power", "additive_power"])
    assert alone.tie == ()
    assert alone.winner == "additive_power"


def test_compare_reads_columns_of_the_table() -> None:
    comparison = compare(isoflop(), [TWO, "E + A*N**-a"], target="loss")
    assert set(comparison.inputs) == {"N", "D"}
    assert comparison.winner == TWO


def test_an_average_with_a_formula_comes_back_from_json(tmp_path: Any) -> None:
    laws = ["product_power", "E + A*(N/1e9)**-a + B*V**-b"]
    fitted = sl.fit_law("vlm_reasoning", "auto", laws=laws, bootstrap=0)
    assert fitted.law.startswith("average:")
    path = tmp_path / "fit.json"
    path.write_text(fitted.to_json())
    place = {"n_params": 7e9, "visual_tokens": 144.0}
    assert sl.load_fit(path).predict(**place) == pytest.approx(fitted.predict(**place), rel=1e-14)


@pytest.mark.parametrize(
    ("text", "linear"),
    [
        ("E + A*(N/1e9)**-a + B*V**-b", "EAB"),
        ("(E + A*x)*s", "EA"),
        ("s*(E + A*x)", "EA"),
        ("E - A/x + B*C*x", "EAB"),
        ("exp(A) + B/(1 + x) - (C - F)/2", "BCF"),
        ("A**2 + x/B", ""),
        ("1e9 + 1e-9*A**2*x", ""),
        ("A*B*C*x", "A"),
    ],
)
def test_linear_parameters_are_read_from_the_form(text: str, linear: str) -> None:
    expression = Expression(text)
    names = [name for name in expression.names if name not in ("N", "V", "x")]
    assert "".join(expression.linear(names)) == linear


def test_a_scaled_input_changes_no_fit() -> None:
    named = sl.fit_law("vlm_reasoning", "additive_power", bootstrap=0)
    typed = sl.fit_law("vlm_reasoning", "E + A*(N/1e9)**-a + B*V**-b", bootstrap=0)
    assert typed.objective == pytest.approx(named.objective, rel=1e-9)
    assert typed.objective == pytest.approx(3.167597713e-4, rel=1e-9)


def framed() -> pd.DataFrame:
    """Errors over sizes and frames, with a column that no formula here uses."""
    size, frames = (x.ravel() for x in np.meshgrid([5e8, 2e9, 7e9], [1.0, 4.0, 8.0, 16.0]))
    error = 0.2 + 0.4 * (size / 1e9) ** -0.2 * frames**-0.3
    return pd.DataFrame(
        {"n_params": size, "frames": frames, "image_size": np.tile([224.0, 336.0], 6), "error": error}
    )


@pytest.mark.parametrize(
    ("name", "column"),
    [("frmes", "frames"), ("frame", "frames"), ("Frames", "frames"), ("fraems", "frames"), ("imagesize", "image_size"),
     ("image_sise", "image_size"), ("visual_tokns", "visual_tokens"), ("n_parms", "n_params"), ("n", "n_params")],
)  # fmt: skip
def test_a_misspelled_column_is_refused_with_both_names(name: str, column: str) -> None:
    law = f"E + A*{name}**-b" if column == "n_params" else f"E + A*N**-a*{name}**-b"
    law = law if column != "n_params" else law + "*frames**-c"
    with pytest.raises(InputError) as caught:
        sl.fit_law(framed(), law, bootstrap=0)
    assert caught.value.code == "misspelled_column"
    assert f"'{name}'" in caught.value.message
    assert f"'{column}'" in caught.value.message
    assert f"--input {name}=" in caught.value.hint


def test_a_name_near_a_column_may_be_a_parameter() -> None:
    fitted = sl.fit_law(framed(), "E + A*frames**-frame", {"frame": ""}, bootstrap=0)
    assert "frame" in fitted.params
    read = sl.fit_law(framed(), "E + A*(N/1e9)**-a*frmes**-b", {"frmes": "frames"}, bootstrap=0)
    assert read.params["b"] == pytest.approx(0.3, abs=1e-5)
    for law in ("E + A*frames**-n", "E + A*N**-alpha*frames**-beta", "E + A0*N**-a"):
        assert sl.fit_law(framed(), law, bootstrap=0).params


def tabulated(**columns: Any) -> pd.DataFrame:
    """Errors over sizes and visual tokens, with columns that no formula here uses."""
    size, tokens = (x.ravel() for x in np.meshgrid([5e8, 2e9, 7e9], [1.0, 16.0, 64.0, 576.0]))
    error = 0.2 + 0.4 * (size / 1e9) ** -0.2 * tokens**-0.3
    return pd.DataFrame({"n_params": size, "visual_tokens": tokens, "error": error, "seed": 1.0, **columns})


@pytest.mark.parametrize(
    "name",
    ["tokens", "token", "Tokens", "resolution", "res", "n_tokens", "num_visual_tokens", "visual", "vis_tokens",
     "vtokens", "visual_token", "VisualTokens", "patches", "n_patches", "vision_tokens", "image_tokens", "tok",
     "v", "Vt", "T", "seq_len", "visualtok"],
)  # fmt: skip
def test_a_name_near_the_visual_tokens_is_refused_by_every_command(name: str) -> None:
    law = f"E + A*(N/1e9)**-a*{name}**-b"
    for run in (
        lambda: sl.fit_law(tabulated(), law, bootstrap=0),
        lambda: compare(tabulated(), [law]),
        lambda: compare(tabulated(), ["product_power", law]),
        lambda: sl.fit_law(tabulated(), "auto", laws=[law, "product_power"], bootstrap=0),
    ):
        with pytest.raises(InputError) as caught:
            run()
        assert caught.value.code == "misspelled_column"
        assert f"--input {name}=" in caught.value.hint
    read = sl.fit_law(tabulated(), law, {name: "visual_tokens"}, bootstrap=0)
    assert read.params["b"] == pytest.approx(0.3, abs=1e-4)
    constant = sl.fit_law(tabulated(), law, {name: ""}, fix={name: 1, "b": 0}, bootstrap=0)
    assert constant.inputs == ["N"]


@pytest.mark.parametrize(
    "name", ["size", "sizes", "params", "param", "model_size", "n_parameters", "P", "Nparams", "n"]
)
def test_a_name_near_the_model_size_is_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        sl.fit_law(tabulated(), f"E + A*{name}**-a*V**-b", bootstrap=0)
    assert caught.value.code == "misspelled_column"


def test_a_near_name_that_is_no_base_of_a_power_is_refused() -> None:
    for law in (
        "E - A*log(N) - B*log(tokens)",
        "E + A*(N/1e9)**-a + B/resolution",
        "E + A*exp(-tokens/k) + B*N**-a",
    ):
        with pytest.raises(InputError) as caught:
            sl.fit_law(tabulated(), law, bootstrap=0)
        assert caught.value.code == "misspelled_column"
    own = tabulated(image_area=np.arange(1.0, 13.0))
    for name in ("area", "areas", "image", "imagearea", "image_areas"):
        with pytest.raises(InputError) as caught:
            sl.fit_law(own, f"E + A*(N/1e9)**-a*V**-b*{name}", bootstrap=0)
        assert caught.value.code == "misspelled_column"


@pytest.mark.parametrize(
    "law",
    ["E + A*(N/1e9)**-alpha*V**-beta", "E_inf + A0*(N/1e9)**-a1*(V + V0)**-b1",
     "floor + scale*(N/1e9)**-gamma*V**-delta",
     "((Nc/N)**(aN/aV) + Vc/V)**aV", "E + A*exp(-k*log(N))*V**-b", "L0 + A*(N/1e9)**-exponent_N*V**-exponent_V",
     "irreducible + amplitude*(N/1e9)**-slope*V**-decay", "E + A*k**(-b*N/1e9)*V**-c", "D + A*(N/1e9)**-a*V**-b"],
)  # fmt: skip
def test_names_of_parameters_are_not_taken_for_columns(law: str) -> None:
    fitted = sl.fit_law(tabulated(), law, bootstrap=0, starts=2)
    assert sorted(fitted.inputs) == ["N", "V"]


def test_a_prediction_reads_the_letters_and_columns_that_the_fit_reads() -> None:
    law = "E + A*(N/1e9)**-a*tokens**-b"
    fitted = sl.fit_law(tabulated(), law, {"tokens": "visual_tokens"}, bootstrap=0)
    wanted = fitted.predict(N=7e9, tokens=64)
    assert fitted.predict(n_params=7e9, visual_tokens=64) == wanted
    assert sl.predict_places(fitted, {"n_params": 7e9, "visual_tokens": 64}).places[0]["error"] == wanted
    frame = pd.DataFrame({"n_params": [7e9], "visual_tokens": [64.0], "note": ["x"]})
    assert sl.predict_places(fitted, frame).places[0]["error"] == wanted
    named = sl.fit_law(tabulated(), "product_power", bootstrap=0)
    assert named.predict(N=7e9, V=64) == named.predict(n_params=7e9, visual_tokens=64)
    for wrong in ({"n_params": 7e9, "token": 64}, {"N": 7e9, "n_params": 7e9, "V": 1, "tokens": 64}):
        with pytest.raises(InputError) as caught:
            fitted.predict(**wrong)
        assert caught.value.code == "unknown_input"


@pytest.mark.parametrize(
    ("value", "code"),
    [(0.5, "unit_mismatch"), (0, "bad_value"), (-1, "bad_value"), (np.nan, "bad_value"), (np.inf, "bad_value"),
     ([64, 0.1], "unit_mismatch"), ([64, np.nan], "bad_value"), (True, "bad_value"), ("x", "bad_value")],
)  # fmt: skip
def test_predictions_refuse_values_that_cannot_be_measured(value: Any, code: str) -> None:
    typed = sl.fit_law(tabulated(), "E + A*(N/1e9)**-a*V**-b", bootstrap=9)
    named = sl.fit_law(tabulated(), "product_power", bootstrap=9)
    for run in (
        lambda: typed.predict(N=7e9, V=value),
        lambda: named.predict(n_params=7e9, visual_tokens=value),
        lambda: named.predict_draws(n_params=7e9, visual_tokens=value),
        lambda: named.band("law", n_params=7e9, visual_tokens=value),
        lambda: sl.predict_places(named, {"n_params": 7e9, "visual_tokens": value}),
        lambda: sl.predict_places(typed, [{"N": 7e9, "V": one} for one in np.atleast_1d(value).tolist()]),
    ):
        with pytest.raises(InputError) as caught:
            run()
        assert caught.value.code == code
    shares = tabulated().assign(visual_tokens=lambda t: t["visual_tokens"] / 576)
    by_share = sl.fit_law(shares, bootstrap=0, as_is=True)
    assert np.isfinite(by_share.predict(n_params=7e9, visual_tokens=0.1))


@pytest.mark.parametrize(
    ("law", "options", "code"),
    [
        ("loss = E + A*N**-a", {}, "other_target"),
        ("n_params = E + A*N**-a", {}, "other_target"),
        ("n_params = E + A*N**-a", {"target": "loss"}, "other_target"),
        ("N = E + A*N**-a", {}, "other_target"),
        ("A = A*N**-a", {}, "other_target"),
        ("error = E + A*N**-a", {"target": "loss"}, "other_target"),
        ("perplexity = E + A*N**-a", {}, "other_target"),
        ("y = E + A*N**-a", {}, "other_target"),
        ("acc = E + A*N**-a", {"score": {"acc": 1}}, "other_target"),
        ("2*error = E + A*N**-a", {}, "bad_expression"),
        ("error + loss = E + A*N**-a", {}, "bad_expression"),
        ("error = E + A*N**-a # + B*V**-b", {}, "bad_expression"),
        ("E + A*N**-a#", {}, "bad_expression"),
        ("# error = E + A*N**-a", {}, "bad_expression"),
    ],
)
def test_a_left_side_that_is_not_the_target_is_refused(law: str, options: dict[str, Any], code: str) -> None:
    table = isoflop().rename(columns={"N": "n_params"})
    table = table.assign(error=table.loss / 10, acc=1 - table.loss / 10, y=0.1)
    for fit in (
        sl.fit_law,
        lambda table, law, **more: compare(table, [law, "E + A*N**-a + B*D**-b"], **more),
    ):
        with pytest.raises(InputError) as caught:
            fit(table, law, **options)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("law", "options"),
    [
        ("loss = E + A*N**-a", {"target": "loss"}),
        ("error = E + A*N**-a", {}),
        ("error = E + A*N**-a", {"score": {"acc": 1}}),
        ("L = E + A*N**-a", {"target": "loss"}),
        ("L(N) = E + A*N**-a", {"target": "loss"}),
    ],
)
def test_a_left_side_that_is_the_target_changes_nothing(law: str, options: dict[str, Any]) -> None:
    table = isoflop().rename(columns={"N": "n_params"})
    table = table.assign(error=table.loss / 10, acc=1 - table.loss / 10)
    fitted = sl.fit_law(table, law, bootstrap=0, **options)
    plain = sl.fit_law(table, "E + A*N**-a", bootstrap=0, **options)
    assert fitted.params == plain.params


@pytest.mark.parametrize(
    ("law", "options"),
    [
        ("product_power", {"target": "n_params"}),
        ("product_power", {"target": "visual_tokens"}),
        ("product_power", {"inputs": {"visual_tokens": "error"}}),
        ("product_power", {"score": {"visual_tokens": 1000}}),
        ("A*N**-a", {"inputs": {"N": "error"}}),
        ("A*N**-a", {"target": "n_params"}),
        ("auto", {"target": "n_params"}),
    ],
)
def test_a_column_is_never_target_and_input(law: str, options: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        sl.fit_law("vlm_reasoning", law, bootstrap=0, **options)
    assert caught.value.code == "target_in_formula"


@pytest.mark.parametrize(("text", "words"), [("A*N^-a", "**"), ("A*erf(N)", "exp")])
def test_what_a_formula_may_contain_is_in_the_hint(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        Expression(text)
    assert caught.value.code == "bad_expression"
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert "valid text" not in caught.value.message
