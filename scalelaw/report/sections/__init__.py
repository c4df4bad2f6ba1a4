"""The sections of a report, each a function from a study to what stands on its pages."""
