"""A benchmark file: the times that another tool measured, as rows for `scalelaw calibrate`. One file = one tool.

A file defines

    __doc__            the tool, its version, what its times are and in which unit
    matches(content)   whether the content of a JSON file is of this tool
    rows(content)      its rows, with the columns of `calibrate`, times in milliseconds. What the file does not state
                       is left out of a row. Raises InputError for failed requests, other units and other versions

What is shared lies in `_fields.py`.
"""
