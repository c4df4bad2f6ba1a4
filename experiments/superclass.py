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
KEYS = ["variant", "width", "samples", "batch", "together", "images", "seed"]


def runs(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """What is to be measured, once each; the shortest first."""
    base = {"batch": plan["batch"], "together": plan["batch"], "images": 1 << 20}
    kinds = {name: {"objective": name, "options": {}} for name in plan["objectives"]}
    middle = {"width": plan["width"], "samples": plan["at"]}
    listed = []
    for seed in plan["seeds"]:
        for variant, kind in kinds.items():
            same = {"variant": variant, **kind, "seed": seed}
            listed += [
                {**base, **same, "width": w, "samples": s} for w in plan["widths"] for s in plan["samples"]
            ]
            listed += [{**base, **same, **middle, "batch": b, "together": b} for b in plan["batches"]]
            most = {"width": plan["width"], "samples": max(plan["samples"])}
            listed += [{**base, **same, **most, "together": t} for t in plan["together"]]
            listed += [{**base, **same, **middle, "images": n} for n in plan["images"]]
        listed += [
            {**base, "variant": v, **kind, "seed": seed, **middle} for v, kind in plan["variants"].items()
        ]
    once = {tuple(run[key] for key in KEYS): run for run in listed}
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
    measured = measure(world, Run(**facts), lambda _: None)
    kept = {key: run[key] for key in KEYS}
    return {**kept, **measured, "seconds": round(time.monotonic() - start, 1)}


def main(out: Path) -> None:
    """Measure what is missing."""
    plan = yaml.safe_load((HERE / "superclass.yaml").read_text())
    done = pd.read_csv(out) if out.is_file() else pd.DataFrame(columns=KEYS)
    known = {tuple(row) for row in done[KEYS].itertuples(index=False)}
    missing = [run for run in runs(plan) if tuple(run[key] for key in KEYS) not in known]
    print(f"{len(known)} measured, {len(missing)} to measure", file=sys.stderr)
    rows = done.to_dict("records")
    with ProcessPoolExecutor(2) as pool:
        for row in pool.map(one, [plan["dataset"]] * len(missing), missing):
            rows.append(row)
            pd.DataFrame(rows).to_csv(out, index=False)
            print(
                " ".join(f"{key}={row[key]}" for key in [*KEYS, "probe_error", "zero_shot_error"]),
                file=sys.stderr,
            )


def show(out: Path, figure: Path) -> None:
    """Error against size and samples, fitted for each objective; against what one loss sees, and against the batch."""
    import matplotlib.pyplot as plt

    from scalelaw import fit_law

    rows, plan = pd.read_csv(out), yaml.safe_load((HERE / "superclass.yaml").read_text())
    rows = rows[rows.images == 1 << 20]
    whole = rows[rows.together == rows.batch]
    at = rows[rows.width == plan["width"]]
    _, panels = plt.subplots(1, 3, figsize=(10.2, 3.0), layout="constrained")
    for objective, style in zip(plan["objectives"], ("o-", "s--"), strict=True):
        own = whole[(whole.batch == plan["batch"]) & (whole.variant == objective)]
        for law in ("product_power", "log_linear"):
            inputs = {"n_params": "n_params", "visual_tokens": "samples"}
            fitted = fit_law(own, law=law, inputs=inputs, target="probe_error", bootstrap=500)
            values = {name: (round(value, 4), [round(v, 4) for v in fitted.intervals.get(name, ())])
                    for name, value in fitted.params.items()}  # fmt: skip
            print(objective, law, len(own), "points", values, "rmse", round(fitted.rmse, 4), fitted.status)
        for i, (width, group) in enumerate(own.sort_values("samples").groupby("width")):
            label = f"{objective}, width {width}"
            panels[0].loglog(group.samples, group.probe_error, style, color=f"C{i}", ms=4, label=label)
        most = at[(at.samples == max(plan["samples"])) & (at.batch == plan["batch"])]
        split = most[most.variant == objective].sort_values("together")
        panels[1].semilogx(split.together, split.probe_error, style, color="C1", ms=4, label=objective)
        batch = at[(at.samples == plan["at"]) & (at.together == at.batch) & (at.variant == objective)]
        batch = batch.sort_values("batch")
        panels[2].semilogx(batch.batch, batch.probe_error, style, color="C1", ms=4, label=objective)
    steps = max(plan["samples"]) // plan["batch"]
    panels[0].set(xlabel="images seen", ylabel="linear-probe error", title="size and samples")
    panels[1].set(xlabel="images that one loss sees", ylim=(0.1, 0.35))
    panels[1].set_title(f"{steps} steps of {plan['batch']} images each")
    panels[2].set(xlabel="images a step", ylim=(0.1, 0.35), title=f"{plan['at']} images in all")
    together, batches = [plan["batch"], *plan["together"]], [plan["batch"], *plan["batches"]]
    for panel, places in zip(panels, (plan["samples"], together, batches), strict=True):
        panel.set_xticks(places, map(str, places), minor=False)
        panel.minorticks_off()
        panel.legend(fontsize=6)
        panel.title.set_fontsize(8)
    panels[0].set_yticks([0.02, 0.05, 0.1, 0.2, 0.4], ["0.02", "0.05", "0.1", "0.2", "0.4"])
    plt.rcParams["svg.hashsalt"] = "superclass"
    plt.savefig(figure, metadata={"Date": None} if figure.suffix == ".svg" else None)


if __name__ == "__main__":
    arguments = [Path(argument) for argument in sys.argv[1:]]
    if len(arguments) == 2:
        show(*arguments)
    else:
        main(arguments[0] if arguments else HERE / "superclass.csv")
