"""Start: what this is about, the whole way as one picture, the four tasks."""

import streamlit as st

from sslviz.ui import frame, prose, start_pipeline, start_view, tour

frame.require()
st.title("See what a network learns without labels")
with st.container(width=760):
    st.markdown(prose.read("start"))
tour.link(tour.stops()[0], "Take the tour: ten minutes", ":material/school:")
st.header("The whole way, on your images", anchor=False)
start_pipeline.show(start_view.posters())
st.header("Four questions that need no labels", anchor=False)
start_view.tasks()
start_view.prepare()
