"""`python -m selkie_runner`."""

import sys

from .main import main

sys.exit(main())
