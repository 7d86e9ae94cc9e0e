"""``python -m zlab.bench``."""

import sys

from zlab.bench import main

sys.exit(main(sys.argv[1:]))
