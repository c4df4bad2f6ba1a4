"""Write every bundled table anew from the raw numbers: python data/tables/rebuild.py"""

from pathlib import Path

import pandas as pd
import yaml

from scalelaw import plugins
from scalelaw.files import bundled
from scalelaw.table import COLUMNS

for name, facts in yaml.safe_load(bundled("tables", "sources.yaml").read_text(encoding="utf-8")).items():
    made = plugins.load("importers", facts["importer"]).read(bundled(facts["raw"]), facts)
    frame = pd.DataFrame(made.rows)
    frame = frame[[column for column in COLUMNS if column in frame and frame[column].notna().any()]]
    counts = [column for column in frame if COLUMNS[column][0] == "count"]
    frame = frame.astype({column: "Int64" for column in counts})
    frame.to_csv(Path(__file__).with_name(f"{name}.csv"), index=False)
    print(f"{name}: {len(frame)} rows")
    for code, message in made.warnings:
        print(f"  {code}: {message}")
