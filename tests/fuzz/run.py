"""The long run: python tests/fuzz/run.py [--inputs 1000000] [--seed 0] [--only TARGET] [--engine hypothesis|atheris]

Prints a line for each target, and every fault with its input; exits 1 where there is one. With atheris each target runs
in a process of its own, and the package is imported so that the fuzzer sees which lines an input reaches.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def main() -> int:
    """Run; 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--inputs", type=int, default=1_000_000, help="of all targets, or of the one that is named"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one target's name")
    parser.add_argument("--engine", choices=("seeded", "hypothesis", "atheris"), default="seeded")
    parser.add_argument("--docs", type=Path, help="write the figures into this page, between its marks")
    arguments = parser.parse_args()
    atheris = arguments.engine == "atheris" and arguments.only
    with _seen(atheris):
        from engines import ENGINES
        from targets import TARGETS

    whole, faults, inputs, rows = sum(t.share for t in TARGETS), 0, 0, list[str]()
    start = time.perf_counter()
    for target in TARGETS:
        if arguments.only not in (None, target.name):
            continue
        count = arguments.inputs if arguments.only else max(1, round(arguments.inputs * target.share / whole))
        if arguments.engine == "atheris" and not arguments.only:
            same = [sys.executable, __file__, "--engine", "atheris", "--seed", str(arguments.seed)]
            completed = subprocess.run(
                [*same, "--only", target.name, "--inputs", str(count)], capture_output=True, text=True
            )
            print(
                completed.stdout
                if completed.stdout.strip()
                else f"{target.name}: {completed.stderr[-3000:]}",
                end="",
                flush=True,
            )
            faults += completed.returncode != 0
            continue
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            report = ENGINES[arguments.engine](target, count, arguments.seed, Path(folder))
        print(report, flush=True)
        rows.append(
            f"| {target.name} | {report.inputs:,} | {report.answers:,} | {report.refusals:,} | {report.seconds:.0f} | "
            f"{report.slowest:.2f} | {report.memory >> 20} |"
        )
        faults += len(report.faults) + report.repeated
        inputs += report.inputs
    completed = f"{inputs:,} inputs, {faults} faults, {time.perf_counter() - start:.0f} s"
    print(completed)
    if arguments.docs and rows:
        _write(arguments.docs, f"{completed}; seed {arguments.seed}, engine {arguments.engine}", rows)
    return 1 if faults else 0


def _write(page: Path, summary: str, rows: list[str]) -> None:
    """Put the figures of a run between the page's marks for its engine."""
    engine = summary.rpartition(" ")[2]
    begin, end = f"<!-- fuzzed by {engine} -->", "<!-- /fuzzed -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    head = (
        "| target | inputs | answers | refusals | s | slowest s | peak MiB |\n|---|---|---|---|---|---|---|"
    )
    table = "\n".join([f"{summary}.", "", head, *rows])
    page.write_text(f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


@contextlib.contextmanager
def _seen(atheris: bool):
    """Import what follows so that atheris sees its branches, where it is asked to."""
    if not atheris:
        yield
        return
    import atheris as fuzzer

    with fuzzer.instrument_imports(include=["scalelaw"]):
        yield


if __name__ == "__main__":
    sys.exit(main())
