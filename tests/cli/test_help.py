"""The options of every command stand under headings."""

from __future__ import annotations

import pytest
import typer

from scalelaw import cli
from scalelaw.cli.help import SECTIONS, section


@pytest.mark.parametrize("command", cli.commands())
def test_every_option_stands_under_a_heading(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = typer.main.get_command(cli.app).commands[command]  # type: ignore[attr-defined]
    assert cli.main([command, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Options:" not in lines
    assert lines[0].startswith(f"Usage: scalelaw {command} [OPTIONS]")
    assert not [line for line in lines if "<" in line or "{" in line]  # no type of Python's
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


def test_an_option_takes_the_same_by_the_same_name_everywhere() -> None:
    made = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    apart = {"tie", "models", "visual-tokens", "batch", "output", "law"}
    taken: dict[str, set[str]] = {}
    for command in made.values():
        for param in command.params:
            if param.param_type_name == "option" and not param.is_flag:
                name = max(param.opts, key=len).lstrip("-")
                assert param.metavar, f"--{name} of {command.name} does not say what it takes"
                taken.setdefault(name, set()).add(param.metavar)
    assert {name for name, shown in taken.items() if len(shown) > 1} <= apart


def test_the_list_of_commands_cuts_no_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "..." not in said.replace("[ARGS]...", "")
    assert "its numbers lie beside it as JSON and csv." in said
