"""`python -m scalelaw`: the command."""

import sys

from scalelaw.cli import main

sys.exit(main())
