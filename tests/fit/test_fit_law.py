"""What fit_law, ablate, influence, compare and fit_groups are asked, and how the modules below them hang together."""

from __future__ import annotations

import ast
import graphlib
import inspect
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
import scalelaw.fit as fits
from scalelaw.cli.app import main
from scalelaw.errors import InputError
from scalelaw.fit.options import FitOptions

X = np.geomspace(1e6, 1e9, 24)
CURVE = pd.DataFrame({"x": X, "error": 0.2 + 5 * X**-0.2})


def test_every_option_is_in_the_signature_with_its_default() -> None:
    shown = inspect.signature(sl.fit_law).parameters
    options = {f.name: f.default for f in FitOptions.__dataclass_fields__.values()}
    named = ("table", "law", "inputs", "target", "where", "laws")
    defaults = {name: shown[name].default for name in shown if name not in named}
    assert defaults == options
    documented = inspect.getdoc(sl.fit_law) or ""
    assert all(f"{name}:" in documented or f"`{name}`" in documented for name in shown)
    with pytest.raises(TypeError, match="lose"):
        sl.fit_law("vlm_reasoning", lose="huber")


@pytest.mark.parametrize("ask", [fits.ablate, fits.influence, fits.compare])
def test_an_option_that_is_none_gets_a_sentence(ask: object) -> None:
    with pytest.raises(InputError) as caught:
        ask("vlm_reasoning", lose="huber")  # type: ignore[operator]
    assert caught.value.code == "unknown_option"


def test_auto_chooses_among_the_laws_named() -> None:
    fitted = sl.fit_law(CURVE, law="auto", laws=["power", "power_offset"], bootstrap=0)
    assert {row["law"] for row in fitted.selection} == {"power", "power_offset"}
    with pytest.raises(InputError) as caught:
        sl.fit_law(CURVE, law="power", laws=["power", "m4"])
    assert caught.value.code == "bad_option"


@pytest.mark.parametrize("ask", [fits.ablate, fits.influence])
def test_what_is_asked_of_one_law_is_not_asked_of_auto(ask: object) -> None:
    with pytest.raises(InputError) as caught:
        ask(CURVE, law="auto")  # type: ignore[operator]
    assert caught.value.code == "bad_option"


def test_no_module_of_the_fit_imports_itself_by_a_detour() -> None:
    folder = Path(fits.__file__).parent
    graph = {}
    for file in folder.glob("*.py"):
        missing = [
            node.module for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.ImportFrom)
        ]
        graph[file.stem] = {
            m.removeprefix("scalelaw.fit.") for m in missing if m and m.startswith("scalelaw.fit.")
        }
    graph.pop("__init__")
    list(graphlib.TopologicalSorter(graph).static_order())


def test_auto_chooses_among_the_laws_named_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "curve.csv"
    CURVE.to_csv(table, index=False)
    arguments = ["fit", str(table), "--laws", "power,power_offset", "--bootstrap", "0", "--json"]
    assert main([*arguments, "--law", "auto"]) == 0
    rows = json.loads(capsys.readouterr().out)["data"]["selection"]
    assert {row["law"] for row in rows} == {"power", "power_offset"}
    assert main([*arguments, "--law", "power"]) == 2
    assert main([*arguments, "--law", "auto", "--by", "model"]) == 2
