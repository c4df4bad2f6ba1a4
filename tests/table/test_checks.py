"""Scores taken for errors, units that are wrong, and points of several kinds."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scalelaw.errors import InputError
from scalelaw.fit import compare, fit_groups, fit_law, load_fit
from scalelaw.fit.formula_law import law_names
from scalelaw.fit.law import make_law
from scalelaw.fit.law_checks import falling
from scalelaw.table.checks import target_kind
from scalelaw.table.points import points
from scalelaw.table.read import bundled_tables, describe, read_table

SIZES, TOKENS = (5e8, 1.8e9, 7e9), (1, 16, 64, 144, 576)
GRID = pd.DataFrame(list(itertools.product(SIZES, TOKENS)), columns=["n_params", "visual_tokens"])
ERROR = 0.2 + 0.4 * (GRID["n_params"] / 1e9) ** -0.2 * GRID["visual_tokens"] ** -0.1
INPUTS = ("n_params", "visual_tokens")


def table(**columns: Any) -> pd.DataFrame:
    return read_table(GRID.assign(**columns))


def codes(frame: pd.DataFrame, inputs: Any = INPUTS, **options: Any) -> set[str]:
    return {code for code, _ in points(frame, inputs, **options).warnings}


def refusal(frame: pd.DataFrame, inputs: Any = INPUTS, **options: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        points(frame, inputs, **options)
    return caught.value


@pytest.mark.parametrize(
    ("target", "maximum"),
    [("acc", 100), ("acc", 1), ("GQA", 100), ("mme_score", 2000), ("error", 100), ("error", 1)],
)
def test_a_score_in_the_place_of_an_error_is_refused_with_the_line_to_type(
    target: str, maximum: float
) -> None:
    frame = table(**{target: (1 - ERROR) * maximum})
    code = refusal(frame, target=target)
    assert code.code == "looks_like_score"
    assert f"--score {target}=" in code.hint
    assert "--as-is" in code.hint
    assert len(points(frame, INPUTS, target, as_is=True)) == len(GRID)
    read = points(frame, INPUTS, score={target: maximum})
    np.testing.assert_allclose(read.target, ERROR, atol=1e-12)
    assert (read.target_name, read.target_kind) == ("error", "error")


def test_a_score_is_fitted_as_the_error_that_it_is() -> None:
    frame = table(acc=100 * (1 - ERROR), acc_se=2.0, n=GRID["n_params"] / 1e9)
    fitted = fit_law(frame, inputs={"n_params": "n"}, score={"acc": 100}, scale={"n": 1e9}, bootstrap=0)
    assert fitted.params == pytest.approx({"A": 0.4, "alpha": 0.2, "beta": 0.1, "D": 0.2}, rel=1e-5)
    np.testing.assert_allclose(fitted.points["target_se"], 0.02)
    assert compare(frame, ["product_power"], score={"acc": 100}).n_points == len(GRID)


def test_where_sees_the_values_of_the_table() -> None:
    frame = table(n_params=GRID["n_params"] / 1e9, error=ERROR)
    selected = points(frame, INPUTS, where={"n_params": 7}, scale={"n_params": 1e9})
    assert set(selected.inputs["n_params"]) == {7e9}


@pytest.mark.parametrize("target", ["error", "err_rate", "top1_error"])
def test_errors_in_percent_are_refused_with_the_factor(target: str) -> None:
    frame = table(**{target: 100 * ERROR})
    code = refusal(frame, target=target)
    assert code.code == "error_looks_like_percent"
    assert f"--scale {target}=0.01" in code.hint
    assert "--as-is" in code.hint
    np.testing.assert_allclose(points(frame, INPUTS, target, scale={target: 0.01}).target, ERROR)
    assert len(points(frame, INPUTS, target, as_is=True)) == len(GRID)
    assert refusal(frame, target=target, own_law=True, falls=INPUTS).code == "error_looks_like_percent"


@pytest.mark.parametrize("rows", [[2], [0, 7], [14]])
def test_a_few_errors_in_percent_among_shares_are_refused_with_their_row(rows: list[int]) -> None:
    error = ERROR.to_numpy().copy()
    error[rows] *= 100
    code = refusal(table(error=error))
    assert code.code == "unit_mismatch"
    assert f"data row {rows[0] + 1} " in code.message
    assert len(points(table(error=error), INPUTS, as_is=True)) == len(GRID)


def test_errors_above_one_that_may_be_losses_are_a_warning() -> None:
    messages = dict(points(table(error=1.7 + ERROR), INPUTS).warnings)
    assert "--scale error=0.01" in messages["error_above_one"]
    assert "error_above_one" in codes(table(error=2 * ERROR))
    assert not codes(table(error=1.7 + ERROR), as_is=True)


def test_a_few_scores_as_shares_among_percentages_are_refused() -> None:
    scores = 100 * (1 - ERROR).to_numpy()
    scores[4] /= 100
    code = refusal(table(acc=scores), score={"acc": 100})
    assert code.code == "unit_mismatch"
    assert "data row 5 " in code.message
    scores[4] = 0.005
    assert "unit_mismatch" in codes(table(acc=scores), score={"acc": 100})


def test_losses_are_not_percentages() -> None:
    assert not codes(table(loss=20 * ERROR), target="loss")
    for frame in (table(error=20 * ERROR, direction="loss"), table(error=20 * ERROR, metric="caption_loss")):
        assert not codes(frame)
        assert points(frame, INPUTS).target_kind == "loss"


@pytest.mark.parametrize("name", ["loss", "nll", "perplexity", "val_loss", "ppl", "train_xent", "y"])
@pytest.mark.parametrize("maximum", [1, 100, 1940])
@pytest.mark.parametrize("law", ["product_power", "E + A*N**-a*V**-b"])
def test_a_score_in_a_column_named_as_a_loss_is_refused(name: str, maximum: float, law: str) -> None:
    frame = table(**{name: maximum * (1 - ERROR)})
    with pytest.raises(InputError) as caught:
        fit_law(frame, law, target=name, bootstrap=0)
    assert caught.value.code == "looks_like_score"
    assert f"--score {name}=" in caught.value.hint
    assert fit_law(frame, law, score={name: maximum}, bootstrap=0).target == "error"
    falling_loss = table(**{name: 1.7 + 20 * ERROR})
    assert "looks_like_score" not in codes(falling_loss, target=name)


def test_a_score_imported_as_a_loss_is_refused() -> None:
    frame = table(error=2 + 20 * (1 - ERROR), direction="loss")
    assert refusal(frame).code == "looks_like_score"
    assert points(frame, INPUTS, as_is=True).target_kind == "loss"
    noise = np.random.default_rng(0).uniform(2.4, 2.5, len(GRID))
    assert points(table(loss=noise), INPUTS, "loss").target_kind == "loss"


@pytest.mark.parametrize(
    ("law", "name", "maximum"),
    [
        ("E + A*N**-a*V**-b", "GQA", 100),
        ("E + A*N**-a*V**-b", "y", 1),
        ("c - a*log(N) - b*log(V)", "quality", 100),
        ("c - a*log(N) - b*log(V)", "ability_41", 1),
        ("E + A*exp(-N/N0)*V**-b", "y", 100),
    ],
)
def test_a_target_that_rises_is_refused_under_any_law_that_falls(law: str, name: str, maximum: float) -> None:
    noise = np.random.default_rng(0).normal(size=len(GRID))
    frame = table(**{name: maximum * (1 - ERROR + 0.01 * noise)})
    with pytest.raises(InputError) as caught:
        fit_law(frame, law, target=name, bootstrap=0)
    assert caught.value.code == "looks_like_score"
    assert f"--score {name}={maximum:g}" in caught.value.hint
    fitted = fit_law(frame, law, score={name: maximum}, bootstrap=0)
    assert fitted.rmse < 0.1
    assert fit_law(frame, law, target=name, as_is=True, bootstrap=0).target == name


def test_a_law_file_that_falls_is_checked_as_a_formula_is(tmp_path: Any) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        'formula = "E + A n^-a"\nunits = {"n_params": 1e9}\nlinear = ("E", "A")\n'
        'bounds = {"E": (0.0, 1e3), "A": (0.0, 1e3), "a": (0.0, 3.0)}\n'
        "def predict(n_params, E, A, a):\n    return E + A * n_params**-a\n"
    )
    with pytest.raises(InputError) as caught:
        fit_law(table(quality=100 * (1 - ERROR)), str(path), target="quality", bootstrap=0)
    assert caught.value.code == "looks_like_score"


@pytest.mark.parametrize(
    ("law", "names"),
    [
        ("E + A*N**-a*V**-b", ("N", "V")),
        ("E + A*exp(-N/N0)", ("N",)),
        ("c - a*log(N)", ("N",)),
        ("E + A*(N/1e9)**-a + d*x", ("N",)),
        ("1 - A*N**-a", ()),
        ("E + A*N**a", ()),
        ("a*exp(-(x-m)**2/w**2)", ()),
        ("E + A*N**-a + B*N**b", ()),
    ],
)
def test_the_inputs_with_which_a_law_falls(law: str, names: tuple[str, ...]) -> None:
    assert falling(make_law(law, law_names(law))) == names


def test_a_law_that_rises_may_be_fitted_to_a_target_that_rises() -> None:
    fitted = fit_law(table(GQA=100 * (1 - ERROR)), "c - A*N**-a*V**-b", target="GQA", bootstrap=0)
    assert "looks_like_score" in dict(fitted.warnings)
    seconds = fit_law(
        table(latency_ms=GRID["n_params"] / 1e7), "c + A*N**a", target="latency_ms", bootstrap=0
    )
    assert "looks_like_score" not in dict(seconds.warnings)


@pytest.mark.parametrize(
    ("target", "kind"),
    [("error", "error"), ("val_loss", "loss"), ("ppl", "loss"), ("cross-entropy", "loss"), ("nce_rate", "other"),
     ("seconds", "other"), ("glossary", "other")],
)  # fmt: skip
def test_the_kind_of_a_target_is_known_by_its_name(target: str, kind: str) -> None:
    assert target_kind(table(error=ERROR), target) == kind


def test_the_kind_of_the_target_is_kept_in_the_fit(tmp_path: Any) -> None:
    fitted = fit_law(table(error=20 * ERROR, direction="loss"), bootstrap=0)
    (tmp_path / "f.json").write_text(fitted.to_json())
    assert fitted.to_dict()["target_kind"] == load_fit(tmp_path / "f.json").target_kind == "loss"
    (tmp_path / "f.json").write_text(fitted.to_json().replace('"target_kind"', '"of_old"'))
    assert load_fit(tmp_path / "f.json").target_kind == "error"
    average = fit_law(
        table(error=20 * ERROR, direction="loss"), "auto", laws=["product_power", "log_linear"], bootstrap=0
    )
    assert average.target_kind == "loss"


def test_a_cost_and_a_law_of_ones_own_may_rise() -> None:
    frame = table(
        seconds=GRID["n_params"] / 1e9, mine=GRID["n_params"] / 1e9, error=0.1 + 0.01 * GRID["n_params"] / 7e9
    )
    assert len(points(frame, INPUTS, "seconds")) == len(GRID)
    assert len(points(frame, INPUTS, "mine", own_law=True)) == len(GRID)
    rates = read_table(pd.DataFrame({"lr": np.geomspace(1, 100, 12), "error": np.linspace(0.1, 0.9, 12)}))
    assert len(points(rates, ["lr"], own_law=True)) == 12


def test_noise_without_a_trend_is_no_score() -> None:
    for seed in range(200):
        noise = np.random.default_rng(seed).uniform(0.4, 0.5, len(GRID))
        assert len(points(table(error=noise), INPUTS)) == len(GRID)


@pytest.mark.parametrize("name", sorted(bundled_tables()))
def test_no_bundled_table_is_refused_or_said_to_be_in_other_units(name: str) -> None:
    facts = describe(name)
    for how in [facts["fit"], *(facts.get("more_fits") or [])]:
        seen = codes(read_table(name), how["inputs"], target=how["target"], where=how.get("where"))
        assert not seen & {"looks_like_score", "unit_mismatch", "error_looks_like_percent", "empty_cells"}
        flipped = read_table(name).assign(error=lambda frame: 100 * (1 - frame["error"]))
        rise = points(flipped, how["inputs"], "error", how.get("where"), as_is=True).target
        if np.unique(rise).size > 1 and name.startswith("vlm_"):
            assert refusal(flipped, how["inputs"], where=how.get("where")).code == "looks_like_score"


def test_a_share_of_the_tokens_is_refused() -> None:
    frame = table(error=ERROR, visual_tokens=GRID["visual_tokens"] / 576)
    assert refusal(frame).code == "unit_mismatch"
    assert len(points(frame, INPUTS, scale={"visual_tokens": 576})) == len(GRID)
    assert len(points(frame, INPUTS, as_is=True)) == len(GRID)
    assert "unit_mismatch" not in codes(read_table(GRID.assign(error=ERROR, visual_tokens=1)))
    letters = frame.assign(V=GRID["visual_tokens"] / 576)
    assert refusal(letters, {"N": "n_params", "V": "V"}, own_law=True).code == "unit_mismatch"


@pytest.mark.parametrize("factor", [1e-9, 1e-6])
@pytest.mark.parametrize("column", ["n_params", "train_tokens"])
def test_one_size_in_another_unit_is_refused_with_its_row(column: str, factor: float) -> None:
    sizes = GRID["n_params"].to_numpy().copy()
    sizes[11] *= factor
    frame = table(error=ERROR, **{column: sizes})
    code = refusal(frame, [column])
    assert code.code == "unit_mismatch"
    assert "data row 12 " in code.message


@pytest.mark.parametrize(
    ("factor", "code"),
    [(1e-9, "n_params_looks_like_billions"), (1e-6, "n_params_looks_like_billions"), (1e-3, "unit_mismatch")],
)
def test_sizes_in_another_unit_are_warned_of_with_the_factor(factor: float, code: str) -> None:
    frame = table(error=ERROR, n_params=GRID["n_params"] * factor)
    words = dict(points(frame, INPUTS).warnings)[code]
    assert f"--scale n_params=1e{round(-np.log10(factor))}" in words


def test_a_size_in_the_name_of_a_model_is_compared() -> None:
    names = [f"Qwen-1.5 {size / 1e9:g}B-Chat" for size in GRID["n_params"]]
    assert not codes(table(error=ERROR, model=names))
    assert "unit_mismatch" in codes(table(error=ERROR, model=names, n_params=GRID["n_params"] / 1e3))


def test_small_models_are_right() -> None:
    frame = table(error=ERROR, n_params=np.repeat([17808, 120432, 646080], len(TOKENS)))
    assert not codes(frame)


@pytest.mark.parametrize(
    ("column", "values"),
    [("metric", ["acc", "f1"]), ("judge", ["a", "b"]), ("judge", ["a", None]), ("filter", ["strict", "flexible"]),
     ("train_samples", [100, 3000]), ("train_tokens", [1e9, 3e9]), ("weight_bits", [4, 16]), ("frames", [1, 8]),
     ("generated_tokens", [10, 500]), ("benchmark", ["a", "b"]), ("compressor", ["a", "b"]),
     ("task_family", ["a", "b"]), ("direction", ["loss", None])],
)  # fmt: skip
def test_points_of_several_kinds_are_warned_of(column: str, values: list[Any]) -> None:
    twice = pd.concat([GRID.assign(error=ERROR, **{column: value}) for value in values], ignore_index=True)
    seen = codes(read_table(twice))
    assert f"mixed_{column}" in seen
    assert ("pooled_benchmarks" in seen) == (column == "benchmark")
    if values[0] is not None and column != "direction":
        assert f"mixed_{column}" not in codes(read_table(twice), where={column: values[0]})
    if column.startswith("train"):
        assert f"mixed_{column}" not in codes(read_table(twice), [*INPUTS, column])


def test_training_tokens_that_follow_from_the_visual_tokens_are_no_mixture() -> None:
    frame = table(error=ERROR, train_tokens=1e6 * (50 + GRID["visual_tokens"]))
    assert not codes(frame)


def test_groups_warn_of_what_each_of_them_pools() -> None:
    parts = [
        GRID.assign(error=ERROR + 0.01 * k, benchmark=name, metric=metric)
        for k, (name, metric) in enumerate([("a", "acc"), ("a", "f1"), ("b", "acc")])
    ]
    grouped = fit_groups(pd.concat(parts, ignore_index=True), "benchmark", bootstrap=0)
    assert "mixed_metric" in dict(grouped.groups["a"].warnings)
    for fitted in grouped.groups.values():
        assert not {"pooled_benchmarks", "mixed_benchmark"} & set(dict(fitted.warnings))
    assert "mixed_metric" not in dict(grouped.groups["b"].warnings)


@pytest.mark.parametrize("odd", [13.0, 13e3, 13e6 / 1e3])
def test_one_size_in_another_unit_is_refused(odd: float) -> None:
    sizes = np.repeat([5e8, 1e9, 3e9, 7e9, odd], 4)
    tokens = np.tile([1.0, 4.0, 16.0, 64.0], 5)
    frame = pd.DataFrame({"n_params": sizes, "visual_tokens": tokens, "error": np.linspace(0.9, 0.4, 20)})
    with pytest.raises(InputError) as caught:
        points(frame, ["n_params", "visual_tokens"])
    assert caught.value.code == "unit_mismatch"


def test_sizes_in_millions_are_warned_of() -> None:
    sizes = np.repeat([500.0, 1000, 3000, 7000, 13000], 4)
    tokens = np.tile([1.0, 4.0, 16.0, 64.0], 5)
    frame = pd.DataFrame({"n_params": sizes, "visual_tokens": tokens, "error": np.linspace(0.9, 0.4, 20)})
    assert "n_params_looks_like_billions" in dict(points(frame, ["n_params", "visual_tokens"]).warnings)


def test_shares_with_a_maximum_of_100_are_refused() -> None:
    frame = pd.DataFrame({"n_params": [1e9, 3e9, 7e9], "visual_tokens": 16.0, "acc": [0.4, 0.5, 0.6]})
    with pytest.raises(InputError) as caught:
        points(frame, ["n_params", "visual_tokens"], score={"acc": 100})
    assert caught.value.code == "looks_like_fraction"


@pytest.mark.parametrize("column", ["dataset", "task", "split", "Test set", "lang", "suite", "task_id"])
def test_pooled_benchmarks_are_seen_under_any_name(column: str) -> None:
    kinds = [1, 2, 3] if column.endswith("id") else ["a", "b", "c"]
    parts = [GRID.assign(error=ERROR + 0.05 * i, **{column: kind}) for i, kind in enumerate(kinds)]
    frame = read_table(pd.concat(parts, ignore_index=True))
    messages = dict(points(frame, INPUTS).warnings)
    assert "--by " in messages["pooled_benchmarks"]
    assert column in messages["pooled_benchmarks"]
    assert "conflicting_scores" not in messages
    assert "pooled_benchmarks" not in codes(frame, where={column: kinds[0]})
    grouped = fit_groups(frame, column, bootstrap=0)
    assert len(grouped.groups) == 3
    for fitted in grouped.groups.values():
        assert "pooled_benchmarks" not in dict(fitted.warnings)


def test_columns_that_name_a_model_or_a_repeat_are_not_benchmarks() -> None:
    repeats = [GRID.assign(error=ERROR + 0.001 * i, run=f"run {i}", seed=i) for i in range(3)]
    assert not codes(read_table(pd.concat(repeats, ignore_index=True)))
    names = table(error=ERROR, llm=[f"model {size:g}" for size in GRID["n_params"]])
    assert not codes(names)


def with_row(at: int, **cells: Any) -> pd.DataFrame:
    """The grid with a second row for one of its cells."""
    frame = GRID.assign(error=ERROR, model=[f"m {size:g}" for size in GRID["n_params"]])
    return pd.concat([frame, frame.iloc[[at]].assign(**cells)], ignore_index=True)


@pytest.mark.parametrize("drop", [[], ["model"]])
def test_conflicting_scores_of_one_cell_are_refused(drop: list[str]) -> None:
    frame = read_table(with_row(3, error=0.9).drop(columns=drop))
    code = refusal(frame)
    assert code.code == "conflicting_scores"
    assert "seed" in code.hint
    assert len(points(frame, INPUTS, as_is=True)) == len(GRID) + 1


@pytest.mark.parametrize("column", ["seed", "run", "model", "note", "lr", "benchmark"])
def test_rows_that_a_column_tells_apart_do_not_conflict(column: str) -> None:
    first, second = (1.0, 2.0) if column in ("seed", "lr") else ("a", "b")
    frame = with_row(3, error=0.4)
    frame[column] = [first] * len(GRID) + [second]
    assert "conflicting_scores" not in codes(read_table(frame))


def test_a_column_that_was_measured_tells_no_rows_apart() -> None:
    for column in ("acc", "val_loss", "seconds", "id"):
        frame = with_row(3, error=0.9)
        frame[column] = (
            1 - frame["error"] if column == "acc" else np.arange(len(frame)) + 0.5 * (column != "id")
        )
        assert refusal(read_table(frame)).code == "conflicting_scores"


def test_repeats_of_all_cells_are_a_warning_and_copies_stay_one() -> None:
    repeats = [GRID.assign(error=ERROR + 0.001 * i) for i in range(3)]
    assert "conflicting_scores" in codes(read_table(pd.concat(repeats, ignore_index=True)))
    assert codes(read_table(with_row(3))) == {"repeated_rows"}
    cells = pd.concat(repeats[:2], ignore_index=True).assign(cell=[f"c{i}" for i in range(len(GRID))] * 2)
    assert refusal(read_table(cells)).code == "conflicting_scores"


@pytest.mark.parametrize(("column", "maximum"), [("value", 1), ("value", 100), ("value", 1940), ("acc", 100)])
def test_a_score_that_contradicts_its_error_is_a_warning(column: str, maximum: float) -> None:
    scores = maximum * (1 - ERROR).to_numpy()
    assert not codes(table(error=ERROR, **{column: scores}))
    scores[6] *= 0.8
    messages = dict(points(table(error=ERROR, **{column: scores}), INPUTS).warnings)
    assert "data row 7 " in messages["conflicting_scores"]
    assert not codes(table(error=ERROR, **{column: scores}), as_is=True)
    unrelated = np.random.default_rng(0).uniform(0.2, 0.8, len(GRID))
    assert ("conflicting_scores" in codes(table(error=ERROR, **{column: unrelated}))) == (column == "value")


@pytest.mark.parametrize(
    ("column", "sizes", "factor"),
    [
        ("n_params", [7e6, 5e8, 1.8e9, 7e9, 14e9], ""),
        ("n_params", [5e8, 1.8e9, 7e9, 14e12], ""),
        ("n_params", [7000, 13000, 70000], "1e6"),
        ("n_params", [5e5, 1.8e6, 7e6], "1e3"),
        ("train_tokens", [2000, 8000, 15000], "1e9"),
        ("train_tokens", [300e3, 1.4e6 / 2, 9e5], "1e6"),
        ("train_flops", [6.0, 20.0, 60.0], ""),
        ("n_params", [0.5, 1.8, 7], "1e9"),
    ],
)
def test_sizes_in_other_units_are_warned_of(column: str, sizes: list[float], factor: str) -> None:
    frame = pd.DataFrame(
        {column: np.repeat(sizes, 3), "visual_tokens": np.tile([4.0, 16.0, 64.0], len(sizes))}
    )
    frame["error"] = np.linspace(0.9, 0.4, len(frame))
    messages = dict(points(read_table(frame), [column, "visual_tokens"]).warnings)
    message = messages.get("unit_mismatch") or messages["n_params_looks_like_billions"]
    assert not factor or f"--scale {column}={factor}." in message


EXACT = [494032768, 1543714304, 3085938688, 7615616512]


@pytest.mark.parametrize("factor", [1e3, 1e6, 1e9])
@pytest.mark.parametrize(
    "sizes", [EXACT, EXACT[:1], [1235814400, 3212749824, 8030261248], [812345678, 2345678901, 9123456789]]
)
def test_unrounded_sizes_in_another_unit_are_warned_of(sizes: list[float], factor: float) -> None:
    exact = np.repeat(sizes, 5)
    frame = pd.DataFrame({"n_params": exact, "visual_tokens": np.tile(TOKENS, len(sizes))})
    frame["error"] = 0.2 + 0.4 * (exact / 1e9) ** -0.2 * frame["visual_tokens"] ** -0.1
    assert not codes(read_table(frame))
    for name in ("n_params", "N", "size"):
        own = frame.assign(n_params=np.round(exact / factor, 6)).rename(columns={"n_params": name})
        seen = dict(points(read_table(own), {"n_params": name, "visual_tokens": "visual_tokens"}).warnings)
        message = seen.get("unit_mismatch") or seen["n_params_looks_like_billions"]
        assert f"--scale {name}=1e{round(np.log10(factor))}" in message
        fitted = fit_law(own, inputs={"n_params": name}, scale={name: factor}, bootstrap=0)
        assert "unit_mismatch" not in dict(fitted.warnings)


def test_names_and_training_lengths_show_sizes_in_thousands() -> None:
    tiny = np.repeat([17808, 120432, 646080], len(TOKENS))
    for columns in (
        {"model": "Qwen2.5 base"},
        {"llm": "meta-llama/Llama-3"},
        {"train_tokens": 15e12},
        {"model": [f"mine-{n / 1e3:g}m" for n in tiny]},
        {"backbone": [f"mine {n / 1e6:g}B" for n in tiny]},
    ):
        frame = table(error=ERROR, n_params=tiny).drop(columns="model").assign(**columns)
        seen = dict(points(frame, INPUTS).warnings)
        assert "--scale n_params=1e3" in seen["unit_mismatch"], columns
    assert not codes(
        table(error=ERROR, n_params=tiny, model="24x2", train_tokens=3e8, n_params_embedding=1e4)
    )
    swept = np.repeat([517808, 1204321, 6460803], len(TOKENS))
    assert not codes(table(error=ERROR, n_params=swept, n_params_embedding=1e4))
    assert not codes(table(error=ERROR, n_params=swept * 10))
    assert "unit_mismatch" in codes(table(error=ERROR, n_params=GRID["n_params"] * 1e9))


def test_random_small_sizes_are_rarely_taken_for_published_ones() -> None:
    draw = np.random.default_rng(0)
    alarms = [
        "unit_mismatch"
        in codes(table(error=ERROR, n_params=np.repeat(10 ** draw.uniform(7.1, 8, 3), 5) // 1))
        for _ in range(200)
    ]
    assert np.mean(alarms) <= 0.02


@pytest.mark.parametrize("tokens", [[2e5, 4e6, 15e6], [1.4e6, 3e6, 36e6]])
def test_training_tokens_in_millions_are_warned_of(tokens: list[float]) -> None:
    frame = pd.DataFrame({"n_params": np.tile(SIZES, 3), "train_tokens": np.repeat(tokens, 3)})
    frame["error"] = 0.2 + (frame["n_params"] / 1e9) ** -0.2 * frame["train_tokens"] ** -0.1
    for inputs in (["n_params", "train_tokens"], ["train_tokens"]):
        assert "--scale train_tokens=1e6" in dict(points(read_table(frame), inputs).warnings)["unit_mismatch"]
        scaled = points(read_table(frame), inputs, scale={"train_tokens": 1e6})
        assert "unit_mismatch" not in dict(scaled.warnings)
    small = frame.assign(n_params=frame["n_params"] * 0.0123457)
    assert "unit_mismatch" not in codes(read_table(small), ["n_params", "train_tokens"])


@pytest.mark.parametrize(
    "sizes", [[14e6, 70e6, 160e6, 410e6, 1e9, 2.8e9, 12e9], [1e7, 1e9, 1e11], [5e8, 7e10]]
)
def test_sizes_far_apart_are_no_other_unit(sizes: list[float]) -> None:
    frame = pd.DataFrame(
        {"n_params": np.repeat(sizes, 3), "visual_tokens": np.tile([4.0, 16, 64], len(sizes))}
    )
    assert not codes(read_table(frame.assign(error=np.linspace(0.9, 0.4, len(frame)))))


TOKEN_GRID = pd.DataFrame(
    list(itertools.product((5e8, 1.8e9, 4e9, 7e9), (1.0, 16, 64, 144, 576))),
    columns=["n_params", "visual_tokens"],
)
TOKEN_GRID["error"] = (
    0.2 + 0.3 * (TOKEN_GRID["n_params"] / 1e9) ** -0.2 * TOKEN_GRID["visual_tokens"] ** -0.05
)


@pytest.mark.parametrize("row", [4, 9, 14, 12])
@pytest.mark.parametrize("column", ["n_params", "visual_tokens"])
@pytest.mark.parametrize("factor", [10, 0.1, 1000, 0.001])
def test_one_value_in_another_unit_than_its_place_in_the_grid(column: str, row: int, factor: float) -> None:
    frame = TOKEN_GRID.copy()
    frame.loc[row, column] *= factor
    if frame["visual_tokens"].min() < 1:
        assert refusal(read_table(frame)).code == "unit_mismatch"
    elif factor in (1000, 0.001):
        code = refusal(read_table(frame))
        assert code.code == "unit_mismatch"
        assert f"data row {row + 1} " in code.message
    else:
        assert f"data row {row + 1} " in dict(points(read_table(frame), INPUTS).warnings)["unit_mismatch"]
    assert "unit_mismatch" not in codes(read_table(frame), as_is=True)


@pytest.mark.parametrize("factor", [1e3, 1e6])
def test_visual_tokens_times_a_thousand_are_warned_of(factor: float) -> None:
    frame = TOKEN_GRID.assign(visual_tokens=TOKEN_GRID["visual_tokens"] * factor)
    assert "unit_mismatch" in codes(read_table(frame))
    for tokens in (
        [1000, 2000, 4000],
        [4096, 16384, 131072],
        [1, 10, 100],
        [256, 1280, 16384],
        [1, 576, 2880],
    ):
        grid = pd.DataFrame(list(itertools.product(SIZES, tokens)), columns=["n_params", "visual_tokens"])
        assert not codes(read_table(grid.assign(error=np.linspace(0.9, 0.4, len(grid)))))


def test_grids_that_reach_further_for_one_model_are_right() -> None:
    grids = {5e8: (1, 10, 100), 1.8e9: (1, 10, 100), 4e9: (1, 10, 100), 7e9: (10, 100, 1000)}
    frame = pd.DataFrame([(n, v) for n, tokens in grids.items() for v in tokens], columns=list(INPUTS))
    assert not codes(read_table(frame.assign(error=np.linspace(0.9, 0.4, len(frame)))))


def test_all_rows_of_one_size_in_another_unit_are_warned_of() -> None:
    for size, factor in ((5e8, 1e3), (7e9, 1e-3), (1.8e9, 1e-3)):
        frame = TOKEN_GRID.copy()
        frame.loc[frame["n_params"] == size, "n_params"] *= factor
        assert "unit_mismatch" in codes(read_table(frame)), size


@pytest.mark.parametrize(
    "sizes",
    [[5.3e6, 7.8e6, 9.2e6, 12e6, 19e6, 30e6, 43e6, 66e6], [1e6, 3e6, 8e6, 28e6, 33e6],
     [768, 5e3, 5e4, 5e5, 5e6, 5e7, 1.5e9], [1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6], [1e3, 1e4, 1e5, 1e6],
     [10, 20, 50, 100, 200, 500], [1e5, 3e5, 1e6, 3e6, 1e7], [11.7e6, 21.8e6, 25.6e6, 44.5e6, 60.2e6],
     [44e6, 117e6, 425e6, 1.4e9, 6.8e9], [39e6, 74e6, 244e6, 769e6, 1550e6], [1e5, 1e6, 1e7]],
)  # fmt: skip
def test_small_models_of_publications_are_right(sizes: list[float]) -> None:
    frame = pd.DataFrame({"n_params": sizes, "error": 0.9 * (np.array(sizes) / sizes[0]) ** -0.1})
    assert not codes(read_table(frame), ["n_params"])


@pytest.mark.parametrize(
    "sizes",
    [[0.5, 1.8, 7], [7, 13, 70], [125, 350, 1300, 2700, 6700, 13000, 30000, 66000, 175000], [1, 3, 10, 30]],
)
def test_sizes_in_billions_or_millions_need_no_visual_tokens(sizes: list[float]) -> None:
    frame = pd.DataFrame({"n_params": sizes, "error": 0.9 * (np.array(sizes) / sizes[0]) ** -0.1})
    assert "n_params_looks_like_billions" in codes(read_table(frame), ["n_params"])
