"""The command that measures: sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalelaw.cli.face import Json, app, give


@app.command("sweep")
def sweep(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml", help="The experiment.")],
    out: Annotated[Path | None, typer.Option(help="The sweep's folder. [default: sweeps/NAME]")] = None,
    executor: Annotated[str, typer.Option(help="local or inline (scalelaw list executors).")] = "local",
    jobs: Annotated[int | None, typer.Option(min=1, help="Cells at once. [default: the cores]")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the cells and their FLOPs; train nothing.")
    ] = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Override a key: recipe.steps=100; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Train and score every cell of an experiment that has no result yet.

    Example: scalelaw sweep experiments/demo.yaml --jobs 2
    """
    from scalelaw.config import read_experiment
    from scalelaw.sweep import plan_sweep, run_sweep

    stated = read_experiment(experiment, changes)
    folder = out or Path("sweeps") / stated.name
    if dry_run:
        planned = plan_sweep(stated, folder)
        if not as_json:
            from scalelaw.report.terminal import show_cells

            show_cells(planned)
        give("sweep", planned.to_dict(), planned.warnings, as_json=as_json)
        return
    result = run_sweep(stated, folder, executor=executor, jobs=jobs)
    if not as_json:
        from scalelaw.report.terminal import show_sweep

        show_sweep(result)
    give("sweep", result.to_dict(), result.warnings, as_json=as_json)
