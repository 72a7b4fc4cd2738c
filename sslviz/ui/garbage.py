"""When the server looks for what nobody holds any more.

Streamlit does after every run of a page or of a part of one, in all generations, while everybody else waits:
with thirty visitors that was half of what the server did. It is told not to (`runner.postScriptGC`), Python
does it as it does anywhere, and what Python leaves lying is collected here, every so often.
"""

from __future__ import annotations

import functools
import gc
import sys
import threading
import time

from sslviz import allocating

SECONDS = 20.0
MODULES = 100


@functools.cache
def keep() -> threading.Thread:
    """Look every `SECONDS`, for as long as the process lives."""
    allocating.share_arenas()
    thread = threading.Thread(target=_look, name="garbage", daemon=True)
    thread.start()
    return thread


def _look() -> None:
    imported = 0
    while True:
        time.sleep(SECONDS)
        imported = collect(imported)
        allocating.give_back()


def collect(imported: int) -> int:
    """Collect garbage; where many modules have come, only take what is loaded out of the collector's sight:
    to walk over torch and pandas each time, or once, holds up everybody for a tenth of a second and more.

    `imported`: modules that were there the last time; returns what to give the next.
    """
    now = len(sys.modules)
    if now >= imported + MODULES:
        gc.freeze()
        return now
    gc.collect()
    return imported
