"""The command that measures: sweep."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scalelaw.cli.app import Json, app, give
from scalelaw.cli.help import Sectioned
from scalelaw.errors import InputError
from scalelaw.files.safe_text import say

if TYPE_CHECKING:
    from scalelaw.config import Experiment


@app.command("sweep", cls=Sectioned)
def sweep(
    experiment: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT.yaml", help="The experiment, or the folder of an unfinished sweep."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="The sweep's folder. [default: sweeps/NAME]",
            metavar="DIR",
            rich_help_panel="Output",
        ),
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            help="Where cells run: inline, local, slurm or ray (scalelaw list executors), or your own file.",
            metavar="NAME",
            rich_help_panel="Running",
        ),
    ] = "local",
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Cells at once. [default: the cores; with slurm 256, with ray 1000]",
            metavar="NUMBER",
            rich_help_panel="Running",
        ),
    ] = None,
    resources: Annotated[
        Path | None,
        typer.Option(
            help="A YAML file of rules: the resources of a cell, by the LLM's size.",
            metavar="FILE.yaml",
            rich_help_panel="Running",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the cells, their FLOPs and their resources; train nothing.",
            rich_help_panel="Running",
        ),
    ] = False,
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Write the sweep's folder for run-cell; train nothing.",
            rich_help_panel="Running",
        ),
    ] = False,
    status: Annotated[
        bool,
        typer.Option(
            "--status",
            help="Show which cells are done, failed, missing or stale, and why.",
            rich_help_panel="Running",
        ),
    ] = False,
    track: Annotated[
        list[str] | None,
        typer.Option(
            help="Also send each cell's log to tensorboard, trackio or wandb; repeatable.",
            metavar="NAME",
            rich_help_panel="Running",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Override a key of the experiment: recipe.steps=100; repeatable.",
            metavar="KEY=VALUE",
            rich_help_panel="Data",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train and score every cell of an experiment that has no result yet.

    Example: scalelaw sweep experiments/demo.yaml --jobs 2
    """
    from scalelaw.config import read_experiment, read_resources
    from scalelaw.files.paths import SweepFolder
    from scalelaw.sweep import plan_sweep, prepare_sweep, run_sweep

    extra = [f"track=[{', '.join(track)}]"] if track else []
    if os.path.isdir(experiment):
        out, experiment = out or experiment, SweepFolder(experiment).experiment
    spec = read_experiment(experiment, [*(changes or []), *extra])
    if resources is not None:
        spec = spec.model_copy(update={"resources": read_resources(resources)})
    folder = out or Path("sweeps") / spec.name
    if os.path.isfile(folder):
        raise InputError(f"{folder} is a file, not a sweep's folder.", code="not_a_folder")
    if status:
        _status(spec, folder, as_json)
        return
    if prepare:
        prepare_sweep(spec, folder)
    if dry_run or prepare:
        planned = plan_sweep(spec, folder, executor, jobs)

        def words() -> None:
            from scalelaw.cli.show.sweep import show_cells

            show_cells(planned)
            for ask in planned.asks:
                say(f"{executor}: " + ", ".join(f"{key} {value}" for key, value in ask.items()))

        give("sweep", planned.to_dict(), planned.warnings, as_json=as_json, words=words)
        return
    result = run_sweep(spec, folder, executor=executor, jobs=jobs)

    def summary() -> None:
        from scalelaw.cli.show.sweep import show_sweep

        show_sweep(result)

    give("sweep", result.to_dict(), result.warnings, as_json=as_json, words=summary)


def _status(spec: Experiment, folder: Path, as_json: bool) -> None:
    from scalelaw.sweep import sweep_status

    status = sweep_status(spec, folder)
    if not as_json:
        counts = ", ".join(f"{count} {state}" for state, count in status.counts().items() if count)
        runner = "; a runner is at work" if status.running else ""
        say(f"{len(status.cells)} cell{'s' * (len(status.cells) != 1)}: {counts}{runner}")
        for cell in status.cells:
            if cell["state"] != "done":
                say(
                    f"{cell['state']:8} {cell['cell']} {cell['label']}{': ' if cell['reason'] else ''}{cell['reason']}"
                )
        for cell in status.stale:
            say(f"stale    {cell['cell']}: {cell['why']}")
    give("sweep", status.to_dict(), as_json=as_json)


@app.command("run-cell", cls=Sectioned)
def run_cell(
    cell: Annotated[
        str,
        typer.Argument(metavar="ID", help="The name of a cell or stage, or the index of a cell: 0, 1, ..."),
    ],
    sweep: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="The sweep's folder (scalelaw sweep --prepare).", rich_help_panel="Data"
        ),
    ],
    as_json: Json = False,
) -> None:
    """Run one cell of a sweep and its stages where they are missing, under any scheduler.

    Example: scalelaw run-cell 0 --sweep sweeps/demo
    """
    from scalelaw.sweep.cell import run_one

    name, result = run_one(sweep, cell)
    if not as_json:
        say(result)
    give("run-cell", {"cell": name, "result": result}, as_json=as_json)
