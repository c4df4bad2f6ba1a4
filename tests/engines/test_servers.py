"""The engines themselves: vLLM's argument parser reads the printed line, llama.cpp's server counts what was predicted.

They run in environments of their own, which `make engines` (llama.cpp, 40 MB) and `make engines-vllm` (vLLM's CPU
build, 3 GB) create.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scalelaw as sl
from scalelaw import plugins
from scalelaw.tokens.count import count_one
from scalelaw.tokens.images import Size
from scalelaw.tokens.models import find_vision_model

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ENVIRONMENTS = {
    "llama_server.py": ("ENGINES_PYTHON", ".venv-engines", "make engines"),
    "vllm_parser.py": ("ENGINES_VLLM_PYTHON", ".venv-engines-vllm", "make engines-vllm"),
}
BEGIN_AND_END = 2
"""Tokens that llama.cpp writes around an image of Qwen3-VL."""
LEAST_TOKENS = 8
"""Of an image of Qwen-VL in llama.cpp."""
SIZES = [
    (64, 64),
    (224, 224),
    (320, 240),
    (448, 448),
    (640, 480),
    (333, 517),
    (100, 700),
    (1000, 300),
    (1600, 900),
]

pytestmark = pytest.mark.engines


def run(script: str, request: Any) -> Any:
    """What a script of servers/ answers, in the environment that it needs."""
    variable, folder, target = ENVIRONMENTS[script]
    python = os.environ.get(variable) or str(ROOT / folder / "bin" / "python")
    if not Path(python).exists():
        pytest.skip(f"needs the environment that `{target}` creates")
    done = subprocess.run(
        [python, str(HERE / "servers" / script)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def served() -> Callable[..., dict[str, Any]]:
    fitted = sl.fit_law("vlm_reasoning", bootstrap=0)

    def engine(name: str, tokens: int, model: str, **options: Any) -> dict[str, Any]:
        query: dict[str, Any] = {"generate": 100, "hardware": "h100", "tower": "none", **options}
        optimum = sl.find_optimum(fitted, 1e15, models="qwen2.5-7b", visual_tokens=str(tokens), **query)
        facts: dict[str, Any] = sl.serve_optimum(optimum, name, models="qwen2.5-7b", model=model).best[
            "engine"
        ]
        return facts

    return engine


@pytest.mark.parametrize("tokens", [100, 400])
def test_llama_cpp_counts_the_prompt_tokens_that_are_predicted(served: Any, tokens: int) -> None:
    engine = served("llama_cpp", tokens, "org/Qwen3-VL-8B-GGUF", batch=1)
    options = engine["flags"]
    known = sorted(plugins.load("engines", "llama_cpp").FLAGS)
    request = {"options": options, "known": known, "sizes": SIZES, "text": "What is it?"}
    result = run("llama_server.py", request)
    assert result["known"] == known
    vision = find_vision_model("qwen3-vl")
    area = 32 * 32
    values = {
        **vision.settings,
        "max_pixels": options["--image-max-tokens"] * area,
        "min_pixels": LEAST_TOKENS * area,
    }
    predicted = [count_one(vision, Size(*size), values).visual_tokens for size in SIZES]
    counts = [tokens - result["text_tokens"] - BEGIN_AND_END for tokens in result["prompt_tokens"]]
    assert counts == predicted
    assert max(counts) <= tokens
    assert max(result["prompt_tokens"]) + 100 <= options["--ctx-size"]


def test_vllm_reads_every_line_that_is_printed(served: Any) -> None:
    cases = [
        served("vllm", tokens, model, **options)
        for tokens, model, options in (
            (256, "Qwen/Qwen2.5-VL-7B-Instruct", {"batch": 8}),
            (300, "google/gemma-4-E4B", {"dtype": "fp8"}),
            (1300, "OpenGVLab/InternVL3-8B-hf", {"dtype": "int8", "devices": 4}),
            (64, "HuggingFaceTB/SmolVLM2-2.2B-Instruct", {"dtype": "int4"}),
            (576, "llava-hf/llava-1.5-7b-hf", {"dtype": "fp16"}),
        )
    ]
    lines = [[str(word) for word in words_of(case)] for case in cases]
    for case, parsed in zip(cases, run("vllm_parser.py", lines), strict=True):
        flags = case["flags"]
        assert "error" not in parsed, parsed["error"]
        for option, value in flags.items():
            assert parsed[option.removeprefix("--").replace("-", "_")] == value


def words_of(engine: dict[str, Any]) -> list[str]:
    """The words after `vllm serve`, as a shell splits them."""
    import shlex

    return shlex.split(engine["command"])[2:]
