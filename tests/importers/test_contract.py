"""Every importer keeps its contract; a new file in the package is tested without a change here."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalelaw import plugins
from scalelaw.errors import InputError
from scalelaw.files.paths import PACKAGE
from scalelaw.table.read import write_table

EVERY = plugins.names("importers")
CASES: dict[str, tuple[str, dict[str, object]]] = {
    "lmms_eval": ("run/20260101_000000_results.json", {}),
    "lm_eval": ("run/results_2026-01-01.json", {}),
    "helm": ("run/stats.json", {}),
    "vlmevalkit": ("tiny/tiny_MMStar_score.json", {}),
    "wide_csv": ("numbers.csv", {"scores": {"GQA": 100}}),
    "long_csv": ("numbers.csv", {"columns": {"value": "v", "benchmark": "b"}, "scores": {"*": 100}}),
    "wandb_export": ("runs.json", {"scores": {"GQA": 100}}),
    "published_table": ("numbers.csv", {"columns": {"n_params": "n"}}),
}


def test_the_package_docstring_states_the_contract() -> None:
    tree = ast.parse((PACKAGE / "importers" / "__init__.py").read_text())
    assert len(tree.body) == 1
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("name", EVERY)
def test_an_importer_reads_a_path_with_options_and_says_what_it_is(name: str) -> None:
    module = plugins.load("importers", name)
    assert list(inspect.signature(module.read).parameters)[:2] == ["path", "options"]
    assert len(plugins.summary("importers", name)) > 20
    assert name in CASES
    assert set(CASES[name][1]) <= set(module.OPTIONS)


@pytest.mark.parametrize("name", EVERY)
def test_what_is_not_there_is_said(name: str, tmp_path: Path) -> None:
    module = plugins.load("importers", name)
    with pytest.raises(InputError, match="no file"):
        module.read(tmp_path / "absent", {})
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        module.read(tmp_path / "empty", {})


HOSTILE = [
    b"",
    b"\x00\xff\xfe\x80binary",
    b"{",
    b'{"results": {"gqa": {"exact_match,none": 0.',
    b"[" * 200_000,
    b'{"a":' * 50_000,
    b"null",
    b"[]",
    b"[1]",
    b"[{}]",
    b'{"results": []}',
    b'{"results": {"gqa": 3}}',
    b'{"results": {"gqa": {"exact_match,none": NaN}}}',
    b'{"results": {"gqa": {"exact_match,none": ' + b"9" * 400 + b"}}}",
    b'{"results": {"gqa": {"exact_match,none": ' + b"9" * 5000 + b"}}}",
    b'{"results": {"\\ud800": {"\\udfff,none": 0.5}}, "date": 1e300}',
    b'{"name": 3, "adapter_spec": {"model": []}}',
    b'[{"name": {"name": "exact_match", "split": "test"}, "mean": "x"}]',
    b"a,b\n1\n",
    b"a,a\n1,2\n",
    b"GQA,n,v,b\nx,y,z,w\n",
    b'"' + b"x" * 200_000,
    b'summary,config,name\n"{' + b"(" * 5000 + b'","{}",x\n',
]


def tried(name: str, content: bytes, folder: Path) -> None:
    """The importer gives rows that can be written, or an InputError; anything else is a failure of the test."""
    where, options = CASES[name]
    file = folder / where
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    if name == "helm":
        (file.parent / "run_spec.json").write_bytes(content)
    module = plugins.load("importers", name)
    for path in (file, folder):
        if path.is_dir() and name in ("wide_csv", "long_csv", "wandb_export", "published_table"):
            continue
        for facts in (options, {**options, "models": {"*": {"n_params": 1e6}}, "metrics": {name: [ANY]}}):
            assert outcome(module, path, facts, folder)


ANY = {"task": "*", "metric": "*", "maximum": 1e9, "aggregate": "proportion"}


def outcome(module: ModuleType, path: Path, options: dict[str, object], folder: Path) -> str:
    """The code of the sentence, or `rows` if there are some, which the table then takes."""
    try:
        made = module.read(path, options)
        write_table(made.rows, folder / "out" / "t.parquet")
    except InputError as error:
        return error.code if len(error.message) < 2000 else ""
    return "rows" if made.rows and all("cell" in row for row in made.rows) else ""


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("name", EVERY)
def test_a_hostile_file_gives_a_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    tried(name, content, tmp_path)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["results", "config", "n-samples", "gqa", "exact_match,none", "exact_match_stderr,none", "date",
                         "limit", "model_name", "name", "mean", "split", "adapter_spec", "model", "summary", "GQA",
                         "Overall", "num_instances", "effective", "original", "datasets", "metrics"]),
        inner, max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=json_like)
def test_json_of_any_shape_gives_rows_or_a_sentence(
    name: str, content: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tried(name, json.dumps(content).encode(), tmp_path_factory.mktemp("any"))


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=60) | st.text("GQAnvb,\n\"'-0123456789.e ", max_size=60).map(str.encode))
def test_csv_of_any_shape_gives_rows_or_a_sentence(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name in ("wide_csv", "long_csv", "published_table"):
        tried(name, content, tmp_path_factory.mktemp("any"))


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("lmms_eval", {"models": ["x"]}, "'models' must map"),
        ("lmms_eval", {"models": {"*": 3}}, "must hold columns"),
        ("lmms_eval", {"models": {"*": {"n_parms": 3}}}, "Did you mean 'n_params'"),
        ("lmms_eval", {"models": {"*": {"n_params": -1}}}, "must be a positive count"),
        ("lmms_eval", {"models": {"7b*": {"n_params": 3.1}}}, "'7b.' in 'models': .* not billions"),
        ("lmms_eval", {"models": {"*": {}}, "metrics": []}, "'metrics' must map"),
        ("lmms_eval", {"models": {"*": {}}, "metrics": {"lmms_eval": {"a": 1}}}, "must be a list"),
        ("lmms_eval", {"models": {"*": {}}, "metrics": {"lmms_eval": [{"task": "x"}]}}, "positive maximum"),
        ("lmms_eval", {"models": {"*": {}}, "metrics": {"lmms_eval": [{"maxinum": 1}]}}, "Did you mean 'maximum'"),
        ("lmms_eval", {"models": {"*": {}}, "task_families": ["x"]}, "'task_families' must map"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_said(name: str, options: dict[str, object], says: str, samples: Path) -> None:
    with pytest.raises(InputError, match=says):
        plugins.load("importers", name).read(samples / name, options)
