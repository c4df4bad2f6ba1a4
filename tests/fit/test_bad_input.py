"""Every option of `fit` and `compare` with values it cannot take: a sentence and the right exit code, or an answer."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scalelaw as sl
from scalelaw.cli.app import main

TABLE = sl.read_table("vlm_reasoning")[["n_params", "visual_tokens", "error", "model"]]
EXACT = 0.5 * (TABLE.n_params / 1e9) ** -0.1 * TABLE.visual_tokens**-0.05 + 0.1
TABLES = {
    "base": TABLE.assign(error_se=0.004, none=0.0, minus=-1.0, text="a"),
    "one": TABLE.iloc[[0]],
    "two": TABLE.iloc[[0, 9]],
    "four": TABLE.iloc[[0, 8, 17, 20]],
    "constant": TABLE.assign(error=0.5),
    "nothing": TABLE.assign(error=0.0),
    "perfect": TABLE.assign(error=EXACT),
    "twins": TABLE.assign(visual_tokens=TABLE.n_params),
    "nan": TABLE.assign(error=[np.nan, *TABLE.error[1:]]),
    "huge": TABLE.assign(error=TABLE.error * 1e300),
    "minus_se": TABLE.assign(error_se=-1.0),
    "tiny_se": TABLE.assign(error_se=1e-300),
    "rising": TABLE.assign(error=1 - TABLE.error),
    "doubled": pd.concat([TABLE, TABLE], ignore_index=True),
}
LAWS = {
    "syntax": "def (",
    "raises": "formula='y'\nunits={'n_params': 1e9}\nbounds={'a': (1, 2)}\nlinear=()\n"
    "def predict(n, a):\n    raise RuntimeError('no')\n",
    "nowhere": "import numpy as np\nformula='y'\nunits={'n_params': 1e9}\nbounds={'a': (-5, -1)}\nlinear=()\n"
    "def predict(n, a):\n    return np.log(a) * n\n",
    "empty": "formula='y'\nunits={'n_params': 1e9}\nbounds={'a': (2, 1)}\nlinear=()\n"
    "def predict(n, a):\n    return a * n\n",
}
ANSWERED = [f"fit {name}{more}" for name in ("one", "two", "four", "constant", "perfect", "twins", "nan", "doubled")
            for more in ("", " --interval profile", " --law auto")]  # fmt: skip
ANSWERED += [f"compare {name}" for name in ("one", "two", "constant", "nothing", "perfect", "twins")]
ANSWERED += [
    "fit nothing",
    "fit rising --as-is",
    "fit rising --as-is --interval profile",
    "fit rising --as-is --law auto",
    "compare nan",
    "fit two --ablate --influence",
    "fit four --loss huber",
    "fit base --fix A=0",
    "fit base --fix alpha=1e300",
    "fit base --bound A=1e300:1e301",
    "fit base --bound alpha=-5:-4",
    "fit base --tie alpha=beta*9**9**9",
    "fit base --tail-weight 1e9",
    "fit base --tail-weight visual_tokens=1e300",
    "fit base --by model --share beta --fix alpha=0",
    "fit tiny_se --weights error_se",
    "fit base --level 0.999999",
    "fit base --law A*N**-9**9**9",
]
REFUSED = {
    "fit rising": "looks_like_score",
    "compare rising": "looks_like_score",
    "fit base --score error=100 --target value": "usage",
    "fit base --score error=0.1": "bad_value",
    "fit base --score error=-1": "bad_value",
    "fit base --score eror=1": "missing_column",
    "fit base --scale n_param=1e9": "missing_column",
    "fit base --scale n_params=0": "bad_value",
    "fit huge": "bad_value",
    "compare huge": "bad_value",
    "fit nothing --residual log": "bad_value",
    "fit minus_se --weights error_se": "bad_weights",
    "fit base --weights none": "bad_weights",
    "fit base --weights minus": "bad_weights",
    "fit base --weights text": "bad_weights",
    "fit base --tail-weight nan": "bad_weights",
    "fit base --fix D=nan": "bad_value",
    "fit base --bound D=nan:1": "bad_bounds",
    "fit base --bound D=1:0": "bad_bounds",
    "fit base --tie alpha=alpha": "bad_tie",
    "fit base --tie alpha=log(0-beta)": "bad_tie",
    "fit base --tie alpha=beta+": "bad_expression",
    "fit base --loss huber --delta nan": "bad_delta",
    "fit base --loss expectile --expectile nan": "bad_expectile",
    "fit base --level nan": "bad_value",
    "fit base --holdout largest:zz": "bad_holdout",
    "fit one --holdout largest": "bad_holdout",
    "fit base --by nowhere": "missing_column",
    "fit base --by model --share zz": "unknown_parameter",
    "fit base --law A*N**-a+9**9**9": "bad_law",
    "fit base --law A/(N-N)": "bad_law",
    "fit base --law syntax.py": "unreadable_law",
    "fit base --law raises.py": "bad_law",
    "fit base --law nowhere.py": "bad_law",
    "fit base --law empty.py": "bad_law",
    "fit base --input n_params=inf": "not_finite",
    "fit base --input n_params=0": "bad_value",
    "fit base --laws product_power": "bad_option",
    "compare base --laws auto": "unknown_law",
    "compare base --target model": "bad_value",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bad")
    for name, table in TABLES.items():
        table.to_csv(made / f"{name}.csv", index=False)
    for name, text in LAWS.items():
        (made / f"{name}.py").write_text(text)
    return made


def run(folder: Path, words: str) -> int:
    command, name, *rest = words.split()
    rest = [str(folder / word) if word.endswith(".py") else word for word in rest]
    few = ["--bootstrap", "20"] if command == "fit" else []
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return main([command, str(folder / f"{name}.csv"), *few, *rest, "--json"])


@pytest.mark.parametrize("words", ANSWERED)
def test_what_can_be_answered_is(folder: Path, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, words) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    for name, (low, high) in data.get("intervals", {}).items():
        assert None in (low, high) or low <= data["params"][name] <= high


@pytest.mark.parametrize(("words", "code"), REFUSED.items())
def test_what_cannot_be_asked_gets_a_sentence(
    folder: Path, words: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, words) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


@pytest.mark.parametrize("name", ["one", "two", "constant", "twins"])
def test_a_comparison_of_too_little_says_so_and_has_no_winner(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, f"compare {name}") == 0
    reply = json.loads(capsys.readouterr().out)
    assert reply["warnings"]
    assert reply["data"]["winner"] == ""
