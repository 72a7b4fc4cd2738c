"""Embeddings: the map of a set as a run sees it, neighbours, maps side by side, inside the network."""

from sslviz import runs
from sslviz.ui import embedding_run, embedding_view, frame

frame.require()
run = embedding_run.choose(runs.listing(frame.workspace()), "Embeddings")
images = frame.open_current() if run is not None else None
if run is not None and images is not None:
    embedding_view.explore(run, images)
