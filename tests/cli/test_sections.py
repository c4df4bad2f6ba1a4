"""The options of every command stand under headings."""

from __future__ import annotations

import pytest
import typer

from scalelaw import cli
from scalelaw.cli.sections import SECTIONS, section


@pytest.mark.parametrize("command", cli.commands())
def test_every_option_stands_under_a_heading(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = typer.main.get_command(cli.app).commands[command]  # type: ignore[attr-defined]
    assert cli.main([command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Options:" not in lines
    for param in made.params:
        if param.param_type_name == "option":
            name = max(param.opts, key=len)
            at = next(
                i
                for i, line in enumerate(lines)
                if line.startswith("  -") and name in line.replace(",", " ").split()[:2]
            )
            above = [line[:-1] for line in lines[:at] if line.endswith(":") and line[:-1] in SECTIONS]
            assert above[-1] == section(name.lstrip("-"), command)


def test_a_word_of_two_meanings_stands_where_it_is_meant() -> None:
    assert section("tie", "fit") == "Parameters"
    assert section("tie", "optimize") == "Question"
    assert section("models", "import") == "Data"
    with pytest.raises(KeyError):
        section("no-such-option", "fit")
