"""Numbers, formulas and sentences of a report."""
