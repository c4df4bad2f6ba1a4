"""A random Qwen3-VL on llama.cpp's own server until standard input ends; runs in the environment of `make engines`.

Takes the server's options as JSON in its argument and writes the server's address as a line of standard output.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from llama_server import start


def main() -> None:
    written = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with tempfile.TemporaryDirectory() as folder:
        server = start(Path(folder), json.loads(sys.argv[1]))
        written.write(f"{server.listening_address}\n")
        written.flush()
        sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
