"""Runs: all of them in a table, one of them in full or several compared."""

import streamlit as st

from sslviz import runs
from sslviz.errors import UserError
from sslviz.ui import frame, plotly_js, run_detail, run_table

frame.require()
st.title("Runs", anchor=False)
found = runs.listing(frame.workspace())
known = {run.id for run in found}
for wanted in run_table.asked():
    if wanted not in known:
        frame.problem(UserError(f"There is no run {wanted[:40]!r}.", "It may have been deleted."))
chosen = run_table.choose(found)
if len(chosen) == 1:
    run_detail.detail(chosen[0])
elif chosen:
    run_detail.compare(chosen)
plotly_js.library()
