"""Every engine keeps its contract; a new file is found by itself."""

from __future__ import annotations

import ast
import dataclasses
import datetime
import json
import shlex
from typing import Any

import pytest

from scalelaw import plugins
from scalelaw.engines._contract import Deployment, Serving
from scalelaw.errors import InputError
from scalelaw.model_shapes import LLMShape

NAMES = plugins.names("engines")
QWEN_7B = LLMShape("qwen2.5-7b", 28, 3584, 28, 4, 128, 18944, 152064)
PLAIN = Deployment(
    model="org/a model's name",
    prompt_tokens=300,
    generate=100,
    batch=8,
    visual_tokens=256,
    token_limit=True,
    processor={"size": {"shortest_edge": 3136, "longest_edge": 200704}},
    resize=(448, 448),
    shape=QWEN_7B,
    encoder_params=676550144.0,
    patches=1024,
    device="h100-sxm",
    memory_gb=80.0,
)
SMALL = {"size": {"shortest_edge": 3136, "longest_edge": 50176}}
DTYPES = ("fp32", "fp16", "bf16", "fp8", "int8", "int4")


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest) -> Any:
    return plugins.load("engines", request.param)


def served(engine: Any, **changes: Any) -> Serving | None:
    """None where the engine refuses, with the one code that it may."""
    refusal: InputError | None = None
    try:
        serving: Serving = engine.serve(dataclasses.replace(PLAIN, **changes))
    except InputError as error:
        refusal = error
    assert refusal is None or refusal.code == "engine_cannot"
    return None if refusal else serving


def test_there_are_seven() -> None:
    assert {
        "vllm", "sglang", "llama_cpp", "tensorrt_llm", "ollama", "transformers_serve", "lmdeploy",
    } <= set(NAMES)  # fmt: skip


def test_an_engine_states_its_version_and_the_date_of_the_comparison(engine: Any) -> None:
    assert engine.VERSION
    assert datetime.date.fromisoformat(engine.CHECKED) >= datetime.date(2026, 1, 1)
    for part in ("Sets:", "Source:", "Leaves out:"):
        assert part in engine.__doc__


def test_an_engine_file_imports_no_engine(engine: Any) -> None:
    with open(engine.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    imported = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    imported += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    assert {module.split(".")[0] for module in imported} <= {
        "__future__",
        "dataclasses",
        "pathlib",
        "typing",
        "scalelaw",
    }


def test_a_shell_reads_the_command_as_it_was_meant(engine: Any) -> None:
    serving = served(engine)
    assert serving is not None
    words = shlex.split(serving.command)
    environment = dict(word.split("=", 1) for word in words[: len(serving.environment)])
    assert environment == dict(serving.environment)
    assert words[len(serving.environment) :] == serving.arguments
    assert any(PLAIN.model in word for word in words) or serving.request["model"] == PLAIN.model
    json.dumps(serving.request)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_option_and_field_is_in_the_tables(engine: Any, dtype: str) -> None:
    for cache in DTYPES:
        for devices in (1, 2):
            serving = served(engine, dtype=dtype, cache_dtype=cache, devices=devices)
            if serving is None:
                continue
            assert {option for option, _ in serving.flags} <= set(engine.FLAGS)
            assert set(serving.request) <= set(engine.REQUEST)
            assert set(serving.environment) <= set(getattr(engine, "ENVIRONMENT", {}))


def text_of(serving: Serving | None) -> str:
    """Everything that an answer states, in one text."""
    if serving is None:
        return "refused"
    return json.dumps([serving.command, dict(serving.request), dict(serving.files), serving.warnings])


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "fp8"},
        {"dtype": "int4"},
        {"dtype": "fp32"},
        {"cache_dtype": "fp8"},
        {"cache_dtype": "int4"},
        {"devices": 4},
        {"batch": 64},
        {"generate": 5000},
        {"prompt_tokens": 5000},
        {"visual_tokens": 64, "processor": SMALL, "resize": (224, 224)},
        {"processor": {"max_patches": 4}, "token_limit": False, "visual_tokens": 1280, "resize": None},
    ],
)  # fmt: skip
def test_nothing_of_a_deployment_is_left_out_in_silence(engine: Any, change: dict[str, Any]) -> None:
    assert text_of(served(engine, **change)) != text_of(served(engine))


def test_a_request_fits_the_length_with_a_chat_template(engine: Any) -> None:
    deployment = dataclasses.replace(PLAIN, prompt_tokens=1000, generate=24)
    assert deployment.length >= 1000 + 24 + 100
    command = text_of(engine.serve(deployment))
    assert (
        str(deployment.length) in command
        or str(deployment.length * 8) in command
        or "transformers" in command
    )


def test_heads_that_the_cards_do_not_divide_are_refused(engine: Any) -> None:
    assert served(engine, devices=3) is None


def test_an_own_engine_is_a_file(tmp_path: Any) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        '"""Mine."""\nfrom scalelaw.engines._contract import Serving\n'
        'VERSION = "1"\nCHECKED = "2026-01-01"\nFLAGS = {}\nREQUEST = {}\n'
        "def serve(deployment):\n    return Serving(program=('mine', deployment.model))\n"
    )
    assert plugins.load("engines", str(file)).serve(PLAIN).arguments == ["mine", PLAIN.model]
    file.write_text('"""Mine."""\n')
    with pytest.raises(InputError) as caught:
        plugins.load("engines", str(file))
    assert caught.value.code == "bad_engine"
