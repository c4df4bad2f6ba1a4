"""YAML and JSON that somebody made to do harm."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import pytest

from scalelaw.config import read_experiment
from scalelaw.errors import InputError
from scalelaw.files import safe_load
from scalelaw.files.file_type import TABLE, otherwise
from scalelaw.files.safe_load import (
    is_pipe,
    parse_json,
    parse_yaml,
    read_bytes,
    read_text,
    read_yaml,
    special_file,
)
from scalelaw.results.envelope import dumps

LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 10)
)


def test_yaml_comes_as_it_is() -> None:
    text = "a: &x {b: [1, 2.5, yes, null, 2026-01-02]}\nc: *x\nd:\n  <<: *x\n  e: 1e3\n"
    parsed = parse_yaml(text, "it")
    assert parsed["c"] == parsed["a"] == {"b": parsed["a"]["b"]}
    assert parsed["d"] == {**parsed["a"], "e": "1e3"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LAUGHS, "stands for more than 500,000 values"),
        ("[" * 65 + "]" * 65, "deeper than 64"),
        ("- " * 200_000 + "a", "deeper than 64"),  # the fast parser alone ends the process on it
        ("a: &a [*a]", "where that is not whole"),
        ("a: &a [1]\nb: &a [*a]", "where that is not whole"),
        ("a: *b", "where that is not whole"),
        ("!!python/object/apply:os.system [ls]", "is not YAML"),
        ("!!python/name:os.system", "is not YAML"),
        ("a: 2020-99-99", "cannot be read"),
        ("a: !!int x", "cannot be read"),
        ("a: !!timestamp x", "cannot be read"),
        ("a: !!bool x", "cannot be read"),
        ("a: !!int ", "cannot be read"),
        ("a: " + "9" * 5000, "cannot be read"),
        ("a: 1\n--- b", "is not YAML"),
    ],
)
def test_yaml_that_does_harm_gets_a_sentence(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^mine.*{says}") as refusal:
        parse_yaml(text, "mine")
    assert refusal.value.code == "bad_yaml"
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(InputError):
        read_experiment(tmp_path / "e.yaml")


def test_ten_thousand_seeds_are_no_harm() -> None:
    assert len(parse_yaml(f"seeds: {list(range(10_000))}", "it")["seeds"]) == 10_000
    assert parse_yaml("[" * 60 + "]" * 60, "it")


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_text("a: 1" + " " * 100)
    with pytest.raises(InputError) as refusal:
        read_text(tmp_path / "a", 100)
    assert refusal.value.code == "too_large"
    monkeypatch.setattr(safe_load, "MOST_YAML_BYTES", 100)
    for read in (lambda: read_yaml(tmp_path / "a"), lambda: parse_yaml("a" * 101, "it")):
        with pytest.raises(InputError):
            read()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 5000, "{", ""])
def test_json_that_does_harm_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_half_of_a_surrogate_pair_can_be_printed() -> None:
    assert parse_json('{"\\ud800": ["\\uDFFF x", "\\ud83e\\udd99"]}') == {"�": ["� x", "🦙"]}
    assert json.loads(dumps({"a": "\udc80", "b": "é"})) == {"a": "\udc80", "b": "é"}
    dumps({"a": "\udc80"}).encode()


def test_a_device_a_socket_and_a_named_pipe_are_refused_at_once(tmp_path: Path) -> None:
    pipe, link, bound = tmp_path / "pipe", tmp_path / "link", tmp_path / "socket"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(bound))
        kernel = ("/proc/kmsg", "/proc/self/status", "/proc/self/mem", "/sys/kernel/notes")
        for path in (
            "/dev/zero",
            "/dev/null",
            "/dev/urandom",
            *filter(os.path.exists, kernel),
            pipe,
            link,
            bound,
        ):
            start = time.monotonic()
            for read in (read_text, read_bytes, read_yaml):
                with pytest.raises(InputError) as refusal:
                    read(Path(path))
                assert refusal.value.code == "special_file"
            assert time.monotonic() - start < 1
            assert otherwise(path, TABLE) == ""
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path)


def test_a_file_is_bounded_by_the_bytes_read_not_by_its_reported_size(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"x" * 11)
    assert read_bytes(tmp_path / "t", 11) == b"x" * 11
    with pytest.raises(InputError):
        read_bytes(tmp_path / "t", 10)


def test_a_regular_file_that_waits_for_data_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t").write_bytes(b"x")

    def waits(*_: object) -> bytes:
        raise BlockingIOError

    monkeypatch.setattr(os, "read", waits)
    with pytest.raises(InputError) as refusal:
        read_bytes(tmp_path / "t")
    assert refusal.value.code == "special_file"


def test_a_nul_is_no_part_of_text(tmp_path: Path) -> None:
    assert parse_json('{"a\\u0000": "b\\u0000", "a": ["b"]}') == {"a\ufffd": "b\ufffd", "a": ["b"]}
    for text in ('a: "b\\0"', '"a\\0": 1', '- "\\x00"'):
        with pytest.raises(InputError) as refusal:
            parse_yaml(text, "it")
        assert refusal.value.code == "bad_yaml"
    (tmp_path / "t").write_bytes(b"a\0")
    with pytest.raises(InputError) as refusal:
        read_text(tmp_path / "t")
    assert refusal.value.code == "not_text"


def _pipe(content: bytes) -> int:
    """The reading end of a pipe with content, its writing end closed."""
    ours, theirs = os.pipe()
    os.write(theirs, content)
    os.close(theirs)
    return ours


def test_a_pipe_that_the_process_holds_is_read() -> None:
    for name in ("/dev/fd/{}", "/proc/self/fd/{}"):
        handle = _pipe(b"{}\r\n")
        try:
            assert special_file(name.format(handle)) == ""
            assert is_pipe(name.format(handle))
            assert otherwise(name.format(handle), TABLE) == ""
            assert read_text(Path(name.format(handle))) == "{}\n"
        finally:
            os.close(handle)


def test_a_pipe_without_an_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_load, "IDLE_SECONDS", 0.05)
    ours, theirs = os.pipe()
    try:
        os.write(theirs, b"half")
        with pytest.raises(InputError) as refusal:
            read_bytes(f"/dev/fd/{ours}")
        assert refusal.value.code == "input_timeout"
        os.write(theirs, b"x" * 100)
        with pytest.raises(InputError) as refusal:
            read_bytes(f"/dev/fd/{ours}", 99)
        assert refusal.value.code == "too_large"
    finally:
        os.close(ours)
        os.close(theirs)
