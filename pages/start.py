"""Start: what this is about, the four tasks in pictures, where to go."""

import streamlit as st

from sslviz.ui import frame, prose, start_view

frame.require()
st.title("See what a network learns without labels")
st.markdown(prose.read("start"))
st.header("Four questions that need no labels", anchor=False)
start_view.tasks()
st.header("Where to go", anchor=False)
start_view.steps()
start_view.prepare()
