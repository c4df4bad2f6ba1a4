"""Write every bundled table anew: python data/tables/rebuild.py

Published ones from their raw numbers; measured ones (`measured: experiments/NAME.yaml`) from sweeps/NAME, with what was
asked (NAME.yaml), where that sweep is here.
"""

from pathlib import Path

import pandas as pd
import yaml

from scalelaw import plugins
from scalelaw.files.paths import SweepFolder, bundled
from scalelaw.table.read import read_table
from scalelaw.table.schema import COLUMNS

HERE = Path(__file__).parent

for name, facts in yaml.safe_load(bundled("tables", "sources.yaml").read_text(encoding="utf-8")).items():
    if "measured" in facts:
        sweep = SweepFolder(Path("sweeps") / name)
        if not sweep.results.is_file():
            print(f"{name}: left as it is, {sweep.results} is not here")
            continue
        frame, warnings = read_table(sweep.root), ()
        (HERE / f"{name}.yaml").write_text(sweep.experiment.read_text(encoding="utf-8"), encoding="utf-8")
    else:
        made = plugins.load("importers", facts["importer"]).read(bundled(facts["raw"]), facts)
        frame, warnings = pd.DataFrame(made.rows), made.warnings
    frame = frame[[column for column in COLUMNS if column in frame and frame[column].notna().any()]]
    counts = [column for column in frame if COLUMNS[column][0] == "count"]
    frame = frame.astype(dict.fromkeys(counts, "Int64"))
    if "visual_tokens" in frame:
        frame["visual_tokens"] = frame["visual_tokens"].map("{:g}".format, na_action="ignore")
    frame.to_csv(HERE / f"{name}.csv", index=False)
    print(f"{name}: {len(frame)} rows")
    for code, message in warnings:
        print(f"  {code}: {message}")
