"""The questions of a benchmark: files with the answers in them, or LLaVA's, whose answers are in files of their own.

A question: {question_id or id, image, text or question, answers, answer or label}. A file is a list, one object a line,
or an object with the list under `questions` or `data`. Answers apart (`Questions.answers`) are read from
    a list or lines of {question_id, questionId, id or image, answers, answer, label or multiple_choice_answer}
    VQA v2, OK-VQA, VizWiz    {"annotations": [{question_id, answers: [{answer}, ...]}]}
    TextVQA, DocVQA           {"data": [{image_id, question, answers}]}
    GQA                       {id: {answer}}, or {id: answer}
    POPE                      lines of {image, text, label}
An answer belongs to the question of its image and words, else of its id.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scalelaw.errors import InputError

MARKER = "<image>"
_IDS = ("question_id", "questionId", "id")
_ANSWERS = ("answers", "answer", "label", "multiple_choice_answer")
_LISTS = ("questions", "annotations", "data")


def read(file: str, answers: Sequence[str] = (), metric: str = "") -> list[dict[str, Any]]:
    """The questions of a file: {id, images, question, answers}.

    Args:
        file: the questions.
        answers: files of their answers; without any, each question has its own.
        metric: what they are scored by; a benchmark scored by `pope_f1` needs an answer that is yes.

    Raises:
        InputError: for a file without a question, and for a question without words or answers.
    """
    records = list(_entries(Path(file)))
    if not records:
        raise InputError(f"{file} contains no question.", code="no_records")
    apart = _Answers(answers) if answers else None
    questions = [_question(raw, file, apart) for raw in records]
    if metric == "pope_f1" and all(q["answers"][0].strip().lower() == "no" for q in questions):
        raise InputError(
            f"{file}: no question has the answer yes, so that F1 is not defined.", code="bad_question"
        )
    return questions


def count(file: str) -> int:
    """The number of questions in a file."""
    return len(list(_entries(Path(file))))


def raw_questions(file: str, answers: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The questions as conversations in LLaVA's format, to look for their images."""
    return [
        {"id": q["id"], "image": q["images"], "conversations": [
            {"from": "human", "value": MARKER * len(q["images"])}, {"from": "gpt", "value": "?"}]}
        for q in read(file, answers)
    ]  # fmt: skip


def _question(raw: Any, file: str, apart: _Answers | None) -> dict[str, Any]:
    record = raw if isinstance(raw, dict) else {}
    text = record.get("question", record.get("text"))
    image = record.get("image") or []
    images = [image] if isinstance(image, str) else image
    if not isinstance(images, list) or not all(isinstance(name, str) for name in images):
        raise InputError(f"{file}: `image` is neither a path nor a list of paths.", code="bad_question")
    answers = _answers_of(record)
    if isinstance(text, str) and apart is not None:
        answers = apart.of(record, images, text) or answers
    if not isinstance(text, str) or not answers:
        where = "nor do the files of answers" if apart else "as is expected without a file of answers"
        raise InputError(
            f"{file}: a question has no text or no answers, {where}: {str(raw)[:80]}.",
            code="bad_question",
            hint="Each is {id, image, question, answers: [...]}; set `answers` where they are in a file of their own.",
        )
    return {
        "id": str(next((record[key] for key in _IDS if key in record), "")),
        "images": images,
        "question": text.replace(MARKER, "").strip(),
        "answers": answers,
    }


class _Answers:
    """The answers of some files, by the image and the words of their question, and by its id."""

    def __init__(self, files: Sequence[str]) -> None:
        self.by_words: dict[tuple[str, str], list[str]] = {}
        self.by_id: dict[str, list[str] | None] = {}
        for file in files:
            for raw in _entries(Path(file)):
                record = raw if isinstance(raw, dict) else {}
                if not (answers := _answers_of(record)):
                    raise InputError(f"{file}: an entry has no answer: {str(raw)[:80]}.", code="bad_question")
                text = record.get("question", record.get("text"))
                if isinstance(text, str):
                    for image in _images_of(record):
                        self.by_words[image, _line(text)] = answers
                for key in {str(record[key]) for key in _IDS if key in record}:
                    # an id that several questions share names none of them
                    self.by_id[key] = None if self.by_id.get(key, answers) != answers else answers

    def of(self, record: dict[str, Any], images: Sequence[str], text: str) -> list[str] | None:
        """Those of a question whose words are one of the lines of its text, which may also state how to answer."""
        keys = [key for image in images for key in (image, Path(image).stem)]
        keys += [str(record[key]) for key in _IDS if key in record]
        for key in keys:
            for line in (_line(text), *map(_line, text.splitlines())):
                if (answers := self.by_words.get((key, line))) is not None:
                    return answers
        ids = [str(record[key]) for key in _IDS if key in record]
        return next((answers for key in ids if (answers := self.by_id.get(key)) is not None), None)


def _images_of(record: dict[str, Any]) -> Iterator[str]:
    for key in ("image", "image_id", "imageId"):
        if isinstance(name := record.get(key), str | int):
            yield str(name)
            yield Path(str(name)).stem


def _line(text: str) -> str:
    return " ".join(text.replace(MARKER, "").lower().split())


def _answers_of(record: dict[str, Any]) -> list[str]:
    """The answers of an entry: people's own, as texts or as {answer}; one answer where there is one."""
    for key in _ANSWERS:
        value = record.get(key)
        values = [value] if isinstance(value, str | int | float) else value if isinstance(value, list) else []
        texts = [v.get("answer") if isinstance(v, dict) else v for v in values]
        if texts := [str(text) for text in texts if isinstance(text, str | int | float)]:
            return texts
    return []


def _entries(file: Path) -> Iterator[Any]:
    """The entries of a file: a list, lines (whatever the file's ending), or an object that holds them."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"Cannot read {file}: {error.strerror or error}.", code="no_such_file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not JSON: {error}.", code="bad_json") from error
    try:
        try:
            content = [json.loads(text)]
        except json.JSONDecodeError:
            content = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is not JSON: {error}.", code="bad_json") from error
    if len(content) > 1 or not content:
        yield from content
    elif isinstance(content[0], list):
        yield from content[0]
    elif not isinstance(content[0], dict):
        raise InputError(f"{file} contains neither a list nor an object.", code="bad_json")
    else:
        yield from _of_an_object(content[0])


def _of_an_object(content: dict[str, Any]) -> Iterator[Any]:
    """A list under one of the known keys; a single question; or, as in GQA, entries by their ids."""
    if (name := next((n for n in _LISTS if isinstance(content.get(n), list)), None)) is not None:
        yield from content[name]
    elif any(isinstance(content.get(key), str) for key in ("question", "text", *_IDS)):
        yield content
    else:
        for key, value in content.items():
            yield {"question_id": key, **(value if isinstance(value, dict) else {"answer": value})}
