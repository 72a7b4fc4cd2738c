"""Tour and glossary: ten minutes with a class, questions that are asked, words."""

import streamlit as st

from sslviz.ui import frame, tour_view

frame.require()
st.title("Tour and glossary", anchor=False)
tour_view.explore()
