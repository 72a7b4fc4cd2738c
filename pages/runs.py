"""Runs: all of them in a table, one of them in full."""

import streamlit as st

from sslviz import runs
from sslviz.ui import frame, run_table

frame.require()
st.title("Runs")
found = runs.listing(frame.workspace())
chosen = None
wanted = st.query_params.get("run")
if wanted is not None:
    with frame.guard():
        chosen = runs.open_run(frame.workspace(), wanted)
picked = run_table.choose(found, chosen)
if picked is not None:
    run_table.detail(picked)
