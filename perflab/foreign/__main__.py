"""python -m perflab.foreign: the command `perflab` of the package of that name."""

import sys

from perflab.foreign.command import main

if __name__ == "__main__":
    sys.exit(main())
