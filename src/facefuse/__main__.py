"""``python -m facefuse``."""

import sys

from facefuse.cli.main import main

sys.exit(main())
