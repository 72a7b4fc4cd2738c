"""Embeddings: the map of a set as a run sees it, nearest neighbours, and the images of a lasso."""

import streamlit as st

from sslviz import runs
from sslviz.ui import embedding_run, embedding_view, frame, plotly_js

frame.require()
run = embedding_run.choose(runs.listing(frame.workspace()))
images = frame.open_current() if run is not None else None
if run is not None and images is not None:
    if len(images) < 2:
        frame.nothing("This set has one image.", "A map needs at least two.", "images", "Add images")
    else:
        place = st.container()
        plotly_js.library()  # asked for first: the browser reads it while the map is prepared
        with place:
            embedding_view.explore(run, images)
        embedding_view.sheets(images)
