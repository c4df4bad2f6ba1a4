"""Questions with their answers, and LLaVA's questions with the answers of the benchmarks' own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scalelaw.errors import InputError
from scalelaw.vlm.question_files import count, read

SHORT = "\nAnswer the question using a single word or phrase."


def write(path: Path, content: Any, lines: bool = False) -> str:
    path.write_text("\n".join(map(json.dumps, content)) if lines else json.dumps(content))
    return str(path)


def questions_of(folder: Path, *questions: dict[str, Any]) -> str:
    return write(folder / "questions.jsonl", questions, lines=True)


def test_answers_of_vqa_v2(tmp_path: Path) -> None:
    file = questions_of(
        tmp_path, {"question_id": 1, "image": "a.jpg", "text": f"How many?{SHORT}", "category": "default"}
    )
    people = [{"answer": "two", "answer_confidence": "yes", "answer_id": i} for i in range(10)]
    answers = write(tmp_path / "v2.json", {"info": {}, "annotations": [
        {"question_id": 1, "multiple_choice_answer": "two", "answers": people, "image_id": 9}]})  # fmt: skip
    (question,) = read(file, [answers], "vqa_accuracy")
    assert question == {
        "id": "1", "images": ["a.jpg"], "question": f"How many?{SHORT}", "answers": ["two"] * 10,
    }  # fmt: skip


def test_answers_of_textvqa_whose_id_is_that_of_the_image(tmp_path: Path) -> None:
    """LLaVA's question_id is the image's: two questions of one image are distinguished by their words."""
    texts = ["what brand?", "what year?"]
    file = questions_of(tmp_path, *(
        {"question_id": "0054c", "image": "0054c.jpg", "text": f"{t}\nReference OCR token: X{SHORT}"} for t in texts
    ))  # fmt: skip
    answers = write(tmp_path / "TextVQA_0.5.1_val.json", {"data": [
        {"question_id": 34602 + i, "image_id": "0054c", "question": t.capitalize(), "answers": [str(i)] * 10}
        for i, t in enumerate(texts)]})  # fmt: skip
    assert [q["answers"] for q in read(file, [answers])] == [["0"] * 10, ["1"] * 10]


def test_answers_of_gqa_by_id(tmp_path: Path) -> None:
    file = questions_of(tmp_path, {"question_id": "20", "image": "n1.jpg", "text": f"Is it red?{SHORT}"})
    full = write(tmp_path / "gqa.json", {"20": {"answer": "yes", "imageId": "n1", "question": "Is it red?"}})
    short = write(tmp_path / "short.json", {"20": "yes"})
    assert [read(file, [answers])[0]["answers"] for answers in (full, short)] == [["yes"], ["yes"]]


def test_answers_of_pope_in_several_files_of_lines(tmp_path: Path) -> None:
    """The ids of POPE's files begin at 1 in each of them; the file's ending is that of JSON."""
    texts = [f"Is there a {word} in the image?" for word in ("cat", "dog")]
    file = questions_of(tmp_path, *({"question_id": 10 * i, "image": f"{i}.jpg", "text": text + SHORT}
                             for i, text in enumerate(texts)))  # fmt: skip
    answers = [write(tmp_path / f"coco_pope_{i}.json",
                     [{"question_id": 1, "image": f"{i}.jpg", "text": texts[i], "label": label},
                      {"question_id": 2, "image": "x.jpg", "text": "Is there a cow in the image?", "label": "no"}],
                     lines=True)
               for i, label in enumerate(("yes", "no"))]  # fmt: skip
    assert [q["answers"] for q in read(file, answers, "pope_f1")] == [["yes"], ["no"]]


def test_questions_with_their_own_answers(tmp_path: Path) -> None:
    own = [{"id": 1, "image": ["a.png", "b.png"], "question": "<image><image>Same?", "answer": 5},
           {"question_id": 2, "text": "Hi", "answers": ["x", "y"]}]  # fmt: skip
    for file in (write(tmp_path / "list.json", own), write(tmp_path / "lines.jsonl", own, lines=True),
                 write(tmp_path / "data.json", {"data": own})):  # fmt: skip
        first, second = read(file)
        assert (first["answers"], first["images"], first["question"]) == (["5"], ["a.png", "b.png"], "Same?")
        assert (second["answers"], second["images"], second["id"]) == (["x", "y"], [], "2")
        assert count(file) == 2


@pytest.mark.parametrize(
    ("question", "answers", "metric"),
    [
        ({"question_id": 1, "text": "Why?"}, None, "exact_match"),
        ({"question_id": 1, "text": "Why?"}, [{"question_id": 2, "answer": "x"}], "exact_match"),
        ({"question_id": 1, "text": "Why?"}, [{"question_id": 1}], "exact_match"),
        ({"question_id": 1, "text": "Why?"}, [{"id": 1, "answer": "a"}, {"id": 1, "answer": "b"}], "exact_match"),
        ({"question_id": 1, "answer": "x"}, None, "exact_match"),
        ({"text": "Why?", "image": 3, "answer": "x"}, None, "exact_match"),
        ({"text": "Why?", "answer": "no"}, None, "pope_f1"),
    ],
)  # fmt: skip
def test_a_question_without_words_or_answers_is_refused(
    tmp_path: Path, question: dict[str, Any], answers: Any, metric: str
) -> None:
    file = questions_of(tmp_path, question)
    apart = [write(tmp_path / "answers.json", answers)] if answers else []
    with pytest.raises(InputError) as caught:
        read(file, apart, metric)
    assert caught.value.code == "bad_question"


@pytest.mark.parametrize(("text", "code"), [("", "no_records"), ("[]", "no_records"), ("{", "bad_json"),
                                            ("3", "bad_json"), (None, "no_such_file")])  # fmt: skip
def test_a_file_without_questions_is_refused(tmp_path: Path, text: str | None, code: str) -> None:
    if text is not None:
        (tmp_path / "file.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read(str(tmp_path / "file.json"))
    assert caught.value.code == code
