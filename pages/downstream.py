"""Downstream: what the features of a run are worth for tasks that somebody wants solved."""

from sslviz import runs
from sslviz.ui import downstream_view, embedding_run, frame

frame.require()
run = embedding_run.choose(runs.listing(frame.workspace()), "Downstream")
images = frame.open_current() if run is not None else None
if run is not None and images is not None:
    downstream_view.explore(run, images)
