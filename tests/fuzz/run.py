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
    given = parser.parse_args()
    atheris = given.engine == "atheris" and given.only
    with _seen(atheris):
        from engines import ENGINES
        from targets import TARGETS

    whole, faults, inputs, rows = sum(t.share for t in TARGETS), 0, 0, list[str]()
    start = time.perf_counter()
    for target in TARGETS:
        if given.only not in (None, target.name):
            continue
        count = given.inputs if given.only else max(1, round(given.inputs * target.share / whole))
        if given.engine == "atheris" and not given.only:
            same = [sys.executable, __file__, "--engine", "atheris", "--seed", str(given.seed)]
            told = subprocess.run(
                [*same, "--only", target.name, "--inputs", str(count)], capture_output=True, text=True
            )
            print(
                told.stdout if told.stdout.strip() else f"{target.name}: {told.stderr[-3000:]}",
                end="",
                flush=True,
            )
            faults += told.returncode != 0
            continue
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            report = ENGINES[given.engine](target, count, given.seed, Path(folder))
        print(report, flush=True)
        rows.append(
            f"| {target.name} | {report.inputs:,} | {report.answers:,} | {report.refusals:,} | {report.seconds:.0f} | "
            f"{report.slowest:.2f} | {report.memory >> 20} |"
        )
        faults += len(report.faults) + report.repeated
        inputs += report.inputs
    told = f"{inputs:,} inputs, {faults} faults, {time.perf_counter() - start:.0f} s"
    print(told)
    if given.docs and rows:
        _write(given.docs, f"{told}; seed {given.seed}, engine {given.engine}", rows)
    return 1 if faults else 0


def _write(page: Path, told: str, rows: list[str]) -> None:
    """Put the figures of a run between the page's marks for its engine."""
    engine = told.rpartition(" ")[2]
    begin, end = f"<!-- fuzzed by {engine} -->", "<!-- /fuzzed -->"
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    head = (
        "| target | inputs | answers | refusals | s | slowest s | peak MiB |\n|---|---|---|---|---|---|---|"
    )
    table = "\n".join([f"{told}.", "", head, *rows])
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
