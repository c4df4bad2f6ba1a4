"""`python -m scalelaw`: the command, with modules from where Python is installed, not from the working directory."""

import os
import sys


def _leave_working_directory() -> None:
    """Remove the working directory, which `python -m` puts first, from the folders of modules.

    It stays where this package itself is imported from it.
    """
    if sys.flags.safe_path or not sys.path:
        return
    try:
        here, first = os.path.realpath("."), os.path.realpath(sys.path[0] or ".")
    # a working directory that was removed
    except OSError:
        return
    if first == here != os.path.dirname(os.path.dirname(os.path.realpath(__file__))):
        del sys.path[0]


_leave_working_directory()

from scalelaw.cli import main  # noqa: E402

sys.exit(main())
