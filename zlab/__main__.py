"""``python -m zlab`` is the ``zlab`` command."""

import sys

from zlab.cli import main

sys.exit(main())
