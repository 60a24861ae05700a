"""The library alone, without database or queue: `python -m ml train | evaluate | score | verify`."""

import sys

from ml.cli import main

if __name__ == "__main__":
    sys.exit(main())
