"""`python -m sslviz.scenes START STOP STEP SEED`: the rendering child."""

import sys

from sslviz.scenes.rendering import serve

if __name__ == "__main__":
    try:
        serve(sys.stdout.buffer, *map(int, sys.argv[1:]))
    except (BrokenPipeError, OSError):
        # Nobody reads any more. Standard output is closed here, or the interpreter would complain about it.
        sys.stderr.close()
