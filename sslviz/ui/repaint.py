"""How long a page takes to be drawn again when something on it is changed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from sslviz import preview
from sslviz.imagesets import ImageSet
from sslviz.options import make_task

TASK = "jigsaw"
TRIES = 5


def measure(images: ImageSet, script: Path) -> dict[str, Any]:
    """Seconds of the page's script when another example is asked for, the median of a few, beside making the
    example alone; `script` is app.py. The browser's own part is left out."""
    from streamlit.testing.v1 import AppTest  # which machines that only train may lack

    app = AppTest.from_file(str(script), default_timeout=120).run()
    app.switch_page(str(Path("pages") / f"{TASK}.py")).run()
    app.query_params["images"] = images.name
    app.run()
    again = next(button for button in app.button if button.label == "Another one")
    taken = []
    for _ in range(TRIES):
        began = time.perf_counter()
        again.click().run()
        taken.append(time.perf_counter() - began)
        again = next(button for button in app.button if button.label == "Another one")
    bound = preview.bind(make_task(TASK, {}), images, 0)
    alone = []
    for seed in range(TRIES):
        began = time.perf_counter()
        bound.examples(seed)
        alone.append(time.perf_counter() - began)
    return {
        "seconds": sorted(taken)[TRIES // 2],
        "bound": sorted(alone)[TRIES // 2],
        "bound_is": "making the example alone",
    }
