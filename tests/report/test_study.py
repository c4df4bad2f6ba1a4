"""Names of studies: as few words as tell them apart, and never two alike."""

from __future__ import annotations

import dataclasses
from typing import Any

import scalelaw as sl
from scalelaw.report.collect import gather
from scalelaw.report.study import Study, source_of, subjects


def test_one_alone_needs_no_name(fitted: Any) -> None:
    assert subjects([Study(fitted)]) == [""]


def test_families_are_labeled_by_family_and_by_nothing_else(fitted: Any, ocr: Any) -> None:
    assert [study.name for study in gather([fitted, ocr]).studies] == ["reasoning", "OCR"]


def test_methods_on_one_table_are_labeled_by_method_and_benchmark() -> None:
    options: dict[str, Any] = {"law": "power", "inputs": {"x": "n_params_vision"}, "bootstrap": 0}
    fits = [
        sl.fit_law("superclass_model_scaling", where={"model_family": method, "benchmark": task}, **options)
        for method in ("SuperClass", "CLIP")
        for task in ("VQAv2", "VizWiz")
    ]
    names = [study.name for study in gather(fits).studies]
    assert names == ["SuperClass, VQAv2", "SuperClass, VizWiz", "CLIP, VQAv2", "CLIP, VizWiz"]
    assert source_of(fits[0]) == "table superclass_model_scaling, SuperClass, VQAv2"


def test_the_same_fit_under_other_choices_is_named_by_the_choice(fitted: Any) -> None:
    other = sl.fit_law("vlm_reasoning", law="additive_power", bootstrap=0)
    huber = sl.fit_law("vlm_reasoning", loss="huber", bootstrap=0)
    assert subjects([Study(fitted), Study(other)]) == ["product power", "additive power"]
    assert subjects([Study(fitted), Study(huber)]) == ["squared loss", "huber loss"]


def test_what_nothing_tells_apart_is_numbered(fitted: Any) -> None:
    again = dataclasses.replace(fitted)
    assert subjects([Study(fitted), Study(again)]) == ["fit 1", "fit 2"]
    assert subjects([Study(None), Study(fitted)])[0] == "plan"
