"""Shortcuts: what gives an answer away, the guards against it, and what shows when one is switched off."""

import streamlit as st

from sslviz.ui import frame, shortcuts_view

frame.require()
st.title("Shortcuts", anchor=False)
images = frame.open_current()
if images is not None:
    shortcuts_view.explore(images)
