"""Inputs that are no stored files of text: interfaces of the kernel, pipes, standard input, names with a NUL."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import scalelaw as sl
from scalelaw.cli import main
from scalelaw.datasets.llava_json import Conversations, read_records, trouble_with
from scalelaw.errors import InputError
from scalelaw.files import safe_load
from scalelaw.importers import _files as importing
from scalelaw.table.read import write_table

KERNEL = next((path for path in ("/proc/kmsg", "/proc/self/status") if os.path.exists(path)), "")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    fitted = sl.fit_law("vlm_reasoning", bootstrap=0)
    (folder / "fit.json").write_text(fitted.to_json())
    (folder / "optimum.json").write_text(sl.find_optimum(fitted, 8e11).to_json())
    table = sl.read_table("vlm_reasoning").dropna(axis=1, how="all")
    table.to_csv(folder / "t.csv", index=False)
    return folder


@contextmanager
def piped(content: bytes) -> Iterator[str]:
    """The path of a pipe with this content, as the shell's `<(...)` gives it."""
    ours, theirs = os.pipe()
    if not os.fork():
        try:
            os.close(ours)
            with os.fdopen(theirs, "wb") as sink:
                sink.write(content)
        finally:
            os._exit(0)
    os.close(theirs)
    try:
        yield f"/dev/fd/{ours}"
    finally:
        os.close(ours)
        os.wait()


COMMANDS = {
    "fit": ["fit", "{}"],
    "fit -o": ["fit", "{csv}"],
    "parquet": ["show", "{parquet}"],
    "show": ["show", "{}"],
    "compare": ["compare", "{}"],
    "report": ["report", "{}", "-o", "r.pdf"],
    "report json": ["report", "{json}", "-o", "r.pdf"],
    "plot": ["plot", "{json}", "-o", "p.pdf"],
    "optimize": ["optimize", "{json}", "--budget", "8e11"],
    "catalogue": ["optimize", "fit.json", "--budget", "8e11", "--models", "{yaml}"],
    "model": ["optimize", "fit.json", "--budget", "8e11", "--models", "{json}"],
    "card": ["cost", "qwen1.5-4b", "--visual-tokens", "64", "--text-tokens", "9", "--hardware", "{yaml}"],
    "cost": ["cost", "{folder}", "--visual-tokens", "64", "--text-tokens", "9"],
    "tower": ["cost", "qwen1.5-4b", "--visual-tokens", "64", "--text-tokens", "9", "--tower", "{json}"],
    "sizes": ["cost", "qwen2-vl-2b", "--image-sizes", "{csv}", "--text-tokens", "9"],
    "tokens": ["tokens", "{folder}", "--image", "640x480"],
    "photo": ["tokens", "qwen2-vl-2b", "--image", "{jpg}"],
    "predict": ["predict", "fit.json", "--at", "{csv}"],
    "calibrate": ["calibrate", "{csv}", "--hardware", "a100", "-o", "card.yaml"],
    "import": ["import", "wide_csv", "{csv}", "--models", "m.yaml", "-o", "t.parquet"],
    "import models": ["import", "wide_csv", "t.csv", "--models", "{yaml}", "-o", "t.parquet"],
    "import json": ["import", "lm_eval", "{json}", "--models", "m.yaml", "-o", "t.parquet"],
    "sweep": ["sweep", "{yaml}", "--dry-run"],
    "law": ["fit", "vlm_reasoning", "--law", "{py}"],
}


@pytest.mark.skipif(not KERNEL, reason="the system has no /proc")
@pytest.mark.parametrize("name", COMMANDS)
def test_an_interface_of_the_kernel_is_refused_at_once(
    name: str,
    saved: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in saved.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "m.yaml").write_text("models: {a: {n_params: 1e9}}\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").symlink_to(KERNEL)
    links = {"": KERNEL, "folder": "folder"}
    for suffix in ("csv", "parquet", "json", "yaml", "jpg", "py"):
        links[suffix] = f"link.{suffix}"
        (tmp_path / f"link.{suffix}").symlink_to(KERNEL)
    words = list(COMMANDS[name])
    for key, value in links.items():
        words = [word.replace(f"{{{key}}}", value) for word in words]
    start = time.monotonic()
    assert main([*words, "--json"]) == 2
    assert time.monotonic() - start < safe_load.IDLE_SECONDS - 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "special_file"


@pytest.mark.skipif(not KERNEL, reason="the system has no /proc")
def test_conversations_and_their_images_are_stored_files(tmp_path: Path) -> None:
    (tmp_path / "kernel.jpg").symlink_to(KERNEL)
    (tmp_path / "kernel.json").symlink_to(KERNEL)
    Image.new("RGB", (8, 8)).save(tmp_path / "image.png")
    assert trouble_with(tmp_path, ["image.png"]) == ""
    assert len(Conversations.opened(tmp_path, ["image.png"])) == 1
    assert trouble_with(tmp_path, ["kernel.jpg"])
    with pytest.raises(InputError) as refusal:
        Conversations.opened(tmp_path, ["kernel.jpg"])
    assert refusal.value.code == "bad_image"
    with pytest.raises(InputError) as refusal:
        read_records(tmp_path / "kernel.json")
    assert refusal.value.code == "special_file"


def _rows(names: list[str], column: str = "model") -> pd.DataFrame:
    return pd.DataFrame({
        column: names,
        "n_params": [1e9, 2e9, 4e9, 8e9],
        "visual_tokens": [1.0, 16, 64, 576],
        "error": [0.5, 0.4, 0.35, 0.3],
    })  # fmt: skip


@pytest.mark.parametrize("column", ["model", "benchmark", "my_group"])
@pytest.mark.parametrize("form", ["frame", "categories", "arrow", "parquet", "csv", "stream"])
def test_names_that_differ_in_a_nul_are_refused(form: str, column: str, tmp_path: Path) -> None:
    frame = _rows(["a", "a\0", "a\0\0", "b"], column)
    source: object = frame
    if form == "categories":
        source = frame.astype({column: "category"})
    elif form == "arrow":
        source = pa.Table.from_pandas(frame)
    elif form == "parquet":
        source = tmp_path / "t.parquet"
        pq.write_table(pa.Table.from_pandas(frame), source)
    elif form == "csv":
        source = tmp_path / "t.csv"
        frame.to_csv(source, index=False)
    elif form == "stream":
        source = io.StringIO(frame.to_csv(index=False))
    with pytest.raises(InputError) as refusal:
        sl.read_table(source)
    assert refusal.value.code in ("bad_value", "unreadable_table")


def test_a_column_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        sl.read_table(_rows(["a", "b", "c", "d"], "group\0"))
    assert refusal.value.code == "bad_value"
    with pytest.raises(InputError) as refusal:
        write_table([{"model": "a\0", "error": 0.5}], tmp_path / "t.parquet")
    assert refusal.value.code == "bad_value"


def test_an_imported_name_keeps_apart_what_a_nul_did(tmp_path: Path) -> None:
    assert importing.text("a\0") not in ("a", importing.text("a\0\0"))
    (tmp_path / "t.csv").write_bytes(b"model,mmmu\na\0,0.5\n")
    with pytest.raises(InputError) as refusal:
        importing.read_text(tmp_path / "t.csv")
    assert refusal.value.code == "not_text"


@pytest.mark.parametrize("name", ["fit.json", "optimum.json", "t.csv"])
def test_a_report_reads_a_pipe_by_its_content(name: str, saved: Path, tmp_path: Path) -> None:
    target = tmp_path / "r.html"
    with piped((saved / name).read_bytes()) as path:
        assert main(["report", path, "-o", str(target)]) == 0
    assert target.stat().st_size > 10_000


@pytest.mark.parametrize("name", ["fit.json", "t.csv"])
def test_a_figure_reads_standard_input_by_its_content(
    name: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = "curves" if name == "fit.json" else "coverage"
    with piped((saved / name).read_bytes()) as path, open(path) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["plot", "-", "--figure", figure, "-o", str(tmp_path / "f.svg")]) == 0
    with piped((saved / name).read_bytes()) as path:
        assert main(["plot", path, "--figure", figure, "-o", str(tmp_path / "f.svg")]) == 0


def test_an_answer_is_read_whatever_its_name(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (saved / "fit.json").read_bytes()
    (tmp_path / "fit.txt").write_bytes(content)
    assert main(["plot", str(tmp_path / "fit.txt"), "--figure", "curves", "-o", str(tmp_path / "f.svg")]) == 0
    with piped(content) as path, open(path) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["predict", "-", "--at", "n_params=7e9", "--at", "visual_tokens=64"]) == 0
    with piped(content) as path, open(path) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert main(["optimize", "-", "--budget", "8e11"]) == 0


def test_a_pipe_with_another_content_is_named(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, content, code in (
        (["fit"], (saved / "fit.json").read_bytes(), "wrong_kind"),
        (["report", "-o", str(tmp_path / "r.pdf")], b"{", "unreadable_json"),
        (["report", "-o", str(tmp_path / "r.pdf")], b"{}", "wrong_schema"),
        (["report", "-o", str(tmp_path / "r.pdf")], b"", "unreadable_table"),
        (["report", "-o", str(tmp_path / "r.pdf")], b"PAR1\0", "unreadable_table"),
    ):
        with piped(content) as path:
            assert main([*words, path, "--json"]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["code"] == code
    assert main(["report", "-", "-", "-o", str(tmp_path / "r.pdf")]) == 2
