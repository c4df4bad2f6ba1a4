"""The options of every command stand under headings."""

from __future__ import annotations

import pytest
import typer

from scalelaw import cli
from scalelaw.cli.help import HEADINGS, heading_of


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
            above = [line[:-1] for line in lines[:at] if line.endswith(":") and line[:-1] in HEADINGS]
            assert above[-1] == heading_of(param)
            assert param.name == "help" or param.rich_help_panel in HEADINGS, f"{name} has no heading"


def test_an_option_of_one_name_is_under_the_heading_of_its_command() -> None:
    made = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]

    def heading(command: str, name: str) -> str:
        return next(heading_of(param) for param in made[command].params if param.name == name)

    assert heading("fit", "tie") == "Parameters"
    assert heading("optimize", "tie") == "Question"
    assert heading("import", "models") == "Data"
    assert heading("optimize", "models") == "Choices"


def test_an_option_takes_the_same_by_the_same_name_everywhere() -> None:
    made = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    # `measure` takes several values of concurrency and generate, where others take one
    apart = {"tie", "models", "visual-tokens", "batch", "output", "law", "concurrency", "generate"}
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
    text = " ".join(capsys.readouterr().out.split())
    assert "..." not in text.replace("[ARGS]...", "")
    assert "and its numbers as JSON and csv." in text
