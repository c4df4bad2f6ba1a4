"""Arguments are matched by name: laws whose names stand in another order, and fits whose JSON does."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.errors import InputError
from scalelaw.fit.law import Law
from scalelaw.fit.load_law import law_of, load_law

PLANTED = {"A": 0.4, "alpha": 0.1, "beta": 0.05, "D": 0.2}
LAW = """
import numpy as np
formula = "error = A * (n_params / 1e9)^-alpha * visual_tokens^-beta + D"
units = {"visual_tokens": 1.0, "n_params": 1e9}
bounds = {"D": (0, 1), "alpha": (0, 3), "beta": (0, 3), "A": (0, np.inf)}
linear = ("D", "A")
search = {"beta": (0, 3), "alpha": (0, 3)}
notes = {"beta": "no tokens"}
def predict(n_params, visual_tokens, A, alpha, beta, D):
    return A * n_params**-alpha * visual_tokens**-beta + D
"""
GRADIENT = """
def gradient(n_params, visual_tokens, A, alpha, beta, D):
    power = n_params**-alpha * visual_tokens**-beta
    return {order}
"""
SLOPES = {
    "A": "power",
    "alpha": "-A * power * np.log(n_params)",
    "beta": "-A * power * np.log(visual_tokens)",
    "D": "1.0",
}


@pytest.fixture(scope="module")
def exact() -> pd.DataFrame:
    sizes, tokens = np.meshgrid([0.5e9, 2e9, 7e9, 14e9], [1.0, 16.0, 64.0, 576.0])
    p = PLANTED
    error = p["A"] * (sizes / 1e9) ** -p["alpha"] * tokens ** -p["beta"] + p["D"]
    return pd.DataFrame({"n_params": sizes.ravel(), "visual_tokens": tokens.ravel(), "error": error.ravel()})


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_bounds_and_units_in_another_order_swap_nothing(tmp_path: Path, exact: pd.DataFrame) -> None:
    fitted = sl.fit_law(exact, written(tmp_path / "mine.py", LAW), bootstrap=0)
    assert fitted.params == pytest.approx(PLANTED, rel=1e-6)
    assert fitted.predict(n_params=2e9, visual_tokens=16.0) == pytest.approx(exact.error[5], rel=1e-9)


@pytest.mark.parametrize(
    "signature",
    [
        "n_params, visual_tokens, *, A, D, beta, alpha",
        "beta, visual_tokens, A, alpha, n_params, D",
        "n_params, visual_tokens, A, alpha, /, beta, D",
        "n_params, visual_tokens, A, alpha=0.5, beta=0.5, D=0.5",
        "visual_tokens, n_params, D, **rest",
    ],
)
def test_every_form_of_signature_is_called_by_name(
    tmp_path: Path, exact: pd.DataFrame, signature: str
) -> None:
    text = LAW.replace("def predict(n_params, visual_tokens, A, alpha, beta, D)", f"def predict({signature})")
    if "rest" in signature:
        text = text.replace("return A * n_params**-alpha * visual_tokens**-beta",
                            "return rest['A'] * n_params**-rest['alpha'] * visual_tokens**-rest['beta']")  # fmt: skip
    fitted = sl.fit_law(exact, written(tmp_path / "mine.py", text), bootstrap=0)
    assert fitted.params == pytest.approx(PLANTED, rel=1e-6)


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        ("A, alpha, beta, D)", "A, alpha, gamma, D)", ("beta", "gamma")),
        ("A, alpha, beta, D)", "A, alpha, beta, D, extra=1.0)", ("extra",)),
        ("A, alpha, beta, D)", "*parameters)", ("A", "alpha")),
        ('"n_params": 1e9}', '"n_params": 1e9, "text_tokens": 1.0}', ("text_tokens",)),
        ('search = {"beta"', 'search = {"betta"', ("betta", "beta")),
        ('notes = {"beta"', 'notes = {"betta"', ("betta", "beta")),
        ("linear = (", "signed = ('ratio',)\nlinear = (", ("ratio",)),
        ('"D": (0, 1)', '"D": (0, 1), "n_params": (0, 1)', ("n_params",)),
    ],
)
def test_a_name_on_one_side_only_is_refused(
    tmp_path: Path, before: str, after: str, names: tuple[str, ...]
) -> None:
    text = LAW.replace(before, after)
    assert text != LAW
    with pytest.raises(InputError) as caught:
        load_law(written(tmp_path / "mine.py", text))
    assert caught.value.code == "bad_law"
    assert all(name in f"{caught.value.message} {caught.value.hint}" for name in names)


def test_a_derived_quantity_of_an_unknown_parameter_is_refused(tmp_path: Path) -> None:
    text = LAW + "\ndef derived(parameters):\n    return {'ratio': parameters['alfa']}\n"
    with pytest.raises(InputError) as caught:
        load_law(written(tmp_path / "mine.py", text))
    assert caught.value.code == "bad_law"
    assert "alfa" in caught.value.message


@pytest.mark.parametrize("as_dict", [True, False])
def test_a_gradient_is_matched_or_compared_with_the_law(
    tmp_path: Path, exact: pd.DataFrame, as_dict: bool
) -> None:
    names = ("A", "alpha", "beta", "D") if as_dict else ("D", "alpha", "beta", "A")
    order = ", ".join(f"'{n}': {SLOPES[n]}" if as_dict else SLOPES[n] for n in names)
    text = LAW + GRADIENT.format(order="{" + order + "}" if as_dict else f"({order})")
    fitted = sl.fit_law(exact, written(tmp_path / "mine.py", text), bootstrap=0)
    assert fitted.params == pytest.approx(PLANTED, rel=1e-6)


@pytest.mark.parametrize("names", [("A", "alpha", "beta", "D"), ("D", "beta", "alpha", "A"), ("D", "alpha")])
def test_a_gradient_in_another_order_is_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    order = ", ".join(SLOPES[n] for n in names)
    with pytest.raises(InputError) as caught:
        load_law(written(tmp_path / "mine.py", LAW + GRADIENT.format(order=f"({order})")))
    assert caught.value.code == "bad_law"


def test_a_small_linear_term_that_is_not_linear_is_refused(tmp_path: Path) -> None:
    text = """
formula = "error = 1000 + A * x^-c + 1e-7 * D^2 * x"
units = {"x": 1.0}
bounds = {"A": (0, 9), "c": (0, 9), "D": (0, 9)}
linear = ("A", "D")
def predict(x, A, c, D):
    return 1000 + A * x**-c + 1e-7 * D**2 * x
"""
    with pytest.raises(InputError) as caught:
        load_law(written(tmp_path / "mine.py", text))
    assert caught.value.code == "bad_law"
    assert "linear" in caught.value.message


def curve(x: Any, A: Any, c: Any, floor: Any) -> Any:
    return A * x**-c + floor


class Curve:
    """A law made as a class: its method is the law."""

    formula = "error = A * x^-c + floor"
    units: ClassVar = {"x": 1.0}
    bounds: ClassVar = {"floor": (0.0, 1.0), "c": (0.0, 5.0), "A": (0.0, 9.0)}
    linear = ("A", "floor")

    def predict(self, x: Any, A: Any, c: Any, floor: Any) -> Any:
        return curve(x, A, c, floor)


@pytest.mark.parametrize("loaded", [Curve, Curve()])
def test_a_class_or_an_object_is_a_law(loaded: Any) -> None:
    law = law_of("mine", loaded)
    assert law.parameters == ("floor", "c", "A")
    assert law.predict(4.0, 0.25, 0.5, 2.0) == pytest.approx(2.0 * 4.0**-0.5 + 0.25)


def test_a_law_object_is_matched_too() -> None:
    fields = {name: getattr(Curve, name) for name in ("formula", "units", "bounds", "linear")}
    law = Law(name="mine", source="", predict=functools.partial(curve, floor=0.25), **{
        **fields, "bounds": {"c": (0.0, 5.0), "A": (0.0, 9.0)}, "linear": ("A",)})  # fmt: skip
    assert law_of("mine", law).predict(4.0, 0.5, 2.0) == pytest.approx(2.0 * 4.0**-0.5 + 0.25)
    with pytest.raises(InputError) as caught:
        Law(name="mine", source="", predict=np.frompyfunc(lambda *a: a[0], 4, 1), **fields)
    assert caught.value.code == "bad_law"


@pytest.mark.parametrize("law", ["product_power", "auto", "E + A*N**-a*V**-b"])
def test_a_fit_whose_json_is_in_another_order_predicts_the_same(tmp_path: Path, law: str) -> None:
    fitted = sl.fit_law("vlm_reasoning", law, bootstrap=20)
    answer = json.loads(fitted.to_json())
    data = answer["data"]
    for part in (data, data["draws"], data["points"]):
        for name in ("params", "units", "bounds", "intervals", "inputs"):
            if isinstance(part.get(name), dict):
                part[name] = dict(reversed(part[name].items()))
    data["inputs"] = data["inputs"][::-1]
    path = tmp_path / "fit.json"
    path.write_text(json.dumps(answer))
    again, place = sl.load_fit(path), dict(zip(fitted.inputs, (7e9, 144.0), strict=True))
    assert again.predict(**place) == pytest.approx(fitted.predict(**place), rel=1e-14)
    np.testing.assert_allclose(again.predict_draws(**place), fitted.predict_draws(**place), rtol=1e-14)


def test_a_law_file_that_changed_after_the_fit_is_refused(tmp_path: Path, exact: pd.DataFrame) -> None:
    path = written(tmp_path / "mine.py", LAW)
    fitted = sl.fit_law(exact, path, bootstrap=0)
    written(tmp_path / "mine.py", LAW.replace('"n_params": 1e9', '"n_params": 1e6'))
    with pytest.raises(InputError) as caught:
        fitted.predict(n_params=2e9, visual_tokens=16.0)
    assert caught.value.code == "other_law"
