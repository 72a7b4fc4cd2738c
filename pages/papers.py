"""Papers: what was published, beside what the same experiment gives here."""

import streamlit as st

from sslviz.ui import frame, papers_view

frame.require()
st.title("Papers", anchor=False)
papers_view.explore()
