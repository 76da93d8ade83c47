"""`python -m robomem.cli` is `robomem`."""

import sys

from robomem.cli.entry import main

sys.exit(main())
