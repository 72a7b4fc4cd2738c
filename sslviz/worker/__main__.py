"""`python -m sslviz.worker FOLDER`."""

import sys

from sslviz.worker import main

if __name__ == "__main__":
    main(sys.argv[1:])
