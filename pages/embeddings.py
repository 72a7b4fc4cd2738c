"""Embeddings: the map of a set as a run sees it, nearest neighbours, and the images of a lasso."""

import streamlit as st

from sslviz import runs
from sslviz.ui import embedding_map, embedding_run, embedding_view, frame

title, whose = st.columns([2, 3], vertical_alignment="bottom")
title.title("Embeddings")
images = frame.open_current()
if images is not None and len(images) < 2:
    frame.nothing("This set has one image.", "A map needs at least two.", "images", "Add images")
elif images is not None:
    with whose:
        run = embedding_run.choose(runs.listing(frame.workspace()))
    if run is not None:
        embedding_view.explore(run, images)
        embedding_map.library()
        embedding_view.sheets(images)
