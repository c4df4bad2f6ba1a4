"""No input is overwritten, by whatever name; devices, pipes and links stay what they are; a failure is one sentence."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scalelaw as sl
from scalelaw.cli.app import main
from scalelaw.errors import InputError
from scalelaw.files import paths

ROOT = Path(sl.__file__).parents[1]
CSV = "model,n_params,visual_tokens,error\n" + "".join(
    f"m{n},{n * 10**9},{v},{0.3 / n**0.3 + 0.3 / v**0.2:.6f}\n" for n in (1, 2, 4, 8) for v in (1, 4, 16, 64)
)
LATENCIES = "model,visual_tokens,latency_ms\nqwen1.5-0.5b,64,20\nqwen1.5-4b,64,60\nqwen1.5-7b,576,200\n"
CARD = "name: mine\npeak_tflops: {bf16: 900}\nbandwidth_gb_s: 3000\nmemory_gb: 80\nsource: me\n"
LAW = 'formula = "a x"\n'


@pytest.fixture(scope="module")
def fit_json() -> str:
    return sl.fit_law("vlm_reasoning", bootstrap=0).to_json()


@pytest.fixture
def here(tmp_path: Path, fit_json: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one file of every kind that a command reads."""
    texts = {"t.csv": CSV, "f.json": fit_json, "lat.csv": LATENCIES, "card.yaml": CARD, "law.py": LAW,
             "models.yaml": "models: [qwen1.5-4b]\n", "res.yaml": "rules: []\n", "r.html": CSV}  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = [
    ("t.csv", ["fit", "t.csv", "--bootstrap", "0", "-o", "OUT"]),
    ("t.csv", ["fit", "./t.csv", "--bootstrap", "0", "--output", "OUT"]),
    ("t.csv", ["fit", "t.csv", "--bootstrap", "0", "--output=OUT"]),
    ("t.csv", ["fit", "t.csv", "--bootstrap", "0", "-oOUT"]),
    ("law.py", ["fit", "t.csv", "--law", "./law.py", "-o", "OUT"]),
    ("law.py", ["fit", "t.csv", "--law", "./law.py:2", "-o", "OUT"]),
    ("law.py", ["fit", "t.csv", "--law", "auto", "--laws", "power,./law.py", "-o", "OUT"]),
    ("t.csv", ["compare", "t.csv", "-o", "OUT"]),
    ("f.json", ["optimize", "f.json", "--budget", "8e11", "-o", "OUT"]),
    ("f.json", ["optimize", "--fit", "a=f.json", "--budget", "8e11", "-o", "OUT"]),
    ("models.yaml", ["optimize", "f.json", "--budget", "8e11", "--models", "models.yaml", "-o", "OUT"]),
    ("models.yaml", ["optimize", "f.json", "--budget", "8e11", "--models=models.yaml", "-o", "OUT"]),
    ("card.yaml", ["optimize", "f.json", "--budget", "8e11", "--hardware", "card.yaml", "-o", "OUT"]),
    ("card.yaml", ["cost", "qwen1.5-4b", "--hardware", "card.yaml", "-o", "OUT"]),
    ("lat.csv", ["calibrate", "lat.csv", "--hardware", "h100-sxm", "-o", "OUT"]),
    ("card.yaml", ["calibrate", "lat.csv", "--hardware", "card.yaml", "-o", "OUT"]),
    ("t.csv", ["import", "long_csv", "t.csv", "-o", "OUT"]),
    ("models.yaml", ["import", "long_csv", "t.csv", "--models", "models.yaml", "-o", "OUT"]),
    ("f.json", ["report", "f.json", "-o", "OUT"]),
    ("r.html", ["report", "f.json", "r.html", "-o", "OUT"]),
]
LINKS: dict[str, Callable[[Path], str]] = {
    "itself": lambda path: path.name,
    "another spelling": lambda path: f"../{path.parent.name}/./{path.name}",
    "absolute": str,
    "link": lambda path: _made(path, os.symlink),
    "hard link": lambda path: _made(path, os.link),
    "link to a link": lambda path: _made(Path(_made(path, os.symlink)), os.symlink, "two"),
}


def _made(path: Path, make: Callable[..., None], name: str = "one") -> str:
    other = path.with_name(f"{name}{path.suffix}")
    make(path.name, other)
    return str(other)


@pytest.mark.parametrize("way", LINKS)
@pytest.mark.parametrize(("read", "arguments"), COMMANDS, ids=lambda value: " ".join(value)[:50])
def test_an_input_is_never_overwritten(
    read: str, arguments: list[str], way: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (here / read).read_bytes()
    output = LINKS[way](here / read)
    assert main([*(word.replace("OUT", output) for word in arguments), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "would_overwrite_input"
    assert (here / read).read_bytes() == before


def test_a_file_that_a_catalogue_names_is_an_input(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = json.dumps({"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 99,
                         "num_attention_heads": 4, "intermediate_size": 128})  # fmt: skip
    (here / "config.json").write_text(config)
    (here / "models.yaml").write_text("models: [{name: a, n_params: 1e9, config: ./config.json}]\n")
    arguments = [
        "optimize",
        "f.json",
        "--budget",
        "1e15",
        "--models",
        "models.yaml",
        "-o",
        "config.json",
        "--json",
    ]
    assert main(arguments) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "would_overwrite_input"
    assert (here / "config.json").read_text() == config


def test_a_sweep_does_not_overwrite_its_experiment(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "question: does it stay?  # mine\nllms: [16x1]\nvisual_tokens: [1]\n"
    (here / "experiment.yaml").write_text(text)
    assert main(["sweep", "experiment.yaml", "--out", ".", "--prepare", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "not_ours"
    assert (here / "experiment.yaml").read_text() == text


def test_a_link_stays_and_its_file_keeps_its_permissions(here: Path) -> None:
    (here / "real.json").write_text("old")
    (here / "real.json").chmod(0o640)
    (here / "link.json").symlink_to("real.json")
    assert main(["fit", "t.csv", "--bootstrap", "0", "-o", "link.json"]) == 0
    assert (here / "link.json").is_symlink()
    assert json.loads((here / "real.json").read_text())["ok"]
    assert stat.S_IMODE((here / "real.json").stat().st_mode) == 0o640


def test_a_link_that_the_user_did_not_name_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "part").symlink_to("precious")
    paths.write_text(tmp_path / "part", "new")
    assert (tmp_path / "precious").read_text() == "kept"
    assert not (tmp_path / "part").is_symlink()


def test_a_named_pipe_is_written_to_where_a_process_reads_it(here: Path) -> None:
    os.mkfifo(here / "pipe")
    with pytest.raises(InputError) as refusal:
        paths.write_text(here / "pipe", "x", by_user=True)
    assert refusal.value.code == "cannot_write"
    changed: list[str] = []
    reader = threading.Thread(target=lambda: changed.append((here / "pipe").read_text()))
    reader.start()
    while True:
        try:
            paths.write_text(here / "pipe", "answer", by_user=True)
            break
        except InputError:
            continue
    reader.join(10)
    assert changed == ["answer"]
    assert stat.S_ISFIFO((here / "pipe").stat().st_mode)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_a_device_stays_a_device(device: str, here: Path) -> None:
    code = main(["fit", "t.csv", "--bootstrap", "0", "-o", device])
    assert code == (2 if device == "/dev/full" else 0)
    assert stat.S_ISCHR(os.stat(device).st_mode)
    assert main(["report", "f.json", "-o", device]) == 2
    assert stat.S_ISCHR(os.stat(device).st_mode)


@pytest.mark.parametrize(
    "place", ["folder", "folder/", "new/", "t.csv/x", "loop", "n" * 300, "socket", "read_only.json"]
)
def test_what_cannot_be_written_is_one_sentence(
    place: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "folder").mkdir()
    (here / "loop").symlink_to("loop")
    (here / "read_only.json").write_text("kept")
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: "read_only" not in str(path) and real(path, mode))
    if place == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as made:
            made.bind("socket")
    assert main(["fit", "t.csv", "--bootstrap", "0", "--json", "-o", place]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "cannot_write"
    assert (here / "read_only.json").read_text() == "kept"
    assert not list(here.glob(".*.part"))


READ_ONLY = [
    ["fit", "t.csv", "--bootstrap", "0", "-o", "OUT"],
    ["compare", "t.csv", "--laws", "power", "--input", "n_params=n_params", "-o", "OUT"],
    ["optimize", "f.json", "--budget", "8e11", "-o", "OUT"],
    ["calibrate", "lat.csv", "--hardware", "h100-sxm", "-o", "OUT"],
    ["import", "long_csv", "t.csv", "--score", "error=1", "-o", "OUT"],
    ["report", "f.json", "-o", "OUT"],
    ["plot", "f.json", "--figure", "curves", "-o", "OUT"],
]


@pytest.mark.parametrize(
    "way", ["itself", "another spelling", "absolute", "link", "hard link", "link to a link"]
)
@pytest.mark.parametrize("arguments", READ_ONLY, ids=lambda value: value[0])
def test_a_file_without_a_write_bit_is_not_replaced_by_the_superuser_either(
    arguments: list[str], way: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suffix = {"report": ".html", "plot": ".svg", "import": ".parquet"}.get(arguments[0], ".json")
    (here / f"kept{suffix}").write_text("kept")
    (here / f"kept{suffix}").chmod(0o444)
    output = LINKS[way](here / f"kept{suffix}")
    assert main([*(word.replace("OUT", output) for word in arguments), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "cannot_write"
    assert (here / f"kept{suffix}").read_text() == "kept"
    with pytest.raises(InputError) as refusal:
        paths.write_text(here / f"kept{suffix}", "new", by_user=True)
    assert refusal.value.code == "cannot_write"


STREAMS = {
    "fit t.csv --bootstrap 0 >>t.csv": "t.csv",
    "fit t.csv --bootstrap 0 2>>t.csv": "t.csv",
    "fit t.csv --bootstrap 0 >>t.csv 2>&1": "t.csv",
    "fit t.csv --bootstrap 0 --json >>t.csv": "t.csv",
    "fit t.csv --bootstrap 0 --json 2>>hard.csv": "t.csv",
    "fit - --bootstrap 0 <t.csv >>t.csv": "t.csv",
    "fit /dev/stdin --bootstrap 0 <t.csv 2>>link.csv": "t.csv",
    "fit t.csv --bootstrap 0 -o /dev/fd/3 3>>t.csv": "t.csv",
    "fit t.csv --bootstrap 0 -o /dev/stdout >>t.csv": "t.csv",
    "fit t.csv --no-such-option 2>>t.csv": "t.csv",
    "show ./t.csv >>t.csv": "t.csv",
    "fit t.csv --law ./law.py >>law.py": "law.py",
    "optimize f.json --budget 8e11 --models catalogue.yaml >>config.json": "config.json",
    "optimize f.json --budget 8e11 --hardware card.yaml 2>>card.yaml": "card.yaml",
    "import long_csv t.csv -o new.parquet 2>>t.csv": "t.csv",
    "sweep e.yaml --dry-run >>e.yaml": "e.yaml",
    "show sweep >>sweep/results.parquet": "sweep/results.parquet",
    "show sweep 2>>sweep/cells.json": "sweep/cells.json",
}


@pytest.mark.parametrize("line", STREAMS)
def test_a_standard_stream_does_not_write_into_an_input(line: str, here: Path) -> None:
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 99,
              "num_attention_heads": 4, "intermediate_size": 128}  # fmt: skip
    (here / "config.json").write_text(json.dumps(config))
    (here / "catalogue.yaml").write_text("models: [{name: a, n_params: 1e9, config: ./config.json}]\n")
    (here / "e.yaml").write_text("question: does it stay?\nllms: [16x1]\nvisual_tokens: [1]\n")
    (here / "link.csv").symlink_to("t.csv")
    os.link("t.csv", "hard.csv")
    (here / "sweep").mkdir()
    for name in ("experiment.yaml", "cells.json", "results.parquet"):
        (here / "sweep" / name).write_text("{}")
    before = (here / STREAMS[line]).read_bytes()
    done = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m scalelaw {line}"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert (here / STREAMS[line]).read_bytes() == before
    if ">>" in line.replace("2>>", "") and "2>&1" not in line:
        assert "one of the inputs" in done.stderr.lower()
    elif "2>>" in line and "--json" in line:
        assert json.loads(done.stdout)["error"]["code"] == "would_overwrite_input"
    elif "2>>" in line:
        assert "one of the inputs" in done.stdout.lower()


@pytest.mark.parametrize("name", ["n" * 250 + ".json", os.fsdecode(b"\xff\xe9.json")])
def test_a_long_name_and_one_that_is_not_utf8_are_written(name: str, here: Path) -> None:
    assert main(["fit", "t.csv", "--bootstrap", "0", "-o", name]) == 0
    assert os.path.isfile(name)


def test_a_full_disk_leaves_the_old_file_and_no_half(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    target.write_text("old")
    with pytest.raises(InputError) as refusal, paths.atomic(target, by_user=True) as part:
        part.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert refusal.value.code == "cannot_write"
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]


def test_ctrl_c_while_an_answer_is_written_leaves_no_half(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    (here / "x.json").write_text("old")
    monkeypatch.setattr(Path, "replace", stop)
    assert main(["fit", "t.csv", "--bootstrap", "0", "-o", "x.json"]) == 130
    assert (here / "x.json").read_text() == "old"
    assert not list(here.glob(".*.part"))
