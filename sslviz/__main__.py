"""`python -m sslviz` is the `sslviz` command."""

from sslviz.cli import main

if __name__ == "__main__":
    main()
