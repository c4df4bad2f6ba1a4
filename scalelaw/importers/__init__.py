"""An importer: it turns published numbers or another tool's results into rows of the table. One file = one format.

An importer file defines `read(path, options) -> Imported` and OPTIONS:

    path      the file or folder to read
    options   what the files do not say (`--models FILE.yaml`): models (name pattern -> n_params, visual_tokens, ...),
              metrics (tool -> what its scores mean), task_families, experiment; csv formats also columns, scale,
              constants, scores, leave_out, average
    OPTIONS   the names of those that this importer takes: another, or a misspelt one, is refused before it is called;
              without OPTIONS all are passed on
    Imported  rows (mappings with columns of `scalelaw.table.read`), warnings ((code, message) pairs: what was left out,
              partial, a duplicate, judged differently), files (what was read)

It raises InputError for what it cannot read, never anything else; it reads a folder in a fixed order, so that the same
files give the same rows; it guesses no unit and no size, but says which line to add. It reports what it does not use
(code `not_used`) and refuses what another tool wrote. What is shared lies in the files that start with `_`:
`_scores.assemble` makes rows of scores by one set of rules (a score that is NaN or infinite gives no row),
`_duplicates` settles what is measured twice, `_metrics` knows the units (data/metrics.yaml), `_models` the patterns,
`_layout` which tool wrote a file, `_files` reads untrusted files safely.
"""
