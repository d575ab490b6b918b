"""`python -m nilometer`: the same as `nilometer`."""

import sys

from nilometer.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
