"""Runs the command line as `python -m edgeface.cli`."""

import sys

from edgeface.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
