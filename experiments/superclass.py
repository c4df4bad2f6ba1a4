"""Vision pre-training as a sweep of its own: what superclass.yaml states, measured two at a time.

python experiments/superclass.py [OUT.csv]          rows that OUT.csv has already are kept
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

HERE = Path(__file__).parent
KEYS = ["variant", "width", "samples", "batch", "images", "seed"]


def runs(stated: dict[str, Any]) -> list[dict[str, Any]]:
    """What is to be measured, once each; the shortest first."""
    base = {"batch": stated["batch"], "images": 1 << 20}
    kinds = {name: {"objective": name, "options": {}} for name in stated["objectives"]}
    middle = {"width": stated["width"], "samples": stated["at"]}
    found = []
    for seed in stated["seeds"]:
        for variant, kind in kinds.items():
            same = {"variant": variant, **kind, "seed": seed}
            found += [
                {**base, **same, "width": w, "samples": s}
                for w in stated["widths"]
                for s in stated["samples"]
            ]
            found += [{**base, **same, **middle, "batch": b} for b in stated["batches"]]
            found += [{**base, **same, **middle, "images": n} for n in stated["images"]]
        found += [
            {**base, "variant": v, **kind, "seed": seed, **middle} for v, kind in stated["variants"].items()
        ]
    once = {tuple(run[key] for key in KEYS): run for run in found}
    return sorted(once.values(), key=lambda run: (run["seed"], run["width"] * run["samples"]))


def one(dataset: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """Measure one tower, on one thread."""
    import torch

    from scalelaw import plugins
    from scalelaw.vlm.probe import Run, measure

    torch.set_num_threads(1)
    start = time.monotonic()
    world = plugins.load("datasets", dataset["name"]).Dataset(dataset["seed"])
    facts = {key: value for key, value in run.items() if key != "variant"}
    found = measure(world, Run(**facts), lambda _: None)
    kept = {key: run[key] for key in KEYS}
    return {**kept, **found, "seconds": round(time.monotonic() - start, 1)}


def main(out: Path) -> None:
    """Measure what is missing."""
    stated = yaml.safe_load((HERE / "superclass.yaml").read_text())
    done = pd.read_csv(out) if out.is_file() else pd.DataFrame(columns=KEYS)
    held = {tuple(row) for row in done[KEYS].itertuples(index=False)}
    missing = [run for run in runs(stated) if tuple(run[key] for key in KEYS) not in held]
    print(f"{len(held)} measured, {len(missing)} to measure", file=sys.stderr)
    rows = done.to_dict("records")
    with ProcessPoolExecutor(2) as pool:
        for row in pool.map(one, [stated["dataset"]] * len(missing), missing):
            rows.append(row)
            pd.DataFrame(rows).to_csv(out, index=False)
            print(
                " ".join(f"{key}={row[key]}" for key in [*KEYS, "probe_error", "zero_shot_error"]),
                file=sys.stderr,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "superclass.csv")
