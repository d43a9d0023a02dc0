"""`python -m rnncore` is the command `rnncore`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while modules are loaded ends with code 130 too."""
    try:
        from rnncore import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
