"""The planner's commands: what a person mistypes, and what a plain decoder's bill says."""

from __future__ import annotations

import pytest

from scalelaw import cli


def test_a_range_with_one_end_names_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cost", "llava-1.5-7b", "--hardware", "h100", "--mfu", "0.3:"]) == 2
    assert "--mfu: '' is not a number" in capsys.readouterr().err


def test_a_number_beyond_all_flops_gets_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cost", "llava-1.5-7b", "--explain", "1e400"]) == 2
    assert "'1e400' is not a number of FLOPs" in capsys.readouterr().err
