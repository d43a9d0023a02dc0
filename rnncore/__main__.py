"""`python -m rnncore` is the command `rnncore`."""

import sys

if __name__ == "__main__":
    try:
        from rnncore.cli import main

        main()
    except KeyboardInterrupt:  # while modules are loaded
        sys.exit(130)
