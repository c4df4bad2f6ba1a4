"""`python -m scalelaw.cli`: the same as the command `scalelaw`."""

import sys

from scalelaw.cli import main

sys.exit(main())
