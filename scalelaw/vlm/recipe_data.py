"""The data of a recipe, looked at before anything is trained: conversations and questions whose images can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from scalelaw.config import Experiment, Finetune, Questions
from scalelaw.datasets.llava_json import Conversations, read_records, survey, trouble_with
from scalelaw.errors import InputError
from scalelaw.vlm import question_files

Log = Callable[[dict[str, Any]], None]


def load_data(recipe: Finetune, seed: int, say: Log) -> tuple[dict[str, Conversations], int]:
    """The conversations of every stage, and how many records were left out; all of it before anything is trained.

    Raises InputError `images_missing` where more than `max_missing` of a stage, or of a benchmark, cannot be used.
    """
    loaded, missing = {}, 0
    for stage in recipe.stages:
        data = Conversations(seed, files=stage.files, images=recipe.images)
        say({"event": "data", "stage": stage.name, "records": len(data), "digest": data.digest,
             "left_out": dict(data.left_out)})  # fmt: skip
        _check_missing(recipe, f"stage '{stage.name}'", data.left_out, len(data) + data.left_out.total())
        loaded[stage.name], missing = data, missing + data.left_out.total()
    for questions in recipe.questions:
        records, left_out = read_questions(recipe, questions)
        say({"event": "data", "benchmark": questions.benchmark, "records": len(records),
             "left_out": dict(left_out)})  # fmt: skip
    return loaded, missing


def read_questions(recipe: Finetune, questions: Questions) -> tuple[list[dict[str, Any]], Counter[str]]:
    """The questions of a benchmark whose images can be read, and why the others were left out.

    Raises InputError for a question without a text or answers, a file without a question, and `images_missing` where
    more than `max_missing` of the questions were left out, or all.
    """
    records = question_files.read(questions.file, questions.answer_files, questions.metric)
    with ThreadPoolExecutor() as pool:
        troubles = list(pool.map(lambda r: trouble_with(Path(recipe.images), r["images"]), records))
    left_out = Counter(filter(None, troubles))
    usable = [record for record, trouble in zip(records, troubles, strict=True) if not trouble]
    _check_missing(recipe, f"benchmark '{questions.benchmark}'", left_out, len(records))
    return usable, left_out


def _check_missing(recipe: Finetune, what: str, left_out: Counter[str], records: int) -> None:
    if (message := too_many_missing(recipe, what, left_out, records)) is not None:
        raise InputError(
            message, code="images_missing", hint=f"Complete {recipe.images}, or raise finetune.max_missing."
        )


def too_many_missing(recipe: Finetune, what: str, left_out: Counter[str], records: int) -> str | None:
    """A sentence where more than `max_missing` of the records were left out, or all of them."""
    if not (count := left_out.total()) or (count <= recipe.max_missing * records and count < records):
        return None
    reasons = ", ".join(f"{n} {reason}" for reason, n in left_out.most_common())
    return (
        f"{count} of {records} records of {what} cannot be used ({reasons}): more than finetune.max_missing "
        f"({recipe.max_missing:g}) allows."
    )


def check_data(experiment: Experiment) -> list[tuple[str, str]]:
    """Warnings on the data of a recipe, before anything is trained: every image is looked for, a sample is decoded."""
    if (recipe := experiment.finetune) is None:
        return []
    warnings: list[tuple[str, str]] = []
    parts: list[tuple[str, list[str], Questions | None]] = [
        (f"stage '{stage.name}'", stage.files, None) for stage in recipe.stages
    ]
    parts += [(f"benchmark '{questions.benchmark}'", [questions.file, *questions.answer_files], questions)
              for questions in recipe.questions]  # fmt: skip
    for what, files, questions in parts:
        if absent := [file for file in files if not Path(file).is_file()]:
            warnings.append(
                ("data_not_checked", f"{absent[0]} does not exist; the images of {what} are not checked.")
            )
            continue
        if questions is None:
            records = [raw for file in files for raw in read_records(Path(file))]
        else:
            records = question_files.raw_questions(questions.file, questions.answer_files)
        look = survey(records, Path(recipe.images))
        if message := too_many_missing(recipe, what, look.left_out, look.records):
            warnings.append(("images_missing", f"{message} The cells will fail."))
        elif look.left_out:
            reasons = ", ".join(f"{n} {reason}" for reason, n in look.left_out.most_common())
            warnings.append(
                ("images_missing", f"Left out of the {look.records} records of {what}: {reasons}.")
            )
        if look.unreadable:
            sentence = (
                f"{look.unreadable} of {look.sampled} images of {what} that were decoded cannot be read."
            )
            warnings.append(("images_missing", sentence))
    return warnings
