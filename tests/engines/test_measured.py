"""`scalelaw measure` on the engines themselves: prompt tokens exactly, times only in their order over wide gaps.

llama.cpp's server runs in the environment of `make engines`, vLLM's CPU build in that of `make engines-vllm`.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scalelaw.measure import measure_latency
from scalelaw.tokens.count import count_one
from scalelaw.tokens.images import Size
from scalelaw.tokens.models import find_vision_model

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BEGIN_AND_END = 2
"""Tokens that llama.cpp writes around an image of Qwen3-VL."""
SIZES = ((64, 64), (320, 240), (640, 480))
LLAMA_OPTIONS = {
    "--ctx-size": 8192, "--parallel": 1, "--batch-size": 2048, "--ubatch-size": 2048, "--image-max-tokens": 1024,
}  # fmt: skip

pytestmark = pytest.mark.engines


@contextmanager
def engine(variable: str, folder: str, target: str, *command: str) -> Iterator[str]:
    """The address that a script of servers/ writes, in the environment that it needs, until the block ends."""
    python = os.environ.get(variable) or str(ROOT / folder / "bin" / "python")
    if not Path(python).exists():
        pytest.skip(f"needs the environment that `{target}` creates")
    script, *arguments = command
    server = subprocess.Popen(
        [python, str(HERE / "servers" / script), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        address = server.stdout.readline().strip()
        assert address.startswith("http://"), "the server did not start"
        yield address
    finally:
        server.stdin.close()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def test_llama_cpp_is_measured() -> None:
    vision = find_vision_model("qwen3-vl")
    values = {
        **vision.settings,
        "max_pixels": LLAMA_OPTIONS["--image-max-tokens"] * 32 * 32,
        "min_pixels": 8 * 32 * 32,
    }
    predicted = [count_one(vision, Size(*size), values).visual_tokens + BEGIN_AND_END for size in SIZES]
    command = ("llama_endpoint.py", json.dumps(LLAMA_OPTIONS))
    with engine("ENGINES_PYTHON", ".venv-engines", "make engines", *command) as address:
        measured = measure_latency(
            f"{address}/v1", image=",".join(f"{w}x{h}" for w, h in SIZES), concurrency=1, generate="4,64",
            text_tokens=16, requests=5, spread=100, max_seconds=200,
        )  # fmt: skip
    assert {row["status"] for row in measured.rows} == {"ok"}
    short, long = ([row for row in measured.rows if row["generate"] == tokens] for tokens in (4, 64))
    for rows in (short, long):
        pictures = [row for row in rows if row["images"]]
        assert [row["visual_tokens"] for row in pictures] == predicted
        assert [row["prompt_tokens"] - row["text_tokens"] for row in pictures] == predicted
        assert pictures[0]["ttft_ms"] < pictures[-1]["ttft_ms"]
        assert pictures[-1]["image_ms"] > 0
    assert min(row["latency_ms"] for row in long) > min(row["latency_ms"] for row in short)
