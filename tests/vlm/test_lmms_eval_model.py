"""The adapter for lmms-eval against a stub of the interface that it uses; lmms-eval itself is not installed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from scalelaw.errors import InputError

from .quecc.conftest import build, picture


@dataclass(frozen=True)
class ModelManifest:
    model_id: str
    simple_class_path: str | None = None
    chat_class_path: str | None = None


class Base:
    """As lmms_eval.api.model.lmms: the evaluator sets the tasks' documents."""

    def __init__(self) -> None:
        self.task_dict: dict[str, Any] = {}
        self.cached: list[Any] = []
        self.cache_hook = SimpleNamespace(add_partial=lambda *arguments: self.cached.append(arguments))


class ChatMessages:
    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.messages = messages

    def to_hf_messages(self) -> list[dict[str, Any]]:
        """As lmms-eval's: an image's `url` becomes `image`."""
        return [{"role": m["role"], "content": [
            {"type": "image", "image": c["url"]} if c["type"] == "image" else c for c in m["content"]]}
            for m in self.messages]  # fmt: skip


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Any:
    names = {"": {}, ".api": {}, ".api.model": {"lmms": Base}, ".protocol": {"ChatMessages": ChatMessages},
             ".models": {}, ".models.registry_v2": {"ModelManifest": ModelManifest}}  # fmt: skip
    for name, content in names.items():
        module = ModuleType(f"lmms_eval{name}")
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, f"lmms_eval{name}", module)
    monkeypatch.delitem(sys.modules, "scalelaw.vlm.lmms_eval_model", raising=False)
    from scalelaw.vlm import lmms_eval_model

    return lmms_eval_model


def document(question: str, seed: int) -> list[dict[str, Any]]:
    return [
        {
            "role": "user",
            "content": [{"type": "image", "url": picture(seed)}, {"type": "text", "text": question}],
        }
    ]


def request(place: int, **options: Any) -> Any:
    return SimpleNamespace(args=("context", lambda doc: document(*doc), options, place, "task", "test"))


def test_answers_are_those_of_the_model_in_the_order_of_the_requests(adapter: Any, tmp_path: Path) -> None:
    model, processor = build()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    asker = adapter.CompressedVisionLanguageModel(str(tmp_path), device="cpu", batch_size="2")
    docs = [("What?", 0), ("Which one is it?", 1), ("Why?", 2), ("Who?", 3)]
    asker.task_dict = {"task": {"test": docs}}
    lengths = (6, 3, 6, 6)
    requests = [request(i, max_new_tokens=n, temperature=0, until=["\n\n"]) for i, n in enumerate(lengths)]
    answers = asker.generate_until(requests)
    for (question, seed), length, answer in zip(docs, lengths, answers, strict=True):
        inputs = processor.collate([document(question, seed)], [[picture(seed)]], add_generation_prompt=True)
        written = model.generate(**inputs, max_new_tokens=length, do_sample=False)
        text = processor.tokenizer.decode(
            written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        assert answer == text.split("\n\n")[0].strip()
    assert len(asker.cached) == 4


def test_options_are_honored_or_refused(adapter: Any, tmp_path: Path) -> None:
    assert adapter._sampling({"temperature": 0.0, "top_p": 0.9}) == {
        "max_new_tokens": 128,
        "do_sample": False,
    }
    assert adapter._sampling({"temperature": 0.5, "max_new_tokens": 7}) == {
        "temperature": 0.5, "max_new_tokens": 7, "do_sample": True}  # fmt: skip
    assert adapter._until("one. two", ".") == "one"
    for options, code in (({"conv_template": "x"}, "unknown_option"), ({"dtype": "int3"}, "unknown_dtype")):
        with pytest.raises(InputError) as caught:
            adapter.CompressedVisionLanguageModel(str(tmp_path), **options)
        assert caught.value.code == code
    with pytest.raises(InputError):
        adapter.CompressedVisionLanguageModel.loglikelihood(None, [])


def test_the_manifest_names_a_class_that_is_a_chat_model(adapter: Any) -> None:
    from scalelaw.vlm.lmms_eval_manifest import manifest

    module, name = manifest().chat_class_path.rsplit(".", 1)
    assert module == adapter.__name__
    assert not getattr(adapter, name).is_simple
    assert issubclass(getattr(adapter, name), Base)
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert '[project.entry-points."lmms_eval.models"]' in text
    points = entry_points(group="lmms_eval.models")
    assert not points or "scalelaw" in points.names
