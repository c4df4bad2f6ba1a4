"""vLLM's own argument parser, from its CPU build; runs in the environment of `make engines-vllm`.

Reads a list of command lines (each a list of words after `vllm serve`) from standard input and writes for each what the
parser made of them, or its error.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import Any

NAMES = (
    "model_tag", "dtype", "quantization", "kv_cache_dtype", "tensor_parallel_size", "max_model_len", "max_num_seqs",
    "max_num_batched_tokens", "gpu_memory_utilization", "limit_mm_per_prompt", "mm_processor_kwargs",
)  # fmt: skip


def without_kernels() -> None:
    """Declare the operators of torchvision, whose CUDA build cannot be imported beside a CPU build of torch without."""
    import torch

    for operator in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{operator}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        )


def parsed(words: list[str]) -> dict[str, Any]:
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.suppress(SystemExit):
        result = make_arg_parser(FlexibleArgumentParser()).parse_args(words)
        return {name: getattr(result, name) for name in NAMES}
    return {"error": errors.getvalue()[-1000:]}


def main() -> None:
    lines = json.load(sys.stdin)
    written = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    without_kernels()
    written.write(json.dumps([parsed(words) for words in lines]))
    written.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
