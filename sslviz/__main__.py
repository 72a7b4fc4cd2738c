"""`python -m sslviz` is the `sslviz` command."""

import sys


def main() -> None:
    """The console script: `sslviz.cli.main`, which may be interrupted while it is imported too."""
    try:
        from sslviz.cli import main as command
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
