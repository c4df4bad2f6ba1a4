"""A random Qwen3-VL as GGUF files, served by llama.cpp's own server; runs in the environment of `make engines`.

Reads {"options": {option: value}, "known": [option, ...], "sizes": [[width, height], ...], "text": "..."} from standard
input and writes {"known": [those that the server's library has], "text_tokens": n, "prompt_tokens": [n, ...]}.
"""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import xllamacpp
from PIL import Image

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
TEMPLATE = (
    "{%- for m in messages %}{%- if m['content'] is string %}{{- m['content'] }}{%- else %}"
    "{%- for p in m['content'] %}{%- if 'text' in p %}{{- p['text'] }}{%- else %}<|image_pad|>{%- endif %}{%- endfor %}"
    "{%- endif %}{%- endfor %}"
)
WIDTH, LAYERS, HEAD, FEED_FORWARD = 64, 2, 32, 256
PATCH, MERGE, GRID = 16, 2, 48


def alphabet() -> list[str]:
    """A printable letter for each of the 256 bytes, as GPT-2 has them."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


class Weights:
    """A writer of random tensors."""

    def __init__(self, path: Path, architecture: str) -> None:
        self.file = gguf.GGUFWriter(path, architecture)
        self._random = np.random.default_rng(0)

    def tensor(self, name: str, *shape: int) -> None:
        self.file.add_tensor(name, (self._random.standard_normal(shape) * 0.02).astype(np.float32))

    def matrix(self, name: str, *shape: int) -> None:
        self.tensor(f"{name}.weight", *shape)

    def linear(self, name: str, rows: int, columns: int) -> None:
        self.matrix(name, rows, columns)
        self.file.add_tensor(f"{name}.bias", np.zeros(rows, np.float32))

    def norm(self, name: str, width: int, *, shift: bool = False) -> None:
        self.file.add_tensor(f"{name}.weight", np.ones(width, np.float32))
        if shift:
            self.file.add_tensor(f"{name}.bias", np.zeros(width, np.float32))

    def close(self) -> None:
        self.file.write_header_to_file()
        self.file.write_kv_data_to_file()
        self.file.write_tensors_to_file()
        self.file.close()


def write_llm(path: Path) -> None:
    weights = Weights(path, "qwen3vl")
    file, heads, groups = weights.file, WIDTH // HEAD, 1
    file.add_name("random")
    file.add_block_count(LAYERS)
    file.add_context_length(32768)
    file.add_embedding_length(WIDTH)
    file.add_feed_forward_length(FEED_FORWARD)
    file.add_head_count(heads)
    file.add_head_count_kv(groups)
    file.add_key_length(HEAD)
    file.add_value_length(HEAD)
    file.add_rope_dimension_sections([4, 6, 6, 0])
    file.add_rope_freq_base(1e6)
    file.add_layer_norm_rms_eps(1e-6)
    file.add_file_type(gguf.LlamaFileType.ALL_F32)
    file.add_uint32("qwen3vl.n_deepstack_layers", 1)
    tokens = [*SPECIAL, *alphabet(), "th", "the"]
    kinds = [gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * (len(tokens) - len(SPECIAL))
    file.add_tokenizer_model("gpt2")
    file.add_tokenizer_pre("qwen2")
    file.add_token_list(tokens)
    file.add_token_types(kinds)
    file.add_token_merges(["t h", "th e"])
    file.add_bos_token_id(0)
    file.add_eos_token_id(2)
    file.add_add_bos_token(False)
    file.add_chat_template(TEMPLATE)
    weights.matrix("token_embd", len(tokens), WIDTH)
    weights.matrix("output", len(tokens), WIDTH)
    weights.norm("output_norm", WIDTH)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        for name, width in (
            ("attn_norm", WIDTH),
            ("ffn_norm", WIDTH),
            ("attn_q_norm", HEAD),
            ("attn_k_norm", HEAD),
        ):
            weights.norm(f"{block}.{name}", width)
        for name, rows, columns in (
            ("attn_q", heads * HEAD, WIDTH),
            ("attn_k", groups * HEAD, WIDTH),
            ("attn_v", groups * HEAD, WIDTH),
            ("attn_output", WIDTH, heads * HEAD),
            ("ffn_gate", FEED_FORWARD, WIDTH),
            ("ffn_up", FEED_FORWARD, WIDTH),
            ("ffn_down", WIDTH, FEED_FORWARD),
        ):
            weights.matrix(f"{block}.{name}", rows, columns)
    weights.close()


def write_encoder(path: Path) -> None:
    weights = Weights(path, "clip")
    file, merged = weights.file, WIDTH * MERGE**2
    file.add_type("mmproj")
    file.add_name("random")
    file.add_file_type(gguf.LlamaFileType.ALL_F32)
    file.add_bool("clip.has_vision_encoder", True)
    file.add_string("clip.projector_type", "qwen3vl_merger")
    file.add_bool("clip.use_gelu", True)
    numbers = {
        "projection_dim": WIDTH, "image_size": GRID * PATCH, "patch_size": PATCH, "embedding_length": WIDTH,
        "feed_forward_length": FEED_FORWARD, "block_count": LAYERS, "attention.head_count": WIDTH // HEAD,
        "spatial_merge_size": MERGE,
    }  # fmt: skip
    for key, number in numbers.items():
        file.add_uint32(f"clip.vision.{key}", number)
    file.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    file.add_array("clip.vision.image_mean", [0.5] * 3)
    file.add_array("clip.vision.image_std", [0.5] * 3)
    file.add_array("clip.vision.is_deepstack_layers", [layer == 0 for layer in range(LAYERS)])
    weights.matrix("v.patch_embd", WIDTH, 3, PATCH, PATCH)
    weights.tensor("v.patch_embd.weight.1", WIDTH, 3, PATCH, PATCH)
    file.add_tensor("v.patch_embd.bias", np.zeros(WIDTH, np.float32))
    weights.matrix("v.position_embd", GRID * GRID, WIDTH)
    for layer in range(LAYERS):
        block = f"v.blk.{layer}"
        weights.linear(f"{block}.attn_qkv", 3 * WIDTH, WIDTH)
        weights.linear(f"{block}.attn_out", WIDTH, WIDTH)
        weights.linear(f"{block}.ffn_up", FEED_FORWARD, WIDTH)
        weights.linear(f"{block}.ffn_down", WIDTH, FEED_FORWARD)
        weights.norm(f"{block}.ln1", WIDTH, shift=True)
        weights.norm(f"{block}.ln2", WIDTH, shift=True)
    weights.norm("v.deepstack.0.norm", merged, shift=True)
    weights.linear("v.deepstack.0.fc1", merged, merged)
    weights.linear("v.deepstack.0.fc2", WIDTH, merged)
    weights.norm("v.post_ln", WIDTH, shift=True)
    weights.linear("mm.0", merged, merged)
    weights.linear("mm.2", WIDTH, merged)
    weights.close()


def start(folder: Path, options: dict[str, Any]) -> Any:
    """The server with the options of a command line."""
    write_llm(folder / "llm.gguf")
    write_encoder(folder / "mmproj.gguf")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = xllamacpp.CommonParams()
    settings.model.path = str(folder / "llm.gguf")
    settings.mmproj.path = str(folder / "mmproj.gguf")
    settings.mmproj_use_gpu = False
    settings.hostnames, settings.port = ["127.0.0.1"], port
    settings.n_ctx, settings.n_parallel = options["--ctx-size"], options["--parallel"]
    settings.n_batch, settings.n_ubatch = options["--batch-size"], options["--ubatch-size"]
    if "--image-max-tokens" in options:
        settings.image_max_tokens = options["--image-max-tokens"]
    settings.warmup, settings.use_jinja, settings.cache_prompt = False, True, False
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    return xllamacpp.Server(settings)


def prompt_tokens(address: str, text: str, size: list[int] | None) -> int:
    """Of one request, as the server's answer states them."""
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if size is not None:
        picture = io.BytesIO()
        pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(picture, "PNG")
        url = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
        content.insert(0, {"type": "image_url", "image_url": {"url": url}})
    body = json.dumps({"messages": [{"role": "user", "content": content}], "max_tokens": 1}).encode()
    request = urllib.request.Request(
        f"{address}/v1/chat/completions", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        tokens: int = json.load(answer)["usage"]["prompt_tokens"]
    return tokens


def known_options(options: list[str]) -> list[str]:
    """Those that stand in the server's library as the words of its argument parser."""
    library = b"".join(path.read_bytes() for path in Path(xllamacpp.__file__).parent.glob("*.so*"))
    return [option for option in options if b"\0" + option.encode() + b"\0" in library]


def main() -> None:
    request = json.load(sys.stdin)
    written = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        server = start(Path(folder), request["options"])
        address = server.listening_address
        text = prompt_tokens(address, request["text"], None)
        counts = [prompt_tokens(address, request["text"], size) for size in request["sizes"]]
    known = known_options(request["known"])
    written.write(json.dumps({"known": known, "text_tokens": text, "prompt_tokens": counts}))
    written.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
