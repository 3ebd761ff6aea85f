"""`python -m p2pcore`: the command line where no script is on the path."""

import sys

from p2pcore.cli import main

if __name__ == "__main__":
    sys.exit(main())
